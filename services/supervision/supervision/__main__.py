"""`python -m supervision api|worker|relay|job|migrate`."""

from citybus.launcher import main

main("supervision")

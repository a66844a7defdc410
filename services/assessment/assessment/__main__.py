"""`python -m assessment api|worker|relay|job|migrate`."""

from citybus.launcher import main

main("assessment")

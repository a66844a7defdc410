"""`python -m warehouse api|worker|relay|job|migrate`."""

from citybus.launcher import main

main("warehouse")

"""`python -m incentive api|worker|relay|job|migrate`."""

from citybus.launcher import main

main("incentive")

"""`python -m notification api|worker|relay|job|migrate`."""

from citybus.launcher import main

main("notification")

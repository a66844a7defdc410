"""The tables of incentive."""

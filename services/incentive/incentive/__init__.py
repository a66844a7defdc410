"""Incentive 激励关怀: fault tolerance 容错, and the follow-up of what it leads to."""

"""What the tests of all tiers share: real brokers and databases, and waiting on conditions."""

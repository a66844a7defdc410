"""The rules of incentive: pure functions over what they are given. No database, no broker, no clock."""

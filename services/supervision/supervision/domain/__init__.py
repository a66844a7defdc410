"""The rules of supervision: pure functions over what they are given. No database, no broker, no clock."""

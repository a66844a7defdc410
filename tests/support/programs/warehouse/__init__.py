"""A service of the mechanism alone, whose processes the launcher's tests start."""

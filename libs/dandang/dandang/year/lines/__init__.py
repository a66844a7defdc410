"""The lines of the year: what happens to whom, each told from its first day to its last."""

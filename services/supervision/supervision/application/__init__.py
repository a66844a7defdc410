"""What supervision can do, one module for each use case."""

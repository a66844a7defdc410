"""What notification can do, one module for each use case."""

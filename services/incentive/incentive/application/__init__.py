"""What incentive can do, one module for each use case."""

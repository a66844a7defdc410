"""What the service can do: one module for each use case, and the queries."""

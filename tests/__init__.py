"""The tests. `make help` says how to run each tier."""

"""The slice: one case through all four services, played by HTTP and told by what the services themselves know of it."""

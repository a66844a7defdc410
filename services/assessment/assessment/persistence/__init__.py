"""The service's own database."""

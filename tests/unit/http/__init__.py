"""The HTTP base without a network or a database."""

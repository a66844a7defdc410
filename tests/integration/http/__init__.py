"""The HTTP base on a real database and real sockets."""

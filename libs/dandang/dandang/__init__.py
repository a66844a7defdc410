"""The operators' command line, and the running of a whole city on one machine."""

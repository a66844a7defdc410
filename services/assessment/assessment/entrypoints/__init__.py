"""Where requests, events and jobs come in."""

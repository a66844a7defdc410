"""What a process tells about itself: structured logs without personal data, metrics, and its health."""

"""What comes in and goes out: requests, responses, events published and events consumed."""

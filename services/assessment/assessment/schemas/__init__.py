"""What is read from outside and what is told: requests, responses, events of others, events of ours."""

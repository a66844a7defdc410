"""Everything that one machine needs to run the city: broker, databases, processes, and their clean end."""

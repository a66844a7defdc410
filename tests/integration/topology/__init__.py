"""The topology on a real broker: drift, repair, and who may do what."""

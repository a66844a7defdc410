"""The files of the topology, and how names are matched."""

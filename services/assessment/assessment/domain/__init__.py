"""The rules, free of databases and networks: time and rule packs come in as arguments."""

"""The sub-commands of `dandang`, a module each."""

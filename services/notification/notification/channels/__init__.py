"""The channels on which bulletins appear, each behind the port that sending knows."""

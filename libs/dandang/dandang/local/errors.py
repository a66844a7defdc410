"""The errors of local running: each is told to a person in one line, without a traceback."""


class LocalError(Exception):
    """Something on this machine stands in the way. The text says what, and what to do."""


class StartFailed(LocalError):
    """A program ended, or was not ready in time. The text holds the end of its log."""

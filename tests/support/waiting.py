"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 10.0, every: float = 0.05, what: str = "") -> T:
    """Return what `look` returns as soon as that is true. Raises AssertionError after `within` seconds.

    An AssertionError that `look` raises counts as "not yet"; the last one is shown.
    """
    give_up = time.monotonic() + within
    last: object = None
    while True:
        try:
            last = found = look()
            if found:
                return found
        except AssertionError as error:
            last = error
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {within} s: {what or look}; last seen: {last!r}")
        time.sleep(every)

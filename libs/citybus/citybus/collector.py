"""Garbage collection for processes that work in batches."""

import gc


def ease() -> None:
    """Leave what was loaded at the start out of garbage collection, and collect less often.

    A batch makes many objects that live until its commit; looking at them again and again was an eighth of all work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)

"""Scratch folders outside pytest's own, with short paths."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """Give a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"dandang-{purpose}-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Secrets of this machine: made at first use, one file each, readable by their owner alone."""

import os
from pathlib import Path
from secrets import token_urlsafe


class Secrets:
    """A folder of secrets. A secret that is not there yet is made; one that is there is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file of the secret `name`, made where missing."""
        path = self.folder / name
        if not path.exists():
            self._make(path, token_urlsafe(32))
        return path

    def get(self, name: str) -> str:
        """Return the secret `name`, made where missing."""
        return self.path(name).read_text(encoding="utf-8")

    def put(self, name: str, value: str) -> Path:
        """Keep a secret that was made elsewhere, in place of an earlier one. Returns its file."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        self._make(path, value)
        return path

    def _make(self, path: Path, value: str) -> None:
        """Write whole or not at all; where two make it at once, the first one's value stands."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(value)
            try:
                os.link(draft, path)
            except FileExistsError:
                return
        finally:
            draft.unlink()

"""Domain time, which is injected. Tokens, leases, retries and the age of projections use real time instead."""

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """What the domain takes for the present."""

    def now(self) -> datetime:
        """Return the present as an aware datetime in Asia/Shanghai."""
        ...

    def today(self) -> date:
        """Return the present date in Asia/Shanghai."""
        ...


class SystemClock:
    """The machine's clock: the only one outside CITY_ENV=local."""

    def now(self) -> datetime:
        return datetime.now(ZONE)

    def today(self) -> date:
        return self.now().date()


class FixedClock:
    """A clock that stands until it is moved. For tests and replays."""

    def __init__(self, at: datetime) -> None:
        self.set(at)

    def set(self, at: datetime) -> None:
        """Put the clock to `at`, an aware datetime (ValueError if it is naive)."""
        if at.tzinfo is None:
            raise ValueError("a clock is set to an aware datetime")
        self._at = at.astimezone(ZONE)

    def advance(self, delta: timedelta) -> None:
        """Move the clock by `delta`."""
        self._at += delta

    def now(self) -> datetime:
        return self._at

    def today(self) -> date:
        return self._at.date()


class FileClock:
    """A clock that all processes of one machine share by a file; it runs on from the instant that was set.

    The file holds `<domain instant> <real instant at which it was set>`, both ISO 8601, or the word `stopped` in the
    second place, when domain time stands. A missing file means real time. Only for CITY_ENV=local.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: int | None = None
        self._set: tuple[datetime, datetime | None] | None = None

    def write(self, at: datetime, *, running: bool = False) -> None:
        """Set domain time to `at` for every process that shares the file, atomically."""
        anchor = datetime.now(ZONE).isoformat() if running else "stopped"
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.write_text(f"{at.astimezone(ZONE).isoformat()} {anchor}\n", encoding="ascii")
        draft.replace(self._path)

    def now(self) -> datetime:
        try:
            stamp = self._path.stat()
        except FileNotFoundError:
            return datetime.now(ZONE)
        # A replaced file has another inode even within one tick of the file system's clock.
        version = hash((stamp.st_mtime_ns, stamp.st_ino))
        if version != self._read_at or self._set is None:
            at, _, anchor = self._path.read_text(encoding="ascii").strip().partition(" ")
            self._set = (
                datetime.fromisoformat(at).astimezone(ZONE),
                None if anchor == "stopped" else datetime.fromisoformat(anchor),
            )
            self._read_at = version
        at_domain, at_real = self._set
        return at_domain if at_real is None else at_domain + (datetime.now(ZONE) - at_real)

    def today(self) -> date:
        return self.now().date()

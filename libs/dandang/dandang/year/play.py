"""Plays lines side by side, in the order of their days: moves the city's clock from day to day, and waits for the quiet.

A line is a generator: it yields the instant at which it goes on, and acts when that has come. Deadlines in between fire
on their own day, since the clock stops there as well.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from citybus.clock import ZONE, FileClock
from dandang.quiet import Quiet
from dandang.slice.api import SliceFailed

HANDS: Final = 8
"""How many lines act at a time."""

PATIENCE: Final = 300.0
"""Seconds for which the city may work on what a day brought."""

Days = Iterator[datetime]
"""What a line is: the instants at which it goes on."""


def on(year: int, month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
    """Return an instant in the city's zone."""
    return datetime(year, month, day, hour, minute, tzinfo=ZONE)


def at(day: date, hour: int = 9) -> datetime:
    """Return an hour of a day in the city's zone."""
    return datetime.combine(day, time(hour), ZONE)


@dataclass(order=True)
class _Waiting:
    at: datetime
    order: int
    name: str = field(compare=False)
    days: Days = field(compare=False)


@dataclass(frozen=True, slots=True)
class Told:
    """How far the year is: the day, how many lines are still to go on, and the names of those that act now."""

    at: datetime
    left: int
    acting: Sequence[str]


class Play:
    """The year under way in a city. `tell` hears of each day."""

    def __init__(self, clock: FileClock, quiet: Quiet, tell: Callable[[Told], None]) -> None:
        self.clock = clock
        self.quiet = quiet
        self.tell = tell

    def run(self, lines: Sequence[tuple[str, Days]]) -> None:
        """Play all lines to their ends. Raises SliceFailed with what went wrong, and in which line."""
        waiting = []
        for order, (name, days) in enumerate(lines):
            if (first := next(days, None)) is not None:
                waiting.append(_Waiting(first, order, name, days))
        heapq.heapify(waiting)
        with ThreadPoolExecutor(HANDS) as hands:
            while waiting:
                instant = waiting[0].at
                acting = []
                while waiting and waiting[0].at <= instant:
                    acting.append(heapq.heappop(waiting))
                self.move(instant)
                self.tell(Told(instant, len(waiting) + len(acting), [each.name for each in acting]))
                for each in _go_on(hands, acting):
                    heapq.heappush(waiting, each)
        self.quiet.wait(self.clock.now, within=PATIENCE)
        self.clock.write(self.clock.now(), running=True)

    def move(self, instant: datetime) -> None:
        """Move domain time on to `instant` once all is quiet, and stop wherever a deadline is due on the way.

        Time stands while people act: else how fast they are would tell whether a deadline of that hour comes first.
        """
        while self.clock.now() < instant:
            self.quiet.wait(self.clock.now, within=PATIENCE)
            due = self.quiet.next_deadline(self.clock.now())
            stop = instant if due is None else min(instant, _next_hour(due))
            if stop > self.clock.now():
                self.clock.write(stop)
        self.quiet.wait(self.clock.now, within=PATIENCE)


def _next_hour(instant: datetime) -> datetime:
    whole = instant.astimezone(ZONE).replace(minute=0, second=0, microsecond=0)
    return whole if whole >= instant else whole + timedelta(hours=1)


def _go_on(hands: ThreadPoolExecutor, acting: Sequence[_Waiting]) -> list[_Waiting]:
    """Have every line act until its next day; return those that have one."""
    futures: list[tuple[_Waiting, Future[datetime | None]]] = [
        (each, hands.submit(next, each.days, None)) for each in acting
    ]
    left, failed = [], []
    for each, future in futures:
        try:
            following = future.result()
        except Exception as error:  # noqa: BLE001  # the others' day ends first; then it is raised
            failed.append((each.name, error))
            continue
        if following is not None:
            each.at = following
            left.append(each)
    if failed:
        told = "\n".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed)
        raise SliceFailed(f"这一年没有演完 / the year was not played to its end\n{told}") from failed[0][1]
    return left

"""The relay's database ports in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from citybus.broker.publisher import Outgoing
from citybus.leadership import LeadershipLost
from citybus.relay import Backlog, Pending, Setback


@dataclass
class MemoryRow:
    """A row of the outbox. `due_at` is set once it was declined."""

    message: Outgoing
    created_at: float
    published: bool = False
    attempts: int = 0
    due_at: float | None = None
    last_error: str | None = None


@dataclass
class MemoryLeadership:
    """An office that this process gets while `vacant`; while `away` is true the database is not to be reached."""

    vacant: bool = True
    away: bool = False
    leads: bool = False

    def lead(self) -> bool:
        self.check()
        self.leads = self.leads or self.vacant
        return self.leads

    def resign(self) -> None:
        self.leads = False

    def check(self) -> None:
        """Raise LeadershipLost if the database is away."""
        if self.away:
            self.leads = False
            raise LeadershipLost("away")


class MemoryOutbox:
    """An outbox that only the leader may touch. `rows` are by position; `now` tells the time in seconds."""

    def __init__(self, leadership: MemoryLeadership, now: Callable[[], float]) -> None:
        self.rows: dict[int, MemoryRow] = {}
        self._leadership = leadership
        self._now = now

    def add(self, position: int, message: Outgoing) -> None:
        """Commit a row. Positions are given before the commit, so rows may come late and out of order."""
        self.rows[position] = MemoryRow(message, self._now())

    def fetch(self, limit: int) -> list[Pending]:
        self._check()
        eligible = []
        held: set[str] = set()
        for position, row in self._unpublished():
            subject = row.message.order_key
            if subject not in held and (row.due_at is None or row.due_at <= self._now()):
                eligible.append(Pending(position, row.attempts, row.message))
            if row.due_at is not None:
                held.add(subject)
        return eligible[:limit]

    def mark(self, positions: Sequence[int]) -> None:
        self._check()
        for position in positions:
            self.rows[position].published = True

    def back_off(self, setbacks: Sequence[Setback]) -> None:
        self._check()
        for setback in setbacks:
            row = self.rows[setback.position]
            row.attempts += 1
            row.due_at = self._now() + setback.seconds
            row.last_error = setback.reason

    def backlog(self) -> Backlog:
        self._check()
        rows = [row for _, row in self._unpublished()]
        return Backlog(
            rows=len(rows),
            declined=sum(row.due_at is not None for row in rows),
            oldest_seconds=max((self._now() - row.created_at for row in rows), default=0.0),
        )

    def _unpublished(self) -> list[tuple[int, MemoryRow]]:
        return [(position, row) for position, row in sorted(self.rows.items()) if not row.published]

    def _check(self) -> None:
        self._leadership.check()
        if not self._leadership.leads:
            raise LeadershipLost("only the leader may do this")


@dataclass
class MemoryWakeUp:
    """Notes how long the relay would have waited."""

    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


@dataclass
class MemoryRoutes:
    """Bindings that are all there, or not."""

    all_there: bool = True

    def complete(self, connection: int) -> bool:
        return self.all_there

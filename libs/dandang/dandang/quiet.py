"""Whether a running city has anything left to do: deadlines, jobs, publications, events that somebody has not taken in.

What was told is compared with what was taken in, so that an event which waits to be tried again counts as well.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from citybus.outbox import EVENTS
from citybus.topology.model import Topology
from dandang.local.errors import LocalError
from dandang.local.processes import SERVICES

LOOK_EVERY: Final = 0.05
MARGIN: Final = 30.0
"""Seconds before a quiet moment whose events are counted once more: none of those that are older can be under way then."""

_BEGINNING: Final = str(UUID(int=0))
_OPEN: Final[Mapping[str, str]] = {
    "到期未处理 deadlines": """
        SELECT count(*) FROM deadlines WHERE state IN ('ARMED', 'WARNED')
        AND (due_at <= :now OR (state = 'ARMED' AND warn_at <= :now))
    """,
    "未完成作业 jobs": "SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')",
}
_PUBLICATIONS: Final = "publications"
_TO_SEND: Final = {"待发布 publications": f"SELECT count(*) FROM {_PUBLICATIONS} WHERE waiting"}
_TOLD: Final = text("""
    SELECT type, count(*), count(*) FILTER (WHERE published_at IS NULL) FROM outbox_messages
    WHERE exchange = :exchange AND id >= CAST(:since AS uuid) GROUP BY type
""")
_TAKEN: Final = text("""
    SELECT consumer, split_part(type, '.', 1), count(*) FROM inbox_messages
    WHERE outcome <> 'WAITING' AND consumer = ANY(:queues) AND event_id >= CAST(:since AS uuid) GROUP BY 1, 2
""")
_NEXT: Final = text("""
    SELECT least(
        (SELECT min(due_at) FROM deadlines WHERE state IN ('ARMED', 'WARNED') AND due_at > :now),
        (SELECT min(warn_at) FROM deadlines WHERE state = 'ARMED' AND warn_at > :now)
    )
""")


class Quiet:
    """Looks into the databases of all services, as their administrator."""

    def __init__(self, topology: Topology, connections: Mapping[str, Connection]) -> None:
        self.topology = topology
        self.connections = connections
        self._queues = sorted(name for name, queue in topology.queues.items() if queue.kind == "work")
        self._since = _BEGINNING

    def wait(self, now: Callable[[], datetime], *, within: float) -> None:
        """Return as soon as nothing is left to do at the domain's `now`. Raises LocalError after `within` seconds."""
        give_up = time.monotonic() + within
        looks = 0
        while looks < 2:  # what one look missed, since it came about meanwhile, shows in the next
            left = self.left(now())
            looks = 0 if left else looks + 1
            if left and time.monotonic() > give_up:
                told = "；".join(f"{what} {count}" for what, count in left.items())
                raise LocalError(f"{within:g} 秒内没有处理完 / not done within {within:g} s: {told}")
            time.sleep(LOOK_EVERY)
        self._since = _first_id(time.time() - MARGIN)

    def left(self, now: datetime) -> dict[str, int]:
        """Return what is left to do, by a name for people."""
        found = {
            f"{service} {what}": count
            for service, connection in self.connections.items()
            for what, count in open_work(connection, now).items()
        }
        return found or self._under_way()

    def next_deadline(self, now: datetime) -> datetime | None:
        """Return when the next deadline of any service is due, or to be warned of, after `now`."""
        found = [connection.execute(_NEXT, {"now": now}).scalar_one() for connection in self.connections.values()]
        return min((each for each in found if each is not None), default=None)

    def _under_way(self) -> dict[str, int]:
        """Return how many events each queue has not taken in. Taken is counted first: what is told meanwhile shows.

        What was told before the last quiet moment is taken in, and not counted again: the ids of events tell their time.
        """
        taken: Counter[tuple[str, str]] = Counter()
        for connection in self.connections.values():
            for queue, producer, count in connection.execute(_TAKEN, {"queues": self._queues, "since": self._since}):
                taken[queue, producer] += count
        told: Counter[tuple[str, str]] = Counter()
        left: dict[str, int] = {}
        for producer, connection in self.connections.items():
            for event_type, count, unpublished in connection.execute(_TOLD, {"exchange": EVENTS, "since": self._since}):
                if unpublished:
                    left[f"{producer} 未发布事件 events"] = left.get(f"{producer} 未发布事件 events", 0) + unpublished
                for queue in self.topology.receivers(event_type, EVENTS):
                    if self.topology.queues[queue].kind == "work":
                        told[queue, producer] += count
        for (queue, producer), count in told.items():
            if count > taken[queue, producer]:
                left[f"{producer} → {queue}"] = count - taken[queue, producer]
        return left


def _first_id(at: float) -> str:
    """Return the least UUIDv7 of a moment (Unix seconds)."""
    return str(UUID(int=max(0, int(at * 1000)) << 80))


def open_work(connection: Connection, now: datetime) -> dict[str, int]:
    """Return what a service has left to do at the domain's `now` beside its events, by a name for people."""
    sends = connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": _PUBLICATIONS}).scalar()
    counted = {
        what: connection.execute(text(statement), {"now": now}).scalar_one()
        for what, statement in {**_OPEN, **(_TO_SEND if sends else {})}.items()
    }
    return {what: count for what, count in counted.items() if count}


@contextmanager
def connections(database_url: str, services: Iterable[str] = SERVICES) -> Iterator[dict[str, Connection]]:
    """Yield a connection to the database of each service, on which every statement sees what is there at its time."""
    opened: dict[str, Connection] = {}
    try:
        for service in services:
            opened[service] = _connect(database_url, service)
        yield opened
    finally:
        for connection in opened.values():
            connection.close()


def _connect(database_url: str, service: str) -> Connection:
    url = make_url(database_url).set(drivername="postgresql+psycopg2", database=f"city_{service}")
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        return engine.connect()
    except OperationalError as error:
        raise LocalError(f"city_{service}: {str(error.orig).strip()}") from None

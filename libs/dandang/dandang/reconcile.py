"""Reconciliation (X6): what each service has told, beside what each consumer has taken in, subject by subject.

A producer's outbox and a consumer's inbox are kept equally long. Of every subject the number of events and a hash over
their ids must be the same on both sides; where they are not, the events themselves are named.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from citybus.outbox import EVENTS
from citybus.topology.model import Topology

_TYPES = text("SELECT DISTINCT type FROM outbox_messages WHERE exchange = :exchange")
_TOLD = text("""
    SELECT subject, count(*), md5(string_agg(CAST(id AS text), ',' ORDER BY id)) FROM outbox_messages
    WHERE exchange = :exchange AND type = ANY(:types) GROUP BY subject
""")
_TAKEN = text("""
    SELECT subject, count(*), md5(string_agg(CAST(event_id AS text), ',' ORDER BY event_id)) FROM inbox_messages
    WHERE consumer = :queue AND split_part(type, '.', 1) = :producer GROUP BY subject
""")
_TOLD_IDS = text("""
    SELECT CAST(id AS text), published_at IS NULL FROM outbox_messages
    WHERE exchange = :exchange AND type = ANY(:types) AND subject = ANY(:subjects)
""")
_TAKEN_IDS = text("""
    SELECT CAST(event_id AS text) FROM inbox_messages
    WHERE consumer = :queue AND split_part(type, '.', 1) = :producer AND subject = ANY(:subjects)
""")
_AGAIN = text("""
    UPDATE outbox_messages SET published_at = NULL, next_attempt_at = NULL WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_WAITING = text("SELECT count(*) FROM waiting_events WHERE consumer = :queue")


@dataclass(frozen=True, slots=True)
class Pair:
    """One producer and one queue: how many subjects and events were told and taken in, and what is not the same.

    `missing`: ids that were published and not taken in; `under_way`: not published yet; `unknown`: ids that were taken in
    and never told; `waiting`: events that wait for a gap. Drift is what is missing or unknown.
    """

    producer: str
    queue: str
    subjects: int
    told: int
    taken: int
    missing: tuple[str, ...] = ()
    under_way: int = 0
    unknown: tuple[str, ...] = ()
    waiting: int = 0
    drifted: tuple[str, ...] = field(default=())

    @property
    def drift(self) -> int:
        """How many events are on one side alone."""
        return len(self.missing) + len(self.unknown)


Connect = Callable[[str], Connection]
"""Returns a connection to the database of a service."""


def reconcile(topology: Topology, services: Iterable[str], connect: Connect) -> list[Pair]:
    """Compare every service's outbox with the inbox of every work queue that is bound to its events."""
    connections = {service: connect(service) for service in services}
    try:
        return [
            _pair(connections[producer], connections[consumer], producer, queue, types)
            for producer in sorted(connections)
            for queue, types in sorted(_queues(topology, connections[producer]).items())
            if (consumer := queue.partition(".")[0]) in connections
        ]
    finally:
        for connection in connections.values():
            connection.close()


def _queues(topology: Topology, producer: Connection) -> dict[str, list[str]]:
    """Return the work queues that receive what a producer has told, each with the types."""
    found: dict[str, list[str]] = {}
    for event_type in producer.execute(_TYPES, {"exchange": EVENTS}).scalars():
        for queue in topology.receivers(event_type, EVENTS):
            if topology.queues[queue].kind == "work":
                found.setdefault(queue, []).append(event_type)
    return found


def _pair(told: Connection, taken: Connection, producer: str, queue: str, types: list[str]) -> Pair:
    of_told: Mapping[str, Any] = {"exchange": EVENTS, "types": types}
    of_taken: Mapping[str, Any] = {"queue": queue, "producer": producer}
    left = {subject: (count, digest) for subject, count, digest in told.execute(_TOLD, of_told)}
    right = {subject: (count, digest) for subject, count, digest in taken.execute(_TAKEN, of_taken)}
    differing = sorted(subject for subject in left.keys() | right.keys() if left.get(subject) != right.get(subject))
    sent: dict[str, bool] = dict(iter(told.execute(_TOLD_IDS, {**of_told, "subjects": differing})))
    got = set(taken.execute(_TAKEN_IDS, {**of_taken, "subjects": differing}).scalars())
    return Pair(
        producer=producer,
        queue=queue,
        subjects=len(left),
        told=sum(count for count, _ in left.values()),
        taken=sum(count for count, _ in right.values()),
        missing=tuple(sorted(event for event, unpublished in sent.items() if event not in got and not unpublished)),
        under_way=sum(unpublished for event, unpublished in sent.items() if event not in got),
        unknown=tuple(sorted(event for event in got if event not in sent)),
        waiting=taken.execute(_WAITING, {"queue": queue}).scalar_one(),
        drifted=tuple(differing),
    )


def replay(connection: Connection, events: Iterable[str]) -> int:
    """Have a producer's relay publish events once more, in the connection's transaction; return how many.

    Every consumer receives them; those that took one in already let it pass.
    """
    return connection.execute(_AGAIN, {"ids": list(events)}).rowcount

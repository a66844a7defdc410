"""The inbox: each event takes effect once, in the order that its consumer asks for, in the handler's own transaction."""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from time import perf_counter
from typing import Any, Final

import orjson
from marshmallow import Schema, ValidationError
from sqlalchemy import text
from sqlalchemy.orm import Session

from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork, context_of

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BIGINT: Final = 2**63
_DISCARDED: Final = "discarded.v0"

# Sets of rows go in as one JSON text, which both sides handle several times faster than arrays. Ids and subjects are
# sorted before they are locked, so that two processes that share a queue never wait for each other in a ring.
#
# An event that waits for a gap is claimed again when it is brought back, and by nothing else.
_CLAIM = text("""
    INSERT INTO inbox_messages AS inbox (consumer, event_id, type, subject, sequence, outcome)
    SELECT :consumer, event_id, type, subject, sequence, outcome FROM json_to_recordset(CAST(:rows AS json))
        AS incoming (event_id uuid, type text, subject text, sequence bigint, outcome text)
    ON CONFLICT (consumer, event_id) DO UPDATE SET outcome = excluded.outcome WHERE inbox.outcome = 'WAITING'
    RETURNING CAST(event_id AS text)
""")
_CORRECT = text("""
    UPDATE inbox_messages AS inbox SET outcome = found.outcome
    FROM json_to_recordset(CAST(:rows AS json)) AS found (event_id uuid, outcome text)
    WHERE inbox.consumer = :consumer AND inbox.event_id = found.event_id
""")
_LOCK_CURSORS = text("""
    INSERT INTO subject_cursors AS cursors (consumer, subject, last)
    SELECT :consumer, subject, 0 FROM json_array_elements_text(CAST(:subjects AS json)) AS incoming (subject)
    ON CONFLICT (consumer, subject) DO UPDATE SET last = cursors.last
    RETURNING subject, last
""")
# An upsert of rows that are there: unlike UPDATE … FROM it goes by the key whatever the planner knows of the table.
_MOVE_CURSORS = text("""
    INSERT INTO subject_cursors (consumer, subject, last)
    SELECT :consumer, subject, last FROM json_to_recordset(CAST(:rows AS json)) AS moved (subject text, last bigint)
    ON CONFLICT (consumer, subject) DO UPDATE SET last = excluded.last, blocked_by = NULL
""")
_STORE_WAITING = text("""
    INSERT INTO waiting_events AS waiting (consumer, subject, sequence, event_id, body)
    SELECT :consumer, subject, sequence, event_id, decode(body, 'hex') FROM json_to_recordset(CAST(:rows AS json))
        AS incoming (subject text, sequence bigint, event_id uuid, body text)
    ON CONFLICT (consumer, subject, sequence) DO UPDATE SET body = waiting.body
    RETURNING subject, sequence, CAST(event_id AS text)
""")
_DROP_WAITING = text("""
    DELETE FROM waiting_events AS waiting
    USING json_to_recordset(CAST(:rows AS json)) AS moved (subject text, last bigint)
    WHERE waiting.consumer = :consumer AND waiting.subject = moved.subject AND waiting.sequence <= moved.last
""")
_HAS_FOLLOWERS = text("""
    SELECT EXISTS (
        SELECT FROM waiting_events AS waiting
        JOIN json_to_recordset(CAST(:rows AS json)) AS moved (subject text, last bigint)
        ON waiting.consumer = :consumer AND waiting.subject = moved.subject AND waiting.sequence = moved.last + 1)
""")
_FOLLOWERS = text("""
    SELECT follower.body FROM (
        SELECT waiting.subject, cursors.last FROM waiting_events AS waiting
        JOIN subject_cursors AS cursors USING (consumer, subject)
        WHERE waiting.consumer = :consumer AND waiting.sequence <= cursors.last + 1
        GROUP BY waiting.subject, cursors.last LIMIT :limit) AS closed
    JOIN waiting_events AS follower ON follower.consumer = :consumer AND follower.subject = closed.subject
    ORDER BY follower.subject, follower.sequence LIMIT :limit
""")
_FORGET = text("""
    WITH gone AS (DELETE FROM waiting_events WHERE consumer = :consumer AND event_id = CAST(:id AS uuid))
    DELETE FROM inbox_messages
    WHERE consumer = :consumer AND event_id = CAST(:id AS uuid) AND outcome = 'WAITING'
""")
_BLOCK = text("""
    INSERT INTO subject_cursors AS cursors (consumer, subject, last, blocked_by)
    VALUES (:consumer, :subject, 0, CAST(:id AS uuid))
    ON CONFLICT (consumer, subject) DO UPDATE SET blocked_by = excluded.blocked_by
    WHERE cursors.last < :sequence AND cursors.blocked_by IS NULL
""")
_OVERDUE = text("""
    WITH overdue AS (
        UPDATE waiting_events AS waiting SET alerted_at = now()
        WHERE waiting.consumer = :consumer AND waiting.alerted_at IS NULL
          AND waiting.since < now() - make_interval(secs => :seconds)
        RETURNING waiting.subject, waiting.sequence)
    SELECT overdue.subject, min(overdue.sequence), cursors.last, CAST(cursors.blocked_by AS text)
    FROM overdue JOIN subject_cursors AS cursors ON cursors.consumer = :consumer AND cursors.subject = overdue.subject
    GROUP BY overdue.subject, cursors.last, cursors.blocked_by ORDER BY overdue.subject
""")
_WAITING = text("""
    SELECT count(*), coalesce(extract(epoch FROM now() - min(since)), 0) FROM waiting_events WHERE consumer = :consumer
""")
_SKIP = text("""
    UPDATE subject_cursors AS cursors SET last = waiting.first - 1, blocked_by = NULL
    FROM (SELECT min(sequence) AS first FROM waiting_events
          WHERE consumer = :consumer AND subject = :subject) AS waiting
    WHERE cursors.consumer = :consumer AND cursors.subject = :subject AND waiting.first > cursors.last + 1
    RETURNING waiting.first
""")


class Order(Enum):
    """In which order a consumer takes the events of one subject."""

    ANY = "any"
    """Each event stands alone: applied once, whenever it comes."""
    NEWEST = "newest"
    """An event carries the whole state: one that comes after a newer one is superseded."""
    EVERY_STEP = "every step"
    """Each step counts: an event that comes early waits until the gap before it closes."""


class Outcome(StrEnum):
    """What became of an event that was received."""

    APPLIED = "APPLIED"
    """Its handler's effect is in the database."""
    SUPERSEDED = "SUPERSEDED"
    """A newer one had been applied."""
    IGNORED = "IGNORED"
    """No handler wants it."""
    WAITING = "WAITING"
    """It is stored until the gap before it closes."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How one event type takes effect: `schema` reads its data, `apply` writes within the given unit of work."""

    schema: Schema
    apply: Callable[[UnitOfWork, Event, Any], None]


@dataclass(frozen=True)
class Subscription:
    """What one queue's consumer does with its events; the queue's name is its name in the inbox.

    An event type without a handler is parked as `UNKNOWN_TYPE`, unless `ignore_unknown` says that the queue's binding
    is wider than the interest, or the order is EVERY_STEP and the type is of a subject kind that has handlers: such a
    step only moves the cursor.
    """

    queue: str
    order: Order
    handlers: Mapping[str, Handler]
    ignore_unknown: bool = False

    @cached_property
    def service(self) -> str:
        """The service whose queue it is: `assessment` of `assessment.supervision`."""
        return self.queue.partition(".")[0]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The subject kinds (`<service>.<subject>`) that have handlers."""
        return frozenset(map(kind_of, self.handlers))


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that was read and whose data passed its schema; without a handler it only marks its step."""

    event: Event
    body: bytes
    handler: Handler | None
    data: Any


@dataclass(slots=True)
class Report:
    """What one transaction did; true only once it is committed. `followers`: a gap closed before stored events."""

    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    duplicates: int = 0
    followers: bool = False
    seconds: list[tuple[str, float]] = field(default_factory=list)


def kind_of(event_type: str) -> str:
    """Return the subject kind of an event type: `supervision.finding` of `supervision.finding.verified.v1`."""
    return ".".join(event_type.split(".", 2)[:2])


def tombstone(event: Event) -> bytes:
    """Return the body that stands in for a discarded event: its place in the order and nothing of its content."""
    return Event(
        id=event.id,
        type=f"{kind_of(event.type)}.{_DISCARDED}",
        source=event.source,
        subject=event.subject,
        time=event.time,
        dataschema=f"urn:city:schema:{_DISCARDED}",
        data={},
        sequence=event.sequence,
        correlationid=event.correlationid,
        actor=event.actor,
        dataclass="L1",
        causationid=event.causationid,
    ).to_json()


def read_event(body: bytes) -> Event:
    """Read an event that the inbox can keep. Raises Invalid: `UNDECODABLE` or `NOT_CLOUDEVENT`."""
    event = Event.from_json(body)
    if not _UUID.fullmatch(event.id):
        raise Invalid("NOT_CLOUDEVENT", "attribute id is wanted as a UUID in lower case")
    if event.sequence >= _BIGINT or "\0" in event.subject or "\0" in event.type:
        raise Invalid("NOT_CLOUDEVENT", "an attribute does not fit its column")
    return event


def read(subscription: Subscription, content_type: str | None, body: bytes) -> Arrival:
    """Read one message for `subscription`.

    Raises Invalid: `WRONG_CONTENT_TYPE`, `UNDECODABLE`, `NOT_CLOUDEVENT`, `UNKNOWN_TYPE`, or `SCHEMA` with the names
    of the fields at fault, never their values.
    """
    if (content_type or "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise Invalid("WRONG_CONTENT_TYPE", f"{CONTENT_TYPE} is wanted")
    event = read_event(body)
    handler = subscription.handlers.get(event.type)
    if handler is None:
        if not _may_pass_by(subscription, event.type):
            raise Invalid("UNKNOWN_TYPE", "no handler for this type")
        return Arrival(event, body, None, None)
    try:
        data = handler.schema.load(event.data)
    except ValidationError as error:
        raise Invalid("SCHEMA", ", ".join(sorted(_paths(error.messages)))) from None
    return Arrival(event, body, handler, data)


def apply_batch(uow: UnitOfWork, subscription: Subscription, arrivals: Sequence[Arrival]) -> Report:
    """Apply `arrivals` in the transaction of `uow`, each at most once; committing is the caller's.

    Events of one subject are applied by their sequence, subjects in order of arrival. Each handler acts, publishes
    and audits on account of its event. Raises whatever a handler raises, and where every step counts Invalid
    `STEP_TAKEN` for an event whose place in its subject another one has; the transaction must then be rolled back.
    """
    report = Report()
    fresh = _claim(uow.session, subscription, arrivals)
    report.duplicates = len(arrivals) - len(fresh)
    if not fresh:
        return report
    if subscription.order is Order.ANY:
        for arrival in fresh:
            _take(uow, subscription, arrival, report)
    else:
        _apply_in_order(uow, subscription, fresh, report)
    return report


def followers(session: Session, subscription: Subscription, limit: int) -> list[Arrival]:
    """Return stored events whose gap has closed, at most `limit`; `apply_batch` takes them like any other arrival."""
    bodies = session.execute(_FOLLOWERS, {"consumer": subscription.queue, "limit": limit}).scalars()
    return [_read_stored(subscription, bytes(body)) for body in bodies]


def set_aside(session: Session, subscription: Subscription, event: Event, *, parked: bool) -> None:
    """Note that `event` left the consumer for the retry ladder or the dead queue, and will come back as if new.

    A parked event holds back its subject, where every step counts, until it is replayed or discarded.
    """
    session.execute(_FORGET, {"consumer": subscription.queue, "id": event.id})
    if parked and subscription.order is Order.EVERY_STEP:
        session.execute(
            _BLOCK,
            {
                "consumer": subscription.queue,
                "subject": event.subject,
                "id": event.id,
                "sequence": event.sequence,
            },
        )


def waiting(session: Session, consumer: str) -> tuple[int, float]:
    """Return how many events wait for a gap to close, and for how many seconds the oldest has."""
    count, age = session.execute(_WAITING, {"consumer": consumer}).one()
    return count, float(age)


def overdue(session: Session, consumer: str, seconds: float) -> list[tuple[str, int, int, str | None]]:
    """Return once each subject whose gap has stayed open: (subject, first waiting, last applied, parked event id)."""
    rows = session.execute(_OVERDUE, {"consumer": consumer, "seconds": seconds})
    return [(subject, first, last, parked) for subject, first, last, parked in rows]


def skip_gap(session: Session, consumer: str, subject: str) -> int | None:
    """Accept the gap of `subject`: move its cursor to just before the first waiting event and return its sequence.

    Returns None where nothing waits behind a gap. The consumer itself applies the followers soon after the commit.
    """
    return session.execute(_SKIP, {"consumer": consumer, "subject": subject}).scalar_one_or_none()


def _may_pass_by(subscription: Subscription, event_type: str) -> bool:
    if subscription.ignore_unknown or event_type.endswith(f".{_DISCARDED}"):
        return True
    return subscription.order is Order.EVERY_STEP and kind_of(event_type) in subscription.kinds


def _paths(messages: Any, prefix: str = "") -> Iterable[str]:
    if isinstance(messages, Mapping):
        for name, below in messages.items():
            yield from _paths(below, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix


def _read_stored(subscription: Subscription, body: bytes) -> Arrival:
    """Read an event of ours back; if its schema has changed since, its handler is told so when its turn comes."""
    try:
        return read(subscription, CONTENT_TYPE, body)
    except Invalid as error:
        return Arrival(Event.from_json(body), body, Handler(Schema(), _refusing(error)), None)


def _refusing(error: Invalid) -> Callable[[UnitOfWork, Event, Any], None]:
    def refuse(_uow: UnitOfWork, _event: Event, _data: Any) -> None:
        raise error

    return refuse


def _claim(session: Session, subscription: Subscription, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Write the inbox rows of `arrivals` and return those that are new here, in order of arrival."""
    incoming = {arrival.event.id: arrival for arrival in arrivals}
    rows = [
        {
            "event_id": event_id,
            "type": (event := incoming[event_id].event).type,
            "subject": event.subject,
            "sequence": event.sequence,
            "outcome": _expected(incoming[event_id]),
        }
        for event_id in sorted(incoming)
    ]
    claimed = set(session.execute(_CLAIM, {"consumer": subscription.queue, "rows": _json(rows)}).scalars())
    return [arrival for event_id, arrival in incoming.items() if event_id in claimed]


def _expected(arrival: Arrival) -> Outcome:
    return Outcome.IGNORED if arrival.handler is None else Outcome.APPLIED


def _take(uow: UnitOfWork, subscription: Subscription, arrival: Arrival, report: Report) -> None:
    """Let the handler apply `arrival`, and note what became of it."""
    event = arrival.event
    if arrival.handler is not None:
        uow.context = context_of(event, subscription.service)
        start = perf_counter()
        arrival.handler.apply(uow, event, arrival.data)
        report.seconds.append((event.type, perf_counter() - start))
    report.outcomes[event.type, _expected(arrival)] += 1


def _apply_in_order(uow: UnitOfWork, subscription: Subscription, fresh: Sequence[Arrival], report: Report) -> None:
    session, consumer = uow.session, subscription.queue
    lines: dict[str, deque[Arrival]] = {}
    for arrival in sorted(fresh, key=lambda each: each.event.sequence):
        lines.setdefault(arrival.event.subject, deque()).append(arrival)
    rows = session.execute(_LOCK_CURSORS, {"consumer": consumer, "subjects": _json(sorted(lines))})
    before: dict[str, int] = {row.subject: row.last for row in rows}
    after = dict(before)
    every_step = subscription.order is Order.EVERY_STEP
    early: list[Arrival] = []
    otherwise: dict[str, Outcome] = {}
    for slot in fresh:
        arrival = lines[slot.event.subject].popleft()
        event, last = arrival.event, after[slot.event.subject]
        if event.sequence <= last:
            if every_step:
                raise Invalid("STEP_TAKEN", "another event was applied at this place of its subject")
            otherwise[event.id] = Outcome.SUPERSEDED
        elif every_step and event.sequence > last + 1:
            otherwise[event.id] = Outcome.WAITING
            early.append(arrival)
        else:
            _take(uow, subscription, arrival, report)
            # A step that nobody handles must not outrank the state that an older event still brings.
            if every_step or arrival.handler is not None:
                after[event.subject] = event.sequence
            continue
        report.outcomes[event.type, otherwise[event.id]] += 1
    if otherwise:
        found = [{"event_id": event_id, "outcome": outcome} for event_id, outcome in otherwise.items()]
        session.execute(_CORRECT, {"consumer": consumer, "rows": _json(found)})
    if early:
        _store(session, consumer, early)
    moved = [{"subject": subject, "last": last} for subject, last in after.items() if last != before[subject]]
    if moved:
        places = {"consumer": consumer, "rows": _json(moved)}
        session.execute(_MOVE_CURSORS, places)
        if every_step:
            session.execute(_DROP_WAITING, places)
            report.followers = bool(session.execute(_HAS_FOLLOWERS, places).scalar_one())


def _store(session: Session, consumer: str, early: Sequence[Arrival]) -> None:
    """Keep `early` events until their gap closes."""
    rows = [
        {
            "subject": arrival.event.subject,
            "sequence": arrival.event.sequence,
            "event_id": arrival.event.id,
            "body": arrival.body.hex(),
        }
        for arrival in early
    ]
    kept = session.execute(_STORE_WAITING, {"consumer": consumer, "rows": _json(rows)})
    places = {(subject, sequence): event_id for subject, sequence, event_id in kept}
    for arrival in early:
        event = arrival.event
        if places[event.subject, event.sequence] != event.id:
            raise Invalid("STEP_TAKEN", "another event waits at this place of its subject")


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps(rows).decode()

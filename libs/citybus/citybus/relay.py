"""The relay: publishes what the outbox holds, in order per subject, and marks what the broker has confirmed."""

import math
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import orjson
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from citybus import collector
from citybus.broker.publisher import Fate, Limits, Outcome, Outgoing, PikaPublisher, Publisher
from citybus.leadership import LeaderSession, Leadership, LeadershipLost
from citybus.outbox import WAKE_UP
from citybus.telemetry import logs, metrics

logger = logs.get(__name__)

# The most bytes of an event. What is larger is a document and belongs behind a reference.
EVENT_BYTES: Final = 1024 * 1024
_REASON_CHARACTERS: Final = 300
_DECLINED: Final = (Fate.RETURNED, Fate.NACKED, Fate.REFUSED)


@dataclass(frozen=True, slots=True)
class Pending:
    """An unpublished outbox row. `attempts` counts the times that the broker declined it."""

    position: int
    attempts: int
    message: Outgoing


@dataclass(frozen=True, slots=True)
class Setback:
    """A row that the broker declined: it is tried again after `seconds`."""

    position: int
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the outbox: rows, of which the broker declined so many, and the age of the oldest in seconds (0: none)."""

    rows: int
    declined: int
    oldest_seconds: float


class OutboxStore(Protocol):
    """The outbox as the relay sees it. Every method raises LeadershipLost when this process may not go on."""

    def fetch(self, limit: int) -> list[Pending]:
        """Return the first rows that may go now, by position.

        A row that backs off waits for its time, and all later rows of its subject wait with it.
        """
        ...

    def mark(self, positions: Sequence[int]) -> None:
        """Record rows as published."""
        ...

    def back_off(self, setbacks: Sequence[Setback]) -> None:
        """Count an attempt of each row, keep its reason and let it wait."""
        ...

    def backlog(self) -> Backlog:
        """Measure what waits."""
        ...


class WakeUp(Protocol):
    """Tells that the outbox has new rows."""

    def wait(self, seconds: float) -> None:
        """Return when there are new rows, at the latest after `seconds`."""
        ...


class Routes(Protocol):
    """Knows whether all bindings are there that the contracts list.

    An event is confirmed as soon as any queue took it, the archive's included: the broker does not tell of a consumer
    whose queue is missing. So nothing is published while a binding is missing.
    """

    def complete(self, connection: int) -> bool:
        """Return whether every binding was seen since `connection` (see `Publisher.tend`) was made. Never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How the relay goes: `batch` in rows, the others in seconds.

    `poll` is the longest wait for a notice of new rows; `stand_by` the wait for a lock that another one holds, or for
    an absent database or broker; `linger` the rest after a batch that was not full, so that events which come one by one
    travel a few together and cost each end less; `measure` the time between two measurements of the backlog. A declined row waits
    `retry_first`, doubled each time up to `retry_most`.
    """

    batch: int = 1000
    poll: float = 0.5
    linger: float = 0.02
    stand_by: float = 0.25
    measure: float = 5.0
    retry_first: float = 1.0
    retry_most: float = 300.0


class Metrics:
    """What the relay tells Prometheus. The backlog is the leader's to measure; one that stands by shows zero."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, meaning: str) -> Gauge:
            return metrics.gauge(name, meaning, registry=registry)

        def counter(name: str, meaning: str) -> Counter:
            return metrics.counter(name, meaning, registry=registry)

        self.rows = gauge("city_outbox_rows", "Rows that wait in the outbox")
        self.declined = gauge("city_outbox_declined_rows", "Rows that the broker declined, waiting for another attempt")
        self.oldest = gauge("city_outbox_oldest_seconds", "Age of the oldest row in the outbox")
        self.leader = gauge("city_relay_leader_state", "1 while this process publishes the outbox")
        self.connected = gauge("city_relay_connected_state", "1 while the broker is connected")
        self.routed = gauge("city_relay_routed_state", "1 while every binding that the contracts list was seen")
        self.confirm_seconds = metrics.histogram(
            "city_relay_confirm_seconds",
            "How long the oldest message in each answer of the broker had waited for it",
            registry=registry,
        )
        self.fates = {
            Fate.CONFIRMED: counter("city_relay_published_total", "Messages that the broker confirmed"),
            Fate.RETURNED: counter("city_relay_returned_total", "Messages that no queue wanted"),
            Fate.NACKED: counter("city_relay_nacked_total", "Messages that the broker declined"),
            Fate.REFUSED: counter("city_relay_refused_total", "Messages that cannot be sent as they are"),
            Fate.UNKNOWN: counter("city_relay_unknown_total", "Messages that were sent and not answered"),
            Fate.HELD: counter("city_relay_held_total", "Messages not sent because an earlier one failed"),
        }


class Relay:
    """Publishes the outbox for as long as this process leads.

    Rows are fetched, published and marked in that order, with no transaction open meanwhile: a crash between any two
    steps repeats messages and loses none. What the broker declines stays in the outbox, backs off and holds back the
    later rows of its subject; other subjects go on.
    """

    def __init__(
        self,
        *,
        leadership: Leadership,
        store: OutboxStore,
        publisher: Publisher,
        wake_up: WakeUp,
        metrics: Metrics,
        routes: Routes | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Without `routes` no one watches the bindings."""
        self._leadership = leadership
        self._store = store
        self._publisher = publisher
        self._wake_up = wake_up
        self._metrics = metrics
        self._routes = routes
        self._pace = pace or Pace()
        self._measure_at = -math.inf
        self._leads = self._database = self._connected = False
        self._routed = routes is None

    def checks(self) -> Mapping[str, Callable[[], bool]]:
        """Return what readiness asks, by name. The answers are at hand: they wait for nothing, in any thread.

        One that stands by watches no bindings and is ready when the database and the broker are there.
        """
        return {
            "database": lambda: self._database,
            "broker": lambda: self._connected,
            "bindings": lambda: self._routed or not self._leads,
        }

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Relay until `stop` is set; then finish the batch in hand, close the connection and resign.

        `alive` is called on every turn; a turn lasts at most as long as the publisher's time-outs together.
        """
        try:
            while not stop.is_set():
                alive()
                stop.wait(self.turn())
        finally:
            self._publisher.close()
            self._leadership.resign()
            self._stand_down()

    def turn(self) -> float:
        """Do the next piece of work, if there is any; return how many seconds to rest before the next turn."""
        connection = self._publisher.tend()
        self._connected = bool(connection)
        self._metrics.connected.set(self._connected)
        try:
            leads = self._leadership.lead()
            self._database = True
            if not leads:
                return self._pace.stand_by
            self._leads = True
            self._metrics.leader.set(1)
            self._measure()
            if not connection or not self._may_publish(connection):
                return self._pace.stand_by
            rows = self._store.fetch(self._pace.batch)
            if rows:
                self._record(rows, self._publisher.publish([row.message for row in rows]))
                return 0 if len(rows) == self._pace.batch else self._pace.linger
            self._wake_up.wait(self._pace.poll)
            return 0
        except LeadershipLost:
            self._stand_down()
            return self._pace.stand_by

    def _may_publish(self, connection: int) -> bool:
        if self._routes is not None:
            self._routed = self._routes.complete(connection)
        self._metrics.routed.set(self._routed)
        return self._routed

    def _record(self, rows: Sequence[Pending], outcomes: Sequence[Outcome]) -> None:
        confirmed: list[int] = []
        setbacks: list[Setback] = []
        tally: Tally[Fate] = Tally()
        reasons: Tally[tuple[str, str, str]] = Tally()
        for row, outcome in zip(rows, outcomes, strict=True):
            tally[outcome.fate] += 1
            if outcome.fate is Fate.CONFIRMED:
                confirmed.append(row.position)
            elif outcome.fate in _DECLINED:
                reason = f"{outcome.fate.name} {outcome.reason}".strip()[:_REASON_CHARACTERS]
                setbacks.append(Setback(row.position, self._wait(row.attempts), reason))
                reasons[row.message.exchange, row.message.routing_key, reason] += 1
        if confirmed:
            self._store.mark(confirmed)
        if setbacks:
            self._store.back_off(setbacks)
        for fate, number in tally.items():
            self._metrics.fates[fate].inc(number)
        for (exchange, routing_key, reason), number in reasons.items():
            logger.error("not published", exchange=exchange, routing_key=routing_key, reason=reason, count=number)

    def _wait(self, attempts: int) -> float:
        return min(self._pace.retry_most, self._pace.retry_first * 2.0 ** min(attempts, 30))

    def _measure(self) -> None:
        now = time.monotonic()
        if now >= self._measure_at:
            self._measure_at = now + self._pace.measure
            self._show(self._store.backlog())

    def _show(self, backlog: Backlog) -> None:
        self._metrics.rows.set(backlog.rows)
        self._metrics.declined.set(backlog.declined)
        self._metrics.oldest.set(backlog.oldest_seconds)

    def _stand_down(self) -> None:
        self._leads = self._database = False
        self._measure_at = -math.inf
        self._metrics.leader.set(0)
        self._show(Backlog(0, 0, 0.0))


SESSION_PARAMETERS: Final = {
    # A mark that a database crash forgets only repeats a message: it is not worth waiting for the disk.
    "synchronous_commit": "off",
    # The statistics of a queue are always out of date: its unpublished rows are read along their index.
    "enable_seqscan": "off",
    "jit": "off",
}

# A row is eligible when no earlier one of its subject backs off. Fresh and due rows are read apart, each along the
# index of unpublished rows.
_ELIGIBLE: Final = """
    SELECT o.position, o.attempts, o.id, o.type, o.exchange, o.routing_key, o.body, o.mandatory, o.correlation_id,
           extract(epoch FROM o.created_at)::bigint, o.subject
      FROM outbox_messages o
     WHERE o.published_at IS NULL
       AND {condition}
       AND NOT EXISTS (SELECT FROM outbox_messages earlier
                        WHERE earlier.subject = o.subject AND earlier.position < o.position
                          AND earlier.published_at IS NULL AND earlier.next_attempt_at IS NOT NULL)
     ORDER BY o.next_attempt_at, o.position
     LIMIT %s
"""
FETCH: Final = f"""
    SELECT * FROM (
        ({_ELIGIBLE.format(condition="o.next_attempt_at IS NULL")})
        UNION ALL
        ({_ELIGIBLE.format(condition="o.next_attempt_at <= now()")})
    ) AS eligible
    ORDER BY position LIMIT %s
"""
_MARK: Final = "UPDATE outbox_messages SET published_at = now() WHERE position = ANY(%s::bigint[])"
_BACK_OFF: Final = """
    UPDATE outbox_messages o
       SET attempts = o.attempts + 1, next_attempt_at = now() + s.seconds * interval '1 second', last_error = s.reason
      FROM unnest(%s::bigint[], %s::float8[], %s::text[]) AS s (position, seconds, reason)
     WHERE o.position = s.position
"""
_BACKLOG: Final = """
    SELECT count(*), count(next_attempt_at), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
      FROM outbox_messages
     WHERE published_at IS NULL
"""


class DatabaseOutbox:
    """The outbox in PostgreSQL, read and marked in the very session that holds the leader's lock."""

    def __init__(self, session: LeaderSession) -> None:
        self._session = session

    def fetch(self, limit: int) -> list[Pending]:
        return [
            Pending(
                position,
                attempts,
                Outgoing(
                    message_id=event_id,
                    type=event_type,
                    exchange=exchange,
                    routing_key=routing_key,
                    body=(body := bytes(raw)),
                    mandatory=mandatory,
                    correlation_id=correlation_id,
                    timestamp=timestamp,
                    order_key=subject,
                    traceparent=_traceparent(body),
                ),
            )
            for (
                position,
                attempts,
                event_id,
                event_type,
                exchange,
                routing_key,
                raw,
                mandatory,
                correlation_id,
                timestamp,
                subject,
            ) in self._session.execute(FETCH, (limit, limit, limit))
        ]

    def mark(self, positions: Sequence[int]) -> None:
        self._session.execute(_MARK, (list(positions),))

    def back_off(self, setbacks: Sequence[Setback]) -> None:
        self._session.execute(
            _BACK_OFF,
            (
                [setback.position for setback in setbacks],
                [setback.seconds for setback in setbacks],
                [setback.reason for setback in setbacks],
            ),
        )

    def backlog(self) -> Backlog:
        ((rows, declined, oldest_seconds),) = self._session.execute(_BACKLOG)
        return Backlog(rows, declined, oldest_seconds)


def _traceparent(body: bytes) -> str | None:
    """Return the trace context of an event, if it has one that can be read."""
    if b'"traceparent"' not in body:
        return None
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    found = read.get("traceparent") if isinstance(read, dict) else None
    return found if isinstance(found, str) else None


class BindingWatch:
    """Looks at the broker's bindings from a thread of its own, so that a slow answer delays no message.

    A look that fails says nothing about the bindings: the answer before it stands. A new connection is another matter:
    the broker may have been replaced, so what was seen before no longer counts.
    """

    def __init__(self, missing: Callable[[], Sequence[str]], *, every: float = 5.0) -> None:
        """`missing` returns a line of text for each binding that is not there; it raises when it cannot tell."""
        self._missing = missing
        self._every = every
        self._connection = 0
        self._seen = (0, False)
        self._look = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="bindings", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        self._look.set()
        self._thread.join()

    def complete(self, connection: int) -> bool:
        if connection != self._connection:
            self._connection = connection
            self._look.set()
        return self._seen == (connection, True)

    def _run(self) -> None:
        while not self._stopped:
            connection = self._connection
            if connection:
                try:
                    missing = self._missing()
                except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the watch
                    logger.warning("bindings not seen", reason=logs.describe(error))
                else:
                    for binding in missing:
                        logger.error("binding missing", where=binding)
                    self._seen = (connection, not missing)
            self._look.wait(self._every)
            self._look.clear()


def run(
    *,
    service: str,
    database_url: str,
    amqp_url: str,
    stop: threading.Event,
    missing_bindings: Callable[[], Sequence[str]],
    register: Callable[[Mapping[str, Callable[[], bool]]], None] = lambda _checks: None,
    alive: Callable[[], None] = lambda: None,
    registry: CollectorRegistry = REGISTRY,
    pace: Pace | None = None,
    limits: Limits | None = None,
) -> None:
    """Relay the outbox of `service` until `stop` is set: the body of `python -m <service> relay`.

    `missing_bindings` returns a line for each binding of the contracts that the broker lacks, and raises when it cannot
    tell. `register` is given the readiness checks before the first turn, and `alive` is called on every turn. The
    database URL must not lead through a pooler that shares sessions.
    """
    told = Metrics(registry)
    session = LeaderSession(
        database_url,
        name=f"{service}.relay",
        channel=WAKE_UP,
        parameters=SESSION_PARAMETERS,
    )
    watch = BindingWatch(missing_bindings)
    relay = Relay(
        leadership=session,
        store=DatabaseOutbox(session),
        publisher=PikaPublisher(
            amqp_url, app_id=service, limits=limits or Limits(body=EVENT_BYTES), on_confirm=told.confirm_seconds.observe
        ),
        wake_up=session,
        metrics=told,
        routes=watch,
        pace=pace,
    )
    register(relay.checks())
    watch.start()
    collector.ease()
    try:
        relay.run(stop, alive)
    finally:
        watch.stop()

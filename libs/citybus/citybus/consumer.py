"""The consumer of one queue: takes messages in batches, applies each batch in one transaction, then acknowledges.

What a message leads to, whatever dies in between:

    applied, or seen before           acknowledged, after the commit
    its batch failed                  rolled back, halved and tried again, down to the one message that fails
    alone, and no retry can mend it   to the dead queue, with reason, handler and attempts; then acknowledged
    alone, and a retry may            to the next rung of the retry ladder; after the last, to the dead queue
    the database is away              kept, and no attempt is spent; given back once if that lasts
    the broker is away                forgotten here: the broker delivers it again, and the inbox knows what it did
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from citybus import inbox
from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import CityError, Invalid, Transient
from citybus.failures import database_away, permanent_reason
from citybus.ids import new_id
from citybus.inbox import Arrival, Order, Outcome, Report, Subscription
from citybus.telemetry.logs import describe
from citybus.unit_of_work import Context, UnitOfWork

LADDER: Final = ("1s", "10s", "1m", "10m")
"""The delays of the retry ladder, one attempt each: the queue of a rung is `<queue>.retry.<delay>`."""

ALONE_FROM: Final = 3
"""A message that was delivered again so often may be what kills the process: it is handled, and fetched, alone."""
PARK_FROM: Final = 12
"""A message that was delivered again so often is parked unread, well before the broker's own delivery limit.

High enough that a message which only happened to be in hand at many kills is not taken for the one that kills."""

ATTEMPTS: Final = "city-attempts"
REASON: Final = "city-reason"
ERROR: Final = "city-error"
HANDLER: Final = "city-handler"
CONSUMER: Final = "city-consumer"
FAILED_AT: Final = "city-failed-at"

T = TypeVar("T")

log = structlog.get_logger(__name__)

_APPLIED = Counter("city_inbox_applied_total", "Events that took effect", ["consumer", "type"])
_DUPLICATES = Counter("city_inbox_duplicates_total", "Deliveries of events received before", ["consumer"])
_SUPERSEDED = Counter("city_inbox_superseded_total", "Events that came after a newer one", ["consumer", "type"])
_IGNORED = Counter("city_inbox_ignored_total", "Events that no handler wants", ["consumer", "type"])
_RETRIES = Counter("city_inbox_retry_total", "Messages sent to the retry ladder", ["consumer", "delay"])
_DEAD = Counter("city_inbox_dead_total", "Messages sent to the dead queue", ["consumer", "reason"])
_OVERDUE = Counter("city_inbox_overdue_gaps_total", "Subjects whose gap stayed open too long", ["consumer"])
_WAITING = Gauge("city_inbox_waiting", "Events that wait for a gap to close", ["consumer"])
_WAITING_SECONDS = Gauge("city_inbox_waiting_oldest_seconds", "Age of the oldest waiting event", ["consumer"])
_HANDLER_SECONDS = Histogram(
    "city_inbox_handler_seconds",
    "Time in a handler",
    ["consumer", "type"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
_COUNTERS: Final = {Outcome.APPLIED: _APPLIED, Outcome.SUPERSEDED: _SUPERSEDED, Outcome.IGNORED: _IGNORED}


class BrokerAway(Transient):
    """The broker cannot be reached, or the connection was lost: what is not acknowledged will be delivered again."""


class PublishFailed(Transient):
    """A message did not get to the retry ladder or the dead queue; it is still unacknowledged."""


class Misconfigured(CityError):
    """A queue is missing, or access is refused: waiting does not help, so the process says so and ends."""


class _DatabaseAway(Exception):
    """The database was away for so long that the messages in hand are given back."""


class _Stopped(Exception):
    """The consumer was told to stop while it was holding messages."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as the broker delivered it. `redeliveries` counts how often it had been delivered before."""

    body: bytes
    content_type: str | None = None
    message_id: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    timestamp: int | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redeliveries: int = 0
    tag: int = 0

    @property
    def attempts(self) -> int:
        """How often a handler has failed on it alone, by our own count."""
        found = self.headers.get(ATTEMPTS, 0)
        return found if isinstance(found, int) else 0


class Inbound(Protocol):
    """A queue to consume, its retry ladder and its dead queue. For one thread, but for `wake`."""

    def open(self) -> None:
        """Start consuming. Raises BrokerAway, or Misconfigured where waiting would not help."""
        ...

    def fetch(self, limit: int, timeout: float) -> list[Delivery]:
        """Return what has arrived, at most `limit`; wait up to `timeout` seconds for the first.

        Messages come in the order of the queue; those that are delivered again may change places. Raises BrokerAway as soon
        as the connection is known to be lost.
        """
        ...

    def ack(self, last: Delivery) -> None:
        """Acknowledge `last` and every delivery before it. Does nothing if its connection is gone."""
        ...

    def retry(self, delivery: Delivery, delay: str, headers: Mapping[str, str | int]) -> None:
        """Send `delivery` to the rung `delay` of the ladder, and return when the broker has it. Raises PublishFailed."""
        ...

    def park(self, delivery: Delivery, headers: Mapping[str, str | int]) -> None:
        """Send `delivery` to the dead queue, and return when the broker has it. Raises PublishFailed."""
        ...

    def wake(self) -> None:
        """Let a `fetch` that waits, or the next one, return at once. From any thread."""
        ...

    def close(self) -> None:
        """Stop consuming and give back what is not acknowledged. Safe to repeat; `open` may follow."""
        ...


class UnitFactory(Protocol):
    """Makes units of work, as citybus.unit_of_work.Units does."""

    def __call__(self, context: Context, /) -> UnitOfWork: ...


class Batch:
    """The events of one transaction: the body of a service's method is `batch.apply(self.units)`."""

    def __init__(self, subscription: Subscription, arrivals: Sequence[Arrival]) -> None:
        self.subscription = subscription
        self.arrivals = arrivals
        self.report: Report | None = None
        self.error: Exception | None = None

    def apply(self, units: UnitFactory) -> None:
        """Apply all events in one transaction and commit it.

        A failure is left in `error`: what follows from it is the consumer's to decide, and Nameko would log its text.
        """
        try:
            with units(_context(self.subscription)) as uow:
                report = inbox.apply_batch(uow, self.subscription, self.arrivals)
                uow.commit()
            self.report = report
        except Exception as error:  # noqa: BLE001  # whatever a handler raises is the consumer's to judge
            self.error = error


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of real time. `hold`: how long messages are kept while the database is away, before they go back once.

    `sweep`: how often stored events are looked at; `overdue`: when an open gap is reported.
    Pauses grow from `pause_first` to `pause_most`, each shortened at random by up to half.
    """

    sweep: float = 5.0
    overdue: float = 60.0
    hold: float = 60.0
    pause_first: float = 0.2
    pause_most: float = 5.0


class Consumer:
    """Consumes one queue for one subscription until it is told to stop. One batch is in hand at a time.

    `run_batch` lets the service's method apply a batch; `on_progress` is called whenever the loop comes round.
    """

    def __init__(
        self,
        subscription: Subscription,
        inbound: Inbound,
        units: UnitFactory,
        run_batch: Callable[[Batch], None],
        *,
        batch_size: int = 500,
        ladder: Sequence[str] = LADDER,
        timing: Timing = Timing(),
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._subscription = subscription
        self._inbound = inbound
        self._units = units
        self._run_batch = run_batch
        self._batch_size = batch_size
        self._ladder = tuple(ladder)
        self._timing = timing
        self._on_progress = on_progress
        self._every_step = subscription.order is Order.EVERY_STEP
        self._stopping = threading.Event()
        self._followers_due = False
        self._said: bool | None = None
        self.ready = False
        """Whether it is consuming, with broker and database in reach."""

    def run(self) -> None:
        """Consume until `stop`; wait for broker and database whenever one is away. Raises Misconfigured."""
        pauses = self._pauses()
        try:
            while not self._stopping.is_set():
                try:
                    self._await_database()
                    self._inbound.open()
                    pauses = self._pauses()
                    self._consume()
                except (BrokerAway, _DatabaseAway) as error:
                    self._set_ready(False, describe(error))
                    self._inbound.close()
                    self._pause(pauses)
        except _Stopped:
            pass
        finally:
            self.ready = False
            self._inbound.close()

    def stop(self) -> None:
        """Let `run` return after the messages in hand. From any thread; safe to repeat."""
        self._stopping.set()
        self._inbound.wake()

    # ---- the loop

    def _consume(self) -> None:
        self._set_ready(True)
        sweep_at = monotonic()
        while not self._stopping.is_set():
            self._on_progress()
            now = monotonic()
            if now >= sweep_at:
                self._sweep()
                sweep_at = now + self._timing.sweep
            deliveries = self._inbound.fetch(self._batch_size, max(0.0, sweep_at - now))
            for run in _runs(deliveries):
                self._settle(run)
                self._inbound.ack(run[-1])
            if self._followers_due:
                self._release()

    def _settle(self, deliveries: Sequence[Delivery]) -> None:
        """Bring each delivery to its end: applied, on the ladder, or in the dead queue."""
        letters: list[tuple[Delivery, Arrival]] = []
        failed: list[tuple[Delivery, Exception]] = []
        for delivery in deliveries:
            try:
                letters.append((delivery, self._read(delivery)))
            except Exception as error:  # noqa: BLE001  # a schema's own code may raise anything
                failed.append((delivery, error))
        if letters:
            self._apply(letters)
        for delivery, failure in failed:
            self._put_aside(delivery, _event_of(delivery), failure)

    def _read(self, delivery: Delivery) -> Arrival:
        if delivery.redeliveries >= PARK_FROM:
            raise Invalid("REDELIVERED_TOO_OFTEN", f"{delivery.redeliveries} times, without an answer")
        return inbox.read(self._subscription, delivery.content_type, delivery.body)

    def _apply(self, letters: Sequence[tuple[Delivery, Arrival]]) -> None:
        """Apply `letters` in one transaction; where it fails, its halves, down to the single message."""
        error = self._attempt([arrival for _, arrival in letters])
        if error is None:
            return
        if len(letters) > 1:
            middle = len(letters) // 2
            self._apply(letters[:middle])
            self._apply(letters[middle:])
        else:
            delivery, arrival = letters[0]
            self._put_aside(delivery, arrival.event, error)

    def _attempt(self, arrivals: Sequence[Arrival]) -> Exception | None:
        """Run one batch and return why it failed, if it did; a database that is away is waited for."""
        while True:
            batch = Batch(self._subscription, arrivals)
            self._run_batch(batch)
            if batch.report is not None:
                self._count(batch.report)
                self._set_ready(True)
                return None
            error = batch.error or RuntimeError("the service's method did not apply its batch")
            if not database_away(error):
                return error
            self._await_database(error)

    def _put_aside(self, delivery: Delivery, event: Event | None, error: Exception) -> None:
        """Send a message that failed alone to the retry ladder or the dead queue."""
        attempts = delivery.attempts + 1
        reason = permanent_reason(error)
        if reason is None and attempts > len(self._ladder):
            reason = "RETRIES_EXHAUSTED"
        headers: dict[str, str | int] = {
            ATTEMPTS: attempts,
            CONSUMER: self._subscription.queue,
            ERROR: describe(error)[:500],
            HANDLER: event.type if event else "",
            FAILED_AT: datetime.now(UTC).isoformat(timespec="seconds"),
        }
        said = {"consumer": self._subscription.queue, "attempts": attempts, "error": headers[ERROR]}
        said |= {"event_id": event.id, "event_type": event.type} if event else {}
        if reason is None:
            delay = self._ladder[attempts - 1]
            self._send(lambda: self._inbound.retry(delivery, delay, headers))
            _RETRIES.labels(self._subscription.queue, delay).inc()
            log.warning("message will be retried", delay=delay, **said)
        else:
            self._send(lambda: self._inbound.park(delivery, headers | {REASON: reason}))
            _DEAD.labels(self._subscription.queue, reason).inc()
            log.error("message is parked in the dead queue", reason=reason, **said)
        if event is not None and self._every_step:
            parked = reason is not None
            self._in_database(lambda session: inbox.set_aside(session, self._subscription, event, parked=parked))

    def _send(self, send: Callable[[], None]) -> None:
        """Send a message aside, however long it takes: until then it stays unacknowledged and spends no delivery."""
        pauses = self._pauses()
        while True:
            try:
                return send()
            except PublishFailed as error:
                log.warning("message cannot be put aside", consumer=self._subscription.queue, error=str(error))
                self._pause(pauses)

    # ---- stored events

    def _release(self) -> None:
        """Apply stored events whose gap has closed."""
        self._followers_due = True
        while self._followers_due and not self._stopping.is_set():
            self._followers_due = False
            found = self._in_database(lambda session: inbox.followers(session, self._subscription, self._batch_size))
            if found:
                self._apply([(_redelivered(arrival), arrival) for arrival in found])

    def _sweep(self) -> None:
        """Look at what waits: another process, or an operator, may have closed its gap; and some gaps stay open."""
        if not self._every_step:
            return
        self._release()
        consumer = self._subscription.queue
        count, age = self._in_database(lambda session: inbox.waiting(session, consumer))
        _WAITING.labels(consumer).set(count)
        _WAITING_SECONDS.labels(consumer).set(age)
        if age > self._timing.overdue:
            for subject, first, last, parked in self._in_database(
                lambda session: inbox.overdue(session, consumer, self._timing.overdue)
            ):
                _OVERDUE.labels(consumer).inc()
                log.error(
                    "subject waits behind a parked event" if parked else "subject waits behind a gap",
                    consumer=consumer,
                    subject=subject,
                    applied=last,
                    waiting=first,
                    parked=parked,
                )

    # ---- the database

    def _in_database(self, act: Callable[[Session], T]) -> T:
        """Return what `act` returns, in a transaction of its own, as soon as the database lets it."""
        pauses = self._pauses()
        while True:
            try:
                with self._units(_context(self._subscription)) as uow:
                    result = act(uow.session)
                    uow.commit()
                return result
            except (DBAPIError, PoolTimeout) as error:
                if database_away(error):
                    self._await_database(error)
                elif isinstance(error, OperationalError):
                    self._pause(pauses)
                else:
                    raise

    def _await_database(self, error: Exception | None = None) -> None:
        """Return when the database answers. With `error`, messages are in hand: raises when they are to go back."""
        since = monotonic()
        pauses = self._pauses()
        if error is not None:
            self._set_ready(False, describe(error))
            self._pause(pauses)
        while not self._database_answers():
            self._set_ready(False, "the database does not answer")
            if error is not None and monotonic() - since > self._timing.hold:
                raise _DatabaseAway("messages are given back")
            self._pause(pauses)

    def _database_answers(self) -> bool:
        try:
            with self._units(_context(self._subscription)) as uow:
                uow.session.execute(text("SELECT 1"))
            return True
        except (DBAPIError, PoolTimeout):
            return False

    # ---- small things

    def _pauses(self) -> Iterator[float]:
        pause = self._timing.pause_first
        while True:
            yield pause * random.uniform(0.5, 1)  # noqa: S311  # jitter, no secret
            pause = min(pause * 2, self._timing.pause_most)

    def _pause(self, pauses: Iterator[float]) -> None:
        self._on_progress()
        if self._stopping.wait(next(pauses)):
            raise _Stopped

    def _set_ready(self, ready: bool, why: str = "") -> None:
        self.ready = ready
        if ready != self._said:
            self._said = ready
            if ready:
                log.info("consuming", consumer=self._subscription.queue)
            else:
                log.warning("not consuming", consumer=self._subscription.queue, error=why)

    def _count(self, report: Report) -> None:
        consumer = self._subscription.queue
        self._followers_due = self._followers_due or report.followers
        if report.duplicates:
            _DUPLICATES.labels(consumer).inc(report.duplicates)
        for (event_type, outcome), count in report.outcomes.items():
            if outcome in _COUNTERS:
                _COUNTERS[outcome].labels(consumer, event_type).inc(count)
        for event_type, seconds in report.seconds:
            _HANDLER_SECONDS.labels(consumer, event_type).observe(seconds)


def _context(subscription: Subscription) -> Context:
    """Return on whose account a consumer acts where no event is the cause."""
    return Context(actor=f"system:{subscription.service}", roles=(), purpose="consume", correlation_id=new_id())


def _runs(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Split `deliveries`, in order, so that each that may kill the process stands alone."""
    for suspect, run in groupby(deliveries, key=lambda delivery: delivery.redeliveries >= ALONE_FROM):
        if suspect:
            yield from ([delivery] for delivery in run)
        else:
            yield list(run)


def _event_of(delivery: Delivery) -> Event | None:
    try:
        return inbox.read_event(delivery.body)
    except Invalid:
        return None


def _redelivered(arrival: Arrival) -> Delivery:
    """Return a stored event as a message again, in case that it has to be put aside."""
    event = arrival.event
    return Delivery(
        body=arrival.body,
        content_type=CONTENT_TYPE,
        message_id=event.id,
        type=event.type,
        correlation_id=event.correlationid,
        timestamp=int(event.time.timestamp()),
    )

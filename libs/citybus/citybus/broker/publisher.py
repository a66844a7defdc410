"""The publisher: confirmed publishing with a window of outstanding messages, driven from the caller's own thread."""

import os
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol

import pika
from pika import exceptions, spec
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.connection import Connection
from pika.frame import Method

from citybus.envelope import CONTENT_TYPE
from citybus.telemetry import logs

logger = logs.get(__name__)

_PERSISTENT: Final = 2
_CONNECTION_FORCED: Final = 320


class Fate(Enum):
    """What became of a message given to `Publisher.publish`.

    CONFIRMED  the broker took responsibility for it
    RETURNED   it is mandatory and no queue wants it
    NACKED     the broker, or a full queue behind it, declined it
    REFUSED    it cannot go as it is: it cannot be encoded, is too large, or the broker closed the channel on it
    UNKNOWN    it was sent and the answer was lost: it may or may not have arrived
    HELD       it was not sent: an earlier one of its order key failed, or there was no connection
    """

    CONFIRMED = auto()
    RETURNED = auto()
    NACKED = auto()
    REFUSED = auto()
    UNKNOWN = auto()
    HELD = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one message and the reason that was given for it, which never quotes the body."""

    fate: Fate
    reason: str = ""


CONFIRMED: Final = Outcome(Fate.CONFIRMED)
UNKNOWN: Final = Outcome(Fate.UNKNOWN)
HELD: Final = Outcome(Fate.HELD)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish.

    In one batch every `message_id` is another, and a message is sent only after the one before it with the same
    `order_key` was confirmed, so that neither a failure nor a reconnection changes their order. `timestamp` is in
    seconds since 1970.
    """

    message_id: str
    type: str
    exchange: str
    routing_key: str
    body: bytes
    mandatory: bool
    correlation_id: str
    timestamp: int
    order_key: str
    traceparent: str | None = None
    content_type: str | None = CONTENT_TYPE
    headers: Mapping[str, Any] | None = None


class Publisher(Protocol):
    """Publishes batches of messages and learns what became of each. Used from one thread."""

    def tend(self) -> int:
        """Serve the connection without waiting (heartbeats, notices of the broker), and connect when that is due.

        Return the number of the connection that `publish` will use, counted from 1, or 0 while there is none.
        Connecting waits no longer than its time-out.
        """
        ...

    def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Publish `batch`; return one outcome for each message, in the order of the batch.

        It raises for no message and no connection, and always returns: after the time-out for a silent or a blocked
        broker the connection is dropped, what was outstanding is UNKNOWN and what was not sent is HELD.
        """
        ...

    def close(self) -> None:
        """Close the connection for good; again is no harm."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and time-outs (seconds) of a publisher.

    `window` is the most messages outstanding at once and `body` the most bytes of one. `confirm` is the longest
    silence of the broker while messages are outstanding; `blocked` the longest patience with a broker that blocks
    its publishers (memory or disk alarm). Reconnection waits `retry_first`, doubled each time up to `retry_most`,
    shortened at random by up to half.
    """

    window: int = 1000
    body: int = 8 * 1024 * 1024
    confirm: float = 7.0
    blocked: float = 15.0
    connect: float = 5.0
    heartbeat: int = 20
    retry_first: float = 0.2
    retry_most: float = 5.0


class PikaPublisher:
    """The publisher to RabbitMQ.

    On a new connection one message goes alone before the window opens, so that a blocked broker is met with one
    message and not with a window of them. When the broker closes the channel over a message, it does not say over
    which: as many as were outstanding then go again, one at a time, and the one that the channel closes on is
    REFUSED. So no message that the broker cannot take keeps the others from going.
    """

    def __init__(
        self,
        url: str,
        *,
        app_id: str,
        limits: Limits | None = None,
        on_confirm: Callable[[float], None] | None = None,
    ) -> None:
        """Connect (in `tend`) to the AMQP `url`; `app_id` goes into every message and names the connection.

        `on_confirm` is told for each answer of the broker how many seconds the oldest message in it had waited.
        """
        self._limits = limits or Limits()
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = self._limits.heartbeat
        self._parameters.blocked_connection_timeout = self._limits.blocked
        self._parameters.connection_attempts = 1
        self._parameters.socket_timeout = self._limits.connect
        self._parameters.stack_timeout = self._limits.connect
        self._parameters.client_properties = {"connection_name": app_id}
        self._app_id = app_id
        self._on_confirm_seconds = on_confirm
        self._loop = _Loop()
        self._closed = False
        self._connection: pika.SelectConnection | None = None
        self._channel: Channel | None = None  # set while it is open and confirms
        self._number = 0
        self._failures = 0
        self._connect_at = 0.0
        self._blocked = False
        self._batch = _Batch(())
        self._last_tag = 0
        self._alone = 1  # so many messages more go one at a time
        self._heard_at = 0.0

    def tend(self) -> int:
        if self._connection is None:
            if time.monotonic() < self._connect_at:
                return 0
            self._connect()
        else:
            self._serve(0)
            if self._channel is None and self._connection is not None:
                self._serve(self._limits.connect, until=self._usable_or_lost)
        return self._number if self._channel is not None else 0

    def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        work = self._batch = _Batch(batch)
        self._heard_at = time.monotonic()
        self._send()
        while self._connection is not None and not work.settled:
            self._serve(self._limits.confirm / 4, until=lambda: work.settled or self._connection is None)
            silence = time.monotonic() - self._heard_at
            if silence > self._limits.confirm and not self._blocked and not work.settled:
                self._cut("no confirm in time")
        self._batch = _Batch(())
        return work.outcomes()

    def close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.close()
            self._serve(self._limits.connect, until=self._lost)
        self._cut("no answer to the farewell")
        if not self._closed:
            self._loop.close()
        self._closed = True

    # The connection. Its callbacks run inside `_serve` and stop the loop when its caller should look again.

    def _serve(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Run the I/O loop until `until` holds or `seconds` have passed; with 0, once over what is ready."""
        end = time.monotonic() + seconds
        while not until():
            rest = end - time.monotonic()
            timer = self._loop.call_later(max(rest, 0), self._loop.stop)
            try:
                self._loop.start()
            except Exception:
                # pika's own, where a peer breaks off in the midst of its greeting
                logger.exception("broker connection broken")
                self._loop.cut()
            finally:
                self._loop.remove_timeout(timer)
            if rest <= 0:
                return

    def _usable_or_lost(self) -> bool:
        return self._channel is not None or self._connection is None

    def _lost(self) -> bool:
        return self._connection is None

    def _connect(self) -> None:
        self._alone = max(self._alone, 1)
        self._connection = pika.SelectConnection(
            self._parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_lost,
            on_close_callback=self._on_lost,
            custom_ioloop=self._loop,
        )
        self._serve(self._limits.connect, until=self._usable_or_lost)
        if self._channel is None:
            self._cut("no answer to the greeting")

    def _cut(self, reason: str) -> None:
        """Drop the connection at once: a peer that does not answer would not answer a farewell either."""
        if self._connection is not None:
            logger.warning("broker connection cut", reason=reason)
            self._loop.cut()
            self._serve(self._limits.connect, until=self._lost)
            if self._connection is not None:
                # It broke before pika knew its socket: nothing is left there that could tell of its end.
                self._loop = _Loop()
                self._on_lost(self._connection, ConnectionError(reason))

    def _on_open(self, connection: Connection) -> None:
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        self._number += 1
        self._open_channel(connection)

    def _on_lost(self, _connection: Connection, error: BaseException) -> None:
        if isinstance(error, exceptions.ConnectionClosedByBroker) and error.reply_code != _CONNECTION_FORCED:
            self._accuse(f"{error.reply_code} {error.reply_text}")
        self._batch.lose()
        if not isinstance(error, exceptions.ConnectionClosedByClient):
            wait = min(self._limits.retry_most, self._limits.retry_first * 2**self._failures)
            self._connect_at = time.monotonic() + wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
            self._failures = min(self._failures + 1, 16)
            logger.warning("broker connection lost", reason=type(error).__name__)
        self._connection = self._channel = None
        self._blocked = False
        self._loop.stop()

    def _on_blocked(self, _connection: Connection, _frame: Method[Any]) -> None:
        logger.warning("broker blocks publishers")
        self._blocked = True

    def _on_unblocked(self, _connection: Connection, _frame: Method[Any]) -> None:
        logger.info("broker takes messages again")
        self._blocked = False
        self._heard_at = time.monotonic()
        self._send()

    # The channel.

    def _open_channel(self, connection: Connection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._on_ready(channel))

    def _on_ready(self, channel: Channel) -> None:
        self._channel = channel
        self._last_tag = 0
        self._heard_at = time.monotonic()
        self._send()
        self._loop.stop()

    def _on_channel_closed(self, channel: Channel, error: Exception) -> None:
        self._channel = None
        if isinstance(error, exceptions.ChannelClosedByBroker):
            logger.warning("broker closed the channel", code=error.reply_code)
            self._accuse(f"{error.reply_code} {error.reply_text}")
            self._batch.take_back()
            self._open_channel(channel.connection)

    def _accuse(self, reason: str) -> None:
        """Blame the one message that is outstanding; if there are more, let them go one at a time from now on."""
        self._alone = max(1, len(self._batch.outstanding))
        if len(self._batch.outstanding) == 1:
            self._batch.settle(next(iter(self._batch.outstanding)), Outcome(Fate.REFUSED, reason))

    def _on_return(self, _channel: Channel, method: Any, properties: pika.BasicProperties, _body: bytes) -> None:
        # The broker returns a message before it confirms it.
        self._batch.returned[str(properties.message_id)] = f"{method.reply_code} {method.reply_text}"

    def _on_confirm(self, frame: Method[Any]) -> None:
        batch = self._batch
        now = self._heard_at = time.monotonic()
        self._failures = 0
        tag: int = frame.method.delivery_tag
        if frame.method.multiple:
            tags = []
            for outstanding in batch.outstanding:
                if outstanding > tag:
                    break
                tags.append(outstanding)
        else:
            tags = [tag] if tag in batch.outstanding else []
        if tags and self._on_confirm_seconds is not None:
            self._on_confirm_seconds(now - batch.outstanding[tags[0]][1])
        outcome = Outcome(Fate.NACKED) if isinstance(frame.method, spec.Basic.Nack) else CONFIRMED
        for each in tags:
            batch.settle(each, outcome)
        self._alone = max(0, self._alone - len(tags))
        self._send()
        if batch.settled:
            self._loop.stop()

    def _send(self) -> None:
        """Send what may go now."""
        batch = self._batch
        if self._channel is None or self._blocked:
            return
        window = 1 if self._alone else self._limits.window
        now = time.monotonic()
        while batch.ready and len(batch.outstanding) < window and self._channel.is_open:
            index = batch.ready.popleft()
            message = batch.messages[index]
            if len(message.body) > self._limits.body:
                batch.conclude(index, Outcome(Fate.REFUSED, f"body of {len(message.body)} bytes"))
                continue
            try:
                self._channel.basic_publish(
                    message.exchange,
                    message.routing_key,
                    message.body,
                    pika.BasicProperties(
                        content_type=message.content_type,
                        delivery_mode=_PERSISTENT,
                        message_id=message.message_id,
                        type=message.type,
                        app_id=self._app_id,
                        timestamp=message.timestamp,
                        correlation_id=message.correlation_id,
                        headers=_headers(message),
                    ),
                    mandatory=message.mandatory,
                )
            except (exceptions.AMQPError, ValueError, TypeError) as error:
                # pika encodes the whole message before it sends any of it.
                batch.conclude(index, Outcome(Fate.REFUSED, type(error).__name__))
                continue
            self._last_tag += 1
            batch.outstanding[self._last_tag] = (index, now)


def _headers(message: Outgoing) -> dict[str, Any] | None:
    trace = {"traceparent": message.traceparent} if message.traceparent else {}
    return {**trace, **(message.headers or {})} or None


class _Batch:
    """The messages of one `publish` and how far each has come. `outstanding` maps tag to (index, time sent)."""

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.messages = messages
        self.ready: deque[int] = deque()
        self.outstanding: dict[int, tuple[int, float]] = {}
        self.returned: dict[str, str] = {}
        self._outcomes: list[Outcome] = [HELD] * len(messages)
        self._followers: dict[str, deque[int]] = {}
        for index, message in enumerate(messages):
            followers = self._followers.get(message.order_key)
            if followers is None:
                self._followers[message.order_key] = deque()
                self.ready.append(index)
            else:
                followers.append(index)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to send or to wait for."""
        return not self.outstanding and not self.ready

    def settle(self, tag: int, outcome: Outcome) -> None:
        """Record the broker's word on a message that was sent."""
        index, _ = self.outstanding.pop(tag)
        if outcome is CONFIRMED and self.messages[index].message_id in self.returned:
            outcome = Outcome(Fate.RETURNED, self.returned[self.messages[index].message_id])
        self.conclude(index, outcome)

    def conclude(self, index: int, outcome: Outcome) -> None:
        """Record the outcome of a message; a confirm lets the next one of its order key go, anything else holds it."""
        self._outcomes[index] = outcome
        followers = self._followers[self.messages[index].order_key]
        if followers and outcome is CONFIRMED:
            self.ready.appendleft(followers.popleft())

    def take_back(self) -> None:
        """Put what is outstanding back to be sent first."""
        self.ready.extendleft(index for index, _ in reversed(self.outstanding.values()))
        self.outstanding.clear()
        self.returned.clear()

    def lose(self) -> None:
        """Give up: what is outstanding is unknown, what was not sent is held."""
        for index, _ in self.outstanding.values():
            self._outcomes[index] = UNKNOWN
        self.outstanding.clear()
        self.ready.clear()

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes in the order of the messages."""
        return self._outcomes


class _Loop(IOLoop):  # type: ignore[misc] # pika has types but not the marker that says so
    """An I/O loop that can cut the connection which it serves. pika itself waits for the peer's farewell."""

    def __init__(self) -> None:
        super().__init__()
        self._served: set[int] = set()

    def add_handler(self, fd: int, handler: Callable[[int, int], None], events: int) -> None:
        super().add_handler(fd, handler, events)
        self._served.add(fd)

    def remove_handler(self, fd: int) -> None:
        super().remove_handler(fd)
        self._served.discard(fd)

    def cut(self) -> None:
        """Shut the served sockets down in both directions, so that their owner finds them ended."""
        for fd in self._served:
            # One that was never connected, or was ended by its peer, fails here and tells its owner by itself.
            with socket.socket(fileno=os.dup(fd)) as line, suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

"""The inbound side of RabbitMQ: one queue consumed over its own connection, with its retry ladder and dead queue."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pika
from pika import exceptions
from pika.channel import Channel
from pika.connection import Connection

from citybus.broker.publisher import Fate, Outgoing, Publisher
from citybus.consumer import ALONE_FROM, LADDER, BrokerAway, Delivery, Misconfigured, PublishFailed
from citybus.ids import new_id

_SAID_NO: Final = re.compile(r"ConnectionClosedByBroker: \((403|530)\)(?!.* limit )")
_HOPELESS: Final = {403, 404, 405}
"""Reply codes for which waiting does not help: access refused, not found, locked by another connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs in seconds, and `prefetch`, the most messages that may be delivered and unacknowledged."""

    prefetch: int = 1000
    connect: float = 10.0
    close: float = 5.0
    heartbeat: int = 30


class RabbitInbound:
    """Consumes a queue that exists; it declares nothing, since a service has no right to.

    Messages are received by a thread of its own, which also answers heartbeats while a batch is being applied. A
    message that may kill the process is fetched alone: consuming starts with a window of one, which opens as soon as
    a message comes that was not delivered again and again. So such a message takes no neighbours along.
    """

    def __init__(
        self,
        url: str,
        queue: str,
        publisher: Callable[[], Publisher],
        *,
        exchange: str,
        ladder: Sequence[str] = LADDER,
        limits: Limits = Limits(),
        name: str | None = None,
    ) -> None:
        """`exchange` leads to the queue's ladder and dead queue by their names; `name` is shown by the broker.

        `publisher` makes the publisher that sends messages there, over a connection of its own: a broker in alarm
        blocks a connection that publishes, and must not keep this one from acknowledging. It is made when first needed.
        """
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = limits.heartbeat
        self._parameters.connection_attempts = 1
        self._parameters.socket_timeout = limits.connect
        self._parameters.stack_timeout = limits.connect
        self._parameters.client_properties = {"connection_name": name or queue}
        self._queue = queue
        self._new_publisher = publisher
        self._publisher: Publisher | None = None
        self._exchange = exchange
        self._needed = (queue, *(f"{queue}.retry.{delay}" for delay in ladder), f"{queue}.dead")
        self._limits = limits
        self._link: _Link | None = None
        self._tags = 0
        self._woken = threading.Event()

    def open(self) -> None:
        self.close()
        self._link = _Link(self._parameters, self._needed, self._limits, self._tags)
        self._link.start()

    def fetch(self, limit: int, timeout: float) -> list[Delivery]:
        if self._link is None:
            raise BrokerAway("not open")
        link = self._link
        if self._publisher is not None:
            self._publisher.tend()
        link.wait(timeout, self._woken)
        self._woken.clear()
        if link.error is not None:
            raise link.error
        taken = link.take(limit)
        if taken:
            self._tags = taken[-1].tag
        return taken

    def ack(self, last: Delivery) -> None:
        if self._link is not None:
            self._link.ack(last.tag)

    def retry(self, delivery: Delivery, delay: str, headers: Mapping[str, str | int]) -> None:
        self._send(delivery, f"{self._queue}.retry.{delay}", headers)

    def park(self, delivery: Delivery, headers: Mapping[str, str | int]) -> None:
        self._send(delivery, f"{self._queue}.dead", headers)

    def wake(self) -> None:
        self._woken.set()
        if (link := self._link) is not None:
            link.arrived.set()

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def _send(self, delivery: Delivery, queue: str, headers: Mapping[str, str | int]) -> None:
        """Publish `delivery` to `queue` and wait for the confirm."""
        message_id = delivery.message_id or new_id()
        kept = {name: value for name, value in delivery.headers.items() if not name.startswith("x-")}
        message = Outgoing(
            message_id=message_id,
            type=delivery.type or "",
            exchange=self._exchange,
            routing_key=queue,
            body=delivery.body,
            mandatory=True,
            correlation_id=delivery.correlation_id or "",
            timestamp=delivery.timestamp or int(time.time()),
            order_key=message_id,
            content_type=delivery.content_type,
            headers={**kept, **headers},
        )
        if self._publisher is None:
            self._publisher = self._new_publisher()
        self._publisher.tend()
        (outcome,) = self._publisher.publish([message])
        if outcome.fate is not Fate.CONFIRMED:
            raise PublishFailed(f"{queue}: {outcome.fate.name} {outcome.reason}".rstrip())


def _refused(error: BaseException | str) -> bool:
    """Say whether the broker itself refused the user, the password or the virtual host.

    pika calls every connection that ends while it is being opened a probable refusal, one that the network cut as well.
    What the broker said stands in the error's text alone.
    """
    probable = isinstance(error, exceptions.ProbableAuthenticationError | exceptions.ProbableAccessDeniedError)
    return probable and _SAID_NO.search(str(error)) is not None


class _Link:
    """One connection with one consumer, served by its own thread; used by the consumer's thread."""

    def __init__(self, parameters: pika.URLParameters, queues: Sequence[str], limits: Limits, tags: int) -> None:
        """Tags count on from `tags`, so that none is the same as one of an earlier connection."""
        self.arrived = threading.Event()
        self.error: BrokerAway | Misconfigured | None = None
        self._parameters = parameters
        self._queue = queues[0]
        self._limits = limits
        self._tags_before = tags
        self._buffer: deque[Delivery] = deque()
        self._unchecked = deque(queues)
        self._checking = ""
        self._consuming = threading.Event()
        self._ended = threading.Event()
        self._careful = True
        self._channel: Channel | None = None
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_open_error,
            on_close_callback=self._on_closed,
        )

    # ---- for the consumer's thread

    def start(self) -> None:
        """Connect and consume. Raises BrokerAway or Misconfigured."""
        threading.Thread(target=self._serve, name=f"inbound {self._queue}", daemon=True).start()
        # pika itself gives up a greeting after the connect time-out; this is for a broker that falls silent after it.
        if not self._consuming.wait(2 * self._limits.connect):
            self.close()
            raise BrokerAway("the broker did not answer")
        if self.error is not None:
            raise self.error

    def wait(self, timeout: float, woken: threading.Event) -> None:
        """Return when something has arrived, the connection is lost, `woken` is set, or `timeout` is over."""
        self.arrived.clear()
        if not self._buffer and self.error is None and not woken.is_set():
            self.arrived.wait(timeout)

    def take(self, limit: int) -> list[Delivery]:
        buffer = self._buffer
        return [buffer.popleft() for _ in range(min(limit, len(buffer)))]

    def ack(self, tag: int) -> None:
        self._connection.ioloop.add_callback_threadsafe(lambda: self._ack(tag))

    def close(self) -> None:
        """Close in order; a broker that does not answer is left to the heartbeat, which ends the thread."""
        self._connection.ioloop.add_callback_threadsafe(self._close)
        self._ended.wait(self._limits.close)

    # ---- in the link's thread

    def _serve(self) -> None:
        try:
            self._connection.ioloop.start()
        finally:
            self._connection.ioloop.close()
            self._fail(BrokerAway("the connection ended"))
            self._ended.set()

    def _fail(self, error: BrokerAway | Misconfigured) -> None:
        if self.error is None:
            self.error = error
        self.arrived.set()
        self._consuming.set()

    def _close(self) -> None:
        # Where it is not open, its end is on its way.
        if self._connection.is_open:
            self._connection.close()

    def _ack(self, tag: int) -> None:
        if self._channel is not None and self._channel.is_open and tag > self._tags_before:
            self._channel.basic_ack(tag - self._tags_before, multiple=True)

    def _on_open(self, connection: Connection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_open_error(self, _connection: Connection, error: BaseException | str) -> None:
        if _refused(error):
            self._fail(Misconfigured(f"the broker refuses this user, its password or the virtual host: {error!r}"))
        else:
            self._fail(BrokerAway(repr(error)))
        self._connection.ioloop.stop()

    def _on_closed(self, _connection: Connection, error: BaseException) -> None:
        self._fail(BrokerAway(repr(error)))
        self._connection.ioloop.stop()

    def _on_channel(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(self._on_cancelled)
        self._check(channel)

    def _on_channel_closed(self, _channel: Channel, error: BaseException) -> None:
        if isinstance(error, exceptions.ChannelClosedByBroker) and error.reply_code in _HOPELESS:
            self._fail(
                Misconfigured(
                    f"queue {self._checking or self._queue}: {error.reply_code} {error.reply_text}; "
                    "it is declared by `dandang topology apply`"
                )
            )
        else:
            self._fail(BrokerAway(repr(error)))
        self._close()

    def _on_cancelled(self, _frame: Any) -> None:
        self._fail(BrokerAway("the broker cancelled the consumer"))
        self._close()

    def _check(self, channel: Channel) -> None:
        """See that each queue exists, before anything is taken that could then not be put aside."""
        if not channel.is_open:
            return  # the answer came while it was being closed
        if self._unchecked:
            self._checking = self._unchecked.popleft()
            channel.queue_declare(self._checking, passive=True, callback=lambda _frame: self._check(channel))
        else:
            self._checking = ""
            self._consume(channel, 1)

    def _consume(self, channel: Channel, prefetch: int) -> None:
        if not channel.is_open:
            return
        channel.basic_qos(prefetch_count=prefetch)
        channel.basic_consume(self._queue, self._on_message, callback=lambda _frame: self._consuming.set())

    def _on_message(self, channel: Channel, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        headers = properties.headers or {}
        delivery = Delivery(
            body=body,
            content_type=properties.content_type,
            message_id=properties.message_id,
            type=properties.type,
            correlation_id=properties.correlation_id,
            timestamp=properties.timestamp,
            headers=headers,
            redeliveries=headers.get("x-delivery-count", 0),
            tag=self._tags_before + method.delivery_tag,
        )
        self._buffer.append(delivery)
        if not self.arrived.is_set():
            self.arrived.set()
        if self._careful and delivery.redeliveries < ALONE_FROM and channel.is_open:
            self._careful = False
            channel.basic_cancel(
                method.consumer_tag, callback=lambda _frame: self._consume(channel, self._limits.prefetch)
            )

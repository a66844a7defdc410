"""Dead letters on RabbitMQ: an operator's look at a dead queue, and letters leaving it one by one."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import pika
from pika import exceptions

from citybus.consumer import Delivery, Misconfigured, PublishFailed

TIMEOUT: Final = 30.0
"""Seconds to wait for a broker that does not answer or takes no messages."""
GIVEN_BACK_WITHIN: Final = 5.0
"""Seconds to wait on leaving until letters that were only looked at can be fetched again."""


class RabbitDeadQueue:
    """The dead queue of a work queue. A context manager; on leaving, letters that were only looked at go back.

    A quorum queue takes back what is returned a moment after the broker was told. Leaving waits for that, so that the
    next look finds them; where somebody else takes them meanwhile, it waits for `GIVEN_BACK_WITHIN` seconds in vain.

    `exchange` leads to the work queue by its name. Every letter that is fetched and given back counts as a delivery,
    so a dead queue has a delivery limit that is never reached.
    """

    def __init__(self, url: str, queue: str, *, exchange: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.blocked_connection_timeout = TIMEOUT
        self._parameters.socket_timeout = TIMEOUT
        self._parameters.stack_timeout = TIMEOUT
        self._parameters.client_properties = {"connection_name": f"dead letters of {queue}"}
        self._queue = queue
        self._exchange = exchange
        self._held: set[int] = set()

    def __enter__(self) -> Self:
        try:
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
            self._waiting = self._ready()
        except exceptions.ChannelClosedByBroker as error:
            self._connection.close()
            raise Misconfigured(f"queue {self._queue}.dead: {error.reply_code} {error.reply_text}") from None
        except exceptions.AMQPError as error:
            # The error's own text may name the address, and with it a password.
            raise Misconfigured(f"the broker does not let us in: {type(error).__name__}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(exceptions.AMQPError):  # lost meanwhile
            self._give_back()
        with suppress(exceptions.AMQPError):
            self._connection.close()

    def letters(self) -> Iterator[Delivery]:
        """Yield what lay in the queue when it was opened, the oldest first but for what an earlier look gave back.

        What is not removed goes back at the end.
        """
        for _ in range(self._waiting):
            method, properties, body = self._channel.basic_get(f"{self._queue}.dead")
            if method is None:
                return
            self._held.add(method.delivery_tag)
            yield Delivery(
                body=body,
                content_type=properties.content_type,
                message_id=properties.message_id,
                type=properties.type,
                correlation_id=properties.correlation_id,
                timestamp=properties.timestamp,
                headers=properties.headers or {},
                tag=method.delivery_tag,
            )

    def send_back(self, letter: Delivery, message: Delivery) -> None:
        """Publish `message` to the work queue with no trace of earlier failures, then remove `letter`.

        The letter is removed only after the broker has confirmed the message. Raises PublishFailed.
        """
        headers = {name: value for name, value in message.headers.items() if not name.startswith(("x-", "city-"))}
        properties = pika.BasicProperties(
            content_type=message.content_type,
            delivery_mode=2,
            message_id=message.message_id,
            type=message.type,
            correlation_id=message.correlation_id,
            timestamp=message.timestamp,
            headers=headers,
        )
        self._answered(
            lambda: self._channel.basic_publish(self._exchange, self._queue, message.body, properties, mandatory=True)
        )
        self.remove(letter)

    def remove(self, letter: Delivery) -> None:
        """Remove the letter for good. Raises PublishFailed if it may still be there."""
        self._answered(lambda: self._channel.basic_ack(letter.tag))
        self._held.discard(letter.tag)

    def _give_back(self) -> None:
        if not self._held:
            return
        wanted = self._ready() + len(self._held)
        self._channel.basic_nack(0, multiple=True, requeue=True)
        give_up = time.monotonic() + GIVEN_BACK_WITHIN
        while self._ready() < wanted and time.monotonic() < give_up:
            self._connection.sleep(0.01)

    def _ready(self) -> int:
        """Return how many letters can be fetched: those that somebody holds are not counted."""
        return int(self._channel.queue_declare(f"{self._queue}.dead", passive=True).method.message_count)

    def _answered(self, act: Callable[[], None]) -> None:
        try:
            act()
        except exceptions.UnroutableError:
            raise PublishFailed(f"{self._exchange} does not lead to {self._queue}") from None
        except exceptions.AMQPError as error:
            raise PublishFailed(f"{self._queue}: {type(error).__name__}") from None

"""Queues with their ladder and dead queue on a real broker, and events to put there."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pika

from citybus.consumer import Delivery
from citybus.envelope import CONTENT_TYPE, Event
from citybus.ids import new_id
from tests.support.broker import Vhost


def make_event(subject: str = "box/1", sequence: int = 1, **changes: Any) -> Event:
    """Return an event of a shop that packs boxes: no word of the city's."""
    event_type = changes.get("type", "shop.box.packed.v1")
    fields: dict[str, Any] = {
        "id": new_id(),
        "type": event_type,
        "source": "/city/000000/shop",
        "time": datetime(2026, 3, 2, 9, tzinfo=UTC),
        "dataschema": f"urn:city:schema:{event_type}",
        "data": {"weight": sequence},
        "correlationid": new_id(),
        "actor": "system:shop",
        "dataclass": "L2",
    }
    return Event(subject=subject, sequence=sequence, **(fields | changes))


def delivery_of(event: Event, **changes: Any) -> Delivery:
    """Return `event` as the relay would have published it."""
    fields: dict[str, Any] = {
        "body": event.to_json(),
        "content_type": CONTENT_TYPE,
        "message_id": event.id,
        "type": event.type,
        "correlation_id": event.correlationid,
        "timestamp": int(event.time.timestamp()),
    }
    return Delivery(**(fields | changes))


class Queues:
    """A work queue of a virtual host, as the topology would declare it, and what a test does to it."""

    def __init__(self, vhost: Vhost, queue: str = "stock.shop", ladder: Mapping[str, int] | None = None) -> None:
        """`ladder` maps each rung's name to the milliseconds that it really takes here."""
        self.vhost = vhost
        self.queue = queue
        self.exchange = f"{queue.partition('.')[0]}.retry"
        self.ladder = dict(ladder or {"1s": 100, "10s": 100})
        with self.channel() as channel:
            channel.exchange_declare(self.exchange, "direct", durable=True)
            for name in (queue, f"{queue}.dead"):
                arguments = {"x-queue-type": "quorum", "x-delivery-limit": 20 if name == queue else 1_000_000}
                channel.queue_declare(name, durable=True, arguments=arguments)
                channel.queue_bind(name, self.exchange, name)
            for delay, milliseconds in self.ladder.items():
                name = f"{queue}.retry.{delay}"
                arguments = {
                    "x-queue-type": "quorum",
                    "x-message-ttl": milliseconds,
                    "x-dead-letter-exchange": self.exchange,
                    "x-dead-letter-routing-key": queue,
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                }
                channel.queue_declare(name, durable=True, arguments=arguments)
                channel.queue_bind(name, self.exchange, name)

    @contextmanager
    def channel(self) -> Any:
        """Give a confirming channel of the administrator's."""
        connection = pika.BlockingConnection(pika.URLParameters(self.vhost.amqp_url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    def put(self, *deliveries: Delivery, queue: str | None = None) -> None:
        """Publish messages to the work queue, or to another one of its family."""
        with self.channel() as channel:
            for delivery in deliveries:
                properties = pika.BasicProperties(
                    content_type=delivery.content_type,
                    message_id=delivery.message_id,
                    type=delivery.type,
                    correlation_id=delivery.correlation_id,
                    timestamp=delivery.timestamp,
                    headers=dict(delivery.headers),
                    delivery_mode=2,
                )
                channel.basic_publish("", queue or self.queue, delivery.body, properties, mandatory=True)

    def take(self, queue: str | None = None) -> list[Delivery]:
        """Take every ready message off a queue."""
        taken: list[Delivery] = []
        with self.channel() as channel:
            while True:
                method, properties, body = channel.basic_get(queue or self.queue, auto_ack=True)
                if method is None:
                    return taken
                taken.append(
                    Delivery(
                        body=body,
                        content_type=properties.content_type,
                        message_id=properties.message_id,
                        type=properties.type,
                        correlation_id=properties.correlation_id,
                        timestamp=properties.timestamp,
                        headers=properties.headers or {},
                        redeliveries=(properties.headers or {}).get("x-delivery-count", 0),
                    )
                )

    def dead(self) -> list[Delivery]:
        """Take every message off the dead queue."""
        return self.take(f"{self.queue}.dead")

    def count(self, queue: str | None = None) -> int:
        """Return how many messages are ready."""
        with self.channel() as channel:
            return int(channel.queue_declare(queue or self.queue, passive=True).method.message_count)

    def delete(self, queue: str) -> None:
        """Delete a queue."""
        with self.channel() as channel:
            channel.queue_delete(queue)

    def cut_connections(self, named: Sequence[str]) -> None:
        """Close the connections of these names, as an operator or a network would."""
        for connection in self.vhost.api("GET", "connections").json():
            name = connection.get("client_properties", {}).get("connection_name")
            if connection["vhost"] == self.vhost.name and name in named:
                self.vhost.api("DELETE", f"connections/{quote(connection['name'], safe='')}", allow=(404,))

"""A service that keeps stock of what a shop packs: the consumer in the tests of the bus."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from marshmallow import EXCLUDE, Schema, fields
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, Text, select
from sqlalchemy.orm import sessionmaker

from citybus.clock import SystemClock
from citybus.envelope import CONTENT_TYPE, Event
from citybus.inbox import Arrival, Handler, Order, Subscription, read
from citybus.outbox import Draft
from citybus.tables import inbox_messages, outbox_messages, subject_cursors, waiting_events
from citybus.unit_of_work import Context, UnitOfWork, Units

own = MetaData()
effects = Table(
    "effects",
    own,
    Column("position", BigInteger, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("weight", BigInteger, nullable=False),
)

QUEUE = "stock.shop"
PACKED = "shop.box.packed.v1"
CONTEXT = Context(actor="system:stock", roles=(), purpose="test", correlation_id="test")


class Packed(Schema):
    """What stock wants to know of a packed box."""

    class Meta:
        unknown = EXCLUDE

    weight = fields.Integer(required=True)


def write_effect(uow: UnitOfWork, event: Event, data: dict[str, Any]) -> None:
    """Write one row, and publish that it was written."""
    uow.session.execute(
        effects.insert(),
        {
            "event_id": event.id,
            "subject": event.subject,
            "sequence": event.sequence,
            "weight": data["weight"],
        },
    )
    uow.publish(Draft("stock.item.counted.v1", f"item/{event.subject}", {"of": event.id}, "L2"))


def subscription(order: Order, apply: Callable[..., None] = write_effect, **options: Any) -> Subscription:
    """Return stock's subscription to packed boxes."""
    return Subscription(QUEUE, order, {PACKED: Handler(Packed(), apply)}, **options)


def arrival(of: Subscription, event: Event) -> Arrival:
    """Return `event` as the inbox reads it."""
    return read(of, CONTENT_TYPE, event.to_json())


class Stock:
    """The service's database, and what a test asks of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.units = Units(sessionmaker(engine), "/city/000000/stock", SystemClock())

    def unit(self) -> UnitOfWork:
        """Return a unit of work on the test's own account."""
        return self.units(CONTEXT)

    def clear(self) -> None:
        """Forget everything that was consumed."""
        with self.engine.begin() as connection:
            for table in (effects, inbox_messages, subject_cursors, waiting_events, outbox_messages):
                connection.execute(table.delete())

    def effects(self, subject: str | None = None) -> list[int]:
        """Return the sequences that took effect, in the order in which they did."""
        wanted = select(effects.c.sequence).order_by(effects.c.position)
        if subject:
            wanted = wanted.where(effects.c.subject == subject)
        with self.engine.connect() as connection:
            return list(connection.execute(wanted).scalars())

    def per_event(self) -> Counter[str]:
        """Return how often each event took effect."""
        with self.engine.connect() as connection:
            return Counter(connection.execute(select(effects.c.event_id)).scalars())

    def outcomes(self) -> Counter[str]:
        """Return how many events of each outcome the inbox knows."""
        with self.engine.connect() as connection:
            return Counter(connection.execute(select(inbox_messages.c.outcome)).scalars())

    def cursor(self, subject: str) -> tuple[int, str | None] | None:
        """Return the last sequence applied and the id of the event that holds the subject back."""
        wanted = select(subject_cursors.c.last, subject_cursors.c.blocked_by).where(
            subject_cursors.c.subject == subject
        )
        with self.engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return (row.last, row.blocked_by) if row else None

    def waiting(self) -> list[tuple[str, int]]:
        """Return (subject, sequence) of each stored event."""
        wanted = select(waiting_events.c.subject, waiting_events.c.sequence).order_by(
            waiting_events.c.subject, waiting_events.c.sequence
        )
        with self.engine.connect() as connection:
            return [(subject, sequence) for subject, sequence in connection.execute(wanted)]

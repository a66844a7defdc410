"""The outbox: events are rows of the transaction that made them true; the relay publishes them later."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from citybus.envelope import Event
from citybus.ids import new_id
from citybus.tables import outbox_messages, subject_sequences

EVENTS = "city.events"
WAKE_UP = "city_outbox"


@dataclass(frozen=True, slots=True)
class Draft:
    """An event about to be published: all but what the transaction gives it (id, sequence, who, when, why).

    `type` is also the routing key unless `routing_key` says otherwise; `mandatory` is true where the contract lists a
    consumer, so that an unroutable event stays in the outbox. `order_key` names the line in which the event is numbered
    and kept in order; by default its subject.
    """

    type: str
    subject: str
    data: Mapping[str, Any]
    dataclass: str
    rulepack: str | None = None
    exchange: str = EVENTS
    routing_key: str | None = None
    mandatory: bool = True
    order_key: str | None = None

    @property
    def line(self) -> str:
        """The line in which the event is numbered and kept in order."""
        return self.order_key or self.subject


@dataclass(frozen=True, slots=True)
class Origin:
    """Who publishes and on whose account."""

    source: str
    actor: str
    correlationid: str
    causationid: str | None = None
    traceparent: str | None = None


def append(session: Session, drafts: Sequence[tuple[Draft, Origin]], at: datetime) -> list[Event]:
    """Write `drafts` as outbox rows of the session's transaction, in order, and return the events.

    The sequence of each subject is taken under its row lock, held until the transaction ends. All subjects are locked
    by one statement in sorted order, so that two transactions never wait for each other.
    """
    if not drafts:
        return []
    counts = Counter(draft.line for draft, _ in drafts)
    taken = upsert(subject_sequences).values([{"subject": line, "last": counts[line]} for line in sorted(counts)])
    ends = session.execute(
        taken.on_conflict_do_update(
            index_elements=[subject_sequences.c.subject],
            set_={"last": subject_sequences.c.last + taken.excluded.last},
        ).returning(subject_sequences.c.subject, subject_sequences.c.last)
    ).all()
    following = {subject: last - counts[subject] + 1 for subject, last in ends}
    events, rows = [], []
    for draft, origin in drafts:
        sequence = following[draft.line]
        following[draft.line] += 1
        event = Event(
            id=new_id(),
            type=draft.type,
            source=origin.source,
            subject=draft.subject,
            time=at,
            dataschema=f"urn:city:schema:{draft.type}",
            data=dict(draft.data),
            sequence=sequence,
            correlationid=origin.correlationid,
            actor=origin.actor,
            dataclass=draft.dataclass,
            causationid=origin.causationid,
            rulepack=draft.rulepack,
            traceparent=origin.traceparent,
        )
        events.append(event)
        rows.append(
            {
                "id": event.id,
                "type": event.type,
                "subject": draft.line,
                "sequence": sequence,
                "exchange": draft.exchange,
                "routing_key": draft.routing_key or draft.type,
                "mandatory": draft.mandatory,
                "body": event.to_json(),
                "correlation_id": event.correlationid,
            }
        )
    session.execute(insert(outbox_messages), rows)
    # The relay is woken when this transaction commits; PostgreSQL folds repeated notices of one transaction into one.
    session.execute(text(f"SELECT pg_notify('{WAKE_UP}', '')"))
    return events


def oldest_unpublished(session: Session) -> datetime | None:
    """Return when the oldest unpublished row was created, or None when the outbox is drained."""
    return session.scalars(
        select(func.min(outbox_messages.c.created_at)).where(outbox_messages.c.published_at.is_(None))
    ).one()

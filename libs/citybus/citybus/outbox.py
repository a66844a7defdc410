"""The outbox: events are rows of the transaction that made them true; the relay publishes them later."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from citybus.envelope import Event
from citybus.ids import new_id
from citybus.prepared import PreparedStatement

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


# One statement numbers the events and writes their rows. All lines are locked in sorted order, so that two transactions
# never wait for each other in a ring; a row's body is finished here, around the number that its line gives it. The relay
# is woken when the transaction commits; PostgreSQL folds repeated notices of one transaction into one. Every commit runs
# it, and to plan it takes three times as long as to execute it: so it stays prepared.
_APPEND: Final = PreparedStatement(
    "city_outbox_append",
    f"""
    WITH taken AS (
        INSERT INTO subject_sequences AS sequences (subject, last)
        SELECT line, size FROM unnest(%(lines)s, %(sizes)s) AS wanted (line, size)
        ORDER BY line
        ON CONFLICT (subject) DO UPDATE SET last = sequences.last + excluded.last
        RETURNING subject, last
    ), drafts AS (
        SELECT * FROM unnest(
            %(ids)s, %(types)s, %(of_lines)s, %(behind)s, %(exchanges)s, %(keys)s, %(mandatory)s, %(heads)s, %(tails)s,
            %(correlations)s
        ) WITH ORDINALITY
        AS draft (id, type, line, behind, exchange, routing_key, mandatory, head, tail, correlation_id, place)
    ), written AS (
        INSERT INTO outbox_messages
            (id, type, subject, sequence, exchange, routing_key, mandatory, body, correlation_id)
        SELECT id, type, line, last - behind, exchange, routing_key, mandatory,
               head || convert_to(CAST(last - behind AS text), 'UTF8') || tail, correlation_id
        FROM drafts JOIN taken ON taken.subject = drafts.line
        ORDER BY place
        RETURNING CAST(id AS text), sequence
    )
    SELECT written.*, pg_notify('{WAKE_UP}', '') FROM written
    """,
    {
        "lines": "text[]",
        "sizes": "bigint[]",
        "ids": "uuid[]",
        "types": "text[]",
        "of_lines": "text[]",
        "behind": "bigint[]",
        "exchanges": "text[]",
        "keys": "text[]",
        "mandatory": "boolean[]",
        "heads": "bytea[]",
        "tails": "bytea[]",
        "correlations": "text[]",
    },
)


def append(session: Session, drafts: Sequence[tuple[Draft, Origin]], at: datetime) -> list[Event]:
    """Write `drafts` as outbox rows of the session's transaction, in order, and return the events.

    The number of each line is taken under its row lock, held until the transaction ends, so that the order of a line is
    the order of its commits.
    """
    if not drafts:
        return []
    sizes = Counter(draft.line for draft, _ in drafts)
    left = dict(sizes)
    events, behind, heads, tails = [], [], [], []
    for draft, origin in drafts:
        event = Event(
            id=new_id(),
            type=draft.type,
            source=origin.source,
            subject=draft.subject,
            time=at,
            dataschema=f"urn:city:schema:{draft.type}",
            data=dict(draft.data),
            sequence=0,
            correlationid=origin.correlationid,
            actor=origin.actor,
            dataclass=draft.dataclass,
            causationid=origin.causationid,
            rulepack=draft.rulepack,
            traceparent=origin.traceparent,
        )
        head, tail = event.around_sequence()
        left[draft.line] -= 1
        events.append(event)
        behind.append(left[draft.line])
        heads.append(head)
        tails.append(tail)
    lines = sorted(sizes)
    numbers: dict[str, int] = {
        row[0]: row[1]
        for row in _APPEND.execute(
            session,
            {
                "lines": lines,
                "sizes": [sizes[line] for line in lines],
                "ids": [event.id for event in events],
                "types": [event.type for event in events],
                "of_lines": [draft.line for draft, _ in drafts],
                "behind": behind,
                "exchanges": [draft.exchange for draft, _ in drafts],
                "keys": [draft.routing_key or draft.type for draft, _ in drafts],
                "mandatory": [draft.mandatory for draft, _ in drafts],
                "heads": heads,
                "tails": tails,
                "correlations": [event.correlationid for event in events],
            },
        )
    }
    return [replace(event, sequence=numbers[event.id]) for event in events]

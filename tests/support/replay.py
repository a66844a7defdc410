"""A city's recorded events, fed once more to every consumer on databases that hold nothing, and what they leave there.

On such a database nobody acts but the consumers: whatever a table holds afterwards was written because of events, and all
of it is compared, whichever tables there are. Left out is only how it came about, which may depend on the order: the steps
of cases and their number, earlier versions of what is kept in versions, constraints that were lifted, and what was
true of a recipient when a document was sent. Events about cases that people opened have nothing to act on; they must be
put aside in any order, and for the same reason.
"""

import heapq
import json
import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, make_url, text
from sqlalchemy.orm import sessionmaker

import assessment.entrypoints.events
import assessment.persistence.models
import incentive.entrypoints.events
import incentive.persistence.models
import notification.entrypoints.events
import notification.persistence.models
import supervision.entrypoints.events
import supervision.persistence.models
from citybus import migrations, tables
from citybus.cases import CaseColumns
from citybus.cases.tables import case_steps
from citybus.clock import FixedClock
from citybus.consumer import REASON, Batch, Consumer, Delivery
from citybus.database import engine as bus_engine
from citybus.envelope import CONTENT_TYPE
from citybus.inbox import Subscription
from citybus.outbox import EVENTS
from citybus.processes import migrations_of
from citybus.testing.consumer import MemoryInbound
from citybus.topology.model import Topology
from citybus.unit_of_work import Units
from dandang.digest import Digest
from dandang.local import provision
from notification.application.deliver import dispatch_queued
from tests.support import assessment as assessing
from tests.support import incentive as encouraging
from tests.support import notification as notifying
from tests.support import supervision as supervising
from tests.support.postgres import Postgres, ServiceDatabase

Rows = dict[str, dict[str, set[str]]]
"""Service → table → rows as JSON texts."""

SERVICES: Final = ("assessment", "supervision", "incentive", "notification")
MODELS: Final[Mapping[str, Any]] = {
    "assessment": assessment.persistence.models.Base,
    "supervision": supervision.persistence.models.Base,
    "incentive": incentive.persistence.models.Base,
    "notification": notification.persistence.models.Base,
}
TIMES: Final = 3
AT_A_TIME: Final = 1000
"""How many events are fed before the next queue of the service has its turn."""

HISTORY: Final[Mapping[str, Sequence[str]]] = {
    # What no longer counts stays as a record; whether it ever counted depends on what came first.
    "assessment": ("DELETE FROM constraints WHERE state = 'LIFTED'",),
    # The unit and the text are those of the moment of sending, which the roster's own queue may run ahead of or behind.
    # A result that was corrected before anybody heard of it is served as it is now.
    "notification": (
        "UPDATE deliveries SET unit = NULL, content = NULL, sha256 = NULL, sent_on = NULL",
        """
        DELETE FROM deliveries AS earlier USING deliveries AS later
        WHERE earlier.document = 'ANNUAL_RESULT' AND later.document = 'ANNUAL_RESULT' AND later.ref = earlier.ref
        AND later.recipient_id = earlier.recipient_id AND later.id > earlier.id
        """,
    ),
}
"""What tells how things came about, beside what is found from the tables themselves."""

OWN: Final[Mapping[str, Collection[str]]] = {"assessment": ('"source": "annual/', '/put-off"')}
"""What a row says that the service made of its own decisions: no event led to it, and none leads to it again."""

_RECORDED: Final = text("""
    SELECT CAST(id AS text) AS id, type, subject, sequence, body, created_at FROM outbox_messages
    WHERE exchange = :exchange ORDER BY position
""")
_LEFT_OUT: Final = frozenset({"version", "cause", "correlation_id"})
_SAID: Final = text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = :table AND data_type NOT IN ('timestamp with time zone', 'bytea')
""")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as its producer recorded it."""

    id: str
    type: str
    subject: str
    sequence: int
    body: bytes
    created_at: datetime

    @property
    def delivery(self) -> Delivery:
        """The event as the broker delivers it."""
        return Delivery(self.body, CONTENT_TYPE, message_id=self.id, type=self.type)


@dataclass
class Place:
    """One service on a database of its own: its queues with their consumers' subscriptions, and the broker's part of each."""

    service: str
    database: ServiceDatabase
    engine: Engine
    units: Units
    queues: Mapping[str, Subscription]
    inbounds: dict[str, MemoryInbound] = field(default_factory=dict)

    @property
    def metadata(self) -> MetaData:
        found: MetaData = MODELS[self.service].metadata
        return found

    @property
    def cases(self) -> frozenset[str]:
        """The tables of cases."""
        return cases_of(self.service)

    def empty(self) -> None:
        """Forget everything but the audit trail, which nothing is read from and nothing can be taken from."""
        every = (name for name in (*tables.metadata.tables, *self.metadata.tables) if not name.startswith("audit_"))
        self._as_owner(f"TRUNCATE {', '.join(every)}")
        self.inbounds = {queue: MemoryInbound() for queue in self.queues}

    def forget_history(self) -> None:
        """Take away what tells how things came about."""
        statements = [f"DELETE FROM {case_steps.name}"]
        statements += [f"UPDATE {table} SET version = 1" for table in sorted(self.cases)]
        for table in self.metadata.tables.values():
            statements += _only_the_last(table)
        self._as_owner(*statements, *HISTORY.get(self.service, ()))

    def _as_owner(self, *statements: str) -> None:
        owner = create_engine(self.database.owner_url)
        with owner.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        owner.dispose()


@dataclass
class Outcome:
    """What a replay left: the digests of each service's tables, what was put aside, what waits, the rows of projections.

    `parked`: (queue, event id, reason); `waiting`: (queue, event id); `rows`: service → table → rows.
    """

    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    parked: set[tuple[str, str, str]] = field(default_factory=set)
    waiting: set[tuple[str, str]] = field(default_factory=set)
    rows: Rows = field(default_factory=dict)


def cases_of(service: str) -> frozenset[str]:
    """Return the names of a service's tables of cases."""
    mapped = (mapper.class_ for mapper in MODELS[service].registry.mappers)
    return frozenset(row.__tablename__ for row in mapped if issubclass(row, CaseColumns))


def recorded(connect: Callable[[str], Connection]) -> list[Recorded]:
    """Return all events of a city as its services recorded them, in the order in which they happened.

    `connect` opens a connection to a service's database. Of one service it is the order of its outbox; services are merged
    by the time at which their transactions began.
    """
    found = []
    for service in SERVICES:
        with connect(service) as connection:
            rows = connection.execute(_RECORDED, {"exchange": EVENTS})
            found.append(
                [Recorded(row.id, row.type, row.subject, row.sequence, bytes(row.body), row.created_at) for row in rows]
            )
    return list(heapq.merge(*found, key=lambda event: event.created_at))


@contextmanager
def places(postgres: Postgres, clock: FixedClock) -> Iterator[dict[str, Place]]:
    """Give each service a migrated database, where `clock` says the time."""
    queues = _subscriptions()
    with ExitStack() as stack:
        made = {}
        for service in SERVICES:
            database = postgres.make_database(service)
            stack.callback(postgres.drop_database, database)
            migrations.upgrade(make_url(database.owner_url), migrations_of(service))
            provision.grant(database)
            engine = bus_engine(database.app_url, application="replay")
            stack.callback(engine.dispose)
            source = f"/city/{assessing.CITY}/{service}"
            units = Units(sessionmaker(engine, expire_on_commit=False), source, clock)
            made[service] = Place(service, database, engine, units, queues[service])
        yield made


def replay(
    into: Mapping[str, Place], events: Sequence[Recorded], topology: Topology, shuffled: int | None = None
) -> Outcome:
    """Feed `events` to all consumers on databases that hold nothing, and return what they leave.

    In their order, once; or with `shuffled`, a seed, each of them TIMES times and all of them in any order.
    """
    order = list(events)
    chance = random.Random(shuffled)
    if shuffled is not None:
        order *= TIMES
        chance.shuffle(order)
    outcome, digest = Outcome(), Digest()
    receivers = {event.type: topology.receivers(event.type, EVENTS) for event in events}
    for place in into.values():
        place.empty()
        for start in range(0, len(order), AT_A_TIME):
            queues = sorted(place.queues)
            if shuffled is not None:
                chance.shuffle(queues)
            for queue in queues:
                for event in order[start : start + AT_A_TIME]:
                    if queue in receivers[event.type]:
                        place.inbounds[queue].put(event.delivery)
                _consume(place, queue)
        _retry(place)
        _finish(place)
        _look(place, outcome)
        place.forget_history()
        with place.engine.connect() as connection:
            digest.add(place.service, connection)
            outcome.rows[place.service] = projections(connection, filled(place, connection))
    outcome.digests = digest.tables
    return outcome


def filled(place: Place, connection: Connection) -> list[str]:
    """Return the projections of a service: the tables that events have filled, but for those of cases."""
    own = sorted(set(place.metadata.tables) - place.cases)
    return [table for table in own if connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})")).scalar_one()]


def projections(connection: Connection, names: Collection[str]) -> dict[str, set[str]]:
    """Return the rows of tables as JSON texts, without instants and versions; of what is kept in versions the last."""
    found = {}
    for name in names:
        columns = [each for each in connection.execute(_SAID, {"table": name}).scalars() if each not in _LEFT_OUT]
        table = next(base.metadata.tables[name] for base in MODELS.values() if name in base.metadata.tables)
        listed = ", ".join(f'"{column}"' for column in sorted(columns))
        only = " AND ".join(_is_last(table)) or "true"
        rows = connection.execute(
            text(f"SELECT row_to_json(said) FROM (SELECT {listed} FROM {name} WHERE {only}) AS said")
        )
        found[name] = {json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows.scalars()}
    return found


def kept(connect: Callable[[str], Connection]) -> Rows:
    """Return the rows of all tables of a city but those of cases. `connect` opens a connection to a service's database."""
    found = {}
    for service in SERVICES:
        own = set(MODELS[service].metadata.tables) - cases_of(service)
        with connect(service) as connection:
            found[service] = projections(connection, sorted(own))
    return found


def assert_fresh_are_those_of_the_city(outcome: Outcome, events: Sequence[Recorded], city: Rows) -> None:
    """Compare the projections that a replay of `events` in order has filled with those that the city has `kept`."""
    subjects = {event.id: event.subject.partition("/")[2] for event in events}
    for service, tables_ in outcome.rows.items():
        assert len(tables_) > 1, service
        # What an event says is known only together with what it does, and there are no cases to do it to.
        aside = {subjects[event] for queue, event, _ in outcome.parked if queue.startswith(f"{service}.")}
        aside |= set(OWN.get(service, ()))
        for table, rows in tables_.items():
            assert beside(rows, aside) == beside(city[service][table], aside), f"{service}.{table}"


def beside(rows: Collection[str], aside: Collection[str]) -> set[str]:
    """Return those of `rows` that hold none of the texts in `aside`."""
    if not aside:
        return set(rows)
    named = re.compile("|".join(map(re.escape, aside)))
    return {row for row in rows if not named.search(row)}


def assert_same(found: Outcome, wanted: Outcome) -> None:
    """Compare what two replays left, table by table."""
    for service in SERVICES:
        assert found.digests[service] == wanted.digests[service], service
    assert found.parked == wanted.parked
    assert found.waiting == wanted.waiting


def _subscriptions() -> dict[str, Mapping[str, Subscription]]:
    rules, catalogue = notifying.rulebook(), notifying.catalogue()
    return {
        "assessment": assessment.entrypoints.events.subscriptions(assessing.rulebook()),
        "supervision": supervision.entrypoints.events.subscriptions(supervising.bind(supervising.rulebook())),
        "incentive": incentive.entrypoints.events.subscriptions(encouraging.bind(encouraging.rulebook())),
        "notification": notification.entrypoints.events.subscriptions(
            notifying.deliveries(rules),
            notifying.publications(rules),
            notifying.deadlines(rules),
            catalogue,
            rules,
        ),
    }


def _consume(place: Place, queue: str) -> None:
    """Let the queue's consumer take all that is in the queue."""
    inbound = place.inbounds[queue]

    def stop_when_empty() -> None:
        if not inbound.ready:
            consumer.stop()

    def run(batch: Batch) -> None:
        batch.apply(place.units)

    consumer = Consumer(place.queues[queue], inbound, place.units, run, on_progress=stop_when_empty)
    consumer.run()


def _retry(place: Place) -> None:
    """Let the time of the retry ladder pass, until nothing is on it any more."""
    while any(any(inbound.rungs.values()) for inbound in place.inbounds.values()):
        for queue, inbound in place.inbounds.items():
            inbound.let_time_pass()
            _consume(place, queue)


def _finish(place: Place) -> None:
    """Do what the service's own timers do about what came too early."""
    if place.service == "notification":
        while dispatch_queued(notifying.deliveries(notifying.rulebook()), place.units):
            pass


def _look(place: Place, outcome: Outcome) -> None:
    for queue, inbound in place.inbounds.items():
        assert not inbound.ready, queue
        outcome.parked |= {(queue, str(each.message_id), str(each.headers[REASON])) for each in inbound.dead}
    with place.engine.connect() as connection:
        waiting = connection.execute(text("SELECT consumer, CAST(event_id AS text) FROM waiting_events"))
        outcome.waiting |= {(queue, event) for queue, event in waiting}


def _last_of(table: Table) -> tuple[str, list[str]] | None:
    """Return by what a table numbers its versions, and of what they are versions; None where it keeps none."""
    key = [column.name for column in table.primary_key]
    number = next((name for name in ("version", "revision", "number") if name in key), None)
    return None if number is None else (number, [name for name in key if name != number])


def _is_last(table: Table) -> list[str]:
    """Return the conditions under which a row is the last version."""
    found = _last_of(table)
    if found is None:
        return []
    number, of = found
    same = " AND ".join(f"later.{name} = {table.name}.{name}" for name in of)
    return [f"NOT EXISTS (SELECT FROM {table.name} AS later WHERE {same} AND later.{number} > {table.name}.{number})"]


def _only_the_last(table: Table) -> list[str]:
    """Return the statements that leave the last version alone, as the first."""
    found = _last_of(table)
    if found is None:
        return []
    (last,) = _is_last(table)
    return [f"DELETE FROM {table.name} WHERE NOT ({last})", f"UPDATE {table.name} SET {found[0]} = 1"]

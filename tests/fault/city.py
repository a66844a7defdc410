"""The four real services under faults: every process of the city, kept alive, and what must hold across four databases."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from citybus import dead, freshness, topology
from citybus.broker.dead import RabbitDeadQueue
from citybus.clock import SystemClock
from citybus.dead import DeadLetter
from citybus.envelope import CONTENT_TYPE
from citybus.outbox import EVENTS
from citybus.unit_of_work import Units
from dandang.local import provision
from dandang.local.city import LocalCity
from dandang.local.processes import SERVICES
from dandang.local.provision import ServiceDatabase
from dandang.local.state import RunFolder
from tests.fault.keeper import Keeper
from tests.fault.system import judge, reading
from tests.support.broker import Broker, Vhost
from tests.support.postgres import Postgres
from tests.support.waiting import eventually


@dataclass
class City:
    """A whole city on private servers. The test says which process has which faults at which start."""

    run: RunFolder
    vhost: Vhost
    databases: Mapping[str, ServiceDatabase]
    queues: Mapping[str, str]
    """The service of each work queue."""
    routes: topology.model.Topology
    keeper: Keeper
    history: list[dict[str, Any]]

    def beat(self) -> None:
        """Let each service send a heartbeat, as its worker does once a minute."""
        for service, database in self.databases.items():
            engine = create_engine(database.app_url)
            units = Units(sessionmaker(engine, expire_on_commit=False), f"/city/420200/{service}", SystemClock())
            freshness.send_heartbeat(units, service, every=0)
            engine.dispose()

    def publish(self, queue: str, body: bytes) -> None:
        """Put a message into a queue, past every exchange."""
        with closing(pika.BlockingConnection(pika.URLParameters(self.vhost.amqp_url))) as connection:
            properties = pika.BasicProperties(content_type=CONTENT_TYPE, delivery_mode=2)
            connection.channel().basic_publish("", queue, body, properties)

    def letters(self, queue: str) -> list[DeadLetter]:
        """Return the dead letters of a work queue."""
        exchange = f"{self.queues[queue]}.retry"
        with RabbitDeadQueue(self.vhost.amqp_url, queue, exchange=exchange) as found:
            return dead.look(found, 1_000_000)

    def conserved(self, name: str, within: float) -> dict[str, dict[str, Any]]:
        """Return a verdict for each work queue on all that was committed until now, once nothing of it is on its way."""
        now = time.time()
        eventually(lambda: self._at_rest(now), within=within, every=0.5, what="all events come to rest")
        return {queue: judge(f"{name}-{queue}", self._history(queue, now)) for queue in self.queues}

    def _at_rest(self, until: float) -> bool:
        left: dict[str, int] = {}
        for queue in self.queues:
            wanted = {event for event, *_ in self._committed(queue, until)}
            settled = {event for event, outcome, *_ in self._inbox(queue) if outcome != "WAITING"}
            parked = {letter.key for letter in self.letters(queue)}
            if missing := wanted - settled - parked:
                left[queue] = len(missing)
        assert not left, left
        return True

    def _committed(self, queue: str, until: float) -> Iterator[tuple[str, str, int]]:
        """Yield id, subject and sequence of the events whose routes lead to `queue`, of whichever service."""
        for database in self.databases.values():
            with reading(database) as cursor:
                cursor.execute(
                    "SELECT id, type, subject, sequence FROM outbox_messages"
                    " WHERE exchange = %s AND created_at < to_timestamp(%s)",
                    (EVENTS, until),
                )
                for event, event_type, subject, sequence in cursor.fetchall():
                    if queue in self.routes.receivers(event_type, EVENTS):
                        yield event, subject, sequence

    def _inbox(self, queue: str) -> list[tuple[str, str, str, int]]:
        with reading(self.databases[self.queues[queue]]) as cursor:
            cursor.execute(
                "SELECT event_id, outcome, subject, sequence FROM inbox_messages WHERE consumer = %s", (queue,)
            )
            found: list[tuple[str, str, str, int]] = cursor.fetchall()
            return found

    def _history(self, queue: str, until: float) -> list[dict[str, Any]]:
        """Return the history of one queue. An inbox row is an effect, since both are one commit."""
        history: list[dict[str, Any]] = [*self.history, {"op": "consumer", "consumer": queue}]
        committed = list(self._committed(queue, until))
        for event, subject, sequence in committed:
            history.append({"op": "stated", "ref": event})
            history.append({"op": "committed", "event": event, "ref": event, "subject": subject, "sequence": sequence})
        wanted = {event for event, *_ in committed}
        for event, outcome, subject, sequence in self._inbox(queue):
            # What was committed after the count began is not counted, and a superseded one has its place by its number.
            if event in wanted and outcome != "WAITING":
                where = {"consumer": queue, "event": event, "subject": subject, "sequence": sequence}
                history.append({"op": "effect", "number": sequence, **where})
        parked = {letter.key for letter in self.letters(queue)}
        history += [{"op": "parked", "consumer": queue, "event": event} for event in parked & wanted]
        return history

    def subjects_doubled(self) -> dict[str, int]:
        """Return the lines of any service in which two events have one number, or a number is missing."""
        found: dict[str, int] = {}
        for service, database in self.databases.items():
            with reading(database) as cursor:
                cursor.execute(
                    "SELECT subject, count(*), count(DISTINCT sequence), max(sequence) FROM outbox_messages GROUP BY 1"
                )
                for subject, rows, numbers, last in cursor.fetchall():
                    if not rows == numbers == last:
                        found[f"{service} {subject}"] = rows
        return found


@contextmanager
def real_city(
    folder: Path,
    postgres: Postgres,
    broker: Broker,
    faults: Mapping[str, Sequence[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[City]:
    """Start a city; `faults` are those of each process's starts, by its name (`assessment-worker`)."""
    run = RunFolder(folder / "run")
    run.make()
    vhost = broker.make_vhost("city")
    given = {
        "CITY_AMQP_URL": vhost.amqp_url,
        "CITY_RABBITMQ_ADMIN_URL": vhost.admin_url,
        "CITY_DATABASE_URL": postgres.admin_url,
    }
    local = LocalCity(run, lambda line: None, given)
    servers = local._start_servers()
    surroundings = local._surroundings(servers)
    local.supervisor.run_all_once(*surroundings.migrations())
    databases = dict(zip(SERVICES, local._databases(servers), strict=True))
    for database in databases.values():
        provision.grant(database)
    local._apply_topology(servers)
    for name, value in local._operator_environment(servers, surroundings).items():
        monkeypatch.setenv(name, value)
    routes = topology.load(local.project / "deploy" / "rabbitmq", SystemClock().today())
    queues = {name: name.partition(".")[0] for name, queue in routes.queues.items() if queue.kind == "work"}
    history: list[dict[str, Any]] = []
    keeper = Keeper(folder, history)
    city = City(run, vhost, databases, queues, routes, keeper, history)
    try:
        for program in surroundings.processes():
            service, kind = program.argv[-2:]
            env = {**program.env, "PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONWARNINGS": "ignore"}
            argv = (*program.argv[:-2], "tests.fault.run", service, kind)
            keeper.keep(program.name, argv, env, program.cwd, faults.get(program.name, ()))
        yield city
    finally:
        keeper.end()
        broker.drop_vhost(vhost)

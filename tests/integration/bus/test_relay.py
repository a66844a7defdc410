"""The relay between a real database and a real broker."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pika
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, create_engine, func, insert, select, text

from citybus import relay
from citybus.ids import new_id
from citybus.outbox import WAKE_UP
from citybus.tables import metadata, outbox_messages
from dandang.local import process
from dandang.local.process import Program, Running
from dandang.local.provision import ServiceDatabase
from tests.support.broker import Vhost
from tests.support.waiting import eventually

TREE = Path(__file__).parents[3]


@dataclass
class City:
    """A database with an outbox and a broker with one queue, `taken`, for the key `taken`."""

    database: ServiceDatabase
    vhost: Vhost
    engine: Engine

    def commit(self, subjects: Sequence[str], *, key: str = "taken", notify: bool = True) -> list[str]:
        """Commit a row for each subject in one transaction, and return the ids."""
        rows = [
            {
                "id": new_id(),
                "type": "supervision.finding.verified.v1",
                "subject": subject,
                "sequence": 1,
                "exchange": "events",
                "routing_key": key,
                "mandatory": True,
                "body": b"{}",
                "correlation_id": "cause",
            }
            for subject in subjects
        ]
        with self.engine.begin() as connection:
            connection.execute(insert(outbox_messages), rows)
            if notify:
                connection.execute(text(f"SELECT pg_notify('{WAKE_UP}', '')"))
        return [str(row["id"]) for row in rows]

    def unpublished(self) -> int:
        """Return how many rows wait."""
        waiting = select(func.count()).where(outbox_messages.c.published_at.is_(None))
        with self.engine.begin() as connection:
            return int(connection.execute(waiting).scalar_one())

    def take(self) -> list[str]:
        """Take the ids that arrived, in order."""
        with closing(pika.BlockingConnection(pika.URLParameters(self.vhost.amqp_url))) as connection:
            channel = connection.channel()
            waiting = channel.queue_declare("taken", passive=True).method.message_count
            messages = islice(channel.consume("taken", auto_ack=True), waiting)
            return [str(properties.message_id) for _, properties, _ in messages]


@pytest.fixture
def city(database: ServiceDatabase, vhost: Vhost) -> Iterator[City]:
    """A city with nothing in it."""
    engine = create_engine(database.owner_url)
    metadata.create_all(engine, [outbox_messages])
    with closing(pika.BlockingConnection(pika.URLParameters(vhost.amqp_url))) as connection:
        channel = connection.channel()
        channel.exchange_declare("events", "topic", durable=True)
        channel.queue_declare("taken", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("taken", "events", "taken")
    yield City(database, vhost, engine)
    engine.dispose()


@contextmanager
def relaying(city: City, **more: Any) -> Iterator[dict[str, Callable[[], bool]]]:
    """Run a relay in a thread; gives what readiness asks."""
    stop = threading.Event()
    checks: dict[str, Callable[[], bool]] = {}
    arguments: dict[str, Any] = {
        "service": "test",
        "database_url": city.database.app_url,
        "amqp_url": city.vhost.amqp_url,
        "stop": stop,
        "missing_bindings": list,
        "register": checks.update,
        "registry": CollectorRegistry(),
        **more,
    }
    thread = threading.Thread(target=relay.run, kwargs=arguments)
    thread.start()
    try:
        yield checks
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def all_ready(checks: dict[str, Callable[[], bool]]) -> bool:
    """Return whether every check passes."""
    return bool(checks) and all(check() for check in checks.values())


def test_committed_rows_arrive_in_order_and_are_marked(city: City) -> None:
    registry = CollectorRegistry()
    ids = city.commit([f"case/{number}" for number in range(2500)])
    with relaying(city, registry=registry):
        assert eventually(lambda: city.unpublished() == 0, within=30)
    assert city.take() == ids
    assert registry.get_sample_value("city_relay_published_total") == 2500
    assert (registry.get_sample_value("city_relay_confirm_seconds_count") or 0) > 0


def test_notice_wakes_an_idle_relay_at_once(city: City) -> None:
    with relaying(city, pace=relay.Pace(poll=8.0)) as checks:
        city.commit(["case/0"])
        assert eventually(lambda: city.unpublished() == 0)
        assert all_ready(checks)
        for number in range(5):
            began = time.monotonic()
            city.commit([f"case/{number}"])
            eventually(lambda: city.unpublished() == 0, every=0.002)
            assert time.monotonic() - began < 5


def test_lost_notice_is_made_up_for_by_looking(city: City) -> None:
    with relaying(city, pace=relay.Pace(poll=0.1)) as checks:
        assert eventually(lambda: all_ready(checks))
        (lost,) = city.commit(["case/1"], notify=False)
        assert eventually(lambda: city.unpublished() == 0)
    assert city.take() == [lost]


def test_event_without_a_queue_stays_and_goes_once_there_is_one(city: City) -> None:
    registry = CollectorRegistry()
    (stuck,) = city.commit(["case/1"], key="late")
    behind, other = city.commit(["case/1", "case/2"])
    with relaying(city, registry=registry, pace=relay.Pace(poll=0.05, retry_first=0.1, retry_most=0.1, measure=0.1)):
        assert eventually(lambda: (registry.get_sample_value("city_relay_returned_total") or 0) >= 2)
        assert eventually(lambda: registry.get_sample_value("city_outbox_declined_rows") == 1)
        assert eventually(lambda: city.unpublished() == 2)
        with closing(pika.BlockingConnection(pika.URLParameters(city.vhost.amqp_url))) as connection:
            connection.channel().queue_bind("taken", "events", "late")
        assert eventually(lambda: city.unpublished() == 0)
    assert city.take() == [other, stuck, behind]


def test_nothing_goes_while_a_binding_is_missing(city: City) -> None:
    missing = ["assessment.supervision <- supervision.finding.*.v1"]
    ids = city.commit(["case/1", "case/2"])
    with relaying(city, missing_bindings=lambda: missing) as checks:
        assert eventually(lambda: bool(checks) and checks["broker"]() and not checks["bindings"]())
        assert city.unpublished() == 2
        assert city.take() == []
    with relaying(city):
        assert eventually(lambda: city.unpublished() == 0)
    assert city.take() == ids


@pytest.fixture
def start(city: City, tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """Starts relays as processes of their own, and ends them with the test."""
    started: list[Running] = []

    def begin(name: str) -> Running:
        ready = tmp_path / f"{name}.ready"
        running = process.start(
            Program(
                name=name,
                argv=(
                    sys.executable,
                    "-m",
                    "tests.support.relay_process",
                    city.database.app_url,
                    city.vhost.amqp_url,
                    str(ready),
                ),
                env=process.environment(tmp_path, PYTHONPATH=os.pathsep.join(sys.path)),
                cwd=TREE,
                log=tmp_path / f"{name}.log",
                ready=ready.exists,
            )
        )
        started.append(running)
        running.wait_ready()
        return running

    yield begin
    for running in started:
        running.kill()


def test_stopped_relay_marks_all_that_it_published(city: City, start: Callable[[str], Running]) -> None:
    running = start("relay")
    city.commit([f"case/{number}" for number in range(5000)])
    eventually(lambda: city.unpublished() < 4500, every=0.002)
    running.stop()
    assert running.exit_code() == 0
    left = city.unpublished()
    assert left > 0
    arrived = city.take()
    assert len(arrived) == len(set(arrived)) == 5000 - left


@pytest.mark.fault
def test_second_relay_takes_over_from_a_killed_one_and_nothing_is_lost(
    city: City, start: Callable[[str], Running]
) -> None:
    relays = [start("first"), start("second")]
    committed: list[str] = []
    arrived: list[str] = []
    subject_of: dict[str, str] = {}
    for kill in range(4):
        subjects = [f"case/{number % 100}" for number in range(1500)]
        ids = city.commit(subjects)
        committed += ids
        subject_of.update(zip(ids, subjects, strict=True))
        eventually(lambda: city.unpublished() < 1200, every=0.002, what="somebody publishes")
        relays.pop(0).kill()
        relays.append(start(f"spare-{kill}"))
        assert eventually(lambda: city.unpublished() == 0, within=30, what="the other one takes over")
        arrived += city.take()
    first = list(dict.fromkeys(arrived))
    assert sorted(first) == sorted(committed)
    for number in range(100):
        mine = [each for each in committed if subject_of[each] == f"case/{number}"]
        assert [each for each in first if subject_of[each] == f"case/{number}"] == mine

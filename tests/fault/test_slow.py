"""S1: a consumer that is stopped, or slow, harms no other; its backlog is kept and drained afterwards."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.system import QUEUE, Toy, count, reading, toy_city
from tests.support.broker import Broker
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

CASES = 4000 if os.environ.get("FAULT_SIZE") == "long" else 60
OTHER = "probe.other"


@pytest.fixture
def pair(folder: Path, module_postgres: Postgres, module_broker: Broker) -> Iterator[Toy]:
    """A toy city with two consumers."""
    with toy_city(folder, module_postgres, module_broker, (QUEUE, OTHER)) as made:
        yield made


def _latency(toy: Toy, share: float) -> float:
    """Return in how many seconds so large a share of the events took effect, from the row of the outbox on."""
    with reading(toy.producer) as cursor:
        cursor.execute("SELECT id, extract(epoch FROM created_at)::float8 FROM outbox_messages")
        committed = dict(cursor.fetchall())
    with reading(toy.consumers[QUEUE]) as cursor:
        cursor.execute("SELECT event, extract(epoch FROM at)::float8 FROM effects")
        waits = sorted(at - committed[event] for event, at in cursor.fetchall())
    assert waits
    return float(waits[int(share * (len(waits) - 1))])


@pytest.mark.parametrize("how", ["stopped", "frozen", "slow"])
def test_s1_a_consumer_that_does_not_keep_up_harms_no_other(pair: Toy, how: str) -> None:
    for name in ("api", "relay", "worker"):
        pair.keep(name, name)
    pair.keep("other", "worker", queue=OTHER, SLOW="2" if how == "slow" else "0", BATCH="1")
    for name in ("api", "relay", "worker", "other"):
        pair.serves(name)
    match how:
        case "stopped":
            pair.keeper.pause("other")
        case "frozen":
            pair.keeper.freeze("other")
    pair.drive(CASES, notes=2)
    total = CASES * 4
    eventually(lambda: pair.effects() == total, within=30, what="the quick one is done")
    behind = total - pair.effects(OTHER)
    assert behind > total * 0.8, "the other one was to be behind"
    assert _latency(pair, 0.99) < 2
    # The backlog lies in the broker, not in the outbox.
    assert count(pair.producer, "SELECT count(*) FROM outbox_messages WHERE published_at IS NULL") == 0
    match how:
        case "stopped":
            pair.keeper.resume("other")
        case "frozen":
            pair.keeper.freeze("other", thaw=True)
        case "slow":
            pair.keeper.pause("other")
            pair.keep("quick", "worker", queue=OTHER)
    pair.settled(within=90)
    verdict = pair.verdict(f"S1-{how}")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == 2 * total


def test_s1_a_full_queue_of_an_absent_department_does_not_stop_the_relay(toy: Toy) -> None:
    """As deploy/rabbitmq declares the queue of a department, with a limit that is met at once."""
    limits = {"x-queue-type": "quorum", "x-max-length": 10, "x-overflow": "drop-head"}
    toy.vhost.api("PUT", f"queues/{toy.vhost.name}/dept.absent.events", durable=True, arguments=limits)
    toy.vhost.api("POST", f"bindings/{toy.vhost.name}/e/city.events/q/dept.absent.events", routing_key="toy.#")
    toy.flood(subjects=50, each=10)
    toy.keep("relay", "relay")
    toy.keep("worker", "worker")
    eventually(lambda: toy.effects() == 500, within=30, what="all events take effect")
    toy.settled()
    assert toy.ready("dept.absent.events") == {"dept.absent.events": 10}
    verdict = toy.verdict("S1-department")
    assert verdict["kept"], verdict


def test_s1_a_full_work_queue_keeps_the_rest_in_the_outbox_until_there_is_room(toy: Toy) -> None:
    narrow = {"pattern": f"^{QUEUE}$", "apply-to": "queues", "definition": {"max-length": 100}}
    toy.vhost.api("PUT", f"policies/{toy.vhost.name}/narrow", allow=(), **narrow)
    toy.flood(subjects=50, each=10)
    toy.keep("relay", "relay")
    waiting = "SELECT count(*) FROM outbox_messages WHERE published_at IS NULL AND next_attempt_at IS NOT NULL"
    eventually(lambda: count(toy.producer, waiting), within=30, what="the queue refuses")
    assert toy.ready(QUEUE)[QUEUE] < 500
    toy.keep("worker", "worker")
    toy.settled(within=90)
    verdict = toy.verdict("S1-full")
    assert verdict["kept"], verdict
    assert toy.effects() == 500

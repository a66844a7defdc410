"""N0: with one guarantee taken away, the same checker must report the loss, the doubling or the disorder.

If a control passed, the checker would prove nothing about the product.
"""

import pytest

from tests.fault.system import QUEUE, Toy, reading
from tests.support.waiting import eventually


def _crash_the_broker_amid_publishing(toy: Toy) -> None:
    def publishing() -> bool:
        with reading(toy.producer) as cursor:
            cursor.execute("SELECT count(*) FROM outbox_messages WHERE published_at IS NOT NULL")
            return int(cursor.fetchone()[0]) >= 2000

    eventually(publishing, within=30, every=0.002, what="the relay publishes")
    toy.broker.kill()
    toy.broker.start()
    toy.keep("worker", "worker", BATCH="500")
    toy.settled(within=120)


def test_n0_without_confirms_a_broker_crash_loses_events(toy: Toy) -> None:
    toy.flood(subjects=4000, each=5)
    toy.always("relay", "relay", "no-confirms", BATCH="1000")
    _crash_the_broker_amid_publishing(toy)
    verdict = toy.verdict("N0-no-confirms")
    assert f"lost on the way to {QUEUE}" in verdict["broken"], verdict["counts"]


def test_the_same_crash_of_the_broker_with_confirms_loses_nothing(toy: Toy) -> None:
    toy.flood(subjects=4000, each=5)
    toy.keep("relay", "relay", BATCH="1000")
    _crash_the_broker_amid_publishing(toy)
    verdict = toy.verdict("N0-confirms")
    assert verdict["kept"], verdict


def test_n0_marking_before_publishing_loses_events(toy: Toy) -> None:
    toy.keep("api", "api")
    toy.serves("api")
    toy.drive(40, notes=3)
    relay = toy.keep("relay", "relay", faults="control:mark-first crash:after-fetch:1")
    eventually(lambda: relay.starts > 1, within=30, what="the crash")
    toy.keep("worker", "worker")
    toy.settled(within=90)
    verdict = toy.verdict("N0-mark-first")
    assert f"lost on the way to {QUEUE}" in verdict["broken"], verdict["counts"]


def test_n0_acknowledging_before_the_commit_loses_events(toy: Toy) -> None:
    toy.keep("api", "api")
    toy.serves("api")
    toy.drive(40, notes=3)
    toy.keep("relay", "relay")
    worker = toy.keep("worker", "worker", faults="control:ack-first crash:before-commit:2")
    eventually(lambda: worker.starts > 1, within=40, what="the crash")
    toy.settled(within=90)
    verdict = toy.verdict("N0-ack-first")
    assert f"lost on the way to {QUEUE}" in verdict["broken"], verdict["counts"]


def test_n0_without_inbox_a_crash_doubles_effects(toy: Toy) -> None:
    toy.keep("api", "api")
    toy.serves("api")
    toy.drive(40, notes=3)
    toy.keep("relay", "relay")
    worker = toy.always("worker", "worker", "no-inbox", crash="after-commit:2")
    eventually(lambda: worker.starts > 1, within=40, what="the crash")
    toy.settled(within=90)
    verdict = toy.verdict("N0-no-inbox")
    assert f"applied twice in {QUEUE}" in verdict["broken"], verdict["counts"]


def test_n0_without_outbox_a_crash_loses_the_event_of_a_committed_step(toy: Toy) -> None:
    toy.keep("api", "api", faults="control:no-outbox crash:between-commits:9")
    toy.keep("relay", "relay")
    toy.keep("worker", "worker")
    toy.drive(20, notes=2)
    toy.settled(within=90)
    verdict = toy.verdict("N0-no-outbox")
    assert "stated without event" in verdict["broken"], verdict["counts"]


@pytest.mark.parametrize("kind", ["relay", "worker"])
def test_the_same_crashes_with_all_guarantees_break_nothing(toy: Toy, kind: str) -> None:
    point = {"relay": "after-fetch:1", "worker": "before-commit:2"}[kind]
    toy.keep("api", "api")
    toy.serves("api")
    toy.drive(40, notes=3)
    for name in ("relay", "worker"):
        toy.keep(name, name, faults=f"crash:{point}" if name == kind else "")
    eventually(lambda: toy.kept[kind].starts > 1, within=40, what="the crash")
    toy.settled(within=90)
    verdict = toy.verdict(f"N0-none-{kind}")
    assert verdict["kept"], verdict

"""O1: the steps of each subject take effect in order and once, with two relays and two workers that are killed."""

import os
import random
import time

from tests.fault.system import QUEUE, Toy, count, reading
from tests.support.waiting import eventually

SUBJECTS, STEPS = (500, 40) if os.environ.get("FAULT_SIZE") == "long" else (50, 10)


def test_o1_order_holds_through_kills_of_relays_and_workers(toy: Toy) -> None:
    for name in ("relay-1", "relay-2"):
        toy.keep(name, "relay", BATCH="20")
    for name in ("worker-1", "worker-2"):
        toy.keep(name, "worker", BATCH="7", SLOW="0.005")
    for name in ("worker-1", "worker-2"):
        toy.serves(name)
    toy.flood(subjects=SUBJECTS, each=STEPS)
    dice, until = random.Random(20240304), time.monotonic() + 300
    kills = 0
    while toy.effects() < SUBJECTS * STEPS:
        assert time.monotonic() < until, f"{toy.effects()} of {SUBJECTS * STEPS}, {toy.on_its_way()}"
        kills += toy.kill(dice.choice(["relay-1", "relay-2", "worker-1", "worker-2"]))
        if (seen := toy.effects()) < SUBJECTS * STEPS:
            toy.grows(since=seen)
    toy.settled()
    verdict = toy.verdict("O1")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == SUBJECTS * STEPS
    assert kills >= 2
    # The broker delivered some out of their turn: it is the inbox that put them in order.
    with reading(toy.consumers[QUEUE]) as cursor:
        cursor.execute("SELECT subject, array_agg(sequence ORDER BY number) FROM effects GROUP BY subject")
        assert all(steps == list(range(1, STEPS + 1)) for _, steps in cursor.fetchall())


def test_two_relays_at_once_publish_as_one(toy: Toy) -> None:
    """Only the one that leads publishes; when it dies the other one goes on, and nothing doubles in effect."""
    toy.keep("relay-1", "relay", BATCH="10")
    toy.serves("relay-1")
    toy.keep("relay-2", "relay", BATCH="10")
    toy.keep("worker", "worker")
    toy.flood(subjects=200, each=5)
    published = "SELECT count(*) FROM outbox_messages WHERE published_at IS NOT NULL"
    eventually(lambda: count(toy.producer, published) >= 100, within=30, every=0.005, what="the first publishes")
    assert "leads" not in toy.kept["relay-2"].said()
    toy.keeper.pause("relay-1")
    toy.settled()
    assert "leads" in toy.kept["relay-2"].said()
    verdict = toy.verdict("two-relays")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == 1000

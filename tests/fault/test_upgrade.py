"""U1: workers are replaced one by one while a contract's second version is published beside its first.

The rule that is tested, for a queue whose steps all count: expand the database; let the producer tell both versions in
one commit, the newer one marked; replace the workers; only then let the producer drop the older version.
"""

import os
import threading
from typing import Any

from sqlalchemy import create_engine, text

from citybus.ids import new_id
from tests.fault.system import QUEUE, Toy, noted, reading, state
from tests.support.waiting import eventually

SUBJECTS = 20
STEPS = 250 if os.environ.get("FAULT_SIZE") == "long" else 25


class Producer:
    """Takes one step after the other of each subject, and tells it in the versions of the moment."""

    def __init__(self, toy: Toy) -> None:
        self.versions: tuple[int, ...] = (1,)
        self.steps = 0
        self._toy = toy
        self._cases = [new_id() for _ in range(SUBJECTS)]

    def step(self) -> None:
        self.steps += 1
        versions = self.versions
        with self._toy.committing() as uow:
            state(uow, [(case, self.steps) for case in self._cases])
            for case in self._cases:
                for version in versions:
                    beside = {"beside": "v1"} if version == 2 and 1 in versions else {}
                    uow.publish(noted(case, version, step=self.steps, **beside))
            uow.commit()


def _migrate(toy: Toy) -> None:
    owner = create_engine(toy.consumers[QUEUE].owner_url)
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("ALTER TABLE effects ADD COLUMN status text"))
    owner.dispose()


def _history(toy: Toy) -> list[dict[str, Any]]:
    """Return the history in terms of steps, which several events may tell of."""
    history = [entry for entry in toy.collect() if entry["op"] not in {"committed", "effect"}]
    with reading(toy.producer) as cursor:
        cursor.execute(
            "SELECT id, subject, (convert_from(body, 'UTF8')::json -> 'data' ->> 'step')::int FROM outbox_messages"
        )
        told = {event: (subject, step) for event, subject, step in cursor.fetchall()}
    for subject, step in set(told.values()):
        ref = f"{subject.partition('/')[2]}@{step}"
        history.append({"op": "committed", "event": ref, "ref": ref, "subject": subject, "sequence": step})
    with reading(toy.consumers[QUEUE]) as cursor:
        cursor.execute("SELECT event, number FROM effects")
        for event, number in cursor.fetchall():
            subject, step = told[event]
            effect = {"event": f"{subject.partition('/')[2]}@{step}", "subject": subject, "sequence": step}
            history.append({"op": "effect", "consumer": QUEUE, "number": number, **effect})
    return history


def test_u1_a_rolling_upgrade_with_two_versions_of_a_contract_loses_nothing(toy: Toy) -> None:
    toy.keep("relay", "relay")
    for name in ("old-1", "old-2"):
        toy.keep(name, "worker", BATCH="10")
    producer = Producer(toy)
    finished = threading.Event()

    def produce() -> None:
        while not finished.is_set():
            producer.step()
            finished.wait(0.02)

    def go_on() -> None:
        until = producer.steps + STEPS // 5
        eventually(lambda: producer.steps >= until, within=60, what="more steps")

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        toy.serves("old-1")
        toy.serves("old-2")
        go_on()
        _migrate(toy)
        go_on()
        producer.versions = (1, 2)
        go_on()
        for number in (1, 2):
            toy.keep(f"new-{number}", "worker", VERSION="2", BATCH="10")
            toy.serves(f"new-{number}")
            go_on()  # old and new side by side
            toy.keeper.stop(f"old-{number}")
        go_on()
        producer.versions = (2,)
        go_on()
    finally:
        finished.set()
        thread.join()
    toy.settled()
    assert {name: kept.last_words for name, kept in toy.kept.items() if kept.crashes} == {}
    assert toy.letters() == []
    verdict = toy.verdict("U1", _history(toy))
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == producer.steps * SUBJECTS
    with reading(toy.consumers[QUEUE]) as cursor:
        cursor.execute("SELECT count(status), count(*) FROM effects")
        of_new, of_all = cursor.fetchone()
    assert 0 < of_new < of_all, "both versions took effect"

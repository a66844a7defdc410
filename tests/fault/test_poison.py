"""P1: two in a hundred messages are poison; each ends in the dead queue with its reason, and no good one is harmed."""

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import pika
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from citybus import dead
from citybus.broker.dead import RabbitDeadQueue
from citybus.clock import ZONE, SystemClock
from citybus.envelope import CONTENT_TYPE, Event
from citybus.ids import new_id
from citybus.unit_of_work import Context, Units
from tests.fault.system import QUEUE, Toy, count
from tests.support.waiting import eventually

GOOD = 10_000 if os.environ.get("FAULT_SIZE") == "long" else 500
KEY = "toy.permit.noted.v1"


def _event(**changes: Any) -> Event:
    """Return an event of a subject of its own, which is right but for the changes."""
    permit = new_id()
    event = Event(
        id=new_id(),
        type=KEY,
        source="/city/420200/toy",
        subject=f"permit/{permit}",
        time=datetime(2024, 3, 4, 12, tzinfo=ZONE),
        dataschema=f"urn:city:schema:{KEY}",
        data={"permit": permit, "state": "SUBMITTED", "unit": "U1"},
        sequence=1,
        correlationid=new_id(),
        actor="test",
        dataclass="L2",
    )
    return replace(event, **changes)


POISON: dict[str, tuple[str, Callable[[], tuple[str | None, bytes]]]] = {
    "bytes that are no text": ("UNDECODABLE", lambda: (CONTENT_TYPE, b"\xff\xfe\x00{")),
    "text that is no JSON": ("UNDECODABLE", lambda: (CONTENT_TYPE, b'{"specversion": "1.0", ')),
    "deep nesting": ("UNDECODABLE", lambda: (CONTENT_TYPE, b"[" * 100_000 + b"]" * 100_000)),
    "five megabytes": ("NOT_CLOUDEVENT", lambda: (CONTENT_TYPE, json.dumps({"x": "y" * 5_000_000}).encode())),
    "JSON that is no event": ("NOT_CLOUDEVENT", lambda: (CONTENT_TYPE, b'{"__type__": "decimal.Decimal"}')),
    "another content type": ("WRONG_CONTENT_TYPE", lambda: ("application/json", _event().to_json())),
    "no content type": ("WRONG_CONTENT_TYPE", lambda: (None, _event().to_json())),
    "another kind of event": ("UNKNOWN_TYPE", lambda: (CONTENT_TYPE, _event(type="other.thing.done.v9").to_json())),
    "data against its schema": ("SCHEMA", lambda: (CONTENT_TYPE, _event(data={"permit": 5}).to_json())),
    "a bug of the handler": (
        "RETRIES_EXHAUSTED",
        lambda: (CONTENT_TYPE, _event(data={"permit": "p", "state": "SUBMITTED", "unit": "UX"}).to_json()),
    ),
}


def test_p1_poison_is_parked_with_its_reason_and_harms_no_neighbour(toy: Toy) -> None:
    trouble = toy.folder / "trouble"
    trouble.write_text("UX bug\n", encoding="utf-8")
    toy.flood(subjects=GOOD // 5, each=5)
    relay = toy.keep("relay", "relay", BATCH="100")
    expected: Counter[str] = Counter()
    with closing(pika.BlockingConnection(pika.URLParameters(toy.vhost.amqp_url))) as connection:
        channel = connection.channel()
        for number in range(max(GOOD // 50, len(POISON))):
            reason, make = list(POISON.values())[number % len(POISON)]
            content_type, body = make()
            expected[reason] += 1
            properties = pika.BasicProperties(content_type=content_type, message_id=new_id(), delivery_mode=2)
            channel.basic_publish("city.events", KEY, body, properties)
    worker = toy.keep("worker", "worker", TROUBLE=str(trouble))
    toy.settled(within=120)
    letters = toy.letters()
    assert Counter(letter.reason for letter in letters) == expected
    assert {letter.attempts for letter in letters if letter.reason == "RETRIES_EXHAUSTED"} == {5}
    assert {letter.attempts for letter in letters if letter.reason != "RETRIES_EXHAUSTED"} == {1}
    verdict = toy.verdict("P1")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == GOOD
    # It is known when each came to rest, and no process ended over any.
    assert all(datetime.fromisoformat(letter.failed_at).tzinfo for letter in letters)
    assert (relay.crashes, worker.crashes) == (0, 0)


@pytest.mark.parametrize("trouble", ["permanent", "bug"])
def test_p1_a_parked_event_holds_back_its_subject_alone_until_it_is_replayed(toy: Toy, trouble: str) -> None:
    file = toy.folder / "trouble"
    toy.flood(subjects=20, each=5)
    database = toy.consumers[QUEUE]
    sick = str(toy.subjects()[7]).partition("/")[2]
    file.write_text(f"{sick} {trouble}\n", encoding="utf-8")
    toy.keep("relay", "relay")
    toy.keep("worker", "worker", TROUBLE=str(file))
    toy.settled()
    assert toy.effects() == 19 * 5
    assert count(database, "SELECT count(*) FROM waiting_events") == 4
    (letter,) = toy.letters()
    assert (letter.event.subject, letter.event.sequence) == (f"permit/{sick}", 1) if letter.event else None
    held = toy.verdict(f"P1-held-{trouble}")
    assert held["kept"], held

    file.unlink()
    engine = create_engine(database.app_url)
    units = Units(sessionmaker(engine), "/city/420200/probe", SystemClock())
    context = Context("operator", ("OPERATOR",), "the handler is repaired", new_id())
    with RabbitDeadQueue(toy.vhost.amqp_url, QUEUE, exchange="probe.retry") as queue, units(context) as uow:
        assert len(list(dead.replay(queue, uow, QUEUE, lambda _: True))) == 1
    engine.dispose()
    toy.keeper.resume("worker")
    eventually(lambda: toy.effects() == 100, within=30, what="the event and its followers take effect")
    toy.settled()
    assert toy.letters() == []
    verdict = toy.verdict(f"P1-replayed-{trouble}")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == 100

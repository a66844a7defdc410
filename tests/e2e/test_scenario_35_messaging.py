"""Scenario 35 across the services: events that come more than once, out of order, late, and to a department."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pika
import pytest

from dandang.local.city import as_user
from dandang.slice import cast, story
from dandang.slice.cast import Person
from dandang.slice.department import FINANCE
from tests.e2e.conftest import City
from tests.e2e.people import CADRES, COLLEAGUE_OF_DISCIPLINE, DISCIPLINE, SUPERVISE, People
from tests.support.waiting import eventually

UNIT = "黄石市妇女联合会"
FACTS = "服务群众不力(虚构,情形三十五)。"
RECORDED, REVOKED = "supervision.sanction.recorded.v1", "supervision.sanction.revoked.v1"
ACTIVE = "EFFECT_PERIOD_ACTIVE"
STOPPED = {"assessment-worker": "assessment.supervision", "incentive-worker": "incentive.supervision"}


@pytest.fixture(scope="module")
def people(city: City) -> People:
    found = People(city)
    found.at("2024-06-12T09:00", back=True)
    return found


@contextmanager
def broker(url: str) -> Iterator[Any]:
    """A channel whose messages are confirmed."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel
    finally:
        connection.close()


@contextmanager
def stopped(city: City, *names: str) -> Iterator[Any]:
    """End workers for the time of the block, which gets a channel of the broker's administrator."""
    state = city.run.read()
    assert state.supervisor is not None
    running = {each.name: each.pid for each in state.processes}
    with broker(city.known["CITY_AMQP_URL"]) as channel:
        os.kill(state.supervisor.pid, signal.SIGSTOP)  # else it would start them again at once
        try:
            for name in names:
                os.kill(running[name], signal.SIGTERM)
            for name in names:
                eventually(
                    lambda name=name: channel.queue_declare(STOPPED[name], passive=True).method.consumer_count == 0,
                    within=40,
                    what=f"{name} is gone",
                )
            yield channel
        finally:
            os.kill(state.supervisor.pid, signal.SIGCONT)


def sanctioned(people: People, who: Person) -> str:
    """Have two of the discipline commission record a demerit; return its id once it is in effect."""
    made = people.post(
        DISCIPLINE,
        "supervision",
        "/sanctions",
        cadre=who.cadre,
        regime="GOV",
        kind="DEMERIT",
        organ="DISC",
        decision_no=f"黄监〔2024〕{who.subject}",
        legal_basis="《公职人员政务处分法》第八条",
        conduct_on="2024-04-01",
        decided_on="2024-06-11",
    )["id"]
    path = f"/sanctions/{made}"
    people.take(COLLEAGUE_OF_DISCIPLINE, "supervision", path, "confirm")
    people.until(
        lambda: people.get(DISCIPLINE, "supervision", path)["state"] == "IN_EFFECT", "the sanction is in effect"
    )
    return str(made)


def bodies(city: City, sanction: str) -> dict[str, bytes]:
    """Return the events of a sanction as they were published, by type."""
    rows = city.rows(
        "supervision", "SELECT type, body FROM outbox_messages WHERE subject = :subject", subject=f"sanction/{sanction}"
    )
    return {row.type: bytes(row.body) for row in rows}


def properties(body: bytes) -> pika.BasicProperties:
    event = json.loads(body)
    return pika.BasicProperties(
        content_type="application/cloudevents+json", delivery_mode=2, message_id=event["id"], type=event["type"]
    )


def bounds(people: People, who: Person) -> list[tuple[str, str]]:
    found = people.get(cast.RECORDS, "assessment", f"/cadres/{who.cadre}/constraints?year=2024")
    return [(each["kind"], each["source"]) for each in found["constraints"]]


def barred(people: People, who: Person) -> list[str]:
    """Return what the selection gate has against a cadre because of a sanction."""
    found = people.get(CADRES, "incentive", f"/gate/{who.cadre}?purpose=PROMOTE")
    return [each["code"] for each in found["reasons"] if each["code"] == ACTIVE]


def told(city: City, sanction: str) -> list[str]:
    """Return what assessment told of the constraint that a sanction put on a grade."""
    rows = city.rows(
        "assessment",
        "SELECT type FROM outbox_messages WHERE type LIKE 'assessment.constraint.%'"
        " AND convert_from(body, 'UTF8')::json -> 'data' ->> 'source' = :source ORDER BY position",
        source=f"sanction/{sanction}",
    )
    return [row.type.split(".")[2] for row in rows]


def reconciled(city: City) -> list[dict[str, Any]]:
    """Return the pairs that `dandang reconcile` compared; it ends with an error where there is drift."""
    done = city.command("reconcile", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_scenario_35_recorded_three_times_has_one_effect(city: City, people: People) -> None:
    who = people.member(UNIT, 1, "cadre-thrice")
    sanction = sanctioned(people, who)
    one = [("NO_GRADE", f"sanction/{sanction}")]
    people.until(lambda: bounds(people, who) == one, "the year has no grade")
    people.until(lambda: barred(people, who) == [ACTIVE], "the gate is shut")
    body = bodies(city, sanction)[RECORDED]
    with broker(city.known["CITY_AMQP_URL"]) as channel:
        for _ in range(2):
            channel.basic_publish("city.events", RECORDED, body, properties(body), mandatory=True)
    people.at("2024-06-12T09:30", wait=True)
    assert bounds(people, who) == one
    assert told(city, sanction) == ["added"]
    assert barred(people, who) == [ACTIVE]
    served = people.get(who, "notification", f"/deliveries?ref=sanction/{sanction}")["items"]
    assert [each["document"] for each in served] == ["SANCTION_NOTICE"]


def test_scenario_35_swapped_and_down_for_two_hours(city: City, people: People) -> None:
    who = people.member(UNIT, 2, "cadre-swapped")
    with stopped(city, *STOPPED) as channel:
        sanction = sanctioned(people, who)
        for officer in (DISCIPLINE, COLLEAGUE_OF_DISCIPLINE):
            people.take(officer, "supervision", f"/sanctions/{sanction}", "revoke", reason="原决定已撤销(虚构)")
        people.at("2024-06-12T11:30")
        assert people.get(DISCIPLINE, "supervision", f"/sanctions/{sanction}")["state"] == "REVOKED"
        held: dict[str, bytes] = {}

        def arrived() -> bool:
            while True:
                method, _, body = channel.basic_get(STOPPED["assessment-worker"], auto_ack=False)
                if method is None:
                    return any(json.loads(each)["type"] == REVOKED for each in held.values())
                held[json.loads(body)["id"]] = body
                taken.append(method.delivery_tag)

        taken: list[int] = []
        eventually(arrived, within=30, every=0.2, what="the revocation waits in the queue")
        for body in reversed(list(held.values())):
            for _ in range(3 if json.loads(body)["type"] == RECORDED else 1):
                channel.basic_publish("", STOPPED["assessment-worker"], body, properties(body), mandatory=True)
        for tag in taken:
            channel.basic_ack(tag)
        for queue in STOPPED.values():
            assert channel.queue_declare(queue, passive=True).method.message_count > 2
        assert bounds(people, who) == []
    people.at("2024-06-12T12:00", wait=True)  # returns when every queue is empty
    assert bounds(people, who) == []
    assert told(city, sanction) == ["added", "lifted"]
    people.until(lambda: barred(people, who) == [], "the gate is open")
    assert people.get(SUPERVISE, "supervision", f"/eligibility/{who.cadre}?purpose=PROMOTE")["reasons"] == []
    pairs = reconciled(city)
    assert {pair["queue"] for pair in pairs} >= set(STOPPED.values())
    for pair in pairs:
        assert (pair["missing"], pair["unknown"], pair["waiting"]) == ([], [], 0), pair
    assert json.loads(city.command("status", "--json").stdout)["dead"] == {}
    with broker(city.known["CITY_AMQP_URL"]) as channel:
        for queue in STOPPED.values():

            def consumed(queue: str = queue) -> bool:
                found = channel.queue_declare(queue, passive=True).method
                return bool(found.message_count == 0 and found.consumer_count > 0)

            eventually(consumed, what=f"{queue} is empty and consumed")


def ask(city: City, people: People, event_type: str, *fields: str) -> Any:
    """Have the department ask for fields of an event type at class L2."""
    return city.request(
        "POST",
        "notification",
        "/subscriptions",
        people.token(cast.DEPARTMENT),
        {"Idempotency-Key": str(uuid4())},
        json={
            "department": "finance-bureau",
            "event_types": [event_type],
            "fields": {event_type: list(fields)},
            "purpose": "预算绩效管理",
            "legal_basis": "中华人民共和国预算法实施条例",
            "agreement_no": "HS-2024-035",
            "max_class": "L2",
            "valid_to": "2024-12-31",
        },
    )


def test_scenario_35_department_gets_no_name_and_what_it_got_is_on_record(city: City, people: People) -> None:
    for event_type, field, code in (
        ("supervision.finding.verified.v1", "responsible", "CLASS_EXCEEDED"),
        (RECORDED, "sanction", "UNKNOWN_EVENT_TYPE"),
        ("assessment.cadre.registered.v1", "name", "CLASS_EXCEEDED"),
    ):
        refused = ask(city, people, event_type, field)
        assert (refused.status_code, refused.json()["code"]) == (422, code)

    who = people.member(UNIT, 3, "cadre-unnamed")
    finding = people.verified_finding(who, FACTS, "2024-06-03")
    subject, agreed = f"finding/{finding}", story.EVENT_FIELDS["supervision.finding.verified.v1"]
    records = f"/subscriptions/{city.told['ids']['subscription']}/deliveries?limit=200"

    def recorded() -> Any:
        return [
            each for each in people.get(cast.APPROVER, "notification", records)["items"] if each["subject"] == subject
        ]

    (record,) = people.until(recorded, "the delivery is on record")
    assert (record["type"], record["fields"], record["dataclass"]) == (
        "supervision.finding.verified.v1",
        sorted(agreed),
        "L2",
    )
    received: dict[str, bytes] = {}

    def came() -> bool:
        while True:
            method, _, body = channel.basic_get(FINANCE.queue)
            if method is None:
                return subject in received
            received[json.loads(body)["subject"]] = body
            channel.basic_ack(method.delivery_tag)

    url = as_user(city.known["CITY_AMQP_URL"], FINANCE.user, city.run.broker_users.get(FINANCE.user))
    with broker(url) as channel:
        eventually(came, within=30, every=0.2, what="the department receives the event")
    event = json.loads(received[subject])
    assert (set(event["data"]), event["actor"]) == (set(agreed), "system:notification")
    everything = b"\n".join(received.values()).decode()
    assert "sanction" not in everything
    for secret in (who.zh, str(who.cadre), FACTS, who.subject):
        assert secret not in everything
    assert recorded() == [record]

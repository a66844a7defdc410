"""What events of other services lead to: documents, the roster, and what departments are sent."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from citybus import tables
from citybus.errors import Invalid
from citybus.ids import new_id
from citybus.inbox import Order
from notification.application.deliver import deliver, dispatch_queued
from notification.application.forget_records import forget_records
from notification.domain.delivery import Recipient
from notification.domain.document import Document
from notification.persistence.models import CadreRow, DeliveryRow, SentRow, UnitRow
from tests.support.notification import (
    APPROVER,
    BUREAU,
    DEDUCTED,
    DIRECT,
    LEAD,
    REGISTERED,
    STARTED,
    SYSTEM,
    VERIFIED,
    City,
    a_request,
    asking,
    example,
    rulebook,
)

BOTH = [{"cadre": LEAD, "role": "LEAD"}, {"cadre": DIRECT, "role": "DIRECT"}]


# ---- documents


def test_everybody_responsible_is_sent_a_notice_of_their_own(city: City) -> None:
    event = city.finding(responsible=BOTH)
    told = city.receive(event)
    assert [each.type for each in told] == ["notification.delivery.sent.v1"] * 2
    assert {each.data["recipient"]["id"] for each in told} == {LEAD, DIRECT}
    for each in told:
        assert (each.correlationid, each.causationid) == ("correlation-of-the-event", event.id)
        assert (each.actor, each.rulepack) == ("system:notification", "LOCAL-HS-2016@1")
    direct, lead = city.of(event)
    texts = [city.text(case) for case in (lead, direct)]
    assert "张甲" in texts[0]
    assert "主要领导责任" in texts[0]
    assert "直接分管责任" in texts[1]


def test_a_change_of_post_moves_the_address(city: City) -> None:
    person = new_id()
    data = {"cadre": person, "name": "赵丁", "unit": BUREAU}
    city.receive(city.event(REGISTERED, f"cadre/{person}", data))
    moved = data | {"unit": "420204", "state": "ACTIVE"}
    city.receive(city.event("assessment.cadre.post-changed.v1", f"cadre/{person}", moved))
    assert city.rows(CadreRow.__table__, CadreRow.id == person) == [(person, "赵丁", "420204", False)]


def test_an_event_delivered_twice_is_one_notice(city: City) -> None:
    event = city.finding()
    assert len(city.receive(event)) == 1
    assert city.receive(event) == []
    assert len(city.of(event)) == 1


def test_a_notice_is_not_lost_behind_a_later_step(city: City) -> None:
    finding = new_id()
    notified = city.finding(finding=finding)
    rejected = city.finding("rejected", finding=finding)
    assert city.receive(rejected) == []
    assert [event.type for event in city.receive(notified)] == ["notification.delivery.sent.v1"]


def test_other_steps_of_a_finding_send_no_document(city: City) -> None:
    finding = new_id()
    city.receive(city.finding(finding=finding))
    for step in ("served", "plea-received", "verified"):
        assert city.receive(city.finding(step, finding=finding)) == []


@pytest.mark.parametrize(
    ("applicant", "kind", "recipient"),
    [
        ({"kind": "CADRE", "id": LEAD}, "CADRE", LEAD),
        ({"kind": "UNIT", "id": BUREAU}, "UNIT", BUREAU),
        ({"kind": "ORGAN", "id": "420200-DISC"}, "UNIT", BUREAU),
    ],
)
def test_a_decision_goes_to_who_asked(city: City, applicant: Any, kind: str, recipient: str) -> None:
    event = city.tolerance(applicant=applicant, decision="MITIGATE", factor="0.5")
    (told,) = city.receive(event)
    assert (told.data["document"], told.data["ref"]) == ("TOLERANCE_DECISION", event.subject)
    assert told.data["recipient"] == {"kind": kind, "id": recipient}
    (case,) = city.of(event)
    content = city.text(case)
    assert "减责" in content
    assert "0.5" in content


def test_a_denial_without_a_factor_reads_as_one(city: City) -> None:
    event = city.tolerance(decision="DENY", factor=None)
    city.receive(event)
    content = city.text(city.of(event)[0])
    assert "系数 1.0" in content
    assert "不予容错" in content


@pytest.mark.parametrize("changes", [{"applicant": {"kind": "SOMEBODY", "id": "x"}}, {"decided_on": None}])
def test_a_decision_that_cannot_be_right_is_parked(city: City, changes: Any) -> None:
    with pytest.raises(Invalid) as caught:
        city.receive(city.tolerance(**changes))
    assert caught.value.reason == "SCHEMA"


def test_a_document_waits_for_the_roster(city: City) -> None:
    person, code = f"cadre-{new_id()}", f"unit-{new_id()}"
    event = city.finding(responsible=[{"cadre": person, "role": "LEAD"}])
    assert city.receive(event) == []
    (case,) = city.of(event)
    assert (case.state, case.sha256) == ("QUEUED", None)
    city.receive(registered(city, person, code))
    assert dispatch_queued(city.deliveries, city.units) == 0
    city.receive(city.event("assessment.unit.registered.v1", f"unit/{code}", {"unit": code, "name": "新单位"}))
    city.clock.advance(timedelta(days=1))
    assert dispatch_queued(city.deliveries, city.units) == 1
    assert dispatch_queued(city.deliveries, city.units) == 0
    case = city.again(case)
    assert (case.state, case.unit, case.sent_on) == ("SENT", code, city.clock.today())
    (told,) = subject_events(city, f"delivery/{case.id}")
    assert told.correlation_id == "correlation-of-the-event"


def test_one_that_cannot_be_sent_holds_up_no_other(city: City) -> None:
    person = f"cadre-{new_id()}"
    events = [city.finding(responsible=[{"cadre": person, "role": "LEAD"}]) for _ in range(2)]
    for event in events:
        city.receive(event)
    (bad,), (good,) = (city.of(event) for event in events)
    with city.acting(SYSTEM) as uow:
        uow.session.get_one(DeliveryRow, bad.id).particulars = {"finding": "F"}
        uow.commit()
    city.receive(registered(city, person, BUREAU))
    assert dispatch_queued(city.deliveries, city.units) == 1
    assert (city.again(bad).state, city.again(good).state) == ("QUEUED", "SENT")
    with city.acting(SYSTEM) as uow:
        uow.session.get_one(DeliveryRow, bad.id).particulars = good.particulars
        uow.commit()
    assert dispatch_queued(city.deliveries, city.units) == 1


def test_the_same_document_is_served_once_whatever_brings_it(city: City) -> None:
    case = city.sent()
    with city.acting(SYSTEM) as uow:
        recipient = (Recipient.CADRE, LEAD)
        deliver(city.deliveries, uow, Document.FINDING_NOTICE, case.ref, recipient, case.particulars)
        uow.commit()
        assert uow.published == []


def registered(city: City, person: str, unit: str, name: str = "赵丁") -> Any:
    data = example(REGISTERED) | {"cadre": person, "name": name, "unit": unit}
    return city.event(REGISTERED, f"cadre/{person}", data)


def subject_events(city: City, subject: str) -> list[Any]:
    return city.rows(tables.outbox_messages, tables.outbox_messages.c.subject == subject)


def test_the_roster_keeps_what_is_registered_last(city: City) -> None:
    person, code = f"cadre-{new_id()}", f"unit-{new_id()}"
    first, last = registered(city, person, BUREAU), registered(city, person, code, name="改名")
    city.receive(last)
    city.receive(first)
    assert city.rows(CadreRow.__table__, CadreRow.id == person) == [(person, "改名", code, False)]
    units = [
        city.event("assessment.unit.registered.v1", f"unit/{code}", {"unit": code, "name": name})
        for name in ("旧名", "新名")
    ]
    city.receive(*reversed(units))
    assert city.rows(UnitRow.__table__, UnitRow.code == code) == [(code, "新名")]


# ---- departments


def for_departments(city: City, *events: Any) -> list[Any]:
    """Receive events and return what departments are sent because of them."""
    before = {row.id for row in city.rows(tables.outbox_messages)}
    city.receive(*events)
    messages = tables.outbox_messages.c
    rows = city.rows(tables.outbox_messages, messages.exchange == "city.public")
    return sorted((row for row in rows if row.id not in before), key=lambda row: row.position)


def body(row: Any) -> Any:
    return orjson.loads(bytes(row.body))


def test_a_department_is_sent_just_what_it_may_have(city: City) -> None:
    case = city.active()
    event = city.inspection()
    (row,) = for_departments(city, event)
    assert (row.exchange, row.routing_key) == ("city.public", f"dept.finance-bureau.{STARTED}")
    assert row.mandatory
    sent = body(row)
    data = example(STARTED)
    assert sent["data"] == {
        "inspection": event.data["inspection"],
        "state": data["state"],
        "units": data["units"],
    }
    assert {name: sent[name] for name in ("type", "subject", "source", "dataclass", "actor")} == {
        "type": STARTED,
        "subject": event.subject,
        "source": "/city/420200/notification",
        "dataclass": "L2",
        "actor": "system:notification",
    }
    assert (sent["causationid"], sent["correlationid"], sent["sequence"]) == (event.id, event.correlationid, 1)
    assert "officer-whom-nobody-needs-to-know" not in bytes(row.body).decode()
    (record,) = city.rows(SentRow.__table__, SentRow.event_id == event.id)
    assert (record.subscription_id, record.department, record.type) == (case.id, "finance-bureau", STARTED)
    assert (record.subject, record.fields, record.dataclass) == (
        event.subject,
        ["inspection", "state", "units"],
        "L2",
    )
    city.end(case)


def test_an_event_delivered_twice_is_sent_once(city: City) -> None:
    case = city.active()
    event = city.inspection()
    assert len(for_departments(city, event)) == 1
    assert for_departments(city, event) == []
    city.end(case)


def test_a_departments_events_are_numbered_without_gaps_in_their_order(city: City) -> None:
    case = city.active()
    finding = new_id()
    city.receive(city.finding(finding=finding))
    city.receive(city.finding("served", finding=finding))
    plea, first = city.finding("plea-received", finding=finding), city.finding("verified", finding=finding)
    second = city.finding("verified", finding=finding, unit="420204")
    assert for_departments(city, second, first) == []
    rows = for_departments(city, plea)
    assert [(body(row)["sequence"], body(row)["data"]["unit"]) for row in rows] == [(1, BUREAU), (2, "420204")]
    assert {row.subject for row in rows} == {f"dept.finance-bureau/finding/{finding}"}
    city.end(case)


@pytest.mark.parametrize("state", ["REQUESTED", "APPROVED", "SUSPENDED", "EXPIRED"])
def test_nothing_is_sent_unless_the_subscription_is_active(city: City, state: str) -> None:
    case = city.active() if state in ("SUSPENDED", "EXPIRED") else city.requested()
    match state:
        case "APPROVED":
            city.take(city.subscriptions, case, "approve", APPROVER)
        case "SUSPENDED":
            city.end(case)
        case "EXPIRED":
            city.take(city.subscriptions, case, "expire", SYSTEM)
    assert for_departments(city, city.inspection()) == []


def test_nothing_is_sent_after_the_last_day_even_before_the_timer_rings(city: City) -> None:
    case = city.active()
    city.clock.set(city.clock.now().replace(month=12, day=31))
    assert len(for_departments(city, city.inspection())) == 1
    city.clock.advance(timedelta(days=1))
    assert city.again(case).state == "ACTIVE"
    assert for_departments(city, city.inspection()) == []
    city.end(case)


def test_nothing_is_sent_of_types_and_subjects_that_were_not_agreed(city: City) -> None:
    case = city.active()
    assert for_departments(city, city.inspection("approved")) == []
    assert for_departments(city, deduction(city)) == []
    city.end(case)


def deduction(city: City) -> Any:
    person = new_id()
    return city.event(DEDUCTED, f"deduction/{person}-2024", example(DEDUCTED) | {"cadre": person})


def test_personal_subjects_are_for_the_personal_class(city: City) -> None:
    case = city.active(asking(DEDUCTED, "year", "deduction", max_class="L3"))
    (row,) = for_departments(city, deduction(city))
    assert (set(body(row)["data"]), body(row)["dataclass"]) == ({"year", "deduction"}, "L3")
    with city.acting(SYSTEM) as uow:
        uow.session.get_one(type(case), case.id).max_class = "L2"
        uow.commit()
    assert for_departments(city, deduction(city)) == []
    city.end(case)


def test_a_name_reaches_a_department_of_the_personal_class_alone(city: City) -> None:
    internal = city.active(asking(REGISTERED, "cadre", "unit"))
    personal = city.active(
        asking(REGISTERED, "cadre", "name", max_class="L3", department="audit-bureau", agreement_no="HS-2024-002")
    )
    rows = for_departments(city, registered(city, new_id(), BUREAU, name="唯一的名字"))
    with_name = [row.routing_key for row in rows if "唯一的名字" in bytes(row.body).decode()]
    assert len(rows) == 2
    assert with_name == [f"dept.audit-bureau.{REGISTERED}"]
    city.end(internal)
    city.end(personal)


def test_two_agreements_of_one_department_are_served_each_by_its_own(city: City) -> None:
    one, other = city.active(), city.active(a_request(fields={STARTED: ["theme"], VERIFIED: ["unit"]}))
    rows = for_departments(city, city.inspection())
    assert [set(body(row)["data"]) for row in rows] == [{"inspection", "units", "state"}, {"theme"}]
    assert [body(row)["sequence"] for row in rows] == [1, 2]
    city.end(one)
    city.end(other)


def test_records_are_kept_as_long_as_they_must_be(city: City) -> None:
    case = city.active()
    event = city.inspection()
    city.receive(event)
    kept = select(func.count()).where(SentRow.event_id == event.id)
    for at, count in ((city.clock.now().replace(year=2027), 1), (city.clock.now().replace(year=2027, day=6), 0)):
        city.clock.set(at)
        forgotten = forget_records(rulebook(), city.units, "notification")
        with city.engine.connect() as connection:
            assert connection.execute(kept).scalar_one() == count
        assert (forgotten > 0) is (count == 0)
    audits = city.rows(tables.audit_entries, tables.audit_entries.c.action == "subscription-records.forget")
    assert audits[-1].written["rows"] >= 1
    city.end(case)


# ---- queues


def test_each_queue_is_taken_in_its_order(city: City) -> None:
    orders = {queue: subscription.order for queue, subscription in city.queues.items()}
    assert orders == {
        "notification.assessment": Order.NEWEST,
        "notification.supervision": Order.EVERY_STEP,
        "notification.incentive": Order.EVERY_STEP,
        "notification.notification": Order.NEWEST,
    }


def test_heartbeats_are_heard_and_not_passed_on(city: City) -> None:
    for source in ("assessment", "supervision", "incentive"):
        event_type = f"{source}.service.heartbeat.v1"
        event = city.event(event_type, f"service/{source}", example(event_type) | {"service": source})
        assert city.receive(event) == []
    beats = {row.source for row in city.rows(tables.projection_heartbeats)}
    assert beats >= {"assessment", "supervision", "incentive"}

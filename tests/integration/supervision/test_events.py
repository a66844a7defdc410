"""What events of other services lead to: applied once, in order, and nothing from what does not concern supervision."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from citybus import deadlines, tables
from citybus.cases.timers import handlers
from citybus.errors import Invalid
from citybus.ids import new_id
from citybus.inbox import Order
from supervision.persistence.models import CadreRow, UnitRow
from tests.support.supervision import (
    BUREAU,
    DIRECT,
    DISTRICT,
    FIRST,
    LEAD,
    STRANGER,
    City,
    cadre,
)

NOTIFICATION, INCENTIVE, ASSESSMENT = "supervision.notification", "supervision.incentive", "supervision.assessment"
BOTH = [{"cadre": LEAD, "role": "LEAD"}, {"cadre": DIRECT, "role": "DIRECT"}]
DAY = date(2024, 3, 5)


def deadline(city: City, case: Any) -> Any:
    table = tables.deadlines
    about = (table.c.ref == f"finding/{case.id}", table.c.kind == "finding.plea")
    rows = city.rows(table, *about, table.c.state.in_(("ARMED", "WARNED")))
    return rows[0] if rows else None


@pytest.mark.parametrize("how", ["signed", "refused", "substituted"])
def test_each_kind_of_service_starts_the_plea_window(city: City, how: str) -> None:
    case = city.notified()
    (event,) = city.receive(NOTIFICATION, city.served(case, LEAD, DAY, how))
    assert event.type == "supervision.finding.served.v1"
    assert (event.data["served_on"], event.data["plea_until"]) == ("2024-03-05", "2024-03-12")
    assert event.correlationid == "correlation-of-the-event"
    assert event.causationid is not None
    assert deadline(city, case).due_at.isoformat() == "2024-03-13T00:00:00+08:00"


def test_the_plea_window_runs_from_the_last_of_several_services(city: City) -> None:
    case = city.notified(responsible=BOTH)
    (first,) = city.receive(NOTIFICATION, city.served(case, LEAD, DAY))
    assert (first.data["served_on"], first.data["plea_until"], deadline(city, case)) == (None, None, None)
    (second,) = city.receive(NOTIFICATION, city.served(case, DIRECT, date(2024, 3, 8)))
    assert (second.data["served_on"], second.data["plea_until"]) == ("2024-03-08", "2024-03-15")
    assert deadline(city, case).due_at.isoformat() == "2024-03-16T00:00:00+08:00"


def test_an_event_delivered_twice_is_one_service(city: City) -> None:
    case = city.notified()
    event = city.served(case, LEAD, DAY)
    assert len(city.receive(NOTIFICATION, event)) == 1
    assert city.receive(NOTIFICATION, event) == []


def test_a_second_service_on_the_same_person_changes_nothing(city: City) -> None:
    case = city.notified()
    city.receive(NOTIFICATION, city.served(case, LEAD, DAY))
    assert city.receive(NOTIFICATION, city.served(case, LEAD, date(2024, 3, 20), "substituted")) == []
    assert city.again(case).plea_until == date(2024, 3, 12)


def test_other_documents_are_none_of_our_business(city: City) -> None:
    case = city.notified()
    for changes in ({"document": "TOLERANCE_DECISION"}, {"ref": f"tolerance/{case.id}"}):
        assert city.receive(NOTIFICATION, city.served(case, LEAD, DAY, **changes)) == []


def test_a_service_after_the_finding_was_settled_is_let_pass(city: City) -> None:
    case = city.take(city.findings, city.notified(), "reject", FIRST, {"reason": "不属实"})[0]
    assert city.receive(NOTIFICATION, city.served(case, LEAD, DAY)) == []
    assert city.again(case).state == "REJECTED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipient": {"kind": "CADRE", "id": STRANGER}}, "NOT_RESPONSIBLE"),
        ({"ref": f"finding/{new_id()}"}, "UNKNOWN_FINDING"),
        ({"served_on": None}, "NOT_SERVED"),
    ],
)
def test_a_service_that_cannot_be_right_is_parked(city: City, changes: Any, reason: str) -> None:
    event = city.served(city.notified(), LEAD, DAY, **changes)
    before = city.picture()
    with pytest.raises(Invalid) as caught:
        city.receive(NOTIFICATION, event)
    assert caught.value.reason == reason
    assert city.picture() == before


@pytest.mark.parametrize("settled", ["verify", "reject"])
def test_the_deadline_is_closed_when_the_finding_is_settled(city: City, settled: str) -> None:
    if settled == "verify":
        case = city.verified()
    else:
        case = city.take(city.findings, city.ready_to_verify(), "reject", FIRST, {"reason": "r"})[0]
    assert deadline(city, case) is None


def test_a_window_that_is_over_is_told_once_and_moves_nothing(city: City) -> None:
    case = city.ready_to_verify()
    on_time = handlers(city.cases)
    assert deadlines.fire_due(city.units, on_time).fired >= 1
    assert deadlines.fire_due(city.units, on_time).fired == 0
    assert (city.again(case).state, deadline(city, case)) == ("NOTIFIED", None)


@pytest.mark.parametrize("state", ["NOTIFIED", "PLEA_RECEIVED", "VERIFIED", "REJECTED"])
def test_tolerance_eases_a_finding_in_every_state_and_keeps_the_state(city: City, state: str) -> None:
    case = city.verified() if state == "VERIFIED" else city.notified()
    if state == "REJECTED":
        case = city.take(city.findings, case, "reject", FIRST, {"reason": "r"})[0]
    if state == "PLEA_RECEIVED":
        case = city.take(city.findings, case, "plea", cadre(LEAD), {"text": "说明"})[0]
    tolerance = new_id()
    (event,) = city.receive(INCENTIVE, city.tolerance(case, tolerance, "effective", decision="MITIGATE", factor="0.5"))
    assert event.type == "supervision.finding.weight-changed.v1"
    assert (event.data["base_weight"], event.data["effective_weight"]) == ("2.0", "1.0")
    assert event.data["tolerance"] == {"case": tolerance, "factor": "0.5"}
    assert (event.data["state"], city.again(case).state) == (state, state)
    assert event.correlationid == "correlation-of-the-event"


def test_an_exemption_takes_all_points_and_says_so(city: City) -> None:
    case = city.verified()
    tolerance = new_id()
    (event,) = city.receive(INCENTIVE, city.tolerance(case, tolerance, "effective", decision="EXEMPT", factor="0"))
    assert event.data["effective_weight"] == "0.0"
    assert event.data["tolerance"] == {"case": tolerance, "factor": "0.0"}


def test_steps_that_come_early_wait_and_only_the_last_has_an_effect(city: City) -> None:
    case = city.verified()
    tolerance = new_id()
    steps = [city.tolerance(case, tolerance, name) for name in ("filed", "accepted", "verifying", "decided", "served")]
    last = city.tolerance(case, tolerance, "effective", decision="MITIGATE", factor="0.5")
    assert city.receive(INCENTIVE, last) == []
    assert city.receive(INCENTIVE, *reversed(steps[1:])) == []
    (event,) = city.receive(INCENTIVE, steps[0])
    assert event.data["effective_weight"] == "1.0"
    assert city.receive(INCENTIVE, last, *steps) == []


@pytest.mark.parametrize(
    ("decision", "factor"), [("DENY", None), ("DENY", "1.0"), ("MITIGATE", "0.5"), ("MITIGATE", "0.8")]
)
def test_what_eases_nothing_further_is_published_to_nobody(city: City, decision: str, factor: str | None) -> None:
    case = city.verified()
    city.receive(INCENTIVE, city.tolerance(case, new_id(), "effective", decision="MITIGATE", factor="0.5"))
    version = city.again(case).version
    more = city.tolerance(case, new_id(), "effective", decision=decision, factor=factor)
    assert city.receive(INCENTIVE, more) == []
    assert (city.again(case).version, city.again(case).effective_weight) == (version, Decimal("1.0"))


def test_a_further_case_that_eases_more_takes_its_place(city: City) -> None:
    case = city.verified()
    city.receive(INCENTIVE, city.tolerance(case, new_id(), "effective", decision="MITIGATE", factor="0.5"))
    (event,) = city.receive(INCENTIVE, city.tolerance(case, new_id(), "effective", decision="EXEMPT", factor="0.0"))
    assert event.data["effective_weight"] == "0.0"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decision": "MITIGATE"}, "FACTOR_MISSING"),
        ({"decision": "MITIGATE", "factor": "0.5", "finding": new_id()}, "UNKNOWN_FINDING"),
        ({"decision": "MITIGATE", "factor": "1.5"}, "SCHEMA"),
        ({"decision": "SOMETHING", "factor": "0.5"}, "SCHEMA"),
    ],
)
def test_a_tolerance_that_cannot_be_right_is_parked(city: City, changes: Any, reason: str) -> None:
    case = city.notified()
    event = city.tolerance(case, new_id(), "effective", **changes)
    with pytest.raises(Invalid) as caught:
        city.receive(INCENTIVE, event)
    assert caught.value.reason == reason


def test_the_roster_keeps_what_is_registered_last_and_no_names(city: City) -> None:
    person, code = new_id(), "420200-NEW"
    unit = {"unit": code, "name": "新设单位", "kind": "CITY_DEPT", "sector": "综合"}
    events = [
        city.event("assessment.unit.registered.v1", f"unit/{code}", unit),
        city.event(
            "assessment.cadre.registered.v1", f"cadre/{person}", {"cadre": person, "unit": BUREAU, "name": "张三"}
        ),
        city.event(
            "assessment.cadre.post-changed.v1", f"cadre/{person}", {"cadre": person, "unit": DISTRICT, "name": "张三"}
        ),
    ]
    city.receive(ASSESSMENT, events[0])
    city.receive(ASSESSMENT, events[2])
    city.receive(ASSESSMENT, events[1])
    assert city.rows(UnitRow.__table__, UnitRow.code == code) == [(code, "新设单位", "CITY_DEPT")]
    assert city.rows(CadreRow.__table__, CadreRow.id == person) == [(person, DISTRICT, False)]
    left = {"cadre": person, "unit": DISTRICT, "name": "张三", "state": "LEFT"}
    city.receive(ASSESSMENT, city.event("assessment.cadre.left.v1", f"cadre/{person}", left))
    assert city.rows(CadreRow.__table__, CadreRow.id == person) == [(person, DISTRICT, True)]


def test_heartbeats_keep_the_roster_fresh(city: City) -> None:
    beats = tables.projection_heartbeats
    with city.engine.begin() as connection:
        connection.execute(beats.update().values(last_seen=beats.c.last_seen - timedelta(hours=1)))
    city.receive(
        ASSESSMENT,
        city.event(
            "assessment.service.heartbeat.v1",
            "service/assessment",
            {"service": "assessment", "sent_at": datetime.now(UTC).isoformat()},
        ),
    )
    with city.engine.connect() as connection:
        age = connection.execute(
            select(func.clock_timestamp() - beats.c.last_seen).where(beats.c.source == "assessment")
        ).scalar_one()
    assert age < timedelta(minutes=1)


def test_tolerance_is_taken_step_by_step_and_the_roster_by_its_newest(city: City) -> None:
    orders = {queue: subscription.order for queue, subscription in city.queues.items()}
    assert orders == {
        ASSESSMENT: Order.NEWEST,
        INCENTIVE: Order.EVERY_STEP,
        NOTIFICATION: Order.ANY,
    }

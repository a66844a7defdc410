"""Inspections in a real database."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from citybus import deadlines, tables
from citybus.cases import Actor
from citybus.cases.timers import handlers
from citybus.errors import Refusal
from citybus.ids import new_id
from supervision.application.queries import report
from supervision.domain.inspection import INSPECTION
from tests.support.supervision import (
    BUREAU,
    DIRECTOR,
    DISC,
    DISTRICT,
    FIRST,
    ORG,
    RECORDER,
    City,
    a_draft,
    a_plan,
    officer,
    texts_in_outbox,
)

UNIT_HEAD = officer("head", "UNITHEAD", unit=BUREAU, units=frozenset({BUREAU}))
OTHER_HEAD = officer("other-head", "UNITHEAD", unit=DISTRICT, units=frozenset({DISTRICT}))
THEMATIC = a_plan(kind="THEMATIC", plan_date=date(2024, 3, 7))
REPORT = {"summary": "检查总体情况"}


def refused(city: City, case: Any, action: str, actor: Actor, form: Any = None) -> Refusal:
    """Take a step that is refused, and see that nothing at all has changed."""
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(city.inspections, case, action, actor, form)
    assert city.picture() == before
    return caught.value


def planned(city: City, **changes: Any) -> Any:
    return city.open(city.inspections, RECORDER, a_plan(plan_date=city.clock.today()) | changes)


def in_state(city: City, state: str) -> Any:
    match state:
        case "PLANNED":
            return planned(city)
        case "APPROVED":
            return city.take(city.inspections, planned(city), "approve", DIRECTOR)[0]
        case "IN_PROGRESS":
            return city.running_inspection()
        case "CANCELLED":
            return city.take(city.inspections, planned(city), "cancel", RECORDER, {"reason": "调整"})[0]
    case = city.take(city.inspections, city.running_inspection(), "report", RECORDER, REPORT)[0]
    return case if state == "REPORTED" else city.take(city.inspections, case, "close", RECORDER)[0]


ILLEGAL = [
    (state, action)
    for state in INSPECTION.states
    for action in INSPECTION.actions
    if INSPECTION.target(state, action) is None
]
FORMS: dict[str, Any] = {"revise": a_plan(), "report": REPORT, "cancel": {"reason": "r"}}


@pytest.mark.parametrize(("state", "action"), ILLEGAL)
def test_an_action_that_does_not_lead_on_changes_nothing(city: City, state: str, action: str) -> None:
    actor = DIRECTOR if action == "approve" else RECORDER
    refusal = refused(city, in_state(city, state), action, actor, FORMS.get(action))
    assert (refusal.code, refusal.status) == ("INVALID_TRANSITION", 409)


def test_from_a_plan_to_a_closed_inspection(city: City) -> None:
    case = in_state(city, "CLOSED")
    events = city.outbox(f"inspection/{case.id}")
    assert [(event.type, event.data["units"]) for event in events] == [
        ("supervision.inspection.approved.v1", []),
        ("supervision.inspection.started.v1", [BUREAU]),
        ("supervision.inspection.reported.v1", [BUREAU]),
        ("supervision.inspection.closed.v1", [BUREAU]),
    ]
    assert {event.dataclass for event in events} == {"L2"}
    assert REPORT["summary"] not in texts_in_outbox(city)


def test_who_planned_it_does_not_approve_it(city: City) -> None:
    both = officer("officer-1", "SUPO")
    assert refused(city, planned(city), "approve", both).code == "AVOIDANCE"


def test_the_director_approves_and_nobody_below(city: City) -> None:
    inspector = officer("inspector", "SUPO.inspect")
    for actor in (inspector, ORG, DISC):
        assert refused(city, planned(city), "approve", actor).code == "FORBIDDEN"


def test_a_member_who_was_moved_into_the_inspected_unit_stops_the_approval_and_the_start(city: City) -> None:
    first, second = planned(city), in_state(city, "APPROVED")
    move = text("UPDATE cadres SET unit = :unit WHERE id = 'member-1'")
    with city.engine.begin() as connection:
        connection.execute(move, {"unit": BUREAU})
    try:
        assert refused(city, first, "approve", DIRECTOR).code == "AVOIDANCE"
        assert refused(city, second, "start", RECORDER).code == "AVOIDANCE"
    finally:
        with city.engine.begin() as connection:
            connection.execute(move, {"unit": "420200-SUPO"})


def test_a_member_who_left_is_not_taken_and_stops_the_approval_and_the_start(city: City) -> None:
    person = new_id()
    known = {"cadre": person, "unit": DISTRICT, "name": "张三"}
    city.receive("supervision.assessment", city.event("assessment.cadre.registered.v1", f"cadre/{person}", known))
    team = ["member-1", person]
    first = planned(city, team=team)
    second = city.take(city.inspections, planned(city, team=team), "approve", DIRECTOR)[0]
    left = city.event("assessment.cadre.left.v1", f"cadre/{person}", known | {"state": "LEFT"})
    city.receive("supervision.assessment", left)
    refusal = refused(city, first, "approve", DIRECTOR)
    assert (refusal.code, refusal.figures) == ("CADRE_LEFT", {"cadres": [person]})
    assert refused(city, second, "start", RECORDER).code == "CADRE_LEFT"
    with pytest.raises(Refusal, match="CADRE_LEFT"):
        planned(city, team=team)


def test_announced_units_have_three_working_days(city: City) -> None:
    case = city.take(city.inspections, city.open(city.inspections, RECORDER, THEMATIC), "approve", DIRECTOR)[0]
    city.clock.advance(timedelta(days=2))
    refusal = refused(city, case, "start", RECORDER)
    assert (refusal.code, refusal.figures) == ("NOTICE_TOO_LATE", {"earliest": "2024-03-07"})
    city.clock.advance(timedelta(days=1))
    assert city.take(city.inspections, case, "start", RECORDER)[0].started_on == date(2024, 3, 7)


def test_a_late_notice_is_mended_by_a_later_day(city: City) -> None:
    case = city.open(city.inspections, RECORDER, THEMATIC | {"plan_date": date(2024, 3, 5)})
    assert refused(city, case, "approve", DIRECTOR).code == "NOTICE_TOO_LATE"
    city.take(city.inspections, case, "revise", RECORDER, THEMATIC)
    city.take(city.inspections, case, "approve", DIRECTOR)


@pytest.mark.parametrize("action", ["create", "approve", "start"])
def test_nothing_is_decided_on_a_roster_that_is_out_of_date(city: City, action: str) -> None:
    attempts: dict[str, Callable[[], Any]] = {
        "create": lambda: planned(city),
        "approve": partial(city.take, city.inspections, planned(city), "approve", DIRECTOR),
        "start": partial(city.take, city.inspections, in_state(city, "APPROVED"), "start", RECORDER),
    }
    with city.engine.begin() as connection:
        connection.execute(text("UPDATE projection_heartbeats SET last_seen = last_seen - interval '6 minutes'"))
    try:
        with pytest.raises(Refusal) as caught:
            attempts[action]()
        assert (caught.value.code, caught.value.status) == ("DEPENDENCY_STALE", 503)
    finally:
        with city.engine.begin() as connection:
            connection.execute(text("UPDATE projection_heartbeats SET last_seen = now()"))


def test_the_report_is_due_ten_working_days_after_the_end(city: City) -> None:
    case = city.running_inspection(end_date=date(2024, 3, 8))
    table = tables.deadlines
    (armed,) = city.rows(table, table.c.ref == f"inspection/{case.id}")
    assert (armed.kind, armed.due_at.isoformat()) == ("inspection.report", "2024-03-23T00:00:00+08:00")
    assert armed.warn_at.isoformat() == "2024-03-19T00:00:00+08:00"
    on_time = handlers((city.inspections, city.findings))
    city.clock.set(armed.warn_at)
    deadlines.fire_due(city.units, on_time)
    assert city.rows(table.c.state, table.c.id == armed.id) == [("WARNED",)]
    city.take(city.inspections, case, "report", RECORDER, REPORT | {"ended_on": date(2024, 3, 8)})
    (closed,) = city.rows(table, table.c.ref == f"inspection/{case.id}")
    assert closed.state == "SATISFIED"


def test_an_inspection_waits_for_its_drafts(city: City) -> None:
    case = city.running_inspection()
    finding = city.open(city.findings, RECORDER, a_draft(source=None, inspection=case.id))
    city.take(city.inspections, case, "report", RECORDER, REPORT)
    refusal = refused(city, case, "close", RECORDER)
    assert (refusal.code, refusal.figures) == ("FINDINGS_IN_DRAFT", {"drafts": 1})
    city.take(city.findings, finding, "notify", RECORDER)
    city.take(city.inspections, case, "close", RECORDER)
    with pytest.raises(Refusal) as caught:
        city.open(city.findings, RECORDER, a_draft(source=None, inspection=case.id))
    assert caught.value.code == "INSPECTION_NOT_RUNNING"


def test_a_draft_that_was_handed_to_the_commission_keeps_no_inspection_open(city: City) -> None:
    """It can never be notified: the finding stays as it is, and discipline goes on with it."""
    case = in_state(city, "REPORTED")
    draft = a_draft(source=None, inspection=case.id, reason_codes=["TAKING_GIFTS"])
    finding = city.open(city.findings, RECORDER, draft)
    assert refused(city, case, "close", RECORDER).code == "FINDINGS_IN_DRAFT"
    with city.acting(RECORDER) as uow:
        with pytest.raises(Refusal) as caught:
            city.findings.take(uow, finding.id, "notify", RECORDER, {}, finding.version)
        uow.commit()
    assert caught.value.code == "DISCIPLINE_THRESHOLD"
    assert city.take(city.inspections, case, "close", RECORDER)[0].state == "CLOSED"


def test_officers_of_an_inspected_unit_do_not_read_the_report_on_it(city: City) -> None:
    case = in_state(city, "REPORTED")
    with city.acting(FIRST) as uow:
        assert report(city.inspections, uow, case.id, FIRST).summary == REPORT["summary"]
    inside = officer("of-unit", unit=BUREAU)
    with city.acting(inside) as uow, pytest.raises(Refusal) as caught:
        report(city.inspections, uow, case.id, inside)
    assert caught.value.code == "DATA_SCOPE"


def test_what_has_begun_is_not_cancelled(city: City) -> None:
    assert refused(city, in_state(city, "PLANNED"), "cancel", RECORDER).code == "REASON_MISSING"
    done, (event,) = city.take(city.inspections, in_state(city, "APPROVED"), "cancel", DIRECTOR, {"reason": "撤销"})
    assert (done.state, event.type, event.data["units"]) == ("CANCELLED", "supervision.inspection.cancelled.v1", [])


READERS = [
    RECORDER,
    FIRST,
    DIRECTOR,
    ORG,
    DISC,
    UNIT_HEAD,
    OTHER_HEAD,
    officer("unit-hr", "UNITHR", unit=BUREAU),
    officer("near", units=frozenset({BUREAU})),
    officer("far", units=frozenset({DISTRICT})),
    officer("of-unit", unit=BUREAU),
]


@pytest.mark.parametrize("actor", READERS, ids=lambda actor: actor.subject)
def test_the_list_shows_what_may_be_read_and_nothing_else(city: City, actor: Actor) -> None:
    announced = city.take(city.inspections, city.open(city.inspections, RECORDER, THEMATIC), "approve", DIRECTOR)[0]
    cases = [announced, *(in_state(city, state) for state in ("PLANNED", "APPROVED", "IN_PROGRESS", "CANCELLED"))]
    with city.acting(actor) as uow:
        listed = {row.id for row in uow.session.scalars(city.inspections.listing(actor))}
    for case in cases:
        try:
            city.inspections.refuse_reader(actor, case)
        except Refusal:
            assert case.id not in listed
        else:
            assert case.id in listed


def test_an_inspected_unit_sees_an_announced_inspection_and_no_unannounced_one_before_it_begins(city: City) -> None:
    announced = city.take(city.inspections, city.open(city.inspections, RECORDER, THEMATIC), "approve", DIRECTOR)[0]
    city.inspections.refuse_reader(UNIT_HEAD, announced)
    for hidden in (in_state(city, "PLANNED"), in_state(city, "APPROVED")):
        for actor in (UNIT_HEAD, officer("of-unit", unit=BUREAU)):
            with pytest.raises(Refusal) as caught:
                city.inspections.refuse_reader(actor, hidden)
            assert caught.value.code == "DATA_SCOPE"
    city.inspections.refuse_reader(UNIT_HEAD, in_state(city, "IN_PROGRESS"))

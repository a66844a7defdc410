"""What events of other services lead to: findings known, decisions served, effects followed until the last is done."""

import itertools
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY

from citybus import tables
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.ids import new_id
from citybus.inbox import Order
from incentive.persistence.models import CadreRow, EffectRow, FindingRow, StandingPartRow
from tests.support.incentive import (
    BUREAU,
    DIRECT,
    DISTRICT,
    LEAD,
    ORGAN,
    STRANGER,
    City,
    head,
)

DAY = date(2024, 3, 5)
STEPS = ["DEDUCTION:cadre-direct", "DEDUCTION:cadre-lead", "FINDING_WEIGHT"]


def effects(city: City, case: Any) -> dict[str, str | None]:
    """Return the steps of a case with the events by which they are done."""
    rows = city.rows(EffectRow.__table__, EffectRow.case_id == case.id)
    return {row.step: row.done_at and row.by_event for row in rows}


def outstanding(city: City, case: Any) -> list[str]:
    rows = city.rows(EffectRow.__table__, EffectRow.case_id == case.id, EffectRow.done_at.is_(None))
    return sorted(row.step for row in rows)


def watched(city: City, case: Any) -> str:
    """Return the state of the deadline by which all effects are wanted."""
    table = tables.deadlines
    (row,) = city.rows(table, table.c.ref == f"tolerance/{case.id}", table.c.kind == "tolerance.effects")
    return str(row.state)


# ---- findings and the roster


def test_a_finding_is_known_as_it_was_published_last(city: City) -> None:
    finding = new_id()
    first = city.about_finding(finding, "notified")
    second = city.about_finding(finding, "served", actor="system:supervision", served_on="2024-03-06")
    third = city.about_finding(finding, "plea-received", actor="user-cadre-lead", served_on="2024-03-06")
    fourth = city.about_finding(
        finding,
        "verified",
        actor="supo-3",
        served_on="2024-03-06",
        verified_on="2024-03-13",
        year=2024,
        handlers=["supo-1", "supo-2", "supo-3"],
    )
    # They wait for one another, whatever comes first.
    city.receive("supervision", fourth, second)
    city.receive("supervision", third, first, second)
    (row,) = city.rows(FindingRow.__table__, FindingRow.id == finding)
    assert (row.state, row.unit, row.responsible) == ("VERIFIED", BUREAU, [DIRECT, LEAD])
    assert (row.served_on, row.verified_on, row.base_weight) == (
        date(2024, 3, 6),
        date(2024, 3, 13),
        Decimal("2.0000"),
    )
    # Neither the service itself nor those who answer have handled it; who confirmed first has.
    assert sorted(row.handlers) == ["supo-1", "supo-2", "supo-3"]


def test_the_roster_keeps_what_is_registered_last_and_no_names(city: City) -> None:
    person = new_id()
    events = [city.registered(person, unit) for unit in (BUREAU, DISTRICT)]
    city.receive("assessment", *reversed(events))
    assert city.rows(CadreRow.__table__, CadreRow.id == person) == [(person, DISTRICT)]


def test_a_change_of_post_moves_the_unit_and_who_left_is_off_the_roster(city: City) -> None:
    person = new_id()
    registered = city.registered(person)
    moved = dict(registered.data) | {"unit": DISTRICT, "state": "ACTIVE"}
    city.receive("assessment", registered)
    city.receive("assessment", city.event("assessment.cadre.post-changed.v1", registered.subject, moved))
    assert city.rows(CadreRow.__table__, CadreRow.id == person) == [(person, DISTRICT)]
    left = city.event("assessment.cadre.left.v1", registered.subject, moved | {"state": "LEFT"})
    city.receive("assessment", left)
    (part,) = city.rows(StandingPartRow.__table__, StandingPartRow.subject == registered.subject)
    assert (part.data["on_roster"], part.data["unit"]) == (False, DISTRICT)


def test_units_are_let_pass(city: City) -> None:
    unit = {"unit": "420200-NEW", "name": "新设单位", "kind": "CITY_DEPT", "sector": "综合"}
    assert city.receive("assessment", city.event("assessment.unit.registered.v1", "unit/420200-NEW", unit)) == []


def test_findings_are_taken_step_by_step_and_the_rest_by_its_newest(city: City) -> None:
    orders = {queue: subscription.order for queue, subscription in city.queues.items()}
    assert orders == {
        "incentive.assessment": Order.NEWEST,
        "incentive.supervision": Order.EVERY_STEP,
        "incentive.notification": Order.ANY,
    }


# ---- service of the decision


@pytest.mark.parametrize("how", ["signed", "refused", "substituted"])
def test_each_kind_of_service_starts_the_review_window(city: City, how: str) -> None:
    case = city.decided()
    (event,) = city.receive("notification", city.served(case, DAY, how))
    assert (event.type, event.data["served_on"]) == ("incentive.tolerance.served.v1", "2024-03-05")
    assert event.correlationid == "correlation-of-the-event"
    assert city.again(case).review_until == date(2024, 3, 19)
    assert city.deadlines(case) == {"tolerance.review": "2024-03-20T00:00"}


@pytest.mark.parametrize(("actor", "kind"), [(head(), "UNIT"), (ORGAN, "ORGAN")])
def test_a_unit_and_an_organ_are_served_as_units(city: City, actor: Any, kind: str) -> None:
    case = city.decided(actor=actor, applicant=kind)
    (event,) = city.receive("notification", city.served(case, DAY, recipient={"kind": "UNIT", "id": BUREAU}))
    assert event.data["applicant"]["kind"] == kind


def test_a_service_that_comes_twice_is_one(city: City) -> None:
    case = city.decided()
    event = city.served(case, DAY)
    assert len(city.receive("notification", event)) == 1
    assert city.receive("notification", event) == []
    assert city.receive("notification", city.served(case, date(2024, 3, 20), "substituted")) == []
    assert city.again(case).served_on == DAY


def test_other_documents_are_none_of_our_business(city: City) -> None:
    case = city.decided()
    for changes in ({"document": "FINDING_NOTICE"}, {"ref": f"finding/{case.id}"}):
        assert city.receive("notification", city.served(case, DAY, **changes)) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipient": {"kind": "CADRE", "id": STRANGER}}, "NOT_THE_RECIPIENT"),
        ({"recipient": {"kind": "UNIT", "id": BUREAU}}, "NOT_THE_RECIPIENT"),
        ({"ref": f"tolerance/{new_id()}"}, "UNKNOWN_CASE"),
        ({"served_on": None}, "NOT_SERVED"),
    ],
)
def test_a_service_that_cannot_be_right_is_parked(city: City, changes: Any, reason: str) -> None:
    event = city.served(city.decided(), DAY, **changes)
    before = city.picture()
    with pytest.raises(Invalid) as caught:
        city.receive("notification", event)
    assert caught.value.reason == reason
    assert city.picture() == before


def test_nothing_is_served_that_is_not_decided(city: City) -> None:
    with pytest.raises(Invalid) as caught:
        city.receive("notification", city.served(city.deliberating(), DAY))
    assert caught.value.reason == "NOT_DECIDED"


# ---- taking effect


def test_a_decision_takes_effect_when_the_review_window_is_over_and_once(city: City) -> None:
    case = city.decision_served()
    city.clock.set(datetime(2024, 3, 18, 23, 59, 59, tzinfo=ZONE))
    city.fire()
    assert city.again(case).state == "SERVED"
    city.clock.set(datetime(2024, 3, 19, 0, 0, tzinfo=ZONE))
    city.fire()
    city.fire()
    assert city.again(case).effective_on == date(2024, 3, 19)
    types = [event.type for event in city.outbox(f"tolerance/{case.id}")]
    assert types.count("incentive.tolerance.effective.v1") == 1


def test_a_denial_takes_effect_and_leads_to_nothing(city: City) -> None:
    case = city.effective(decision="DENY")
    assert (case.state, str(case.factor)) == ("EFFECTIVE", "1.000")
    assert city.outbox(f"tolerance/{case.id}")[-1].data["factor"] == "1.0"
    assert (effects(city, case), city.deadlines(case)) == ({}, {})


# ---- effects


def test_all_effects_are_followed_to_the_last(city: City) -> None:
    case = city.effective()
    assert outstanding(city, case) == STEPS
    limits = {"tolerance.effects": "2024-03-19T01:00", "tolerance.bulletin_effects": "2024-03-21T00:00"}
    assert city.deadlines(case) == limits
    weight = city.weight_changed(case.finding_id, "1.0", case.id)
    city.receive("supervision", weight)
    assert outstanding(city, case) == STEPS[:2]
    # There is no bulletin about it.
    assert list(city.deadlines(case)) == ["tolerance.effects"]
    lead, direct = (city.deduction(cadre, {case.finding_id: "1.0"}) for cadre in (LEAD, DIRECT))
    city.receive("assessment", lead)
    assert watched(city, case) == "ARMED"
    city.receive("assessment", direct)
    assert effects(city, case) == {
        "FINDING_WEIGHT": weight.id,
        "DEDUCTION:cadre-lead": lead.id,
        "DEDUCTION:cadre-direct": direct.id,
    }
    assert watched(city, case) == "SATISFIED"
    city.clock.advance(timedelta(hours=2))
    city.fire()
    assert watched(city, case) == "SATISFIED"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_effects_come_out_the_same_in_whatever_order_and_however_often(city: City, order: Sequence[int]) -> None:
    case = city.effective()
    events: list[tuple[str, Event]] = [
        ("supervision", city.weight_changed(case.finding_id, "1.0", case.id)),
        ("assessment", city.deduction(LEAD, {case.finding_id: "1.0"})),
        ("assessment", city.deduction(DIRECT, {case.finding_id: "1.0"})),
    ]
    for _ in range(2):
        for index in order:
            queue, event = events[index]
            city.receive(queue, event)
    assert (outstanding(city, case), watched(city, case)) == ([], "SATISFIED")


def test_a_deduction_of_before_does_not_count(city: City) -> None:
    finding = city.finding("VERIFIED")
    for cadre in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(cadre, {finding: "2.0"}))
    case = city.effective(finding)
    city.receive("supervision", city.weight_changed(finding, "1.0", case.id))
    assert outstanding(city, case) == STEPS[:2]


def test_what_others_did_not_do_within_an_hour_is_told_once(city: City) -> None:
    case = city.effective()
    city.receive("supervision", city.weight_changed(case.finding_id, "1.0", case.id))
    city.clock.advance(timedelta(minutes=59))
    city.fire()
    assert watched(city, case) == "ARMED"
    city.clock.advance(timedelta(minutes=1))
    before, table = breaches(), tables.deadlines
    # Cases of other tests are overdue as well.
    waiting = city.rows(table, table.c.kind == "tolerance.effects", table.c.state == "ARMED")
    city.fire()
    assert (watched(city, case), breaches() - before) == ("FIRED", len(waiting))
    city.fire()
    assert breaches() - before == len(waiting)
    # It is followed all the same.
    for cadre in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(cadre, {case.finding_id: "1.0"}))
    assert outstanding(city, case) == []


def breaches() -> float:
    found = REGISTRY.get_sample_value("city_deadlines_breached_total", {"kind": "tolerance.effects"})
    return found or 0.0


def test_a_finding_that_is_not_verified_weighs_on_no_year(city: City) -> None:
    case = city.effective(city.finding())
    assert outstanding(city, case) == ["FINDING_WEIGHT"]
    city.receive("supervision", city.weight_changed(case.finding_id, "1.0", case.id, state="NOTIFIED"))
    assert (outstanding(city, case), watched(city, case)) == ([], "SATISFIED")


def test_a_finding_that_was_verified_meanwhile_weighs_on_the_year_as_well(city: City) -> None:
    case = city.effective(city.finding())
    verified = {"verified_on": "2024-03-18", "year": 2024}
    city.receive("supervision", city.about_finding(case.finding_id, "verified", actor="supo-2", **verified))
    assert outstanding(city, case) == STEPS
    city.receive("supervision", city.weight_changed(case.finding_id, "1.0", case.id))
    for cadre in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(cadre, {case.finding_id: "1.0"}))
    assert watched(city, case) == "SATISFIED"


def test_a_finding_that_is_eased_as_much_already_waits_for_nobody(city: City) -> None:
    finding = city.finding("VERIFIED")
    city.receive("supervision", city.weight_changed(finding, "0.0"))
    for cadre in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(cadre, {finding: "0.0"}))
    case = city.effective(finding)
    assert (effects(city, case), watched(city, case)) == (dict.fromkeys(STEPS), "SATISFIED")
    assert outstanding(city, case) == []


def test_of_two_cases_about_one_finding_each_is_followed_for_itself(city: City) -> None:
    finding = city.finding("VERIFIED")
    mitigated = city.decision_served(finding)
    exempted = city.effective(finding, "EXEMPT", actor=head(), applicant="UNIT")
    assert city.again(mitigated).state == "EFFECTIVE"
    city.receive("supervision", city.weight_changed(finding, "1.0", mitigated.id))
    assert (outstanding(city, mitigated), outstanding(city, exempted)) == (STEPS[:2], STEPS)
    city.receive("supervision", city.weight_changed(finding, "0.0", exempted.id))
    for cadre in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(cadre, {finding: "0.0"}))
    assert (outstanding(city, mitigated), outstanding(city, exempted)) == ([], [])


def test_done_effects_are_audited(city: City) -> None:
    case = city.effective()
    event = city.weight_changed(case.finding_id, "1.0", case.id)
    city.receive("supervision", event)
    table = tables.audit_entries
    (entry,) = city.rows(table, table.c.action == "tolerance.effects", table.c.target == f"tolerance/{case.id}")
    assert entry.written == {"done": ["FINDING_WEIGHT"], "event": event.id}

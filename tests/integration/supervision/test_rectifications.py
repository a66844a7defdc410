"""Rectification: planned, submitted, accepted, rechecked; how the finding and its weight follow; what a revocation undoes."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from citybus import tables
from citybus.errors import Refusal
from citybus.ids import new_id
from supervision.persistence.models import CadreRow, RectificationRow
from tests.support.supervision import (
    BUREAU,
    DISC,
    FIRST,
    LEAD,
    ORG,
    RECORDER,
    SECOND,
    STRANGER,
    City,
    cadre,
    officer,
    outbox_events,
)

HEAD = officer("head", "UNITHEAD", unit=BUREAU, units=frozenset({BUREAU}))
INCENTIVE = "supervision.incentive"


def planned(city: City, finding: Any) -> Any:
    form = {"finding": finding.id, "owner": LEAD, "plan": "倒排工期,逐项销号。"}
    return city.open(city.rectifications, HEAD, form)


def submitted(city: City, case: Any) -> Any:
    form = {"report": "已完成。", "proof": [city.with_evidence()]}
    return city.take(city.rectifications, case, "submit", cadre(LEAD), form)[0]


def accepted(city: City, finding: Any) -> Any:
    return city.take(city.rectifications, submitted(city, planned(city, finding)), "accept", RECORDER)[0]


def rechecked(city: City, case: Any, result: str) -> Any:
    return city.take(city.rectifications, case, "recheck", FIRST, {"result": result, "reason": "现场复查"})[0]


def told(city: City, finding: Any) -> list[tuple[str, str, str]]:
    """Return what was told of the finding since it was verified: step, state, effective weight."""
    events = [(event.type.split(".")[2], event.data) for event in city.outbox(f"finding/{finding.id}")]
    first = next(index for index, (step, _) in enumerate(events) if step == "verified")
    return [(step, data["state"], data["effective_weight"]) for step, data in events[first + 1 :]]


def awaited(city: City, case: Any) -> dict[str, date]:
    """Return the last day of each deadline of the rectification that is open."""
    armed = tables.deadlines
    rows = city.rows(armed, armed.c.ref == f"rectification/{case.id}", armed.c.state.in_(("ARMED", "WARNED")))
    return {row.kind: row.due_at.date() - timedelta(days=1) for row in rows}


def code(city: City, case: Any, action: str, actor: Any, **form: Any) -> str:
    with pytest.raises(Refusal) as caught:
        city.take(city.rectifications, case, action, actor, form)
    return caught.value.code


def test_rectified_in_time_halves_the_weight_and_lasting_closes_the_finding(city: City) -> None:
    finding = city.verified()
    case = planned(city, finding)
    assert (case.state, case.due) == ("PLANNED", city.clock.today() + timedelta(days=30))
    case = city.take(city.rectifications, submitted(city, case), "accept", RECORDER)[0]
    # Until Wednesday the 12th of June nobody can say that it lasts; after that there are ten working days to look.
    assert (case.recheck_due, awaited(city, case)) == (date(2024, 6, 12), {"rectification.recheck": date(2024, 6, 26)})
    assert code(city, case, "recheck", RECORDER, result="OK", reason="r") == "AVOIDANCE"
    assert code(city, case, "recheck", FIRST, result="OK", reason="r") == "RECHECK_TOO_EARLY"
    city.clock.advance(timedelta(days=90))
    assert rechecked(city, case, "OK").state == "RECHECKED"
    assert told(city, finding) == [
        ("rectifying", "RECTIFYING", "2.0"),
        ("rectified", "RECTIFIED", "2.0"),
        ("weight-changed", "RECTIFIED", "1.0"),
        ("closed", "CLOSED", "1.0"),
    ]
    assert [event.type.split(".")[2] for event in city.outbox(f"rectification/{case.id}")] == [
        "planned",
        "submitted",
        "accepted",
        "rechecked",
    ]


def test_who_left_answers_for_no_rectification(city: City) -> None:
    finding = city.verified()
    with city.acting(RECORDER) as uow:
        uow.session.merge(CadreRow(id="gone", unit=BUREAU, has_left=True))
        uow.commit()
    with pytest.raises(Refusal) as caught:
        city.open(city.rectifications, HEAD, {"finding": finding.id, "owner": "gone", "plan": "整改"})
    assert (caught.value.code, caught.value.figures) == ("CADRE_LEFT", {"cadres": ["gone"]})


def test_the_finding_says_which_rectification_moved_it(city: City) -> None:
    finding = city.verified()
    case = accepted(city, finding)
    rechecked(city, case, "RELAPSE")
    with city.acting(RECORDER) as uow:
        steps = city.findings.history(uow.session, finding.id)
    by_system = {step["action"]: step["reason"] for step in steps if step["actor"].startswith("system:")}
    assert by_system.pop("serve").startswith("delivery/")
    assert by_system == dict.fromkeys(("rectify", "rectified", "reweigh", "reopen"), f"rectification/{case.id}")


def test_late_does_not_ease_and_lateness_is_told(city: City) -> None:
    finding = city.verified()
    case = planned(city, finding)
    city.clock.advance(timedelta(days=31))
    city.fire()
    assert city.again(case).overdue
    case = city.take(city.rectifications, submitted(city, case), "accept", RECORDER)[0]
    assert (case.in_time, city.again(finding).effective_weight) == (False, Decimal(2))
    assert city.outbox(f"rectification/{case.id}")[1].type == "supervision.rectification.overdue.v1"


def test_people_are_told_of_an_overdue_one_until_it_is_submitted(city: City) -> None:
    case = planned(city, city.verified())
    ref, told = f"rectification/{case.id}", outbox_events(city)
    (armed,) = (
        event for event in told if (event.data.get("ref"), event.data.get("kind")) == (ref, "rectification.due")
    )
    assert not armed.data["acts"]

    def settled() -> list[str]:
        return [event.data["state"] for event in city.outbox(armed.subject) if ".settled." in event.type]

    city.clock.advance(timedelta(days=40))
    city.fire()
    assert (settled(), awaited(city, case)) == ([], {})
    submitted(city, case)
    assert settled() == ["SATISFIED"]


def test_a_rejected_one_is_submitted_anew_within_the_same_period(city: City) -> None:
    case = submitted(city, planned(city, city.verified()))
    case = city.take(city.rectifications, case, "reject", RECORDER, {"reason": "佐证不足"})[0]
    assert awaited(city, case) == dict.fromkeys(("rectification.due", "rectification.lapse"), case.due)
    assert submitted(city, case).in_time


def test_the_period_is_extended_once(city: City) -> None:
    case = planned(city, city.verified())
    due = case.due
    assert code(city, case, "extend", HEAD, reason="r") == "FORBIDDEN"
    case = city.take(city.rectifications, case, "extend", RECORDER, {"reason": "汛期停工"})[0]
    assert case.due == due + timedelta(days=15)
    assert awaited(city, case) == dict.fromkeys(("rectification.due", "rectification.lapse"), case.due)
    assert code(city, case, "extend", RECORDER, reason="r") == "EXTENSION_LIMIT"


def test_a_relapse_reopens_the_finding_heavier_once(city: City) -> None:
    finding = city.verified()
    rechecked(city, accepted(city, finding), "RELAPSE")
    again = city.again(finding)
    assert (again.state, again.severity, again.base_weight, again.effective_weight) == ("REOPENED", 4, 3, 3)
    # Rectified in time, and relapsed once more: the severity grows, the weight does not.
    case = accepted(city, again)
    assert city.again(finding).effective_weight == Decimal("1.5")
    rechecked(city, case, "RELAPSE")
    again = city.again(finding)
    assert (again.severity, again.base_weight, again.effective_weight, again.relapses) == (5, 3, 3, 2)
    assert [weight for step, _, weight in told(city, finding) if step == "weight-changed"] == [
        "1.0",
        "3.0",
        "1.5",
        "3.0",
    ]


def test_tolerance_and_rectification_ease_together_in_any_order(city: City) -> None:
    weights = []
    for first in ("tolerance", "rectification"):
        finding = city.verified()
        steps = {
            "tolerance": lambda about=finding: city.receive(
                INCENTIVE, city.tolerance(about, new_id(), "effective", decision="MITIGATE", factor="0.5")
            ),
            "rectification": lambda about=finding: accepted(city, about),
        }
        for name in sorted(steps, key=lambda name: name != first):
            steps[name]()
        weights.append(city.again(finding).effective_weight)
    assert weights == [Decimal("0.5"), Decimal("0.5")]


@pytest.mark.parametrize(
    ("change", "code_", "state"),
    [
        ({"owner": STRANGER}, "UNKNOWN_CADRE", "VERIFIED"),
        ({"finding": new_id()}, "UNKNOWN_FINDING", "VERIFIED"),
        ({"plan": "机密"}, "SECRECY_LEVEL", "VERIFIED"),
        ({}, "DUPLICATE", "RECTIFYING"),
        ({}, "FINDING_NOT_VERIFIED", "NOTIFIED"),
    ],
)
def test_a_plan_that_cannot_be(city: City, change: Any, code_: str, state: str) -> None:
    finding = city.notified() if state == "NOTIFIED" else city.verified()
    if state == "RECTIFYING":
        planned(city, finding)
    with pytest.raises(Refusal) as caught:
        city.open(city.rectifications, HEAD, {"finding": finding.id, "owner": LEAD, "plan": "整改"} | change)
    assert caught.value.code == code_


def test_the_plan_is_awaited_from_the_verification(city: City) -> None:
    finding = city.verified()
    armed = tables.deadlines
    (row,) = city.rows(armed, armed.c.ref == f"finding/{finding.id}", armed.c.state.in_(("ARMED", "WARNED")))
    # Verified on Thursday the 14th of March: five working days.
    assert (row.kind, row.due_at.date()) == ("finding.rectification_plan", date(2024, 3, 22))
    planned(city, finding)
    assert city.rows(armed, armed.c.ref == f"finding/{finding.id}", armed.c.state.in_(("ARMED", "WARNED"))) == []


def test_two_revoke_a_finding_and_nothing_is_left_of_it(city: City) -> None:
    finding = city.verified()
    bulletin = city.scheduled_bulletin(finding)
    city.fire()
    case = planned(city, finding)
    form = {"basis": "CLARIFICATION", "reference": "clarification/1"}
    with pytest.raises(Refusal) as caught:
        city.take(city.findings, finding, "revoke", SECOND, {**form, "reason": "r"})
    assert caught.value.code == "FORBIDDEN"
    city.take(city.findings, finding, "revoke", ORG, {**form, "reason": "经查不实"})
    assert city.again(finding).state == "RECTIFYING"
    city.take(city.findings, finding, "revoke", DISC, {**form, "reason": "同意撤销"})
    again = city.again(finding)
    assert (again.state, again.effective_weight, again.base_weight) == ("REVOKED", 0, 2)
    assert city.again(case).state == "CANCELLED"
    assert (city.again(bulletin).state, city.again(bulletin).reason_code) == ("WITHDRAWING", "FINDING_REVOKED")
    # Tolerance that comes later eases nothing any more, and does not bring it back.
    event = city.tolerance(finding, new_id(), "effective", decision="MITIGATE", factor="0.5")
    city.receive(INCENTIVE, event)
    assert (city.again(finding).state, city.again(finding).effective_weight) == ("REVOKED", 0)
    assert city.rows(RectificationRow.__table__, RectificationRow.finding_id == finding.id)[0].state == "CANCELLED"

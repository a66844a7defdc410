"""What reviews and appeals come to, about sanctions and adjustments."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from citybus import tables
from citybus.errors import Invalid
from citybus.ids import new_id
from supervision.persistence.models import AdjustmentRow, CadreRow, FindingRow
from tests.support.recall import Recalls
from tests.support.sanctions import codes, fire, heard, recorded
from tests.support.supervision import BUREAU, COMM, DISC, LEAD, ORG, City, officer

SECRETARY = officer("comm-1", "COMM", unit="420200-COMM")
DEPUTY = officer("comm-2", "COMM", unit="420200-COMM")
DECISION = {"decision_no": "黄干〔2024〕1号", "members": 9, "present": 7, "in_favour": 7, "reason": "集体研究决定"}


@pytest.fixture
def person(city: City) -> str:
    heard(city)
    name = f"cadre-{uuid4().hex[:8]}"
    with city.acting(DISC) as uow:
        uow.session.execute(text("UPDATE deadlines SET state = 'CANCELLED' WHERE state IN ('ARMED', 'WARNED')"))
        uow.session.execute(text("UPDATE projection_heartbeats SET last_seen = clock_timestamp()"))
        uow.session.add(CadreRow(id=name, unit=BUREAU))
        uow.commit()
    return name


def an_adjustment(city: City, person: str) -> Any:
    adjustments = city.cases.adjustments
    what = {"way": "REMOVE", "reason_codes": ["DUTY_WEAK"], "opinion": "意见"}
    case = city.open(adjustments, ORG, {"cadre": person, "basis": "UNFIT", "findings": [], **what})
    city.take(adjustments, case, "start_verification", ORG)
    city.take(adjustments, case, "recommend", ORG, what)
    city.take(adjustments, case, "decide", SECRETARY, DECISION)
    city.take(adjustments, case, "decide", DEPUTY, DECISION)
    city.take(adjustments, case, "talk", ORG, {"talkers": ["member-1", "member-2"]})
    return city.take(adjustments, case, "execute", ORG)[0]


def hear(city: City, kind: str, case: Any, appeal: str, state: str, **changes: Any) -> None:
    """Let supervision hear of an appeal's state."""
    data = {
        "appeal": appeal,
        "type": "REVIEW",
        "subject_ref": f"{kind}/{case.id}",
        "cadre": getattr(case, "cadre", LEAD),
        "state": state,
        "decision": None,
        "amended_to": None,
    }
    step = {"UNDER_EXAMINATION": "accepted"}.get(state, state.lower())
    city.receive(
        "supervision.assessment",
        city.event(f"assessment.appeal.{step}.v1", f"appeal/{appeal}", data | changes),
    )


def test_a_sanction_falls_on_review(city: City, person: str) -> None:
    case, appeal = recorded(city, date(2024, 3, 1), cadre=person), new_id()
    fire(city)
    hear(city, "sanction", case, appeal, "FILED")
    hear(city, "sanction", case, appeal, "DECIDED", decision="UPHELD")
    assert city.again(case).state == "IN_EFFECT"
    for state in ("DECIDED", "EXECUTED"):
        hear(city, "sanction", case, appeal, state, decision="REVOKED")
        assert city.again(case).state == "REVOKED"
    assert codes(city, person, "PROMOTE", date(2024, 3, 4)) == []


def test_a_sanction_is_amended_once_to_a_lighter_kind(city: City, person: str) -> None:
    case, appeal = recorded(city, date(2024, 3, 1), cadre=person), new_id()
    fire(city)
    for state in ("DECIDED", "EXECUTED"):
        hear(city, "sanction", case, appeal, state, decision="AMENDED", amended_to="WARNING", type="APPEAL")
    again = city.again(case)
    assert (again.state, again.kind, again.months, again.end_on) == ("MODIFIED", "WARNING", 6, date(2024, 9, 1))
    assert len(again.revisions) == 1


@pytest.mark.parametrize(
    ("to", "code"), [("SERIOUS_DEMERIT", "NO_REFORMATIO_IN_PEIUS"), ("X", "UNKNOWN_SANCTION_KIND")]
)
def test_what_the_rules_refuse_waits_for_people(city: City, person: str, to: str, code: str) -> None:
    case, appeal = recorded(city, date(2024, 3, 1), cadre=person), new_id()
    fire(city)
    hear(city, "sanction", case, appeal, "DECIDED", decision="AMENDED", amended_to=to)
    again = city.again(case)
    assert (again.state, again.kind, again.revisions) == ("IN_EFFECT", "DEMERIT", [])
    [entry] = city.rows(
        tables.audit_entries,
        tables.audit_entries.c.action == "appeal.apply",
        tables.audit_entries.c.target == f"sanction/{case.id}",
    )
    assert entry.result == code


def test_an_adjustment_is_appealed_and_stands(city: City, person: str) -> None:
    case, appeal = an_adjustment(city, person), new_id()
    for state in ("FILED", "ACCEPTED", "UNDER_EXAMINATION"):
        hear(city, "adjustment", case, appeal, state)
        assert city.again(case).state == "APPEALED"
    hear(city, "adjustment", case, appeal, "DECIDED", decision="UPHELD")
    again = city.again(case)
    assert (again.state, again.appeal) == ("EXECUTED", None)


def test_an_adjustment_is_amended_by_a_new_proposal(city: City, person: str) -> None:
    case, appeal = an_adjustment(city, person), new_id()
    hear(city, "adjustment", case, appeal, "FILED")
    for state in ("DECIDED", "EXECUTED"):
        hear(city, "adjustment", case, appeal, state, decision="AMENDED", amended_to="TRANSFER")
    assert city.again(case).state == "REVERSED"
    assert codes(city, person, "PROMOTE", date(2024, 3, 4)) == []
    found = city.rows(AdjustmentRow.__table__, AdjustmentRow.cadre == person, AdjustmentRow.id != case.id)
    assert [(row.state, row.way) for row in found] == [("PROPOSED", "TRANSFER")]


def test_a_finding_is_amended_once_to_a_lighter_severity_and_weighs_less(city: City) -> None:
    case, appeal = city.verified(severity=3), new_id()
    for state in ("FILED", "DECIDED", "EXECUTED"):
        changes = {} if state == "FILED" else {"decision": "AMENDED", "amended_to": "1"}
        hear(city, "finding", case, appeal, state, **changes)
    again = city.again(case)
    assert (again.state, again.severity) == ("VERIFIED", 1)
    assert (again.base_weight, again.effective_weight) == (Decimal("0.5"), Decimal("0.5"))
    told = [event for event in city.outbox(f"finding/{case.id}") if event.type.endswith("weight-changed.v1")]
    assert [(event.data["severity"], event.data["effective_weight"]) for event in told] == [(1, "0.5")]
    hear(city, "finding", case, new_id(), "DECIDED", decision="AMENDED", amended_to="4")
    assert city.again(case).severity == 1


def test_a_relapse_is_weighed_into_what_an_appeal_left(city: City) -> None:
    case = city.verified(severity=3)
    with city.acting(ORG) as uow:
        row = uow.session.get_one(FindingRow, case.id)
        row.severity, row.relapses, row.base_weight = 4, 1, Decimal(3)
        uow.commit()
    hear(city, "finding", case, new_id(), "DECIDED", decision="AMENDED", amended_to="2")
    assert (city.again(case).severity, city.again(case).base_weight) == (2, Decimal("1.5"))


@pytest.mark.parametrize(("to", "adjustments"), [("RESTORED", ["WITHDRAWN"]), ("ADJUSTED", ["PROPOSED", "WITHDRAWN"])])
def test_the_outcome_of_a_recall_is_amended_with_what_it_led_to(
    city: City, person: str, to: str, adjustments: list[str]
) -> None:
    recalls = Recalls(city)
    recalls.forget()
    case = recalls.take(recalls.evaluated("50"), "demote", COMM, reason="集体研究决定")
    appeal, day = new_id(), case.outcome_on
    for state in ("DECIDED", "EXECUTED"):
        hear(city, "recall", case, appeal, state, decision="AMENDED", amended_to=to)
    again = city.again(case)
    assert (again.state, again.outcome, again.outcome_on) == (to, to, day)
    assert recalls.told(case)[-2:] == ["outcome", "outcome"]
    assert recalls.events(case)[-1].data["outcome"] == to
    led_to = city.rows(AdjustmentRow.__table__, AdjustmentRow.recall == case.id)
    assert sorted(row.state for row in led_to) == adjustments
    assert [row.way for row in led_to if row.state == "PROPOSED"] == ([] if to == "RESTORED" else ["TRANSFER"])
    recent = ["RECALL_RECENT"] if to == "RESTORED" else []
    assert [code for code, _ in codes(city, case.cadre, "PROMOTE", day)] == recent
    # Nothing is made heavier.
    hear(city, "recall", case, new_id(), "DECIDED", decision="AMENDED", amended_to="REMOVED")
    assert city.again(case).state == to


def test_appeals_about_other_matters_are_let_pass_and_unknown_ones_parked(city: City, person: str) -> None:
    case = recorded(city, date(2024, 3, 1), cadre=person)
    hear(city, "annual", case, new_id(), "DECIDED", decision="REVOKED")
    case.id = new_id()
    with pytest.raises(Invalid):
        hear(city, "sanction", case, new_id(), "DECIDED", decision="REVOKED")

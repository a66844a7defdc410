"""Adjustments in a real database: from the proposal to the effect period, and how they fall again."""

from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from citybus import tables
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.freshness import note_heartbeat
from citybus.ids import new_id
from supervision.application.adjustments import open_adjustment, texts
from supervision.persistence.models import CadreRow, SanctionRow, SignalRow
from tests.support.sanctions import at, codes, heard, noon, recorded, told
from tests.support.supervision import (
    BUREAU,
    DISC,
    DISTRICT,
    ORG,
    RECORDER,
    STRANGER,
    City,
    a_draft,
    cadre,
    officer,
    texts_in_outbox,
)

SECRETARY = officer("comm-1", "COMM", unit="420200-COMM")
DEPUTY = officer("comm-2", "COMM", unit="420200-COMM")
SYSTEM = Actor("system:supervision", system=True)
DECISION = {"decision_no": "黄干〔2024〕1号", "members": 9, "present": 7, "in_favour": 7, "reason": "集体研究决定"}
SECRET = "只在此处可见的意见"


@pytest.fixture
def person(city: City) -> str:
    """Return a cadre of the bureau on whom nothing is known yet."""
    heard(city)
    name = f"cadre-{uuid4().hex[:8]}"
    with city.acting(DISC) as uow:
        uow.session.execute(text("UPDATE deadlines SET state = 'CANCELLED' WHERE state IN ('ARMED', 'WARNED')"))
        uow.session.execute(text("UPDATE projection_heartbeats SET last_seen = clock_timestamp()"))
        note_heartbeat(uow.session, "incentive", uow.session.execute(text("SELECT clock_timestamp()")).scalar_one())
        uow.session.add(CadreRow(id=name, unit=BUREAU))
        uow.commit()
    return name


def a_proposal(person: str, **changes: Any) -> dict[str, Any]:
    made = {
        "cadre": person,
        "basis": "UNFIT",
        "way": "TRANSFER",
        "reason_codes": ["DUTY_WEAK"],
        "opinion": SECRET,
        "findings": [],
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def proposed(city: City, person: str, **changes: Any) -> Any:
    return city.open(city.cases.adjustments, ORG, a_proposal(person, **changes))


def recommended(city: City, person: str, **changes: Any) -> Any:
    form = a_proposal(person, **changes)
    case = city.open(city.cases.adjustments, ORG, form)
    city.take(city.cases.adjustments, case, "start_verification", ORG)
    wanted = {name: form[name] for name in ("way", "reason_codes", "opinion", "months") if name in form}
    return city.take(city.cases.adjustments, case, "recommend", ORG, wanted)[0]


def decided(city: City, person: str, **changes: Any) -> Any:
    case = recommended(city, person, **changes)
    city.take(city.cases.adjustments, case, "decide", SECRETARY, DECISION)
    return city.take(city.cases.adjustments, case, "decide", DEPUTY, DECISION)[0]


def executed(city: City, person: str, **changes: Any) -> Any:
    case = decided(city, person, **changes)
    city.take(city.cases.adjustments, case, "talk", ORG, {"talkers": ["member-1", "member-2"], "summary": SECRET})
    return city.take(city.cases.adjustments, case, "execute", ORG, {})[0]


def refusal(city: City, case: Any, action: str, actor: Actor, form: Any = None) -> str:
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(city.cases.adjustments, case, action, actor, form)
    assert city.picture() == before
    return caught.value.code


def verified(city: City, person: str) -> Any:
    finding = city.verified(responsible=[{"cadre": person, "role": "LEAD"}])
    with city.acting(RECORDER) as uow:
        uow.session.execute(text("UPDATE projection_heartbeats SET last_seen = clock_timestamp()"))
        uow.commit()
    return finding


def sanction_of(city: City, case: Any) -> Any:
    [row] = city.rows(SanctionRow.__table__, SanctionRow.id == case.sanction)
    return row


def test_an_adjustment_goes_its_way_and_leaves_an_effect_period(city: City, person: str) -> None:
    case = executed(city, person)
    assert (case.state, case.executed_on, case.executed_late) == ("EXECUTED", date(2024, 3, 4), False)
    assert told(city, "adjustment", case) == ["proposed", "decided", "executed"]
    made = sanction_of(city, case)
    assert (made.regime, made.kind, made.basis, made.organ) == ("ORG", "TRANSFER", "UNFIT", "COMM")
    assert (made.effective_on, made.end_on, made.legal_basis) == (
        date(2024, 3, 4),
        date(2025, 3, 4),
        "推进领导干部能上能下规定",
    )
    assert codes(city, person, "PROMOTE", date(2025, 3, 3)) == [("EFFECT_PERIOD_ACTIVE", "2025-03-04")]
    closed, _ = city.take(city.cases.adjustments, case, "close", ORG)
    assert closed.state == "CLOSED"


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"way": "DEMOTE"}, date(2026, 3, 4)),
        ({"way": "REMOVE"}, date(2025, 3, 4)),
        ({"way": "REMOVE", "basis": "HANDLING"}, date(2026, 3, 4)),
        ({"way": "SUSPEND_CHECK", "basis": "HANDLING", "months": 3}, date(2024, 6, 4)),
    ],
)
def test_how_long_it_bars_is_by_way_and_basis(city: City, person: str, changes: Any, end: date) -> None:
    assert sanction_of(city, executed(city, person, **changes)).end_on == end


def test_the_execution_is_due_ten_working_days_after_the_decision(city: City, person: str) -> None:
    case = decided(city, person)
    [due] = city.rows(
        tables.deadlines, tables.deadlines.c.ref == f"adjustment/{case.id}", tables.deadlines.c.state == "ARMED"
    )
    assert (due.kind, due.due_at.date(), due.warn_at.date()) == (
        "adjustment.execution",
        date(2024, 3, 19),
        date(2024, 3, 13),
    )


def test_two_of_the_committee_decide_who_had_no_part_in_it(city: City, person: str) -> None:
    case = recommended(city, person)
    assert refusal(city, case, "decide", ORG, DECISION) == "FORBIDDEN"
    city.take(city.cases.adjustments, case, "decide", SECRETARY, DECISION)
    assert refusal(city, case, "decide", SECRETARY, DECISION) == "SAME_PERSON"
    assert refusal(city, case, "decide", DEPUTY, DECISION | {"in_favour": 6}) == "APPROVAL_DIFFERS"
    of_unit = officer("comm-of-unit", "COMM", unit=BUREAU)
    assert refusal(city, case, "decide", of_unit, DECISION) == "AVOIDANCE"
    both = officer("org-and-comm", "ORG.supervise", "COMM", unit="420200-ORG")
    mine = city.open(
        city.cases.adjustments, both, a_proposal(person, way="DEMOTE", findings=[]) | {"basis": "HANDLING"}
    )
    city.take(city.cases.adjustments, mine, "start_verification", ORG)
    city.take(
        city.cases.adjustments, mine, "recommend", ORG, {"way": "DEMOTE", "reason_codes": ["OTHER"], "opinion": "意见"}
    )
    assert refusal(city, mine, "decide", both, DECISION) == "AVOIDANCE"


@pytest.mark.parametrize(
    ("actor", "action", "state"),
    [(ORG, "withdraw", "WITHDRAWN"), (SECRETARY, "dismiss", "DISMISSED"), (SECRETARY, "send_back", "VERIFYING")],
)
def test_before_the_decision_it_may_be_dropped(city: City, person: str, actor: Actor, action: str, state: str) -> None:
    case = recommended(city, person)
    assert refusal(city, case, action, actor) == "REASON_MISSING"
    done, events = city.take(city.cases.adjustments, case, action, actor, {"reason": "理由"})
    assert done.state == state
    assert [event.data["state"] for event in events] == ([] if action == "send_back" else [state])


def test_a_matter_of_discipline_goes_to_the_commission(city: City, person: str) -> None:
    """Such a finding is never verified: it is handed over as it is."""
    draft = a_draft(reason_codes=["TAKING_GIFTS"], responsible=[{"cadre": person, "role": "LEAD"}])
    finding = city.open(city.findings, RECORDER, draft)
    with city.acting(ORG) as uow:
        with pytest.raises(Refusal) as caught:
            city.cases.adjustments.open(uow, ORG, a_proposal(person, findings=[finding.id]))
        uow.commit()
    assert (caught.value.code, caught.value.committed) == ("DISCIPLINE_THRESHOLD", True)
    assert len(city.rows(SignalRow.__table__, SignalRow.finding_id == finding.id)) == 1


def test_who_may_not_see_the_matter_learns_and_hands_over_nothing(city: City, person: str) -> None:
    """Neither of a pending case, nor of a finding that is not in their reach."""
    city.open(city.cases.case_holds, DISC, {"cadre": person, "organ": "DISC", "case_no": "1"})
    draft = a_draft(type="DUTY_CRIME", responsible=[{"cadre": person, "role": "LEAD"}])
    finding = city.open(city.findings, RECORDER, draft)
    elsewhere = officer("org-elsewhere", "ORG.cadre", unit="420200-ORG", units=frozenset({DISTRICT}))
    themselves = officer("org-self", "ORG.cadre", unit="420200-ORG", person=person)
    colleague = officer("org-colleague", "ORG.cadre", unit=BUREAU)
    for actor, code in ((elsewhere, "DATA_SCOPE"), (themselves, "AVOIDANCE"), (colleague, "AVOIDANCE")):
        for findings in ([], [finding.id]):
            with city.acting(actor) as uow:
                with pytest.raises(Refusal) as caught:
                    city.cases.adjustments.open(uow, actor, a_proposal(person, findings=findings))
                uow.commit()
                assert uow.published == []
            assert (caught.value.code, caught.value.committed) == (code, False)


def test_an_open_case_comes_first(city: City, person: str) -> None:
    case = recommended(city, person)
    city.open(city.cases.case_holds, DISC, {"cadre": person, "organ": "DISC", "case_no": "1"})
    assert refusal(city, case, "decide", SECRETARY, DECISION) == "CASE_PENDING"
    with pytest.raises(Refusal) as caught:
        proposed(city, person, way="DEMOTE", basis="HANDLING")
    assert caught.value.code == "CASE_PENDING"


def test_under_the_rules_of_2015_an_admonition_without_correction_comes_first(city: City, person: str) -> None:
    at(city, noon(2020, 3, 2))
    old = {"way": "TRANSFER", "reason_codes": ["WORK_BEHIND"]}
    with pytest.raises(Refusal) as caught:
        proposed(city, person, **old)
    assert caught.value.code == "PRIOR_WARNING_REQUIRED"
    recorded(city, date(2019, 6, 3), cadre=person, regime="ADMONITION", kind="ADMONITION", conduct_on=None)
    at(city, noon(2020, 3, 3))
    assert proposed(city, person, **old).state == "PROPOSED"


def test_tolerance_on_every_ground_undoes_it(city: City, person: str) -> None:
    finding = verified(city, person)
    other = verified(city, person)
    case = executed(city, person, findings=[finding.id, other.id])
    open_one = proposed(city, person, way="DEMOTE", findings=[finding.id])

    def grant(about: Any) -> None:
        city.receive(
            "supervision.incentive",
            city.tolerance(about, new_id(), "effective", decision="MITIGATE", factor="0.5"),
        )

    grant(finding)
    assert (city.again(case).state, city.again(open_one).state) == ("EXECUTED", "WITHDRAWN")
    grant(other)
    assert city.again(case).state == "REVERSED"
    assert sanction_of(city, case).state == "REVOKED"
    assert codes(city, person, "PROMOTE", city.clock.today()) == []
    with pytest.raises(Refusal) as caught:
        proposed(city, person, findings=[finding.id])
    assert caught.value.code == "TOLERANCE_GRANTED"


def test_a_finding_that_is_revoked_undoes_what_rests_on_it_alone(city: City, person: str) -> None:
    finding = verified(city, person)
    case = proposed(city, person, findings=[finding.id])
    form = {"basis": "APPEAL", "reference": "appeal", "reason": "申诉成立"}
    city.take(city.findings, finding, "revoke", SYSTEM, form)
    assert city.again(case).state == "WITHDRAWN"


def test_an_appeal_suspends_nothing(city: City, person: str) -> None:
    adjustments = city.cases.adjustments
    appeal = {"appeal": new_id()}
    case = decided(city, person)
    assert city.take(adjustments, case, "note_appeal", SYSTEM, appeal)[0].state == "DECIDED"
    city.take(adjustments, case, "talk", ORG, {"talkers": ["member-1", "member-2"]})
    case, _ = city.take(adjustments, case, "execute", ORG, {})
    assert case.state == "EXECUTED"
    assert refusal(city, case, "close", ORG) == "APPEAL_PENDING"
    city.take(adjustments, case, "settle_appeal", SYSTEM)
    case, _ = city.take(adjustments, case, "close", ORG)
    assert city.take(adjustments, case, "note_appeal", SYSTEM, appeal)[0].state == "APPEALED"
    reason = {"reason": "申诉成立"}
    city.take(adjustments, case, "reverse", SECRETARY, reason)
    done, _ = city.take(adjustments, case, "reverse", DEPUTY, reason)
    assert done.state == "REVERSED"
    assert sanction_of(city, case).state == "REVOKED"
    assert told(city, "adjustment", case)[-1] == "reversed"


def test_who_left_talks_with_nobody(city: City, person: str) -> None:
    case = decided(city, person)
    gone = f"gone-{person}"
    with city.acting(DISC) as uow:
        uow.session.add(CadreRow(id=gone, unit=DISTRICT, has_left=True))
        uow.commit()
    assert refusal(city, case, "talk", ORG, {"talkers": ["member-1", gone]}) == "CADRE_LEFT"


def test_a_recall_or_a_measure_leads_to_one_proposal(city: City, person: str) -> None:
    recall = new_id()

    def lead(**changes: Any) -> Any:
        with city.acting(RECORDER) as uow:
            made = open_adjustment(city.cases.adjustments, uow, cadre=person, way="DEMOTE", **changes)
            uow.commit()
            return made

    first = lead(recall=recall)
    assert (first.state, first.recall, first.reason_codes) == ("PROPOSED", recall, ["DUTY_WEAK"])
    assert lead(recall=recall).id == first.id
    second = lead(measure=new_id(), reason_codes=["STYLE_BAD"])
    assert (second.id != first.id, second.reason_codes) == (True, ["STYLE_BAD"])
    assert city.outbox(f"adjustment/{first.id}")[0].data["recall"] == recall


def test_the_same_grounds_lead_to_one_proposal_by_people(city: City, person: str) -> None:
    finding = verified(city, person)
    proposed(city, person, findings=[finding.id])
    with pytest.raises(Refusal) as caught:
        proposed(city, person, findings=[finding.id])
    assert caught.value.code == "DUPLICATE"


def test_who_sees_an_adjustment_and_its_texts(city: City, person: str) -> None:
    adjustments = city.cases.adjustments
    case = recommended(city, person)
    own, of_unit = cadre(person), officer("org-of-unit", "ORG.cadre", unit=BUREAU)

    def sees(actor: Actor) -> bool:
        with city.acting(actor) as uow:
            listed = case.id in {row.id for row in uow.session.scalars(adjustments.listing(actor))}
            try:
                adjustments.read(uow, case.id, actor)
            except Refusal:
                assert not listed
                return False
            assert listed
            return True

    assert [sees(actor) for actor in (ORG, SECRETARY, DISC, own, of_unit)] == [True, True, True, False, False]
    city.take(adjustments, case, "decide", SECRETARY, DECISION)
    city.take(adjustments, case, "decide", DEPUTY, DECISION)
    assert [sees(actor) for actor in (own, of_unit, cadre(STRANGER))] == [True, True, False]
    with city.acting(ORG) as uow:
        assert texts(adjustments, uow, case.id, ORG).opinion == SECRET
    with city.acting(own) as uow, pytest.raises(Refusal) as caught:
        texts(adjustments, uow, case.id, own)
    assert caught.value.code == "DATA_SCOPE"
    for party in (of_unit, officer("org-self", "ORG.cadre", unit="420200-ORG", person=person)):
        with city.acting(party) as uow, pytest.raises(Refusal) as caught:
            texts(adjustments, uow, case.id, party)
        assert caught.value.code == "DATA_SCOPE"
    assert SECRET not in texts_in_outbox(city)


@pytest.mark.parametrize("kind", ["sanction", "adjustment"])
def test_service_of_the_notice_is_noted_once(city: City, person: str, kind: str) -> None:
    case = recorded(city, date(2024, 3, 1), cadre=person) if kind == "sanction" else decided(city, person)

    def served(day: date, **changes: Any) -> Any:
        ref = {"document": f"{kind.upper()}_NOTICE", "ref": f"{kind}/{case.id}"}
        return city.served(case, person, day, **ref | changes)

    city.receive("supervision.notification", served(date(2024, 3, 5)))
    city.receive("supervision.notification", served(date(2024, 3, 8)), served(date(2024, 3, 8), document="OTHER"))
    assert city.again(case).served_on == date(2024, 3, 5)


def test_every_illegal_step_changes_nothing(city: City, person: str) -> None:
    case = executed(city, person)
    for action, declared in city.cases.adjustments.case_type.actions.items():
        if city.cases.adjustments.case_type.target("EXECUTED", action) is None:
            actor = next((who for who in (ORG, SECRETARY) if any(who.has(role) for role in declared.allow)), SYSTEM)
            assert refusal(city, case, action, actor, DECISION | a_proposal(person)) == "INVALID_TRANSITION"

"""What comes after a decision: reviews by others, correction plans, revocation with notice, and what each leads to."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from citybus import tables
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.ids import new_id
from incentive.application.queries import effects
from incentive.persistence.models import EffectRow
from tests.support.incentive import (
    ACCEPTOR,
    APPLICANT,
    COMMITTEE,
    DECIDER,
    DIRECT,
    DISCIPLINE,
    FIRST,
    LEAD,
    SCORES,
    SECOND,
    SECRET,
    VERIFIERS,
    City,
    a_decision,
    cadre,
    head,
    officer,
    texts_in_outbox,
)

RECTIFIED = {
    "actor": "system:supervision",
    "state": "RECTIFIED",
    "verified_on": "2024-03-04",
    "year": 2024,
    "rectified_factor": "0.5",
}
OTHERS = officer("disc-review-1", "DISC", unit=DISCIPLINE), officer("disc-review-2", "DISC", unit=DISCIPLINE)


def refused(city: City, case: Any, action: str, actor: Any, form: Any = None) -> str:
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(case, action, actor, form)
    assert city.picture() == before
    return caught.value.code


def steps(city: City, case: Any) -> dict[str, bool]:
    """Return the effects of a case, and which of them are done."""
    rows = city.rows(EffectRow.__table__, EffectRow.case_id == case.id)
    return {row.step: row.done_at is not None for row in rows}


def revoke(city: City, case: Any) -> None:
    """Revoke a case for fraud, after notice and an answer."""
    city.take(case, "give_notice", ACCEPTOR, {"ground": "FRAUD", "reason": "证据系伪造"})
    city.take(case, "answer", APPLICANT, {"answer": "情况说明"})
    for actor in COMMITTEE:
        city.take(case, "revoke", actor, {"reason": "查实弄虚作假"})


def complete(city: City, case: Any) -> bool:
    """Say whether an officer reads that every effect of a case is done."""
    with city.acting(ACCEPTOR) as uow:
        return effects(city.cases, uow, case.id, ACCEPTOR).complete


# ---- review


def test_a_review_is_decided_by_others_and_makes_nothing_heavier(city: City) -> None:
    case = city.decision_served(city.finding("VERIFIED"))
    assert refused(city, case, "review", OTHERS[0], {"decision": "EXEMPT", "reason": "r"}) == "REVIEW_NOT_ASKED"
    city.take(case, "ask_review", APPLICANT, {"grounds": SECRET})
    # It does not take effect by itself any more.
    assert city.deadlines(case) == {"tolerance.review_decide": "2024-03-19T00:00"}
    assert refused(city, case, "ask_review", APPLICANT, {"grounds": "g"}) == "REVIEW_ASKED_ALREADY"
    assert refused(city, case, "review", DECIDER, {"decision": "EXEMPT", "reason": "r"}) == "AVOIDANCE"
    heavier = {"decision": "DENY", "reason": "r"}
    assert refused(city, case, "review", OTHERS[0], heavier) == "NO_REFORMATIO_IN_PEIUS"
    city.take(case, "review", OTHERS[0], {"decision": "EXEMPT", "reason": "程序完备"})
    assert refused(city, case, "review", OTHERS[0], {"decision": "EXEMPT", "reason": "r"}) == "SAME_DECIDER"
    done, events = city.take(case, "review", OTHERS[1], {"decision": "EXEMPT", "reason": "程序完备"})
    assert (done.state, done.decision, done.first_decision, str(done.factor)) == (
        "EFFECTIVE",
        "EXEMPT",
        "MITIGATE",
        "0.0",
    )
    assert [event.type for event in events][:2] == [
        "incentive.tolerance.reviewed.v1",
        "incentive.tolerance.effective.v1",
    ]
    assert (events[0].data["state"], events[1].data["factor"]) == ("REVIEWED", "0.0")
    assert SECRET not in texts_in_outbox(city)


def test_no_review_is_decided_by_who_voted_verified_or_handled_the_finding(city: City) -> None:
    case = city.decision_served(city.finding("VERIFIED"))
    city.take(case, "ask_review", APPLICANT, {"grounds": SECRET})
    form = {"decision": "EXEMPT", "reason": "r"}
    # On the panel, by the sign-in or in person; a verifier; who verified the finding itself.
    for subject, person in (
        ("panel-3", None),
        ("another-sign-in", "member-3"),
        ("disc-verifier", None),
        ("supo-2", None),
    ):
        assert refused(city, case, "review", officer(subject, person=person), form) == "AVOIDANCE", subject


def test_who_handled_the_finding_neither_verifies_nor_decides(city: City) -> None:
    finding = city.finding()
    case = city.verifying(finding)
    # Somebody assigned has taken a step on the finding since.
    city.receive("supervision", city.about_finding(finding, "verified", actor=FIRST.subject, verified_on="2024-03-04"))
    form = {"factors": SCORES, "exclusions": [], "reason": "核实属实"}
    assert refused(city, case, "verify", FIRST, form) == "AVOIDANCE"
    other = officer("disc-other", "DISC", unit=DISCIPLINE)
    named = [{"subject": other.subject, "cadre": "verifier-1"}, VERIFIERS[1]]
    city.take(case, "reassign", ACCEPTOR, {"verifiers": named, "reason": "回避"})
    for actor in (other, SECOND):
        city.take(case, "verify", actor, form)
    assert refused(city, case, "decide", FIRST, a_decision()) == "AVOIDANCE"


def test_the_time_to_ask_for_a_review_ends(city: City) -> None:
    case = city.decision_served()
    assert refused(city, case, "ask_review", cadre(DIRECT), {"grounds": "g"}) == "DATA_SCOPE"
    city.clock.advance(timedelta(days=15))
    assert refused(city, case, "ask_review", APPLICANT, {"grounds": "g"}) == "OUT_OF_TIME"


# ---- correction


def test_what_is_granted_is_to_be_corrected_and_closes_the_case(city: City) -> None:
    case = city.effective()
    plan = city.correction(case)
    assert (plan.state, plan.due_on.isoformat(), plan.owner) == ("OPEN", "2024-04-18", case.unit)
    assert refused(city, plan, "accept", ACCEPTOR, {"reason": "r"}) == "PROOF_MISSING"
    proof = {"proof": [city.with_evidence(head(), b"%PDF-proof")]}
    assert refused(city, plan, "prove", head(), proof) == "PLAN_MISSING"
    city.take(plan, "plan", head(), {"measures": [SECRET]})
    assert city.again(case).state == "CORRECTING"
    assert refused(city, plan, "prove", head(), {"proof": [city.with_evidence(ACCEPTOR, b"%PDF-not-theirs")]}) == (
        "UNKNOWN_EVIDENCE"
    )
    city.take(plan, "prove", head(), proof)
    assert refused(city, plan, "accept", head(), {"reason": "r"}) == "FORBIDDEN"
    done, _ = city.take(plan, "accept", ACCEPTOR, {"reason": "已整改到位"})
    assert (done.state, city.again(case).state) == ("DONE", "CLOSED")
    assert [event.type for event in city.outbox(f"tolerance/{case.id}")][-2:] == [
        "incentive.tolerance.correcting.v1",
        "incentive.tolerance.closed.v1",
    ]
    assert [event.type for event in city.outbox(f"correction/{plan.id}")] == [
        "incentive.correction.opened.v1",
        "incentive.correction.done.v1",
    ]
    assert SECRET not in texts_in_outbox(city)


def test_a_denial_asks_for_no_correction(city: City) -> None:
    case = city.effective(decision="DENY")
    model = city.bound.corrections.model
    assert city.rows(model.__table__, model.tolerance_id == case.id) == []
    assert refused(city, case, "give_notice", ACCEPTOR, {"ground": "FRAUD", "reason": "r"}) == "NOTHING_GRANTED"


def test_a_plan_that_is_overdue_may_cost_the_tolerance_with_notice(city: City) -> None:
    case = city.correcting()
    late = {"ground": "CORRECTION_OVERDUE", "reason": "逾期未纠正"}
    assert refused(city, case, "give_notice", ACCEPTOR, late) == "CORRECTION_NOT_OVERDUE"
    city.clock.advance(timedelta(days=31))
    city.fire()
    plan = city.correction(case)
    assert (plan.state, city.outbox(f"correction/{plan.id}")[-1].type) == ("OVERDUE", "incentive.correction.overdue.v1")
    assert refused(city, case, "revoke", COMMITTEE[0], {"reason": "r"}) == "NOTICE_MISSING"
    noticed, (event,) = city.take(case, "give_notice", ACCEPTOR, late)
    assert (event.type, noticed.answer_until) == ("incentive.tolerance.revocation-noticed.v1", None)
    assert event.data["recipients"] == [{"kind": "CADRE", "id": LEAD}]
    # Nobody is late who has not been served.
    city.clock.advance(timedelta(days=9))
    assert refused(city, case, "revoke", COMMITTEE[0], {"reason": "r"}) == "ANSWER_WINDOW_OPEN"
    notice = {"document": "TOLERANCE_REVOCATION_NOTICE"}
    early = city.served(case, noticed.noticed_on - timedelta(days=1), **notice)
    served = city.served(case, city.clock.today(), **notice)
    later = city.served(case, city.clock.today() + timedelta(days=1), **notice)
    city.receive("notification", early, served, later)
    assert city.again(case).answer_until.isoformat() == "2024-05-08"
    assert refused(city, case, "revoke", COMMITTEE[0], {"reason": "r"}) == "ANSWER_WINDOW_OPEN"
    # It was corrected in the end: the ground is gone.
    city.take(plan, "prove", head(), {"proof": [city.with_evidence(head())]})
    city.take(plan, "accept", ACCEPTOR, {"reason": "已整改到位"})
    city.clock.advance(timedelta(days=11))
    assert refused(city, case, "revoke", COMMITTEE[0], {"reason": "r"}) == "CORRECTION_NOT_OVERDUE"


# ---- revocation


def test_who_loses_a_tolerance_that_the_unit_asked_for_is_served_as_well_and_answers(city: City) -> None:
    case = city.effective(actor=head(), applicant="UNIT")
    city.take(case, "give_notice", ACCEPTOR, {"ground": "FRAUD", "reason": SECRET})
    recipients = [("UNIT", case.unit), ("CADRE", DIRECT), ("CADRE", LEAD)]
    assert [(each["kind"], each["id"]) for each in city.again(case).notices] == recipients
    for number, (kind, name) in enumerate(recipients):
        assert city.again(case).answer_until is None
        to = {"document": "TOLERANCE_REVOCATION_NOTICE", "recipient": {"kind": kind, "id": name}}
        city.receive("notification", city.served(case, date(2024, 3, 19) + timedelta(days=number), "substituted", **to))
    # Five working days from the last service, on 21 March.
    assert city.again(case).answer_until == date(2024, 3, 28)
    # One answers; the others still have their time.
    city.take(case, "answer", cadre(DIRECT), {"answer": SECRET})
    city.take(case, "answer", head(), {"answer": "单位说明"})
    assert city.again(case).answer == f"{SECRET}\n\n单位说明"
    assert refused(city, case, "revoke", COMMITTEE[0], {"reason": "r"}) == "ANSWER_WINDOW_OPEN"
    city.clock.set(datetime(2024, 3, 29, 9, tzinfo=ZONE))
    assert refused(city, case, "answer", cadre(LEAD), {"answer": "a"}) == "OUT_OF_TIME"
    city.take(case, "revoke", COMMITTEE[0], {"reason": "查实弄虚作假"})


def test_a_fraud_is_revoked_by_two_after_notice_and_an_answer_and_the_weight_comes_back(city: City) -> None:
    case = city.effective()
    city.receive("supervision", city.weight_changed(case.finding_id, "1.0", case.id))
    city.receive("assessment", *(city.deduction(each, {case.finding_id: "1.0"}) for each in (LEAD, DIRECT)))
    city.take(case, "give_notice", ACCEPTOR, {"ground": "FRAUD", "reason": SECRET})
    assert refused(city, case, "answer", cadre("colleague"), {"answer": "a"}) == "DATA_SCOPE"
    city.take(case, "answer", APPLICANT, {"answer": SECRET})
    assert refused(city, case, "revoke", ACCEPTOR, {"reason": "r"}) == "AVOIDANCE"
    city.take(case, "revoke", COMMITTEE[0], {"reason": "查实弄虚作假"})
    done, events = city.take(case, "revoke", COMMITTEE[1], {"reason": "查实弄虚作假"})
    assert (done.state, [event.type for event in events]) == ("REVOKED", ["incentive.tolerance.revoked.v1"])
    # Others put it back: that is followed as what they did before.
    assert steps(city, case) == {
        "FINDING_WEIGHT": True,
        f"DEDUCTION:{DIRECT}": True,
        f"DEDUCTION:{LEAD}": True,
        "RESTORED:FINDING_WEIGHT": False,
        f"RESTORED:DEDUCTION:{DIRECT}": False,
        f"RESTORED:DEDUCTION:{LEAD}": False,
    }
    assert set(city.deadlines(case)) == {"tolerance.effects"}
    assert not complete(city, case)
    city.receive("supervision", city.weight_changed(case.finding_id, "2.0"))
    city.receive("assessment", *(city.deduction(each, {case.finding_id: "2.0"}) for each in (LEAD, DIRECT)))
    assert all(steps(city, case).values())
    assert complete(city, case)
    assert city.deadlines(case) == {}
    assert SECRET not in texts_in_outbox(city)


def test_the_weight_of_a_finding_that_was_rectified_in_time_comes_back_as_far_as_that_leaves_it(city: City) -> None:
    finding = city.finding("VERIFIED")
    city.receive("supervision", city.about_finding(finding, "weight-changed", **RECTIFIED, effective_weight="1.0"))
    case = city.effective(finding)
    city.receive("supervision", city.about_finding(finding, "weight-changed", **RECTIFIED, effective_weight="0.5"))
    revoke(city, case)
    # 2.0 points, halved by the rectification in time, and no more by the tolerance.
    assert not steps(city, case)["RESTORED:FINDING_WEIGHT"]
    city.receive("supervision", city.about_finding(finding, "weight-changed", **RECTIFIED, effective_weight="1.0"))
    city.receive("assessment", *(city.deduction(each, {finding: "1.0"}) for each in (LEAD, DIRECT)))
    assert all(steps(city, case).values())
    assert complete(city, case)


def test_of_a_finding_that_was_revoked_nothing_is_awaited_but_that_it_weighs_nothing(city: City) -> None:
    finding = city.finding("VERIFIED")
    city.receive("assessment", *(city.deduction(each, {finding: "2.0"}) for each in (LEAD, DIRECT)))
    case = city.effective(finding=finding)
    gone = {"verified_on": "2024-03-04", "year": 2024, "state": "REVOKED", "effective_weight": "0.0"}
    city.receive("supervision", city.about_finding(finding, "revoked", **gone))
    assert not steps(city, case)[f"DEDUCTION:{LEAD}"]
    city.receive("assessment", *(city.deduction(each, {}) for each in (LEAD, DIRECT)))
    assert all(steps(city, case).values())
    # Nor does a revocation of the tolerance bring back what the finding weighed.
    revoke(city, case)
    assert all(steps(city, case).values())


def test_what_another_case_grants_stays_when_one_is_revoked(city: City) -> None:
    finding = city.finding("VERIFIED")
    kept = city.decision_served(finding, actor=head(), applicant="UNIT")
    revoked = city.revoked(finding=finding, decision="EXEMPT")
    assert city.again(kept).state == "EFFECTIVE"
    city.receive("supervision", city.weight_changed(finding, "1.0", kept.id))
    assert steps(city, revoked)["RESTORED:FINDING_WEIGHT"]


def test_what_a_revoked_case_still_awaited_it_awaits_no_more(city: City) -> None:
    case = city.revoked()
    assert set(steps(city, case)) == {
        "RESTORED:FINDING_WEIGHT",
        f"RESTORED:DEDUCTION:{DIRECT}",
        f"RESTORED:DEDUCTION:{LEAD}",
    }
    plan = city.correction(case)
    table = tables.deadlines
    (deadline,) = city.rows(table, table.c.ref == f"correction/{plan.id}")
    assert deadline.state == "CANCELLED"
    told = city.outbox(f"deadline/{deadline.id}")
    assert [(event.type, event.data["state"]) for event in told] == [
        ("incentive.deadline.armed.v1", "ARMED"),
        ("incentive.deadline.settled.v1", "CANCELLED"),
    ]


# ---- what rests on the finding elsewhere


@pytest.mark.parametrize(
    ("decision", "named", "awaited"),
    [("MITIGATE", True, True), ("MITIGATE", False, False), ("EXEMPT", False, True)],
)
def test_a_bulletin_is_to_be_withdrawn_on_all_its_channels(
    city: City, decision: str, named: bool, awaited: bool
) -> None:
    finding, bulletin = city.finding("VERIFIED"), new_id()
    city.receive("supervision", city.bulletin(bulletin, finding, "PUBLISHED", named=named))
    case = city.effective(finding, decision)
    step = f"BULLETIN:{bulletin}"
    assert (step in steps(city, case)) is awaited
    if awaited:
        # Withdrawn on some channels is not withdrawn.
        city.receive("supervision", city.bulletin(bulletin, finding, "WITHDRAWING", named=named))
        assert not steps(city, case)[step]
        city.receive("supervision", city.bulletin(bulletin, finding, "WITHDRAWN", named=named))
        assert steps(city, case)[step]


def test_the_press_has_a_working_day_for_the_correction_and_all_else_an_hour(city: City) -> None:
    def told() -> tuple[str | None, bool]:
        with city.acting(ACCEPTOR) as uow:
            found = effects(city.cases, uow, case.id, ACCEPTOR)
            due_at = found.due_at and found.due_at.astimezone(ZONE).isoformat(timespec="minutes")[:16]
            return due_at or None, found.overdue

    finding, bulletin = city.finding("VERIFIED"), new_id()
    city.receive("supervision", city.bulletin(bulletin, finding, "PUBLISHED"))
    case = city.effective(finding)
    assert told() == ("2024-03-19T01:00", False)
    city.receive("supervision", city.weight_changed(finding, "1.0", case.id))
    for person in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(person, {finding: "1.0"}))
    assert [step for step, done in steps(city, case).items() if not done] == [f"BULLETIN:{bulletin}"]
    # Done within the hour; the newspaper is awaited.
    city.clock.advance(timedelta(minutes=61))
    city.fire()
    assert told() == ("2024-03-21T00:00", False)
    city.clock.set(datetime(2024, 3, 20, 23, 59, tzinfo=ZONE))
    city.fire()
    assert told() == ("2024-03-21T00:00", False)
    city.clock.advance(timedelta(minutes=1))
    before = breached("tolerance.bulletin_effects")
    city.fire()
    assert told() == ("2024-03-21T00:00", True)
    assert breached("tolerance.bulletin_effects") > before
    city.receive("supervision", city.bulletin(bulletin, finding, "WITHDRAWN"))
    assert told() == (None, False)


def test_what_else_is_not_done_within_the_hour_is_overdue_whatever_the_bulletins_have(city: City) -> None:
    finding, bulletin = city.finding("VERIFIED"), new_id()
    city.receive("supervision", city.bulletin(bulletin, finding, "PUBLISHED"))
    case = city.effective(finding)
    city.receive("supervision", city.weight_changed(finding, "1.0", case.id))
    city.clock.advance(timedelta(minutes=61))
    city.fire()
    with city.acting(ACCEPTOR) as uow:
        assert effects(city.cases, uow, case.id, ACCEPTOR).overdue
    # A revocation awaits no bulletin any more.
    revoke(city, case)
    assert list(city.deadlines(case)) == ["tolerance.effects"]


def breached(kind: str) -> float:
    return REGISTRY.get_sample_value("city_deadlines_breached_total", {"kind": kind}) or 0.0


def test_a_constraint_that_has_no_other_ground_is_to_be_lifted(city: City) -> None:
    finding, other = city.finding("VERIFIED"), city.finding("VERIFIED")
    alone, shared = new_id(), new_id()
    city.receive("assessment", city.constraint(alone, [finding]), city.constraint(shared, [finding, other]))
    case = city.effective(finding, "EXEMPT")
    assert steps(city, case)[f"CONSTRAINT:{alone}"] is False
    assert f"CONSTRAINT:{shared}" not in steps(city, case)
    city.receive("assessment", city.constraint(alone, [finding], "LIFTED"))
    assert steps(city, case)[f"CONSTRAINT:{alone}"] is True


def test_what_rests_on_the_finding_and_is_heard_of_late_is_awaited_as_well(city: City) -> None:
    finding, bulletin = city.finding("VERIFIED"), new_id()
    case = city.effective(finding)
    published = city.bulletin(bulletin, finding, "PUBLISHED")
    city.receive("supervision", published)
    assert steps(city, case)[f"BULLETIN:{bulletin}"] is False
    city.receive("supervision", city.bulletin(bulletin, finding, "WITHDRAWN"), published)
    assert steps(city, case)[f"BULLETIN:{bulletin}"] is True


def test_a_recall_that_has_no_other_ground_falls_with_its_constraint_and_the_gate_opens(city: City) -> None:
    finding, recall, constraint = city.finding("VERIFIED"), new_id(), new_id()
    # Of other tests nothing else is known about the cadre in the lead.
    city.receive("supervision", city.recall(recall, [finding], "proposed", "PROPOSED"))
    city.receive("supervision", city.bars(LEAD, ("RECALL_OPEN", "2024-03-05", None)))
    city.receive("assessment", city.constraint(constraint, [finding], source=f"recall/{recall}"))
    case = city.effective(finding)
    awaited = {f"RECALL:{recall}", f"CONSTRAINT:{constraint}", f"GATE:{LEAD}"}
    assert {step for step, done in steps(city, case).items() if not done} >= awaited
    # The bar that is lifted too early is not taken for the recall.
    city.receive("supervision", city.recall(recall, [finding], "cancelled", "CANCELLED"))
    assert (steps(city, case)[f"RECALL:{recall}"], steps(city, case)[f"GATE:{LEAD}"]) == (True, False)
    lifted = city.bars(LEAD)
    city.receive("supervision", lifted)
    assert steps(city, case)[f"GATE:{LEAD}"]
    city.receive("assessment", city.constraint(constraint, [finding], "LIFTED", source=f"recall/{recall}"))
    assert steps(city, case)[f"CONSTRAINT:{constraint}"]
    (row,) = city.rows(EffectRow.__table__, EffectRow.case_id == case.id, EffectRow.step == f"GATE:{LEAD}")
    assert row.by_event == lifted.id


def test_a_recall_with_another_ground_goes_on(city: City) -> None:
    finding, other = city.finding("VERIFIED"), city.finding("VERIFIED")
    city.receive("supervision", city.recall(new_id(), [finding, other], "proposed", "PROPOSED"))
    assert not [step for step in steps(city, city.effective(finding)) if step.startswith("RECALL")]


DELIVERED = {"delivered_on": "2024-03-06", "effect_until": "2024-09-06"}


@pytest.mark.parametrize(
    ("then", "told"),
    [(("delivered", "DELIVERED"), ("closed", "REVOKED")), (("approved", "APPROVED"), ("withdrawn", "WITHDRAWN"))],
)
def test_a_measure_whose_grounds_are_excused_is_to_be_taken_back_with_its_constraint(
    city: City, then: tuple[str, str], told: tuple[str, str]
) -> None:
    finding, measure, constraint = city.finding("VERIFIED"), new_id(), new_id()
    city.receive("supervision", city.measure(measure, [finding], *then))
    city.receive("assessment", city.constraint(constraint, [finding], source=f"measure/{measure}"))
    case = city.effective(finding, "EXEMPT")
    assert not steps(city, case)[f"MEASURE:{measure}"]
    assert not steps(city, case)[f"CONSTRAINT:{constraint}"]
    taken_back = city.measure(measure, [finding], *told)
    city.receive("supervision", taken_back)
    assert steps(city, case)[f"MEASURE:{measure}"]
    (row,) = city.rows(EffectRow.__table__, EffectRow.case_id == case.id, EffectRow.step == f"MEASURE:{measure}")
    assert (row.by_event, row.cadre, row.outstanding_since is None) == (taken_back.id, LEAD, False)


def test_an_admonition_whose_grounds_are_eased_is_to_be_shortened(city: City) -> None:
    finding, measure = city.finding("VERIFIED"), new_id()
    city.receive("supervision", city.measure(measure, [finding], "delivered", "DELIVERED", **DELIVERED))
    case = city.effective(finding)
    step = f"MEASURE_EASED:{measure}"
    assert [each for each in steps(city, case) if each.startswith("MEASURE")] == [step]
    assert not steps(city, case)[step]
    shorter = DELIVERED | {"effect_until": "2024-06-06", "eased": True}
    city.receive("supervision", city.measure(measure, [finding], "delivered", "DELIVERED", **shorter))
    assert steps(city, case)[step]


@pytest.mark.parametrize("decision", ["EXEMPT", "MITIGATE"])
@pytest.mark.parametrize(
    ("told", "state", "changes"),
    [
        ("delivered", "DELIVERED", {}),
        ("closed", "CLOSED", DELIVERED),
        ("delivered", "DELIVERED", DELIVERED | {"eased": True}),
    ],
)
def test_what_no_effect_runs_of_is_not_to_be_shortened_nor_a_measure_with_another_ground(
    city: City, decision: str, told: str, state: str, changes: dict[str, Any]
) -> None:
    finding, other = city.finding("VERIFIED"), city.finding("VERIFIED")
    alone, shared = new_id(), new_id()
    city.receive("supervision", city.measure(alone, [finding], told, state, **changes))
    city.receive("supervision", city.measure(shared, [finding, other], "delivered", "DELIVERED", **DELIVERED))
    awaited = [step for step in steps(city, city.effective(finding, decision)) if step.startswith("MEASURE")]
    assert awaited == ([f"MEASURE:{alone}"] if decision == "EXEMPT" else [])

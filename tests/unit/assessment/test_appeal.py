"""Reviews and appeals (A16, M3): who may file what, by when, who handles it, and that nothing is made heavier."""

from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from assessment.domain import appeal
from assessment.domain.appeal import APPEAL, AppealFacts, Earlier, Matter
from citybus.actor import Actor
from citybus.cases.declare import Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from tests.support.assessment import rulebook

CADRE, REF = "cadre-1", "annual/1"
SERVED = date(2025, 3, 10)
PERSON = Actor("user-1", frozenset({"CADRE"}), person=CADRE)
OFFICER = Actor("officer", frozenset({"ORG"}), units=None)
FAIR = Actor("fair", frozenset({"FAIRCOMM"}), units=None)

LEADS_ON = {
    ("FILED", "accept", "ACCEPTED"),
    ("FILED", "reject", "REJECTED"),
    ("FILED", "withdraw", "WITHDRAWN"),
    ("ACCEPTED", "examine", "UNDER_EXAMINATION"),
    ("ACCEPTED", "withdraw", "WITHDRAWN"),
    ("UNDER_EXAMINATION", "extend", "UNDER_EXAMINATION"),
    ("UNDER_EXAMINATION", "decide", "DECIDED"),
    ("UNDER_EXAMINATION", "withdraw", "WITHDRAWN"),
    ("DECIDED", "execute", "EXECUTED"),
}


def a_matter(**changes: Any) -> Matter:
    made: dict[str, Any] = {"ref": REF, "scale": "annual", "cadre": CADRE, "decided": True, "what": "INCOMPETENT"}
    return Matter(**made | {"served_on": SERVED, "deciders": frozenset({"committee"})} | changes)


def a_review(**changes: Any) -> Earlier:
    made: dict[str, Any] = {"id": "review", "cadre": CADRE, "type": "REVIEW", "state": "DECIDED"}
    made |= {"filed_on": date(2025, 4, 8), "decision_served_on": date(2025, 5, 6), "handlers": frozenset({"reviewer"})}
    made |= {"original": "INCOMPETENT", "ended_on": date(2025, 5, 6)}
    return Earlier(**made | changes)


def a_case(**changes: Any) -> Any:
    made = {"id": "appeal", "type": "REVIEW", "scale": "annual", "original": "INCOMPETENT", "extended": False}
    made |= {"filed_on": date(2025, 4, 8), "accepted_on": None, "due_on": None, "decision": None, "cadre": CADRE}
    return SimpleNamespace(**made | changes)


def a_step(case: Any, day: date, *, actor: Actor = OFFICER, facts: Any = None, **form: Any) -> Step:
    at = datetime(day.year, day.month, day.day, 10, tzinfo=ZONE)
    found = AppealFacts([a_matter()]) if facts is None else facts
    return Step(case=case, action="test", actor=actor, at=at, rules=rulebook().on(day), form=form, facts=found)


def filed(day: date, kind: str = "REVIEW", *earlier: Earlier, actor: Actor = PERSON, **changes: Any) -> Any:
    case = a_case()
    facts = AppealFacts([a_matter(**changes)], earlier)
    appeal.file(a_step(case, day, actor=actor, facts=facts, type=kind, subject_ref=REF, grounds="不服"))
    return case


def refused(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def test_the_machine_has_these_transitions_and_no_other() -> None:
    assert set(APPEAL.transitions) == LEADS_ON


@pytest.mark.parametrize("day", [date(2025, 3, 11), date(2025, 4, 8), date(2025, 4, 9)])
def test_thirty_days_from_service_are_in_time(day: date) -> None:
    case = filed(day)
    assert (case.service_on, case.file_until, case.filed_on) == (SERVED, date(2025, 4, 9), day)


def test_a_day_later_is_out_of_time_and_the_refusal_says_by_how_much() -> None:
    refusal = refused(lambda: filed(date(2025, 4, 10)))
    assert (refusal.code, refusal.figures) == (
        "OUT_OF_TIME",
        {"service_on": "2025-03-10", "until": "2025-04-09", "filed_on": "2025-04-10", "period": "30 d filing"},
    )


@pytest.mark.parametrize(
    ("served", "until"),
    [
        # The thirtieth day is a Saturday, one in the week of 1 October, one a Sunday that is worked.
        (date(2025, 4, 10), date(2025, 5, 12)),
        (date(2025, 9, 3), date(2025, 10, 9)),
        (date(2025, 8, 29), date(2025, 9, 28)),
    ],
)
def test_a_filing_period_that_ends_on_a_day_off_ends_on_the_next_working_day(served: date, until: date) -> None:
    assert filed(until, served_on=served).file_until == until
    assert refused(lambda: filed(until + timedelta(days=1), served_on=served)).code == "OUT_OF_TIME"


def test_what_is_not_served_yet_is_in_time() -> None:
    assert filed(date(2026, 3, 1), served_on=None).file_until is None


@pytest.mark.parametrize(
    "changes",
    [{"what": "COMPETENT"}, {"what": None}, {"decided": False}, {"scale": "measure", "what": "REMIND"}, {"scale": "x"}],
)
def test_only_listed_results_can_be_appealed_against(changes: dict[str, Any]) -> None:
    assert refused(lambda: filed(date(2025, 4, 8), **changes)).code == "NOT_APPEALABLE"


def test_nobody_appeals_for_somebody_else_or_against_nothing() -> None:
    other = Actor("user-2", frozenset({"CADRE"}), person="cadre-2")
    assert refused(lambda: filed(date(2025, 4, 8), actor=other)).code == "DATA_SCOPE"
    form = {"type": "REVIEW", "subject_ref": REF, "grounds": "不服"}
    step = a_step(a_case(), date(2025, 4, 8), actor=PERSON, facts=AppealFacts(), **form)
    assert refused(lambda: appeal.file(step)).code == "UNKNOWN_MATTER"


def test_marks_of_state_secrets_are_refused() -> None:
    form = {"type": "REVIEW", "subject_ref": REF, "grounds": "附件为机密文件"}
    assert refused(lambda: appeal.file(a_step(a_case(), date(2025, 4, 8), actor=PERSON, **form))).status == 451
    assert refused(lambda: appeal.plain(a_step(a_case(), SERVED, reason="绝密"))).status == 451


ORDER = [
    ("REVIEW", [a_review()], "DUPLICATE"),
    ("DIRECT_APPEAL", [a_review()], "DUPLICATE"),
    ("APPEAL", [], "REVIEW_MISSING"),
    ("APPEAL", [a_review(state="UNDER_EXAMINATION")], "DUPLICATE"),
    ("APPEAL", [a_review(), a_review(id="second", type="APPEAL")], "DUPLICATE"),
    ("APPEAL", [a_review(type="DIRECT_APPEAL")], "DUPLICATE"),
]


@pytest.mark.parametrize(("kind", "earlier", "code"), ORDER)
def test_an_appeal_follows_one_review_or_none_was_asked_for(kind: str, earlier: list[Earlier], code: str) -> None:
    assert refused(lambda: filed(date(2025, 5, 8), kind, *earlier, served_on=date(2025, 4, 8))).code == code


def test_an_appeal_is_filed_within_fifteen_days_after_the_review_was_served() -> None:
    assert filed(date(2025, 5, 21), "APPEAL", a_review()).file_until == date(2025, 5, 21)
    assert refused(lambda: filed(date(2025, 5, 22), "APPEAL", a_review())).figures["period"] == "15 d filing"
    assert filed(date(2025, 7, 1), "APPEAL", a_review(decision_served_on=None)).review == "review"


def test_a_result_that_is_served_anew_may_be_reviewed_anew() -> None:
    assert filed(date(2025, 6, 3), "REVIEW", a_review(), served_on=date(2025, 6, 2)).review is None


AMENDED = a_review(state="EXECUTED", amended_to="BASICALLY_COMPETENT", ended_on=date(2025, 5, 8))
SERVED_ANEW = {"what": "BASICALLY_COMPETENT", "served_on": date(2025, 5, 12), "decided_on": date(2025, 5, 8)}


def test_an_appeal_follows_an_amending_review_also_once_its_result_is_served() -> None:
    case = filed(date(2025, 5, 21), "APPEAL", AMENDED, **SERVED_ANEW)
    assert (case.review, case.original) == ("review", "BASICALLY_COMPETENT")
    assert (case.service_on, case.file_until) == (date(2025, 5, 6), date(2025, 5, 21))
    assert refused(lambda: filed(date(2025, 5, 22), "APPEAL", AMENDED, **SERVED_ANEW)).code == "OUT_OF_TIME"
    # What was upheld and served once more, or is not carried out yet, likewise.
    for review in (a_review(), a_review(amended_to="BASICALLY_COMPETENT")):
        assert filed(date(2025, 5, 21), "APPEAL", review, served_on=date(2025, 5, 12)).review == "review"


@pytest.mark.parametrize(
    "changes",
    [
        # Another grade, not that of the review; then the same one, decided anew after the review had ended.
        {"what": "INCOMPETENT", "decided_on": date(2025, 5, 15)},
        {"decided_on": date(2025, 5, 15)},
        {"decided_on": date(2025, 5, 15), "served_on": None},
    ],
)
def test_no_appeal_on_a_new_decision_follows_the_review_of_an_old_one(changes: dict[str, Any]) -> None:
    day = date(2025, 5, 20)
    anew = SERVED_ANEW | changes
    assert refused(lambda: filed(day, "APPEAL", AMENDED, **anew)).code == "REVIEW_MISSING"
    assert filed(day, "DIRECT_APPEAL", AMENDED, **anew).review is None


def test_no_appeal_on_another_result_follows_a_review_that_upheld_the_former() -> None:
    changed = {"what": "BASICALLY_COMPETENT", "served_on": date(2025, 5, 12)}
    assert refused(lambda: filed(date(2025, 5, 20), "APPEAL", a_review(), **changed)).code == "REVIEW_MISSING"


def test_one_appeal_alone_follows_a_review_and_the_last_review_counts() -> None:
    appealed = a_review(id="first", type="APPEAL", state="ACCEPTED", filed_on=date(2025, 5, 9), review="review")
    refusal = refused(lambda: filed(date(2025, 5, 20), "APPEAL", AMENDED, appealed, **SERVED_ANEW))
    assert (refusal.code, refusal.figures) == ("DUPLICATE", {"earlier": ["APPEAL"]})
    again = a_review(id="again", original="BASICALLY_COMPETENT", filed_on=date(2025, 5, 13), ended_on=date(2025, 5, 19))
    assert filed(date(2025, 5, 20), "APPEAL", AMENDED, again, **SERVED_ANEW).review == "again"
    unfinished = a_review(id="again", state="ACCEPTED", filed_on=date(2025, 5, 13))
    assert refused(lambda: filed(date(2025, 5, 20), "APPEAL", AMENDED, unfinished, **SERVED_ANEW)).code == "DUPLICATE"


@pytest.mark.parametrize("actor", ["committee", "reviewer"])
def test_who_decided_or_handled_the_review_keeps_away(actor: str) -> None:
    facts = AppealFacts([a_matter()], [a_review(), a_review(id="appeal", handlers=frozenset({"officer"}))])
    step = a_step(a_case(), SERVED, actor=Actor(actor, frozenset({"ORG"}), units=None), facts=facts)
    assert refused(lambda: appeal.no_original_decider(step)).code == "AVOIDANCE"
    appeal.no_original_decider(a_step(a_case(), SERVED, facts=facts))


def test_reviews_and_appeals_are_handled_by_their_own_bodies() -> None:
    for kind, body, other in (("REVIEW", OFFICER, FAIR), ("APPEAL", FAIR, OFFICER), ("DIRECT_APPEAL", FAIR, OFFICER)):
        case = a_case(type=kind)
        appeal.competent(a_step(case, SERVED, actor=body))
        assert (
            refused(lambda case=case, other=other: appeal.competent(a_step(case, SERVED, actor=other))).code
            == "FORBIDDEN"
        )


def test_a_review_is_decided_thirty_days_after_filing_an_appeal_sixty_after_acceptance() -> None:
    review, direct = a_case(), a_case(type="DIRECT_APPEAL")
    for case in (review, direct):
        appeal.accept(a_step(case, date(2025, 4, 14)))
    assert (review.due_on, direct.due_on) == (date(2025, 5, 8), date(2025, 6, 13))


def test_an_appeal_is_extended_once_by_thirty_days_and_a_review_never() -> None:
    case = a_case(type="APPEAL", accepted_on=date(2025, 4, 14), due_on=date(2025, 6, 13))
    step = a_step(case, date(2025, 6, 10))
    appeal.extendable(step)
    appeal.extend(step)
    assert case.due_on == date(2025, 7, 13)
    assert refused(lambda: appeal.extendable(step)).code == "EXTENSION_LIMIT"
    assert refused(lambda: appeal.extendable(a_step(a_case(), SERVED))).code == "EXTENSION_NOT_ALLOWED"
    start = appeal.from_due_day(step)
    assert start is not None
    assert step.due("appeal.extension", start).date() == date(2025, 7, 14)


def test_an_appeal_is_extended_while_there_is_time_and_not_afterwards() -> None:
    case = a_case(type="APPEAL", accepted_on=date(2025, 4, 14), due_on=date(2025, 6, 13))
    appeal.extendable(a_step(case, date(2025, 6, 13)))
    refusal = refused(lambda: appeal.extendable(a_step(case, date(2025, 6, 14))))
    assert (refusal.code, refusal.figures) == ("OUT_OF_TIME", {"until": "2025-06-13"})


DECISIONS = [
    ("annual", "BASICALLY_COMPETENT", {"decision": "AMENDED", "amended_to": "COMPETENT"}, None),
    ("annual", "BASICALLY_COMPETENT", {"decision": "UPHELD"}, None),
    ("annual", "BASICALLY_COMPETENT", {"decision": "REVOKED", "amended_to": "COMPETENT"}, None),
    ("annual", "BASICALLY_COMPETENT", {"decision": "REVOKED", "amended_to": "EXCELLENT"}, "QUOTA_NOT_LOCKED"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "AMENDED", "amended_to": "INCOMPETENT"}, "NO_REFORMATIO_IN_PEIUS"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "REVOKED", "amended_to": "INCOMPETENT"}, "NO_REFORMATIO_IN_PEIUS"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "AMENDED", "amended_to": "BASICALLY_COMPETENT"}, "NOT_AMENDED"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "AMENDED"}, "AMENDMENT_MISSING"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "REVOKED"}, "AMENDMENT_MISSING"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "AMENDED", "amended_to": "GOOD"}, "AMENDMENT_UNKNOWN"),
    ("annual", "BASICALLY_COMPETENT", {"decision": "UPHELD", "amended_to": "COMPETENT"}, "AMENDMENT_UNKNOWN"),
    ("recall", "ADJUSTED", {"decision": "REVOKED"}, None),
    ("recall", "ADJUSTED", {"decision": "AMENDED", "amended_to": "DEMOTED"}, "NO_REFORMATIO_IN_PEIUS"),
    ("recall", None, {"decision": "AMENDED", "amended_to": "RESTORED"}, "AMENDMENT_UNKNOWN"),
    ("sanction.gov", "REMOVAL", {"decision": "AMENDED", "amended_to": "SERIOUS_DEMERIT"}, None),
    ("sanction.gov", "DEMERIT", {"decision": "AMENDED", "amended_to": "DISMISSAL"}, "NO_REFORMATIO_IN_PEIUS"),
    ("finding", "3", {"decision": "AMENDED", "amended_to": "2"}, None),
    ("sanction.admonition", "ADMONITION", {"decision": "REVOKED"}, None),
    ("sanction.admonition", "ADMONITION", {"decision": "AMENDED", "amended_to": "ADMONITION"}, "AMENDMENT_UNKNOWN"),
]


@pytest.mark.parametrize(("scale", "original", "form", "code"), DECISIONS)
def test_a_decision_upholds_lightens_or_revokes(
    scale: str, original: str | None, form: dict[str, Any], code: str | None
) -> None:
    case = a_case(scale=scale, original=original, amended_to=None)
    if code is None:
        appeal.decide(a_step(case, date(2025, 5, 6), **form))
        assert (case.decision, case.amended_to) == (form["decision"], form.get("amended_to"))
    else:
        assert refused(lambda: appeal.decide(a_step(case, date(2025, 5, 6), **form))).code == code


def test_what_is_upheld_needs_no_execution() -> None:
    upheld = a_step(a_case(decision="UPHELD"), SERVED)
    assert refused(lambda: appeal.must_be_executed(upheld)).code == "NOTHING_TO_EXECUTE"
    assert appeal.if_something_changes(upheld) is None
    assert appeal.if_something_changes(a_step(a_case(decision="REVOKED"), SERVED)) is not None


def test_every_scale_that_is_appealable_is_known_to_the_scales_or_has_one_result() -> None:
    rules = rulebook().on(SERVED)
    assert set(rules["appeal.matters"]) - set(rules["appeal.burdens"]) == {"sanction.admonition"}
    assert set(rules["appeal.bodies"]) == {kind.value for kind in appeal.Type}

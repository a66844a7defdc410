"""The rules of tolerance, each with what it lets pass and what it refuses."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybus.cases import Past
from citybus.clock import ZONE
from citybus.errors import Refusal
from incentive.domain import application, decision, effects, verification
from incentive.domain.gate import Bar, Standing
from incentive.domain.points import points
from incentive.domain.tolerance import scope
from incentive.domain.verification import FACTORS, Decision
from tests.support.incentive import (
    BUREAU,
    DIRECT,
    LEAD,
    MONDAY,
    SCORES,
    VERIFIERS,
    a_case,
    a_decision,
    a_panel,
    about,
    an_application,
    cadre,
    facts,
    head,
    officer,
    step,
)


def refused(rule: Callable[[Any], Any], attempt: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value


# ---- asking


def test_an_application_takes_over_the_form_and_what_the_finding_says() -> None:
    case = a_case()
    form = an_application(finding="f9", late_cause="住院", evidence=["0" * 64])
    application.ask(step(case, form=form, looked_up=facts(finding_id="f9", evidence=frozenset({"0" * 64}))))
    assert (case.finding_id, case.unit, case.applicant_kind, case.applicant_id) == ("f9", BUREAU, "CADRE", LEAD)
    assert (case.persons, case.circumstance, case.late_cause, case.evidence) == ([LEAD], 2, "住院", ["0" * 64])
    assert (case.advice, case.decision, case.verifiers, case.refiled) == (None, None, [], False)


@pytest.mark.parametrize(
    ("form", "looked_up", "code", "status"),
    [
        ({}, facts(finding=None), "STAGE_TOO_EARLY", 422),
        ({}, facts(finding=about(responsible=frozenset({DIRECT}))), "NOT_CONCERNED", 422),
        ({"circumstance": 10}, facts(), "UNKNOWN_CIRCUMSTANCE", 422),
        ({"evidence": ["1" * 64]}, facts(), "UNKNOWN_EVIDENCE", 422),
        ({}, facts(others=frozenset({("CADRE", LEAD)})), "DUPLICATE", 409),
        ({"applicant": "UNIT"}, facts(), "FORBIDDEN", 403),
    ],
)
def test_a_wrong_application_is_refused(form: Any, looked_up: Any, code: str, status: int) -> None:
    attempt = step(a_case(), form=an_application(finding="f1") | form, looked_up=looked_up)
    refusal = refused(application.ask, attempt)
    assert (refusal.code, refusal.status) == (code, status)


def on(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), ZONE)


@pytest.mark.parametrize(
    ("finding", "day", "cause", "remedy"),
    [
        # The window of ten working days runs from the service.
        (about(), date(2024, 3, 18), None, None),
        (about(), date(2024, 3, 19), None, "LATE_CAUSE"),
        (about(), date(2024, 3, 19), "住院", None),
        (about(), date(2025, 3, 19), "住院", None),
        # Who was not served is in time.
        (about(served_on=None), date(2024, 12, 31), None, None),
        # After verification the cause must come within thirty days; the last rolls to a working day.
        (about(state="VERIFIED", verified_on=date(2024, 3, 12)), date(2024, 3, 18), None, None),
        (about(state="VERIFIED", verified_on=date(2024, 3, 12)), date(2024, 3, 19), None, "LATE_CAUSE"),
        (about(state="VERIFIED", verified_on=date(2024, 3, 12)), date(2024, 4, 11), "住院", None),
        (about(state="VERIFIED", verified_on=date(2024, 3, 12)), date(2024, 4, 12), "住院", "APPEAL"),
        (about(state="VERIFIED", verified_on=date(2024, 3, 5)), date(2024, 4, 7), "住院", None),
        (about(state="VERIFIED", served_on=None, verified_on=date(2024, 3, 4)), date(2024, 3, 19), None, "LATE_CAUSE"),
        (about(state="REJECTED"), date(2024, 3, 5), None, "none"),
        (about(state="REVOKED"), date(2024, 3, 5), None, "none"),
    ],
)
def test_when_tolerance_may_be_asked_for(finding: Any, day: date, cause: str | None, remedy: str | None) -> None:
    attempt = step(a_case(late_cause=cause), looked_up=facts(finding=finding), at=on(day))
    if remedy is None:
        application.in_stage(attempt)
    else:
        refusal = refused(application.in_stage, attempt)
        assert (refusal.code, refusal.figures.get("remedy", "none")) == ("STAGE_TOO_LATE", remedy)


@pytest.mark.parametrize(("day", "late"), [(date(2024, 3, 18), False), (date(2024, 3, 19), True)])
def test_a_filed_application_says_at_which_stage_it_came_and_whether_late(day: date, late: bool) -> None:
    case = a_case(account_stage=None)
    application.file(step(case, looked_up=facts(finding=about(state="PLEA_RECEIVED")), at=on(day)))
    assert (case.filed_on, case.account_stage, case.late) == (day, "PLEA_RECEIVED", late)


@pytest.mark.parametrize(
    ("changes", "day", "code"),
    [
        ({"refusal_served_on": MONDAY.date()}, date(2024, 3, 18), None),
        ({"refusal_served_on": MONDAY.date()}, date(2024, 3, 19), "STAGE_TOO_LATE"),
        # Nobody is late who was not served.
        ({}, date(2024, 5, 6), None),
        ({"refiled": True}, date(2024, 3, 5), "REFILED_ALREADY"),
    ],
)
def test_when_it_may_be_filed_again(changes: Any, day: date, code: str | None) -> None:
    attempt = step(a_case(not_accepted_on=MONDAY.date(), **changes), at=on(day))
    if code is None:
        application.may_ask_again(attempt)
    else:
        assert refused(application.may_ask_again, attempt).code == code


@pytest.mark.parametrize(
    ("case", "actor", "is_it"),
    [
        (a_case(), cadre(LEAD), True),
        (a_case(), cadre(DIRECT), False),
        (a_case(), officer("o", person=LEAD), False),
        (a_case(applicant_kind="UNIT", applicant_id=BUREAU), head(), True),
        (a_case(applicant_kind="UNIT", applicant_id=BUREAU), cadre(LEAD), False),
        (a_case(applicant_kind="ORGAN", applicant_id="420200-ORG"), officer("o"), True),
        (a_case(applicant_kind="ORGAN", applicant_id="420200-ORG"), officer("o", unit="420200-DISC"), False),
        (a_case(applicant_kind="ORGAN", applicant_id="420200-ORG"), cadre(LEAD, "420200-ORG"), False),
    ],
)
def test_who_acts_for_the_applicant(case: Any, actor: Any, is_it: bool) -> None:
    assert application.asked_by(case, actor) is is_it


def test_those_concerned_do_not_learn_of_what_an_organ_only_prepares() -> None:
    assert not scope(a_case(state="DRAFT", applicant_kind="ORGAN")).disclosed
    assert scope(a_case(state="FILED", applicant_kind="ORGAN")).disclosed
    assert scope(a_case(state="DRAFT")).disclosed


# ---- verification


@pytest.mark.parametrize(
    ("scores", "exclusions", "advice"),
    [
        ((2, 2, 2, 2, 2, 2), (), "EXEMPT"),
        ((2, 2, 2, 2, 1, 1), (), "EXEMPT"),
        ((2, 2, 2, 2, 2, 0), (), "MITIGATE"),
        ((2, 2, 2, 1, 1, 1), (), "MITIGATE"),
        ((1, 1, 1, 1, 1, 1), (), "MITIGATE"),
        ((2, 2, 2, 0, 0, 0), (), "MITIGATE"),
        ((1, 1, 1, 1, 1, 0), (), "DENY"),
        ((0, 0, 0, 0, 0, 0), (), "DENY"),
        ((2, 2, 2, 2, 2, 2), ("REPEATED",), "DENY"),
    ],
)
def test_what_the_scores_advise(scores: Any, exclusions: Any, advice: str) -> None:
    case = a_case(advice=None)
    form = {"factors": dict(zip(FACTORS, scores, strict=True)), "exclusions": list(exclusions)}
    verification.verify(step(case, form=form, action="verify"))
    assert (case.advice, case.advice_grounds["total"], case.exclusions) == (advice, sum(scores), list(exclusions))
    zh, en = verification.explain(case.advice_grounds, case.advice)
    assert verification.DECISIONS[Decision(advice)][0] in zh
    assert f"advice {verification.DECISIONS[Decision(advice)][1]}" in en


@given(st.lists(st.integers(0, 2), min_size=6, max_size=6), st.integers(0, 5))
def test_a_higher_score_never_advises_worse(scores: list[int], raised: int) -> None:
    order = [Decision.DENY, Decision.MITIGATE, Decision.EXEMPT]
    better = [min(score + 1, 2) if place == raised else score for place, score in enumerate(scores)]
    before, after = (verification.advise(each, (), 10, 6) for each in (scores, better))
    assert order.index(after) >= order.index(before)


@pytest.mark.parametrize("codes", [["NO_SUCH"], ["REPEATED", "NO_SUCH"]])
def test_an_exclusion_is_one_of_the_catalogue(codes: list[str]) -> None:
    refusal = refused(verification.known_exclusions, step(a_case(), form={"exclusions": codes}))
    assert (refusal.code, refusal.figures["exclusions"]) == ("UNKNOWN_EXCLUSION", ["NO_SUCH"])
    verification.known_exclusions(step(a_case(), form={"exclusions": ["REPEATED"]}))
    verification.known_exclusions(step(a_case()))


@pytest.mark.parametrize(
    ("history", "role", "code"),
    [
        ([], "verify", None),
        ([Past("accept", VERIFIERS[0]["subject"], MONDAY)], "verify", "AVOIDANCE"),
        ([Past("verify", VERIFIERS[0]["subject"], MONDAY)], "verify", None),
        ([Past("verify", VERIFIERS[0]["subject"], MONDAY)], "decide", "AVOIDANCE"),
    ],
)
def test_who_handled_an_earlier_step_keeps_away(history: Any, role: str, code: str | None) -> None:
    attempt = step(a_case(), history=history)
    if code is None:
        verification.check_people(attempt, VERIFIERS, role)
    else:
        refusal = refused(lambda each: verification.check_people(each, VERIFIERS, role), attempt)
        assert (refusal.code, refusal.figures["avoid"]) == (code, [VERIFIERS[0]["subject"]])


def test_the_time_to_verify_counts_working_days_and_the_extension_runs_from_its_end() -> None:
    case = a_case(verify_by=None, extended_until=None)
    verification.assign(step(case, form={"verifiers": VERIFIERS}, action="assign"))
    assert case.verify_by == date(2024, 4, 1)
    attempt = step(case, action="extend")
    verification.extend(attempt)
    assert (case.verify_by, case.extended_until) == (date(2024, 4, 1), date(2024, 4, 16))
    assert decision.verification_end(attempt) == datetime(2024, 4, 1, tzinfo=ZONE)


# ---- decision


@pytest.mark.parametrize(
    ("votes", "code"),
    [
        ({"MITIGATE": 5}, None),
        ({"MITIGATE": 4, "DENY": 1}, None),
        ({"MITIGATE": 4, "DENY": 2}, None),
        ({"MITIGATE": 5, "EXEMPT": 2}, None),
        ({"MITIGATE": 4, "EXEMPT": 3}, "PANEL_MAJORITY"),
        ({"MITIGATE": 3, "DENY": 2}, "PANEL_MAJORITY"),
        ({"DENY": 5}, "PANEL_MAJORITY"),
        ({"MITIGATE": 4}, "PANEL_QUORUM"),
    ],
)
def test_a_panel_has_five_members_and_two_thirds_of_them_agree(votes: dict[str, int], code: str | None) -> None:
    attempt = step(a_case(), form=a_decision(panel=a_panel(votes)), actor=officer("d"))
    if code is None:
        decision.panel_is_right(attempt)
    else:
        assert refused(decision.panel_is_right, attempt).code == code


@pytest.mark.parametrize(
    ("chosen", "exclusions", "roles", "deviation", "code"),
    [
        ("MITIGATE", [], ("DISC",), None, None),
        ("EXEMPT", [], ("DISC",), None, "DEVIATION_UNEXPLAINED"),
        ("EXEMPT", [], ("DISC",), "理由", None),
        ("DENY", [], ("COMM",), None, "DEVIATION_UNEXPLAINED"),
        ("DENY", ["REPEATED"], ("DISC",), None, None),
        ("MITIGATE", ["REPEATED"], ("DISC",), "理由", "EXCLUDED_REPEATED"),
        ("MITIGATE", ["REPEATED"], ("COMM",), None, "DEVIATION_UNEXPLAINED"),
        ("MITIGATE", ["REPEATED"], ("COMM",), "理由", None),
        # A pack may drop a code that a case was found to have.
        ("MITIGATE", ["OF_AN_OLDER_PACK"], ("DISC",), "理由", "EXCLUDED_OF_AN_OLDER_PACK"),
    ],
)
def test_what_exclusion_and_advice_demand(
    chosen: str, exclusions: Any, roles: Any, deviation: str | None, code: str | None
) -> None:
    case = a_case(exclusions=exclusions, advice="DENY" if exclusions else "MITIGATE")
    attempt = step(case, form=a_decision(chosen, deviation=deviation), actor=officer("d", *roles))
    if code is None:
        decision.panel_is_right(attempt)
    else:
        assert refused(decision.panel_is_right, attempt).code == code


def test_what_may_be_done_is_told_without_a_form() -> None:
    decision.panel_is_right(step(a_case(), actor=officer("d")))


@pytest.mark.parametrize(("chosen", "factor"), [("EXEMPT", "0.0"), ("MITIGATE", "0.5"), ("DENY", "1.0")])
def test_the_factor_follows_from_the_decision(chosen: str, factor: str) -> None:
    case = a_case()
    decision.decide(step(case, form=a_decision(chosen, deviation="理由")))
    assert (case.decision, points(case.factor), case.decided_on) == (chosen, factor, MONDAY.date())
    assert decision.eases(case) is (chosen != "DENY")
    assert (decision.effect_from(step(case)) is None) is (chosen == "DENY")


def test_the_review_window_runs_from_the_service() -> None:
    case = a_case()
    assert decision.service(step(case)) is None
    attempt = step(case, form={"served_on": date(2024, 3, 5)}, at=MONDAY + timedelta(days=3))
    decision.serve(attempt)
    assert (case.served_on, case.review_until) == (date(2024, 3, 5), date(2024, 3, 19))
    assert decision.service(attempt) == datetime(2024, 3, 5, tzinfo=ZONE)


# ---- effects


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        ("NOTIFIED", ["FINDING_WEIGHT"]),
        ("PLEA_RECEIVED", ["FINDING_WEIGHT"]),
        ("VERIFIED", ["FINDING_WEIGHT", "DEDUCTION:a", "DEDUCTION:b"]),
        ("RECTIFIED", ["FINDING_WEIGHT", "DEDUCTION:a", "DEDUCTION:b"]),
    ],
)
def test_what_must_follow_depends_on_whether_the_finding_counts(state: str, steps: list[str]) -> None:
    granted = effects.Granted("f", "MITIGATE", Decimal("0.5"))
    found = effects.expected(state, ["b", "a"], Decimal("2.0"), granted)
    assert [each.step for each in found] == steps
    assert {each.at_most for each in found} == {Decimal("1.00")}


def test_the_scores_of_the_tests_advise_to_mitigate() -> None:
    assert verification.advise(SCORES.values(), (), 10, 6) is Decision.MITIGATE


def link(kind: str, state: str, *findings: str, **more: Any) -> effects.Link:
    return effects.Link(f"{kind.lower()}/1", kind, state, findings or ("f",), **more)


@pytest.mark.parametrize(
    ("decision", "tolerated", "about", "steps"),
    [
        ("MITIGATE", (), link("BULLETIN", "PUBLISHED", named=True), ["BULLETIN:1"]),
        ("MITIGATE", (), link("BULLETIN", "PUBLISHED"), []),
        ("EXEMPT", (), link("BULLETIN", "PUBLISHED"), ["BULLETIN:1"]),
        ("EXEMPT", (), link("BULLETIN", "PUBLISHED", "f", "g"), ["BULLETIN:1"]),
        ("EXEMPT", (), link("BULLETIN", "APPROVED", named=True), []),
        ("EXEMPT", (), link("BULLETIN", "EXPIRED", named=True), []),
        ("MITIGATE", (), link("RECALL", "APPROVED", cadre="c"), ["RECALL:1", "GATE:c"]),
        ("MITIGATE", (), link("RECALL", "RESTORED", cadre="c"), []),
        ("MITIGATE", (), link("RECALL", "OBSERVING", "f", "g", cadre="c"), []),
        ("MITIGATE", ("g",), link("RECALL", "OBSERVING", "f", "g", cadre="c"), ["RECALL:1", "GATE:c"]),
        ("MITIGATE", (), link("ADJUSTMENT", "PROPOSED", cadre="c"), ["ADJUSTMENT:1"]),
        ("MITIGATE", (), link("ADJUSTMENT", "EXECUTED", "f", "g", cadre="c"), []),
        ("EXEMPT", (), link("ADJUSTMENT", "DISMISSED", cadre="c"), []),
        ("EXEMPT", (), link("CONSTRAINT", "ACTIVE", cadre="c"), ["CONSTRAINT:1"]),
        ("EXEMPT", (), link("CONSTRAINT", "ACTIVE", "f", "g", cadre="c"), []),
        ("EXEMPT", (), link("CONSTRAINT", "LIFTED", cadre="c"), []),
        ("MITIGATE", (), link("CONSTRAINT", "ACTIVE", cadre="c"), []),
    ],
)
def test_what_rests_on_the_finding_alone_has_to_go(
    decision: str, tolerated: tuple[str, ...], about: effects.Link, steps: list[str]
) -> None:
    granted = effects.Granted("f", decision, Decimal(0), exempted=tolerated, tolerated=tolerated)
    found = effects.expected("NOTIFIED", [], Decimal("2.0"), granted, [about])
    assert [each.step for each in found] == ["FINDING_WEIGHT", *steps]


def test_a_constraint_that_rests_on_a_recall_goes_with_it() -> None:
    recall = link("RECALL", "APPROVED", cadre="c")
    bound = link("CONSTRAINT", "ACTIVE", cadre="c", source=recall.subject)
    granted = effects.Granted("f", "MITIGATE", Decimal("0.5"))
    found = effects.expected("NOTIFIED", [], Decimal("2.0"), granted, [bound, recall])
    assert [each.step for each in found] == ["FINDING_WEIGHT", "RECALL:1", "CONSTRAINT:1", "GATE:c"]


@pytest.mark.parametrize(
    ("bar", "recalls", "shut"),
    [
        (Bar("RECALL_OPEN", date(2024, 3, 1), None), [], True),
        (Bar("RECALL_OPEN", date(2024, 3, 1), date(2024, 3, 4)), [], False),
        (Bar("CASE_PENDING", date(2024, 3, 1), None), [], False),
        # Another recall of theirs is open: the bar may be that one's.
        (Bar("RECALL_OPEN", date(2024, 3, 1), None), [link("RECALL", "APPROVED", cadre="c")], False),
    ],
)
def test_a_recall_that_is_cancelled_no_longer_shuts_the_gate(bar: Bar, recalls: Any, shut: bool) -> None:
    known = Standing({"PROMOTE": [bar]}, {})
    assert effects.recall_shuts_gate(known, recalls, date(2024, 3, 4)) is shut

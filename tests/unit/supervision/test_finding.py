"""The rules of findings, each with what it lets pass and what it refuses."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from citybus.clock import ZONE
from citybus.errors import Refusal
from supervision.domain import finding as rules
from supervision.domain.finding import Inspected
from supervision.domain.points import points
from tests.support.supervision import (
    BUREAU,
    DIRECT,
    DISTRICT,
    LEAD,
    MONDAY,
    a_draft,
    a_finding,
    cadre,
    finding_facts,
    responsible,
    rulebook,
    step,
)

INSPECTION = "01935780-0000-7000-8000-00000000aaaa"


def refused(rule: Callable[[Any], Any], attempt: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value


def test_a_draft_takes_over_the_form_and_weighs_by_severity() -> None:
    case = a_finding()
    attempt = step(case, form=a_draft(), facts=finding_facts())
    rules.record(attempt)
    assert (case.source, case.unit, case.severity) == ("AUDIT", BUREAU, 3)
    assert case.responsible == [responsible(LEAD)]
    assert (case.base_weight, case.effective_weight) == (Decimal("2.0"), Decimal("2.0"))
    assert case.weight_pack == "LOCAL-HS-2016@1"
    assert "LOCAL-HS-2016@1" in attempt.cited


def test_a_finding_of_an_inspection_has_it_as_its_source() -> None:
    case = a_finding()
    facts = finding_facts(inspection=Inspected("IN_PROGRESS", frozenset({BUREAU})))
    rules.record(step(case, form=a_draft(source=None, inspection=INSPECTION), facts=facts))
    assert (case.source, case.inspection_id) == ("INSPECTION", INSPECTION)


@pytest.mark.parametrize(
    ("form", "facts", "code", "status"),
    [
        ({"inspection": INSPECTION}, {}, "UNKNOWN_INSPECTION", 422),
        (
            {"inspection": INSPECTION},
            {"inspection": Inspected("APPROVED", frozenset({BUREAU}))},
            "INSPECTION_NOT_RUNNING",
            422,
        ),
        (
            {"inspection": INSPECTION},
            {"inspection": Inspected("CLOSED", frozenset({BUREAU}))},
            "INSPECTION_NOT_RUNNING",
            422,
        ),
        (
            {"inspection": INSPECTION},
            {"inspection": Inspected("REPORTED", frozenset({DISTRICT}))},
            "UNIT_NOT_INSPECTED",
            422,
        ),
        ({"type": "NO_SUCH"}, {}, "UNKNOWN_FINDING_TYPE", 422),
        ({"reason_codes": ["WEAK_EXECUTION", "NO_SUCH"]}, {}, "UNKNOWN_REASON_CODE", 422),
        ({"type": "FALSE_REPORT", "severity": 2}, {}, "SEVERITY_TOO_LOW", 422),
        ({"occurred_on": date(2024, 3, 5)}, {}, "DATE_IN_FUTURE", 422),
        ({}, {"unit_known": False}, "UNKNOWN_UNIT", 422),
        ({"responsible": [{"cadre": "nobody", "role": "LEAD"}]}, {}, "UNKNOWN_CADRE", 422),
        ({"evidence": ["1" * 64]}, {}, "UNKNOWN_EVIDENCE", 422),
        ({}, {"weight": None}, "NO_RULE_AT_CONDUCT", 422),
        ({"facts": "本件为机密"}, {}, "SECRECY_LEVEL", 451),
    ],
)
def test_a_wrong_draft_is_refused(form: Any, facts: Any, code: str, status: int) -> None:
    refusal = refused(rules.record, step(a_finding(), form=a_draft() | form, facts=finding_facts(**facts)))
    assert (refusal.code, refusal.status) == (code, status)


@pytest.mark.parametrize("text", ["涉及工作秘密,另附。", "商业秘密条款", "保密意识不强"])
def test_words_that_are_no_marks_of_state_secrets_pass(text: str) -> None:
    rules.record(step(a_finding(), form=a_draft(facts=text), facts=finding_facts()))


@pytest.mark.parametrize(("severity", "weight"), [(1, "0.5"), (2, "1.0"), (3, "2.0"), (4, "4.0"), (5, "8.0")])
def test_points_follow_the_severity(severity: int, weight: str) -> None:
    rule = rulebook().substance(rules.weight_key(severity), conduct=date(2024, 1, 1), decision=date(2024, 3, 4))
    case = a_finding()
    rules.record(step(case, form=a_draft(severity=severity), facts=finding_facts(weight=rule)))
    assert points(case.base_weight) == weight


def test_no_rule_is_found_for_conduct_before_there_was_one() -> None:
    assert rulebook().substance(rules.weight_key(3), conduct=date(2015, 12, 31), decision=date(2024, 3, 4)) is None


@pytest.mark.parametrize(
    "over",
    [
        {"type": "DISCIPLINE_VIOLATION"},
        {"type": "DUTY_CRIME"},
        {"reason_codes": ["TAKING_GIFTS"]},
        {"reason_codes": ["WEAK_EXECUTION", "EMBEZZLEMENT_BRIBERY"]},
    ],
)
def test_a_matter_of_discipline_is_refused_with_a_duty(over: Any) -> None:
    refusal = refused(rules.below_discipline_threshold, step(a_finding(**over)))
    assert (refusal.code, refusal.committed) == ("DISCIPLINE_THRESHOLD", True)


def test_other_matters_are_below_the_discipline_threshold() -> None:
    rules.below_discipline_threshold(step(a_finding()))


def test_the_plea_window_runs_from_the_last_service() -> None:
    case = a_finding(
        served_on=None, plea_until=None, responsible=[responsible(LEAD), responsible(DIRECT, role="DIRECT")]
    )
    first = step(case, form={"cadre": LEAD, "served_on": date(2024, 3, 4)})
    rules.serve(first)
    assert (case.served_on, case.plea_until, rules.last_service(first)) == (None, None, None)
    second = step(case, form={"cadre": DIRECT, "served_on": date(2024, 3, 7)})
    rules.serve(second)
    assert (case.served_on, case.plea_until) == (date(2024, 3, 7), date(2024, 3, 14))
    assert rules.last_service(second) == datetime(2024, 3, 7, tzinfo=ZONE)


def test_the_plea_window_counts_working_days_only() -> None:
    case = a_finding(responsible=[responsible(LEAD)])
    # Tomb-sweeping day: 4 to 6 April 2024 are holidays, 7 April is a make-up workday.
    rules.serve(step(case, form={"cadre": LEAD, "served_on": date(2024, 4, 2)}))
    assert case.plea_until == date(2024, 4, 10)


OPEN = datetime(2024, 3, 11, 23, 59, tzinfo=ZONE)
OVER = datetime(2024, 3, 12, 0, 0, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("case", "at", "is_open"),
    [
        (a_finding(), OPEN, True),
        (a_finding(), OVER, False),
        (a_finding(served_on=None, plea_until=None), OVER + timedelta(days=99), True),
        (a_finding(responsible=[responsible(LEAD, pleaded_on="2024-03-05")]), OPEN, False),
        (
            a_finding(responsible=[responsible(LEAD, pleaded_on="2024-03-05"), responsible(DIRECT)]),
            OPEN,
            True,
        ),
    ],
    ids=["last day", "day after", "never served", "all have answered", "one has answered"],
)
def test_nothing_is_verified_while_somebody_may_still_answer(case: Any, at: datetime, is_open: bool) -> None:
    attempt = step(case, at=at)
    if is_open:
        assert refused(rules.plea_window_over, attempt).code == "PLEA_WINDOW_OPEN"
    else:
        rules.plea_window_over(attempt)


def test_an_answer_after_the_window_is_out_of_time() -> None:
    rules.plea_in_time(step(a_finding(), at=OPEN))
    rules.plea_in_time(step(a_finding(plea_until=None), at=OVER))
    assert refused(rules.plea_in_time, step(a_finding(), at=OVER)).code == "OUT_OF_TIME"


def test_an_answer_is_noted_for_the_one_who_gave_it() -> None:
    case = a_finding(responsible=[responsible(LEAD), responsible(DIRECT)])
    rules.plea(step(case, form={"text": "情况说明"}, actor=cadre(DIRECT)))
    assert [entry["pleaded_on"] for entry in case.responsible] == [None, "2024-03-04"]


def test_an_answer_must_not_bear_a_mark_of_secrets() -> None:
    refusal = refused(rules.plea, step(a_finding(), form={"text": "【绝密】"}, actor=cadre(LEAD)))
    assert (refusal.code, refusal.status) == ("SECRECY_LEVEL", 451)


def test_nothing_is_verified_without_evidence() -> None:
    rules.has_evidence(step(a_finding()))
    assert refused(rules.has_evidence, step(a_finding(evidence=[]))).code == "NO_EVIDENCE"


@pytest.mark.parametrize(
    ("severity", "signed", "code"),
    [(3, None, None), (4, None, "SIGN_MISSING"), (5, None, "SIGN_MISSING"), (4, "org-1", None)],
)
def test_severe_findings_want_a_signature(severity: int, signed: str | None, code: str | None) -> None:
    attempt = step(a_finding(severity=severity, signed_by=signed))
    if code is None:
        rules.is_signed(attempt)
    else:
        assert refused(rules.is_signed, attempt).code == code


@pytest.mark.parametrize(
    ("severity", "signed", "code"), [(3, None, "SIGN_NOT_NEEDED"), (4, "org-1", "DUPLICATE"), (4, None, None)]
)
def test_a_signature_is_given_once_and_where_it_is_wanted(severity: int, signed: str | None, code: str | None) -> None:
    case = a_finding(severity=severity, signed_by=signed)
    attempt = step(case)
    if code is None:
        rules.signature_wanted(attempt)
        rules.sign(attempt)
        assert case.signed_by == attempt.actor.subject
    else:
        assert refused(rules.signature_wanted, attempt).code == code


def test_a_verified_finding_counts_in_the_year_of_its_verification() -> None:
    case = a_finding(occurred_on=date(2023, 12, 1))
    rules.verify(step(case, facts=finding_facts()))
    assert (case.verified_on, case.year) == (MONDAY.date(), 2024)


@pytest.mark.parametrize(
    ("had", "factor", "lighter"),
    [(None, "0.5", True), (None, "0", True), ("0.5", "0.5", False), ("0.5", "0", True), ("0", "0.5", False)],
)
def test_tolerance_only_ever_eases(had: str | None, factor: str, lighter: bool) -> None:
    case = a_finding(tolerance_factor=had and Decimal(had))
    assert rules.is_lighter(case, Decimal(factor)) is lighter


@pytest.mark.parametrize(("factor", "weight"), [("0.5", "1.0"), ("0", "0.0"), ("1", "2.0"), ("0.25", "0.5")])
def test_tolerance_changes_the_effective_weight_alone(factor: str, weight: str) -> None:
    case = a_finding(state="VERIFIED")
    rules.apply_tolerance(step(case, form={"case": "t1", "factor": Decimal(factor)}))
    assert (points(case.base_weight), points(case.effective_weight), case.state) == ("2.0", weight, "VERIFIED")


def test_a_finding_eased_before_it_is_verified_stays_eased() -> None:
    case = a_finding(tolerance_factor=Decimal("0.5"))
    rules.verify(step(case, facts=finding_facts()))
    assert points(case.effective_weight) == "1.0"


def test_those_concerned_learn_of_a_finding_when_it_is_notified() -> None:
    assert not rules.scope(a_finding(state="DRAFT")).disclosed
    for state in ("NOTIFIED", "PLEA_RECEIVED", "VERIFIED", "REJECTED"):
        assert rules.scope(a_finding(state=state)).disclosed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2", "2.0"),
        ("2.0000", "2.0"),
        ("0.25", "0.25"),
        ("0", "0.0"),
        ("0E-4", "0.0"),
        ("20", "20.0"),
        ("1E+1", "10.0"),
    ],
)
def test_points_are_exact_text(value: str, text: str) -> None:
    assert points(Decimal(value)) == text

"""How a grade comes about, by cases: composite, bands, limits, quota, ballots, and what a correction may do by itself."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.domain.annual import correction
from assessment.domain.grading import GRADES, Limit, LimitKind, assess, band, limited, rank, refuse_above_limits
from assessment.domain.quota import category_of, most, pool_unit
from assessment.domain.recorded import (
    VoterClass,
    check_interviewers,
    check_routine,
    count_ballots,
    shown_classes,
)
from citybus.errors import Refusal
from tests.support.assessment import MONDAY, rulebook

RULES = rulebook().on(MONDAY.date())
WEIGHTS, BANDS = RULES["annual.weights.cadre"], RULES["annual.bands.cadre"]


def cap(grade: str) -> Limit:
    return Limit(LimitKind.CAP, grade, "RECALL", "recall/1")


NO_GRADE = Limit(LimitKind.NO_GRADE, None, "SANCTION", "sanction/1")
OPEN_CASE = Limit(LimitKind.FLOOR_NONE, None, "CASE_PENDING", "case-hold/1")
FORCED = Limit(LimitKind.FORCED, "INCOMPETENT", "SANCTION", "sanction/2")


@pytest.mark.parametrize(
    ("scores", "deduction", "limits", "composite", "by_points", "grade"),
    [
        ({"ACHIEVEMENT": 95, "BALLOT": 90, "ROUTINE": 90, "LEADER": 90}, "0", [], "92", "EXCELLENT", "EXCELLENT"),
        ({"ACHIEVEMENT": 90, "BALLOT": 90, "ROUTINE": 90, "LEADER": 90}, "0", [], "90", "EXCELLENT", "EXCELLENT"),
        ({"ACHIEVEMENT": 90, "BALLOT": 90, "ROUTINE": 90, "LEADER": 90}, "0.01", [], "89.99", "COMPETENT", "COMPETENT"),
        ({"ACHIEVEMENT": 70, "BALLOT": 70, "ROUTINE": 70, "LEADER": 70}, "10", [], "60", "BASICALLY_COMPETENT", None),
        ({"ACHIEVEMENT": 10, "BALLOT": 10, "ROUTINE": 10, "LEADER": 10}, "20", [], "0", "INCOMPETENT", "INCOMPETENT"),
    ],
)
def test_points_give_a_grade(
    scores: Any, deduction: str, limits: Any, composite: str, by_points: str, grade: str | None
) -> None:
    found = assess("CADRE", WEIGHTS, scores, Decimal(deduction), BANDS, limits)
    assert (found.composite, found.band) == (Decimal(composite), by_points)
    assert found.grade == (grade or by_points)


@pytest.mark.parametrize(
    ("limits", "grade", "status"),
    [
        ([cap("COMPETENT"), cap("BASICALLY_COMPETENT")], "BASICALLY_COMPETENT", "GRADED"),
        ([cap("COMPETENT"), NO_GRADE], None, "NO_GRADE"),
        ([NO_GRADE, OPEN_CASE], None, "PENDING_MAKEUP"),
        ([OPEN_CASE, FORCED, NO_GRADE], "INCOMPETENT", "GRADED"),
        ([], "EXCELLENT", "GRADED"),
    ],
)
def test_the_heaviest_limit_decides(limits: list[Limit], grade: str | None, status: str) -> None:
    assert limited("CADRE", "EXCELLENT", limits) == (grade, status)
    assert limited("CADRE", "EXCELLENT", limits[::-1]) == (grade, status)


@given(st.sampled_from(GRADES["CADRE"]), st.sampled_from(GRADES["CADRE"]))
def test_a_cap_refuses_just_what_is_better(grade: str, best: str) -> None:
    if rank("CADRE", grade) <= rank("CADRE", best):
        refuse_above_limits("CADRE", grade, [cap(best)])
    else:
        with pytest.raises(Refusal, match="CAP_VIOLATION"):
            refuse_above_limits("CADRE", grade, [cap(best)])


@pytest.mark.parametrize(("points", "grade"), [("90", "EXCELLENT"), ("75", "GOOD"), ("60", "ORDINARY"), ("59", "POOR")])
def test_groups_have_grades_of_their_own(points: str, grade: str) -> None:
    assert band("GROUP", RULES["annual.bands.group"], Decimal(points)) == grade


@pytest.mark.parametrize(
    ("base", "ratio", "rounding", "limit"),
    [(89, 30, "HALF_UP", 27), (89, 30, "FLOOR", 26), (10, 25, "HALF_UP", 3), (10, 25, "FLOOR", 2), (0, 30, "FLOOR", 0)],
)
def test_the_share_is_rounded_as_the_rules_say(base: int, ratio: int, rounding: str, limit: int) -> None:
    assert most(base, Decimal(ratio), rounding) == limit


def test_who_falls_under_which_share() -> None:
    leading = RULES["quota.leading_categories"]
    assert category_of("GROUP", [], leading) == "GROUP"
    assert category_of("CADRE", ["CIVIL_SERVANT", "GROUP_MEMBER"], leading) == "CADRE"
    assert category_of("CADRE", ["CIVIL_SERVANT"], leading) == "CIVIL_SERVANT"
    assert (pool_unit("CADRE", True, "N-1"), pool_unit("GROUP", True, "N-1"), pool_unit("CADRE", False, "N-1")) == (
        "N-1",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("classes", "score", "valid", "flagged"),
    [
        ([("A", 10, {"EXCELLENT": 10}), ("B", 10, {"COMPETENT": 10})], "93.57", True, False),
        ([("A", 10, {"EXCELLENT": 10}), ("B", 5, {})], "100", True, False),
        ([("A", 10, {"EXCELLENT": 9}), ("C", 5, {})], "100", False, False),
        ([("A", 3, {"COMPETENT": 2, "INCOMPETENT": 1})], "70", True, True),
        ([("A", 3, {})], "0", False, False),
    ],
)
def test_classes_weigh_anew_where_one_did_not_vote(classes: Any, score: str, valid: bool, flagged: bool) -> None:
    found = count_ballots("CADRE", [VoterClass(*each) for each in classes], RULES)
    assert (found.score, found.valid, found.flagged) == (Decimal(score), valid, flagged)


def test_a_count_that_cannot_be_is_refused() -> None:
    for code, each in (
        ("UNKNOWN_CLASS", VoterClass("Z", 1, {})),
        ("UNKNOWN_GRADE", VoterClass("A", 1, {"GOOD": 1})),
        ("MORE_THAN_EXPECTED", VoterClass("A", 1, {"EXCELLENT": 2})),
    ):
        with pytest.raises(Refusal, match=code):
            count_ballots("CADRE", [each], RULES)


def test_few_ballots_of_a_class_are_not_shown() -> None:
    classes = [{"name": "A", "counts": {"EXCELLENT": 4}}, {"name": "B", "counts": {"EXCELLENT": 5}}]
    assert [each["counts"] for each in shown_classes(classes, 5)] == [None, {"EXCELLENT": 5}]


def test_recorded_facts_are_checked() -> None:
    assert check_routine("GOOD", ["TALK"], RULES) == 95
    for code, grade, basis in (
        ("UNKNOWN_GRADE", "BEST", ["TALK"]),
        ("BASIS_MISSING", "GOOD", []),
        ("UNKNOWN_BASIS", "GOOD", ["RUMOUR"]),
    ):
        with pytest.raises(Refusal, match=code):
            check_routine(grade, basis, RULES)
    check_interviewers(["a", "b"], "c", [], RULES)
    for code, who, colleagues in (
        ("TWO_INTERVIEWERS", ["a", "a"], []),
        ("AVOIDANCE", ["a", "c"], []),
        ("AVOIDANCE", ["a", "b"], ["b"]),
    ):
        with pytest.raises(Refusal, match=code):
            check_interviewers(who, "c", colleagues, RULES)


@pytest.mark.parametrize(
    ("engine", "decided", "now", "outcome"),
    [
        ("COMPETENT", "COMPETENT", "BASICALLY_COMPETENT", None),
        ("BASICALLY_COMPETENT", "BASICALLY_COMPETENT", "COMPETENT", "COMPETENT"),
        ("BASICALLY_COMPETENT", "BASICALLY_COMPETENT", "EXCELLENT", "COMPETENT"),
        ("EXCELLENT", "COMPETENT", "EXCELLENT", "COMPETENT"),
        ("EXCELLENT", "COMPETENT", "COMPETENT", "COMPETENT"),
        ("EXCELLENT", "BASICALLY_COMPETENT", "COMPETENT", "BASICALLY_COMPETENT"),
        ("EXCELLENT", "EXCELLENT", "COMPETENT", None),
    ],
)
def test_a_correction_is_never_heavier_and_never_excellent(
    engine: str, decided: str, now: str, outcome: str | None
) -> None:
    case: Any = SimpleNamespace(
        subject_kind="CADRE", engine_grade=engine, grade=decided, grade_status="GRADED", proposed_status="GRADED"
    )
    found = correction(case, now, "GRADED")
    assert (found and found[0]) == outcome


def test_a_year_without_a_grade_gets_one_when_its_ground_falls() -> None:
    case: Any = SimpleNamespace(
        subject_kind="CADRE", engine_grade=None, grade=None, grade_status="NO_GRADE", proposed_status="NO_GRADE"
    )
    assert correction(case, "COMPETENT", "GRADED") == ("COMPETENT", "GRADED")
    assert correction(case, "INCOMPETENT", "GRADED") is None

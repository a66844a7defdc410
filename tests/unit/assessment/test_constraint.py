"""What constraints on a grade come to: FORCED before an open case before no grade before the lowest cap (A14)."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.domain.constraint import REASONS, Combined, Kind, Wanted, combine, explain, in_force
from assessment.domain.grade import Grade, GradeStatus
from tests.support.assessment import MONDAY, rulebook

NAMES = iter(range(10_000))


def held(kind: str, grade: str | None = None, **changes: Any) -> Any:
    made = {"id": f"c{next(NAMES)}", "year": 2024, "kind": kind, "grade": grade, "reason_code": "SANCTION"}
    return SimpleNamespace(**made | {"source": "sanction/1", "findings": [], "rule_packs": ["P@1"]} | changes)


TABLE = [
    # what there is; the status, the forced grade, the cap; what an excellent year comes to
    ([], ("GRADED", None, None), "EXCELLENT"),
    ([("CAP", "COMPETENT")], ("GRADED", None, "COMPETENT"), "COMPETENT"),
    ([("CAP", "COMPETENT"), ("CAP", "COMPETENT")], ("GRADED", None, "COMPETENT"), "COMPETENT"),
    (
        [("CAP", "COMPETENT"), ("CAP", "BASICALLY_COMPETENT")],
        ("GRADED", None, "BASICALLY_COMPETENT"),
        "BASICALLY_COMPETENT",
    ),
    ([("CAP", "COMPETENT"), ("NO_GRADE", None)], ("NO_GRADE", None, "COMPETENT"), None),
    ([("NO_GRADE", None), ("FLOOR_NONE", None)], ("PENDING_MAKEUP", None, None), None),
    ([("NO_GRADE", None), ("FORCED", "INCOMPETENT")], ("GRADED", "INCOMPETENT", None), "INCOMPETENT"),
    ([("FORCED", "BASICALLY_COMPETENT"), ("FORCED", "INCOMPETENT")], ("GRADED", "INCOMPETENT", None), "INCOMPETENT"),
]


@pytest.mark.parametrize(("constraints", "outcome", "excellent"), TABLE)
def test_the_heaviest_kind_decides_and_the_lowest_cap_among_caps(
    constraints: list[tuple[str, str | None]], outcome: tuple[Any, ...], excellent: str | None
) -> None:
    found = combine(held(*each) for each in constraints)
    assert (found.status, found.forced, found.cap) == outcome
    assert found.applied(Grade.EXCELLENT) == excellent


def test_a_cap_does_not_raise_a_grade() -> None:
    found = combine([held("CAP", "COMPETENT")])
    assert found.applied(Grade.INCOMPETENT) == Grade.INCOMPETENT
    assert found.applied(None) is None


def test_two_sources_with_the_same_cap_hold_the_grade_down_once_and_both_are_told() -> None:
    found = combine([held("CAP", "COMPETENT", source="sanction/1"), held("CAP", "COMPETENT", source="sanction/2")])
    assert found.cap is Grade.COMPETENT
    assert [(part.source, part.decisive) for part in found.parts] == [("sanction/1", True), ("sanction/2", True)]


@given(
    st.permutations([("CAP", "COMPETENT"), ("CAP", "BASICALLY_COMPETENT"), ("NO_GRADE", None), ("FORCED", "COMPETENT")])
)
def test_the_order_makes_no_difference(order: list[tuple[str, str | None]]) -> None:
    constraints = [held(*each, id=f"id-{each}") for each in order]
    assert combine(constraints) == combine(sorted(constraints, key=lambda each: str(each.id)))


def test_what_rests_on_findings_falls_with_the_last_of_them() -> None:
    both = Wanted(2024, Kind.NO_GRADE, "SANCTION", findings=("f1", "f2"))
    otherwise = Wanted(2024, Kind.NO_GRADE, "SANCTION")
    assert in_force([both, otherwise], {"f1"}) == [both, otherwise]
    assert in_force([both, otherwise], {"f1", "f2", "f3"}) == [otherwise]


def test_a_grade_goes_with_caps_and_forced_grades_alone() -> None:
    with pytest.raises(ValueError, match="CAP"):
        Wanted(2024, Kind.CAP, "SANCTION")
    with pytest.raises(ValueError, match="NO_GRADE"):
        Wanted(2024, Kind.NO_GRADE, "SANCTION", Grade.COMPETENT)


@pytest.mark.parametrize(
    ("constraints", "zh", "en"),
    [
        ([], "无等次限制", "Nothing binds"),
        (
            [held("CAP", "COMPETENT", reason_code="RECALL")],
            "等次不高于称职：召回。",
            "no better than COMPETENT: recall.",
        ),
        ([held("NO_GRADE"), held("CAP", "COMPETENT", reason_code="RECALL")], "不定等次：处分。", "no grade: sanction."),
        ([held("FLOOR_NONE", reason_code="CASE_PENDING")], "结案后补定", "make-up grade"),
        ([held("FORCED", "INCOMPETENT")], "等次定为不称职", "the grade is INCOMPETENT"),
    ],
)
def test_the_explanation_names_what_decides(constraints: list[Any], zh: str, en: str) -> None:
    found = explain(combine(constraints), rulebook().on(MONDAY.date())[REASONS])
    assert zh in found[0]
    assert en in found[1]


def test_nothing_is_graded_freely() -> None:
    assert combine([]) == Combined(GradeStatus.GRADED, None, None, ())

"""What sanctions, measures, adjustments, recalls and open cases do to a grade: the table of national practice, year by year."""

from datetime import date
from typing import Any

import pytest

from assessment.domain.constraint import REASONS
from assessment.domain.grade import Grade
from assessment.domain.grade_effect import (
    UnknownKind,
    of_adjustment,
    of_case_hold,
    of_last_year,
    of_measure,
    of_recall,
    of_sanction,
)
from tests.support.assessment import rulebook

START = date(2024, 3, 4)
FINDING = "01935790-0000-7000-8000-00000000f001"


def brief(wanted: Any) -> list[tuple[int, str]]:
    return sorted((each.year, f"{each.kind} {each.grade or ''}".strip()) for each in wanted)


def sanction(regime: str, kind: str, **changes: Any) -> list[tuple[int, str]]:
    made = {"regime": regime, "kind": kind, "state": "IN_EFFECT", "decided_on": START, "effective_on": START}
    return brief(of_sanction(made | {"end_on": None, "months": None} | changes, rulebook().on))


NOT_EXCELLENT, NONE, LOWEST = "CAP COMPETENT", "NO_GRADE", "FORCED INCOMPETENT"
SANCTIONS = [
    ("PARTY", "WARNING", {"end_on": date(2025, 3, 4)}, [(2024, NOT_EXCELLENT)]),
    ("PARTY", "SERIOUS_WARNING", {"end_on": date(2025, 9, 4)}, [(2024, NONE)]),
    ("PARTY", "REMOVAL_FROM_PARTY_POST", {"end_on": date(2026, 3, 4)}, [(2024, LOWEST)]),
    ("PARTY", "PROBATION", {"months": 12}, [(2024, LOWEST), (2025, NONE)]),
    ("PARTY", "PROBATION", {"months": 24}, [(2024, LOWEST), (2025, NONE), (2026, NONE)]),
    ("PARTY", "EXPULSION", {"months": 60}, [(2024, LOWEST), (2025, NONE), (2026, NONE)]),
    ("GOV", "WARNING", {"end_on": date(2024, 9, 4)}, [(2024, NOT_EXCELLENT)]),
    ("GOV", "DEMERIT", {"end_on": date(2025, 3, 4)}, [(2024, NONE)]),
    ("GOV", "SERIOUS_DEMERIT", {"end_on": date(2025, 9, 4)}, [(2024, NONE)]),
    ("GOV", "DOWNGRADE", {"end_on": date(2026, 3, 4)}, [(2024, NONE), (2025, NONE)]),
    ("GOV", "REMOVAL", {"end_on": date(2028, 3, 4)}, [(year, NONE) for year in range(2024, 2028)]),
    # A period until 1 January has its last day in the year before, which is graded normally.
    ("GOV", "REMOVAL", {"effective_on": date(2024, 1, 1), "end_on": date(2026, 1, 1)}, [(2024, NONE)]),
    ("GOV", "SERIOUS_DEMERIT", {"end_on": date(2024, 12, 4)}, []),
    ("GOV", "DISMISSAL", {}, [(2024, NONE)]),
    ("ORG", "SUSPEND_CHECK", {"months": 6}, []),
    ("ORG", "TRANSFER", {"months": 12}, [(2024, NOT_EXCELLENT)]),
    ("ORG", "RANK_CHANGE", {"months": 12}, [(2024, NOT_EXCELLENT)]),
    ("ORG", "RESIGN_ORDERED", {"months": 24}, [(2024, NONE)]),
    ("ORG", "REMOVE", {"months": 24}, [(2024, NONE)]),
    ("ORG", "DEMOTE", {"months": 24}, [(2024, NONE)]),
    ("ADMONITION", "ADMONITION", {"months": 6}, [(2024, NOT_EXCELLENT)]),
    ("PARTY", "WARNING", {"state": "REVOKED"}, []),
    ("PARTY", "WARNING", {"state": "EXPIRED"}, [(2024, NOT_EXCELLENT)]),
    ("GOV", "DEMERIT", {"effective_on": date(2024, 1, 2), "decided_on": date(2023, 12, 28)}, [(2024, NONE)]),
    ("GOV", "DEMERIT", {"effective_on": None, "decided_on": date(2023, 12, 28)}, [(2023, NONE)]),
]


@pytest.mark.parametrize(("regime", "kind", "changes", "outcome"), SANCTIONS)
def test_a_sanction_binds_the_years_of_the_table(
    regime: str, kind: str, changes: dict[str, Any], outcome: list[tuple[int, str]]
) -> None:
    assert sanction(regime, kind, **changes) == outcome


def test_a_kind_that_the_table_lacks_is_not_guessed() -> None:
    with pytest.raises(UnknownKind):
        sanction("PARTY", "SCOLDING")


def measure(**changes: Any) -> list[tuple[int, str]]:
    made = {"kind": "ADMONISH", "state": "DELIVERED", "findings": [FINDING]}
    return brief(of_measure(made | {"delivered_on": START, "effect_until": None} | changes, rulebook().on))


def test_an_admonition_costs_the_best_grade_of_the_year_once_it_is_delivered() -> None:
    assert measure() == measure(state="CLOSED") == [(2024, NOT_EXCELLENT)]
    assert measure(delivered_on=None, state="APPROVED") == measure(kind="REMIND") == measure(state="REVOKED") == []


def test_an_adjustment_binds_the_year_of_its_decision() -> None:
    made = {"way": "DEMOTE", "state": "DECIDED", "findings": [FINDING], "decided_on": START}
    (wanted,) = of_adjustment(made, rulebook().on)
    assert (brief([wanted]), wanted.reason_code, wanted.findings) == ([(2024, NONE)], "ADJUSTMENT", (FINDING,))
    for changes in ({"state": "REVERSED"}, {"decided_on": None, "state": "PROPOSED"}):
        assert of_adjustment(made | changes, rulebook().on) == []


def test_an_adjustment_decided_in_one_year_and_carried_out_in_the_next_binds_the_one_in_which_it_took_effect() -> None:
    made = {"way": "REMOVE", "findings": [FINDING], "decided_on": date(2024, 12, 27)}
    decided = made | {"state": "DECIDED", "executed_on": None}
    executed = made | {"state": "EXECUTED", "executed_on": date(2025, 1, 6)}
    assert brief(of_adjustment(decided, rulebook().on)) == [(2024, NONE)]
    assert brief(of_adjustment(executed, rulebook().on)) == [(2025, NONE)]


RECALLS = [
    ({}, []),
    ({"state": "APPROVED", "approved_on": START}, [(2024, "CAP BASICALLY_COMPETENT")]),
    (
        {"state": "RESTORED", "approved_on": START, "outcome": "RESTORED", "outcome_on": date(2024, 7, 29)},
        [(2024, "CAP BASICALLY_COMPETENT")],
    ),
    (
        {"state": "RESTORED", "approved_on": date(2024, 11, 4), "outcome": "RESTORED", "outcome_on": date(2025, 5, 6)},
        [(2024, "CAP BASICALLY_COMPETENT"), (2025, "CAP BASICALLY_COMPETENT")],
    ),
    *(
        (
            {"state": outcome, "approved_on": START, "outcome": outcome, "outcome_on": date(2024, 7, 29)},
            [(2024, "CAP BASICALLY_COMPETENT"), (2024, LOWEST)],
        )
        for outcome in ("ADJUSTED", "REMOVED", "DEMOTED")
    ),
    *(({"state": state, "approved_on": START}, []) for state in ("CANCELLED", "TRANSFERRED")),
]


@pytest.mark.parametrize(("changes", "outcome"), RECALLS)
def test_a_recall_caps_from_approval_to_outcome_and_a_failed_one_only_proposes_the_lowest_grade(
    changes: dict[str, Any], outcome: list[tuple[int, str]]
) -> None:
    state = {"state": "PROPOSED", "findings": [FINDING], "approved_on": None, "outcome": None, "outcome_on": None}
    wanted = of_recall(state | changes, rulebook().on)
    assert brief(wanted) == outcome
    assert all(each.proposal == (each.reason_code == "RECALL_OUTCOME") for each in wanted)
    assert all(each.findings == (FINDING,) for each in wanted)


@pytest.mark.parametrize(("day", "year"), [(date(2024, 3, 31), 2023), (date(2024, 4, 1), 2024)])
def test_a_case_that_is_opened_in_the_annual_window_meets_the_year_before(day: date, year: int) -> None:
    (wanted,) = of_case_hold(day, rulebook().on)
    assert (wanted.year, wanted.open_ended, wanted.hidden) == (year, True, True)


def test_who_was_not_competent_is_not_excellent_in_the_year_after() -> None:
    assert brief(of_last_year(2024, Grade.INCOMPETENT, START, rulebook().on)) == [(2025, NOT_EXCELLENT)]
    assert of_last_year(2024, Grade.BASICALLY_COMPETENT, START, rulebook().on) == []
    assert of_last_year(2024, None, START, rulebook().on) == []


def test_every_reason_has_labels() -> None:
    labels = rulebook().on(START)[REASONS]
    assert {"SANCTION", "ADMONITION", "ADJUSTMENT", "RECALL", "RECALL_OUTCOME", "CASE_PENDING", "LAST_YEAR"} <= set(
        labels
    )
    assert all(entry["zh"] and entry["en"] for entry in labels.values())

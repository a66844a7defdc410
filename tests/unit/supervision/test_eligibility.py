"""Bars and verdicts: how intervals of one code join, and what a day makes of them."""

from datetime import date
from typing import Any

import pytest

from supervision.domain.eligibility import ALL_PURPOSES, Bar, Reason, check, eligibility_state, merged, reasons_on

EFFECT, RECALL = "EFFECT_PERIOD_ACTIVE", "RECALL_OPEN"


def bar(start: str, until: str | None, code: str = EFFECT, purposes: frozenset[str] = ALL_PURPOSES) -> Bar:
    return Bar(code, purposes, date.fromisoformat(start), None if until is None else date.fromisoformat(until))


@pytest.mark.parametrize(
    ("bars", "joined"),
    [
        ([], []),
        ([("2024-01-01", "2024-07-01")], [("2024-01-01", "2024-07-01")]),
        ([("2024-01-01", "2024-07-01"), ("2024-01-01", "2025-01-01")], [("2024-01-01", "2025-01-01")]),
        ([("2024-07-01", "2025-01-01"), ("2024-01-01", "2024-07-01")], [("2024-01-01", "2025-01-01")]),
        (
            [("2024-01-01", "2024-06-30"), ("2024-07-01", "2025-01-01")],
            [("2024-01-01", "2024-06-30"), ("2024-07-01", "2025-01-01")],
        ),
        ([("2024-01-01", None), ("2024-03-01", "2024-04-01")], [("2024-01-01", None)]),
        ([("2024-01-01", "2024-04-01"), ("2024-03-01", None)], [("2024-01-01", None)]),
        ([("2024-01-01", "2024-01-01")], []),
    ],
)
def test_bars_of_one_code_that_meet_are_one(bars: Any, joined: Any) -> None:
    found = merged([bar(*interval) for interval in bars], "PROMOTE")
    assert [(start.isoformat(), until and until.isoformat()) for _, start, until in found] == joined


@pytest.mark.parametrize(
    ("as_of", "codes"),
    [("2023-12-31", []), ("2024-01-01", [EFFECT]), ("2024-06-30", [EFFECT, RECALL]), ("2024-07-01", [RECALL])],
)
def test_a_bar_counts_from_its_first_day_until_before_its_last(as_of: str, codes: list[str]) -> None:
    bars = [bar("2024-01-01", "2024-07-01"), bar("2024-06-30", None, RECALL)]
    assert [reason.code for reason in reasons_on(bars, "PROMOTE", date.fromisoformat(as_of))] == codes


def test_a_bar_counts_for_its_purposes_alone() -> None:
    bars = [bar("2024-01-01", None, purposes=frozenset({"AWARD"}))]
    day = date(2024, 2, 1)
    assert reasons_on(bars, "AWARD", day) == [Reason(EFFECT, None)]
    assert reasons_on(bars, "PROMOTE", day) == []
    state = eligibility_state("c", bars)
    assert state["purposes"]["AWARD"] == [{"code": EFFECT, "from": "2024-01-01", "until": None}]
    assert state["purposes"]["PROMOTE"] == []


@pytest.mark.parametrize(
    ("barred", "stale", "verdict", "codes"),
    [
        (False, False, "PASS", []),
        (False, True, "PENDING", ["DEPENDENCY_STALE"]),
        (True, False, "BLOCKED", [EFFECT]),
        (True, True, "BLOCKED", [EFFECT, "DEPENDENCY_STALE"]),
    ],
)
def test_what_is_not_known_passes_nobody(barred: bool, stale: bool, verdict: str, codes: list[str]) -> None:
    bars = [bar("2024-01-01", "2024-07-01")] if barred else []
    found = check("c", bars, "PROMOTE", date(2024, 2, 1), stale=stale)
    assert (found.verdict, [reason.code for reason in found.reasons]) == (verdict, codes)

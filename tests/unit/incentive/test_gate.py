"""The selection gate (I13) as tables of cases, and that it comes out the same in whatever order its facts are told."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentive.domain.gate import (
    CHECKS,
    Annual,
    Bar,
    Evaluation,
    Question,
    Standing,
    Told,
    evaluate,
    explain,
    keep,
    standing,
)
from tests.support.incentive import MONDAY, rulebook

RULES = rulebook().on(MONDAY.date())
SINCE = date(2015, 1, 5)


def known(
    *bars: tuple[str, str, str | None],
    annuals: Mapping[int, Any] | None = None,
    unit: str | None = "U",
    since: date = SINCE,
) -> Standing:
    """Return a standing: bars `(code, from, until)`, results by year (a grade, None for no grade, "OPEN" for unsettled)."""
    found = [Bar(code, date.fromisoformat(start), end and date.fromisoformat(end)) for code, start, end in bars]  # type: ignore[arg-type]
    results = {
        year: Annual(year, None if grade == "OPEN" else grade, grade != "OPEN")
        for year, grade in (annuals or {}).items()
    }
    return Standing({"PROMOTE": found}, results, unit, since)


def answer(
    about: Standing, day: str = "2024-06-03", *, stale: Sequence[str] = (), purpose: str = "PROMOTE", avoid: Any = ()
) -> tuple[str, list[tuple[str, str | None]]]:
    found = evaluate(Question("c", purpose, date.fromisoformat(day), avoid), about, RULES, stale)
    return found.verdict.value, [(reason.code, reason.until and reason.until.isoformat()) for reason in found.reasons]


EFFECT = ("EFFECT_PERIOD_ACTIVE", "2024-01-15", "2025-01-15")


@pytest.mark.parametrize(
    ("about", "day", "expected"),
    [
        (known(), "2024-06-03", ("PASS", [])),
        (known(EFFECT), "2024-01-14", ("PASS", [])),
        (known(EFFECT), "2024-01-15", ("BLOCKED", [("EFFECT_PERIOD_ACTIVE", "2025-01-15")])),
        (known(EFFECT), "2025-01-14", ("BLOCKED", [("EFFECT_PERIOD_ACTIVE", "2025-01-15")])),
        # The day `until` is free again.
        (known(EFFECT), "2025-01-15", ("PASS", [])),
        (known(EFFECT, ("EFFECT_PERIOD_ACTIVE", "2025-01-15", "2025-07-15")), "2024-06-03",
         ("BLOCKED", [("EFFECT_PERIOD_ACTIVE", "2025-07-15")])),
        (known(("CASE_PENDING", "2024-06-01", None)), "2024-06-03", ("BLOCKED", [("CASE_PENDING", None)])),
        (known(("RECALL_OPEN", "2024-03-05", None), ("RECALL_RECENT", "2024-03-01", "2024-09-01")), "2024-06-03",
         ("BLOCKED", [("RECALL_OPEN", None), ("RECALL_RECENT", "2024-09-01")])),
        (known(("AFFECTS_USE_AFTER_EXPIRY", "2024-06-03", None)), "2024-06-03",
         ("BLOCKED", [("AFFECTS_USE_AFTER_EXPIRY", None)])),
        # A code that the gate does not know of is none of its checks.
        (known(("SOMETHING_ELSE", "2024-01-01", None)), "2024-06-03", ("PASS", [])),
        # Last year's result.
        (known(annuals={2024: "BASICALLY_COMPETENT"}), "2025-06-03",
         ("BLOCKED", [("LAST_YEAR_BELOW_COMPETENT", "2026-01-01")])),
        (known(annuals={2024: "INCOMPETENT"}), "2025-06-03",
         ("BLOCKED", [("LAST_YEAR_BELOW_COMPETENT", "2026-01-01")])),
        (known(annuals={2024: "INCOMPETENT", 2025: "COMPETENT"}), "2026-06-03", ("PASS", [])),
        (known(annuals={2024: "COMPETENT"}), "2025-06-03", ("PASS", [])),
        (known(annuals={2024: None}), "2025-06-03", ("PASS", [])),
        (known(annuals={2024: "OPEN"}), "2025-06-03", ("PENDING", [("LAST_YEAR_BELOW_COMPETENT", None)])),
        # It is due on 30 April; until that day is over the year before stands in, of which the platform may hold nothing yet.
        (known(), "2025-04-29", ("PASS", [])),
        (known(), "2025-04-30", ("PASS", [])),
        (known(), "2025-05-01", ("PENDING", [("LAST_YEAR_BELOW_COMPETENT", None)])),
        (known(annuals={2024: "INCOMPETENT"}), "2026-04-29", ("BLOCKED", [("LAST_YEAR_BELOW_COMPETENT", None)])),
        # Two years in the post below.
        (known(since=date(2023, 6, 4)), "2024-06-03", ("BLOCKED", [("TENURE", "2025-06-04")])),
        (known(since=date(2022, 6, 3)), "2024-06-03", ("PASS", [])),
        # Who is on no roster.
        (known(unit=None), "2024-06-03", ("PENDING", [("DEPENDENCY_STALE", None)])),
    ],
)  # fmt: skip
def test_the_gate_says_why_and_until_when(about: Standing, day: str, expected: Any) -> None:
    assert answer(about, day) == expected


def test_nobody_passes_on_facts_that_are_out_of_date_but_what_is_known_blocks() -> None:
    assert answer(known(), stale=["supervision"]) == ("PENDING", [("DEPENDENCY_STALE", None)])
    verdict, reasons = answer(known(EFFECT), stale=["assessment"])
    assert (verdict, [code for code, _ in reasons]) == ("BLOCKED", ["EFFECT_PERIOD_ACTIVE", "DEPENDENCY_STALE"])


def test_a_bar_for_one_purpose_does_not_stop_another_nor_does_tenure_stop_a_transfer() -> None:
    assert answer(known(EFFECT, since=date(2024, 1, 1)), purpose="TRANSFER") == ("PASS", [])


def test_relations_keep_from_a_post() -> None:
    assert answer(known(), avoid=["c"]) == ("BLOCKED", [("AVOIDANCE", None)])


def test_it_makes_the_checks_that_the_rules_name_and_each_has_its_labels() -> None:
    assert set(RULES["gate.checks"]) == set(CHECKS)
    fewer = {**RULES, "gate.checks": ("TENURE",)}
    question = Question("c", "PROMOTE", date(2024, 6, 3))
    assert evaluate(question, known(EFFECT), fewer, ["supervision"]).verdict == "PASS"  # type: ignore[arg-type]


def test_it_is_explained_in_both_languages() -> None:
    found = evaluate(Question("c", "PROMOTE", date(2024, 6, 3)), known(EFFECT), RULES)
    zh, en = explain(found)
    assert (zh, en) == (
        "处分、组织处理或诫勉影响期未满，至 2025-01-15。",
        "an effect period is not over, until 2025-01-15.",
    )


# ---- the order in which things are told

DAYS = st.dates(date(2023, 1, 1), date(2026, 1, 1)).map(date.isoformat)
INTERVALS = st.tuples(
    st.sampled_from(("EFFECT_PERIOD_ACTIVE", "CASE_PENDING", "RECALL_OPEN")), DAYS, st.none() | DAYS
).map(lambda each: {"code": each[0], "from": each[1], "until": each[2]})
BARS = st.fixed_dictionaries({"PROMOTE": st.lists(INTERVALS, max_size=3), "TRANSFER": st.just([])})
PARTS = st.one_of(
    BARS.map(lambda purposes: ("eligibility/c", "BARS", {"purposes": purposes})),
    st.tuples(
        st.sampled_from(("annual/1", "annual/2", "annual/3")),
        st.sampled_from((2023, 2024)),
        st.sampled_from((None, "INCOMPETENT", "BASICALLY_COMPETENT", "COMPETENT", "EXCELLENT")),
        st.booleans(),
    ).map(lambda each: (each[0], "ANNUAL", {"year": each[1], "grade": each[2], "settled": each[3]})),
    st.tuples(st.booleans(), DAYS).map(
        lambda each: ("cadre/c", "ROSTER", {"on_roster": each[0], "unit": "U", "post_since": each[1]})
    ),
)


def numbered(parts: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[Told]:
    """Return the parts as events of their subjects, each with the next number of its subject."""
    counts: dict[str, int] = {}
    told = []
    for subject, part, data in parts:
        counts[subject] = counts.get(subject, 0) + 1
        told.append(Told(subject, counts[subject], part, data))
    return told


def gate_after(told: Sequence[Told], day: date) -> Evaluation:
    kept: dict[str, Told] = {}
    for each in told:
        kept = keep(kept, each)
    return evaluate(Question("c", "PROMOTE", day), standing(kept.values()), RULES)


@given(data=st.data(), parts=st.lists(PARTS, max_size=8), day=st.dates(date(2024, 1, 1), date(2026, 1, 1)))
def test_any_order_and_repetition_of_a_cadres_events_gives_the_same_gate(data: Any, parts: Any, day: date) -> None:
    told = numbered(parts)
    again = data.draw(st.lists(st.sampled_from(told), max_size=5)) if told else []
    shuffled = data.draw(st.permutations([*told, *again]))
    assert gate_after(shuffled, day) == gate_after(told, day)


@given(data=st.data(), parts=st.lists(PARTS, max_size=8), day=st.dates(date(2024, 1, 1), date(2026, 1, 1)))
def test_facts_that_are_out_of_date_never_open_the_gate(data: Any, parts: Any, day: date) -> None:
    about = standing({told.subject: told for told in numbered(parts)}.values())
    question = Question("c", "PROMOTE", day)
    fresh, old = (evaluate(question, about, RULES, stale) for stale in ((), ("supervision",)))
    assert old.verdict != "PASS"
    assert (fresh.verdict == "BLOCKED") == (old.verdict == "BLOCKED")

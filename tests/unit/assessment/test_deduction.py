"""The deduction of a year: weight × share summed up to the cap, by the rules of the day, whatever the order."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.domain.deduction import Responsibility, Role, counts, decimal_text, deduct, explain
from citybus.rulepack import MissingRule, RulePacks
from tests.support.assessment import CITY, rulebook

DAY = date(2024, 3, 18)


def responsibility(finding: str = "f1", role: Role = Role.LEAD, weight: str = "2.0", **changes: Any) -> Responsibility:
    made = {
        "finding": finding,
        "role": role,
        "base_weight": Decimal(weight),
        "effective_weight": Decimal(weight),
        "verified_on": DAY,
    }
    return Responsibility(**made | changes)


@pytest.mark.parametrize(
    ("role", "weight", "deduction"),
    [
        (Role.LEAD, "2.0", "2"),
        (Role.DIRECT, "2.0", "1.6"),
        (Role.SUBORDINATE, "0.25", "0.075"),
        (Role.LEAD, "0", "0"),
        (Role.LEAD, "20.0", "20"),
        (Role.LEAD, "20.1", "20"),
    ],
)
def test_weight_times_share_up_to_the_cap(role: Role, weight: str, deduction: str) -> None:
    found = deduct(2024, [responsibility(role=role, weight=weight)], rulebook().on)
    assert decimal_text(found.deduction) == deduction
    assert (found.cap, found.cap_pack) == (20, "LOCAL-HS-2016@1")


def test_without_findings_nothing_is_deducted() -> None:
    found = deduct(2024, [], rulebook().on)
    assert (found.deduction, found.items, found.cap) == (0, (), 20)
    with pytest.raises(MissingRule):
        deduct(2015, [], rulebook().on)


@pytest.mark.parametrize("weight", ["2.0", "0"])
def test_a_finding_counts_once_for_a_person_in_the_heavier_role(weight: str) -> None:
    both = [responsibility(role=role, weight=weight) for role in (Role.SUBORDINATE, Role.LEAD, Role.DIRECT)]
    for order in (both, both[::-1]):
        (item,) = deduct(2024, order, rulebook().on).items
        assert item.role is Role.LEAD


PACK = """
code: LOCAL-HS-{year}
version: "1"
layer: local
city: "420200"
valid_from: {year}-{begin}
valid_to: null
source: a test
rules:
  deduction.cap: {{value: {cap}, source: a test, tag: D, lighter: min}}
  deduction.role_share.lead: {{value: {lead}, source: a test, tag: D, lighter: min}}
"""


def test_rules_are_those_of_the_day_of_verification_and_the_lightest_cap_holds(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(PACK.format(year=2023, begin="01-01", cap=20, lead="1.0"))
    (tmp_path / "new.yaml").write_text(PACK.format(year=2024, begin="07-01", cap=10, lead="0.5"))
    packs = RulePacks.load([tmp_path])
    early, late = (
        responsibility("early", weight="8.0"),
        responsibility("late", weight="8.0", verified_on=date(2024, 7, 1)),
    )
    found = deduct(2024, [late, early], lambda day: packs.at(day, CITY))
    assert [(item.finding, item.role_share, item.rule_pack) for item in found.items] == [
        ("early", Decimal("1.0"), "LOCAL-HS-2023@1"),
        ("late", Decimal("0.5"), "LOCAL-HS-2024@1"),
    ]
    assert (found.points, found.deduction, found.cap_pack) == (12, 10, "LOCAL-HS-2024@1")


weights = st.decimals(min_value=0, max_value=10, places=2)
responsibilities = st.lists(
    st.builds(
        lambda number, role, weight, day: responsibility(
            f"f{number}", role, str(weight), verified_on=date(2024, 1 + number % 12, day)
        ),
        st.integers(0, 30),
        st.sampled_from(Role),
        weights,
        st.just(5),
    ),
    max_size=12,
    unique_by=lambda one: (one.finding, one.role),
)


@given(responsibilities, st.randoms())
def test_the_order_does_not_matter_and_the_cap_is_never_passed(ones: list[Responsibility], chance: Any) -> None:
    # One finding has one weight, whoever is responsible for it.
    by_finding = {one.finding: one.effective_weight for one in ones}
    ones = [
        responsibility(one.finding, one.role, str(by_finding[one.finding]), verified_on=one.verified_on) for one in ones
    ]
    found = deduct(2024, ones, rulebook().on)
    shuffled = list(ones)
    chance.shuffle(shuffled)
    assert deduct(2024, shuffled, rulebook().on) == found
    assert 0 <= found.deduction <= found.cap
    assert found.deduction == min(found.cap, found.points)
    assert found.points == sum(item.effective_weight * item.role_share for item in found.items)


@given(weights, st.sampled_from(["0", "0.5", "1"]))
def test_tolerance_never_makes_it_heavier(weight: Decimal, factor: str) -> None:
    full = deduct(2024, [responsibility(weight=str(weight))], rulebook().on)
    eased = responsibility(weight=str(weight), effective_weight=weight * Decimal(factor))
    assert deduct(2024, [eased], rulebook().on).deduction <= full.deduction


@pytest.mark.parametrize(
    ("state", "verified_on", "yes"),
    [
        ("VERIFIED", DAY, True),
        *((state, DAY, True) for state in ("RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED")),
        ("REVOKED", DAY, False),
        ("REJECTED", DAY, False),
        ("NOTIFIED", None, False),
        ("PLEA_RECEIVED", None, False),
    ],
)
def test_a_finding_counts_once_it_is_verified(state: str, verified_on: date | None, yes: bool) -> None:
    assert counts(state, verified_on) is yes


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("1.60", 0, "1.6"),
        ("1.6", 2, "1.60"),
        ("20", 0, "20"),
        ("2E+1", 0, "20"),
        ("20", 1, "20.0"),
        ("0.00", 0, "0"),
        ("0", 2, "0.00"),
        ("0.075", 2, "0.075"),
    ],
)
def test_decimals_are_written_exactly_and_without_exponent(value: str, places: int, text: str) -> None:
    assert decimal_text(Decimal(value), places) == text


def test_the_sum_is_explained() -> None:
    zh, en = explain([("2.0", "0.8"), ("1.0", "1.0")], "20", "2.6")
    assert "min(上限 20, 2.0×0.8 + 1.0×1.0) = 2.6" in zh
    assert "min(cap 20, 2.0×0.8 + 1.0×1.0) = 2.6" in en
    assert "min(cap 20, 0) = 0" in explain([], "20", "0")[1]

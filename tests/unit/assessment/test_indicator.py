"""The rules of indicators, each with what it lets pass and what it refuses."""

from decimal import Decimal
from typing import Any

import pytest

from assessment.domain import indicator
from assessment.domain.indicator import INDICATOR, IndicatorFacts
from citybus.errors import Refusal
from tests.support.duty import ORG_UNIT, OWN, an_indicator, step


def form(**changes: Any) -> dict[str, Any]:
    made = {
        "year": 2024,
        "code": "PROV-01",
        "title": "地区生产总值增长率",
        "level": "PROV",
        "unit_of_measure": "%",
        "target": Decimal("7.0"),
        "lead_unit": OWN,
        "co_units": [ORG_UNIT],
    }
    return made | changes


def test_the_machine_has_these_transitions_and_no_other() -> None:
    assert set(INDICATOR.transitions) == {
        ("DRAFT", "revise", "DRAFT"),
        ("DRAFT", "publish", "ACTIVE"),
        ("ACTIVE", "change", "ACTIVE"),
        ("ACTIVE", "close", "CLOSED"),
    }


@pytest.mark.parametrize(
    ("changes", "facts", "code"),
    [
        ({}, {}, None),
        ({"year": 2025}, {}, None),
        ({"year": 2023}, {}, "YEAR_RANGE"),
        ({"year": 2026}, {}, "YEAR_RANGE"),
        ({"co_units": [OWN]}, {}, "LEAD_UNIT_TWICE"),
        ({"lead_unit": "nowhere"}, {}, "UNKNOWN_UNIT"),
        ({}, {"repeated": frozenset({"title"})}, "DUPLICATE"),
        ({"title": "机密指标"}, {}, "SECRECY_LEVEL"),
    ],
)
def test_an_indicator_has_one_lead_unit_and_is_not_repeated_in_a_year(
    changes: Any, facts: Any, code: str | None
) -> None:
    known = {"units": frozenset({OWN, ORG_UNIT})} | facts
    attempt = step(an_indicator(state="DRAFT"), form(**changes), facts=IndicatorFacts(**known))
    if code is None:
        indicator.draft(attempt)
        assert (attempt.case.lead_unit, attempt.case.baseline) == (OWN, None)
    else:
        with pytest.raises(Refusal) as caught:
            indicator.draft(attempt)
        assert caught.value.code == code

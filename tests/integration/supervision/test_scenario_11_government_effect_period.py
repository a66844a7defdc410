"""Scenario 11: a demerit bars selection to the day before it ends, and on the day on which it ends no longer."""

from datetime import date

import pytest

from tests.support.sanctions import an_entry, at, codes, heard, noon, recorded
from tests.support.supervision import STRANGER, City


def test_scenario_11_a_demerit_bars_until_its_end_and_not_on_it(city: City) -> None:
    heard(city)
    at(city, noon(2024, 1, 15))
    case = recorded(city, date(2024, 1, 15), cadre=STRANGER, kind="DEMERIT")
    assert case.end_on == date(2025, 1, 15)
    assert an_entry(date(2024, 1, 15))["regime"] == "GOV"
    # As of a day, whatever the present is: both long before and on the day itself.
    for now in (noon(2024, 1, 15), noon(2025, 1, 14), noon(2025, 1, 15)):
        at(city, now)
        assert codes(city, STRANGER, "PROMOTE", date(2024, 1, 14)) == []
        assert codes(city, STRANGER, "PROMOTE", date(2025, 1, 14)) == [("EFFECT_PERIOD_ACTIVE", "2025-01-15")]
        assert codes(city, STRANGER, "PROMOTE", date(2025, 1, 15)) == []
    assert city.again(case).state == "EXPIRED"


@pytest.mark.parametrize("step", ["recorded", "in-effect", "expiring", "expired"])
def test_scenario_11_what_assessment_needs_for_the_year_is_told(city: City, step: str) -> None:
    [case] = city.rows(city.cases.sanctions.model.__table__)
    event = next(event for event in city.outbox(f"sanction/{case.id}") if event.type.endswith(f".{step}.v1"))
    told = {"regime": "GOV", "kind": "DEMERIT", "effective_on": "2024-01-15", "end_on": "2025-01-15", "months": 12}
    assert event.data | told == event.data

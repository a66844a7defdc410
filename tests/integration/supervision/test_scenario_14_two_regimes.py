"""Scenario 14: a party warning and a warning in office on the same day bar until the later end, as one reason."""

from datetime import date

from tests.support.sanctions import at, codes, heard, noon, recorded, told
from tests.support.supervision import STRANGER, City


def test_scenario_14_two_regimes_on_one_day_bar_until_the_later_end(city: City) -> None:
    heard(city)
    at(city, noon(2024, 4, 1))
    party = recorded(city, date(2024, 4, 1), cadre=STRANGER, regime="PARTY", kind="WARNING")
    office = recorded(
        city, date(2024, 4, 1), cadre=STRANGER, regime="GOV", kind="WARNING", decision_no="黄监〔2024〕1号"
    )
    assert (party.end_on, office.end_on) == (date(2025, 4, 1), date(2024, 10, 1))
    assert (party.remainder_of, office.remainder_of) == (None, None)
    for day in (date(2024, 4, 1), date(2024, 9, 30), date(2024, 10, 1), date(2025, 3, 31)):
        assert codes(city, STRANGER, "PROMOTE", day) == [("EFFECT_PERIOD_ACTIVE", "2025-04-01")]
    assert codes(city, STRANGER, "PROMOTE", date(2025, 4, 1)) == []
    # The second changed nothing in the whole state: it is told once.
    states = city.outbox(f"eligibility/{STRANGER}")
    assert len(states) == 1
    at(city, noon(2024, 10, 1))
    assert told(city, "sanction", office)[-1] == "expired"
    assert told(city, "sanction", party)[-1] == "in-effect"
    assert len(city.outbox(f"eligibility/{STRANGER}")) == 1

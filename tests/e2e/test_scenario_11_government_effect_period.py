"""Scenario 11 across the services: a demerit bars selection to the day before it ends, and its year has no grade."""

from tests.e2e.conftest import City
from tests.e2e.people import SUPERVISE, People

UNIT = "黄石市司法局"


def test_scenario_11_government_effect_period(city: City) -> None:
    people = People(city)
    people.at("2024-01-15T09:00", back=True)
    who = people.member(UNIT, 1, "cadre-demerit")
    sanction = people.sanctioned(who, "DEMERIT", "2024-01-15")
    assert (sanction["effective_on"], sanction["end_on"]) == ("2024-01-15", "2025-01-15")
    barred = [("EFFECT_PERIOD_ACTIVE", "2025-01-15")]
    people.until(lambda: people.gate(who, "2024-01-15") == barred, "the gate is closed")
    assert people.gate(who, "2025-01-14") == barred
    assert people.gate(who, "2025-01-15") == []
    assert people.gate(who, "2024-01-14") == []
    for day, verdict in (("2025-01-14", "BLOCKED"), ("2025-01-15", "PASS")):
        found = people.get(SUPERVISE, "supervision", f"/eligibility/{who.cadre}?purpose=PROMOTE&as_of={day}")
        assert (found["verdict"], [each["code"] for each in found["reasons"]]) == (
            verdict,
            ["EFFECT_PERIOD_ACTIVE"] * (verdict == "BLOCKED"),
        )
    people.until(lambda: people.constraints(who, 2024) == [("NO_GRADE", "SANCTION", None)], "the year has no grade")
    assert people.constraints(who, 2025) == []

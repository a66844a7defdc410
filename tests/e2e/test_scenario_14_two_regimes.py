"""Scenario 14 across the services: two warnings of one day bar until the later ends, and hold the year down once."""

from typing import Any

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.e2e.people import People

UNIT = "黄石市商务局"


def last(people: People, sanction: Any) -> str:
    """Return what was last told of a sanction, in a word."""
    return str(people.events("supervision", f"sanction/{sanction['id']}")[-1]["type"].split(".")[2])


def year_of(people: People, who: Person) -> Any:
    """Return how the grade of 2024 is bound, by all that binds it together."""
    return people.get(cast.RECORDS, "assessment", f"/cadres/{who.cadre}/constraints?year=2024")


def test_scenario_14_two_regimes(city: City) -> None:
    people = People(city)
    people.at("2024-04-01T09:00", back=True)
    who = people.member(UNIT, 1, "cadre-warned-twice")
    party, office = (people.sanctioned(who, "WARNING", "2024-04-01", regime) for regime in ("PARTY", "GOV"))
    assert (party["end_on"], office["end_on"]) == ("2025-04-01", "2024-10-01")
    barred = [("EFFECT_PERIOD_ACTIVE", "2025-04-01")]
    people.until(lambda: people.gate(who, "2024-04-01") == barred, "the gate is closed")
    for day in ("2024-09-30", "2024-10-01", "2025-03-31"):
        assert people.gate(who, day) == barred
    assert people.gate(who, "2025-04-01") == []
    people.until(lambda: len(people.constraints(who, 2024)) == 2, "both bind the year")
    bound = year_of(people, who)
    assert (bound["status"], bound["cap"], bound["explanation"]["zh"]) == (
        "GRADED",
        "COMPETENT",
        "等次不高于称职：处分。",
    )

    # The shorter one ends; nothing changes for the cadre.
    people.at("2024-10-01T09:00")
    people.until(lambda: last(people, office) == "expired", "the shorter one has ended")
    assert last(people, party) == "in-effect"
    assert people.gate(who, "2024-10-01") == barred
    assert year_of(people, who) == bound

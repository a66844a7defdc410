"""Scenario 17 across the services: who is sanctioned is stopped at the gate; an admonition of the day before stops the decision."""

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.e2e.people import CADRES, COMMITTEE, DISCIPLINE, People

UNIT = "黄石市公路事业发展中心"
BARRED, LATER, CLEAN = 5, 1, 2
"""Places in the unit of three who are in their posts for ten years by the end of 2024."""
REASON = "集体研究(虚构,情形十七)"
CAUSE = "苗头性问题,予以诫勉(虚构,情形十七)。"


def sanctioned(people: People, who: Person) -> None:
    """Have a demerit of today entered by one, confirmed by another, and served."""
    made = people.sanctioned(who, "DEMERIT", "2024-06-03")["id"]
    people.sign(who, f"sanction/{made}", "SANCTION_NOTICE")
    people.until(
        lambda: people.get(DISCIPLINE, "supervision", f"/sanctions/{made}")["state"] == "IN_EFFECT", "it has effect"
    )


def opened(people: People) -> str:
    """Return the path of a batch of kind d for two posts, in which candidates are chosen."""
    unit = cast.unit_code("黄石市财政局")
    positions = [{"key": key, "unit": unit, "post": "副局长", "slots": 1} for key in ("P1", "P2")]
    batch = people.post(
        CADRES, "incentive", "/batches", kind="d", year=2024, title="交流任职一批(虚构)", positions=positions
    )["id"]
    path = f"/batches/{batch}"
    people.take(COMMITTEE, "incentive", path, "approve")
    people.take(CADRES, "incentive", path, "open")
    people.take(CADRES, "incentive", path, "select")
    return path


def nominated(people: People, batch: str, place: int, who: Person, position: str) -> str:
    """Return the path of a candidate, whom the gate has checked."""
    number = cast.staff(cast.unit_code(UNIT))[place].id_no
    made = people.post(
        CADRES,
        "incentive",
        "/candidates",
        batch=batch.rpartition("/")[2],
        position=position,
        cadre=who.cadre,
        born_on=f"{number[6:10]}-{number[10:12]}-{number[12:14]}",
    )["id"]
    return f"/candidates/{made}"


def told(people: People, path: str) -> list[str]:
    """Return the steps that were published of a batch or a candidate."""
    kind = {"batches": "batch", "candidates": "candidate"}[path.split("/")[1]]
    events = people.events("incentive", f"{kind}/{path.rpartition('/')[2]}")
    return [event["type"].split(".")[2] for event in events]


def test_scenario_17_refused_from_batch(city: City) -> None:
    people = People(city)
    people.at("2024-06-03T09:00", back=True)
    barred, later, clean = (people.member(UNIT, place, f"cadre-of-batch-{place}") for place in (BARRED, LATER, CLEAN))
    sanctioned(people, barred)
    people.until(
        lambda: people.gate(barred, "2024-06-03", "TRANSFER") == [("EFFECT_PERIOD_ACTIVE", "2025-06-03")],
        "the gate is closed",
    )

    batch = opened(people)
    stopped = nominated(people, batch, BARRED, barred, "P1")
    found = people.get(CADRES, "incentive", stopped)
    assert (found["state"], found["verdict"]) == ("CHECKED", "BLOCKED")
    assert [(each["code"], each["until"]) for each in found["reasons"]] == [("EFFECT_PERIOD_ACTIVE", "2025-06-03")]
    assert people.refused(CADRES, "incentive", stopped, "shortlist")["code"] == "GATE_BLOCKED"
    assert told(people, stopped) == ["candidate-blocked"]

    first, second = (
        nominated(people, batch, place, who, position)
        for place, who, position in ((LATER, later, "P1"), (CLEAN, clean, "P2"))
    )
    for candidate in (first, second):
        people.take(CADRES, "incentive", candidate, "shortlist")
        people.take(CADRES, "incentive", candidate, "select", reason=REASON)
    people.at("2024-06-11T09:00")
    people.take(CADRES, "incentive", batch, "publicize")
    assert people.get(CADRES, "incentive", batch)["publicity_until"] == "2024-06-18"

    people.at("2024-06-18T15:00")
    people.admonished(later, CAUSE)
    people.at("2024-06-19T09:00")
    people.until(
        lambda: people.gate(later, "2024-06-19", "TRANSFER") == [("EFFECT_PERIOD_ACTIVE", "2024-12-18")],
        "the admonition bars",
    )
    problem = people.refused(COMMITTEE, "incentive", batch, "decide", reason=REASON)
    assert (problem["code"], problem["figures"]["candidates"]) == ("GATE_BLOCKED", [first.rpartition("/")[2]])
    assert people.get(CADRES, "incentive", batch)["state"] == "SELECTING"
    assert people.get(CADRES, "incentive", first)["state"] == "CHECKED"
    assert told(people, first) == ["candidate-blocked"]

    # The committee drops them, and the rest is made public anew.
    assert people.refused(CADRES, "incentive", batch, "publicize")["code"] == "DROP_UNCONFIRMED"
    people.take(COMMITTEE, "incentive", first, "drop", reason="影响期(虚构)")
    people.take(CADRES, "incentive", batch, "publicize")
    assert people.get(CADRES, "incentive", batch)["publicity_until"] == "2024-06-26"
    people.at("2024-06-27T09:00")
    people.take(COMMITTEE, "incentive", batch, "decide", reason=REASON)
    assert people.get(CADRES, "incentive", batch)["state"] == "DECIDED"
    assert people.get(CADRES, "incentive", second)["state"] == "SELECTED"
    assert told(people, batch) == ["approved", "opened", "publicized", "returned", "publicized", "decided"]
    assert CAUSE not in str(people.events("incentive", f"candidate/{first.rpartition('/')[2]}"))

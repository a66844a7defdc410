"""Scenario 24 across the services: of the city's 89 groups 27 are excellent, a 28th is refused; a poor one binds its head."""

from dataclasses import replace
from datetime import date
from typing import Any

from dandang.annual_sheet import SubjectYear, Talk, Votes, annual_sheet
from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.annuals import YEAR, evaluated, scheme
from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, People

OWN = str(cast.RECORDS.unit)
UNITS = [unit.code for unit in cast.city().units]
POOR = cast.unit_code("黄石市图书馆")
DIMENSIONS = ("POLITICS", "LEADERSHIP", "ACHIEVEMENT", "CLEANNESS", "STYLE")
# Nobody assesses their own office: a colleague of another one does.
ASSESSOR = replace(cast.RECORDS, everywhere=False, units=tuple(unit for unit in UNITS if unit != OWN))
GUEST = Person(
    "office-assess", "考核", "Assesses the assessors", ("ORG.assess",), cast.unit_code("黄石市委办公室"), units=(OWN,)
)
SECOND = Person("org-assess-2", "考核二", "A second assessor", ("ORG.assess",), OWN, everywhere=True)


def row(unit: str, points: float) -> SubjectYear:
    """Return a group's row of the sheet: `points` in every dimension."""
    office = "黄石市委组织部" if unit != OWN else "黄石市委办公室"
    first, second = (member.id_no for member in cast.staff(cast.unit_code(office))[2:4])
    talks = tuple(Talk(date(2024, 12, day), (first, second), "谈话(虚构)。") for day in (20, 23))
    votes = (Votes("A", 40, (30, 10, 0, 0)),)
    return SubjectYear(
        year=YEAR,
        ballot_on=date(2024, 12, 25),
        votes=votes,
        scores=dict.fromkeys(DIMENSIONS, points),
        unit=unit,
        report="本年度履职情况(虚构)。",
        talks=talks,
    )


def done(people: People, who: Person, path: str) -> Any:
    """Wait until a job has done all it was asked for."""
    ends = ("DONE", "RECORDED", "FAILED", "REJECTED")
    people.until(lambda: people.get(who, "assessment", path)["state"] in ends, f"{path} has ended")
    found = people.get(who, "assessment", path)
    assert found["state"] in ("DONE", "RECORDED"), found
    return found


def take_round(people: People, action: str, *officers: Person) -> None:
    """Have a step taken with every group that it waits for."""
    for who in officers:
        form = {"year": YEAR, "subject_kind": "GROUP", "action": action}
        made = people.post(who, "assessment", "/annual-rounds", **form)
        done(people, who, f"/annual-rounds/{made['id']}")


def listed(people: People, state: str) -> dict[str, str]:
    """Return the assessments of groups in a state, by unit."""
    query = f"/annuals?year={YEAR}&subject_kind=GROUP&state={state}&limit=200"
    return {each["unit"]: each["id"] for each in people.get(cast.RECORDS, "assessment", query)["items"]}


def proposed(people: People) -> list[str]:
    """Have all 89 groups assessed, 28 of them excellent, and proposed within the quota; return the excellent units."""
    people.at("2024-12-02T09:00", back=True)
    scheme(people, "GROUP")
    take_round(people, "open", ASSESSOR, GUEST)
    people.at("2025-01-06T09:00")
    assert set(listed(people, "OPEN")) == set(UNITS)
    best = [unit for unit in UNITS if unit != POOR][:28]
    points = {unit: 95.0 if unit in best else 82.0 for unit in UNITS} | {POOR: 50.0}
    for who in (ASSESSOR, GUEST):
        content = annual_sheet([row(unit, points[unit]) for unit in UNITS if unit in who.units])
        made = people.upload(who, "assessment", "/annual-sheets", content, "汇总表(虚构).xlsx")
        done(people, who, f"/annual-sheets/{made['id']}")
    take_round(people, "verify", ASSESSOR, GUEST)
    quota = people.post(cast.RECORDS, "assessment", "/quotas", year=YEAR, category="GROUP")["id"]
    for who in (cast.RECORDS, SECOND):
        locked = people.take(who, "assessment", f"/quotas/{quota}", "lock")
    assert (locked["base"], locked["limit"]) == (89, 27)
    people.at("2025-01-08T09:00")
    for who in (ASSESSOR, GUEST):
        made = people.post(who, "assessment", "/annual-closings", year=YEAR, subject_kind="GROUP")
        done(people, who, f"/annual-closings/{made['id']}")
    return best


def test_scenario_24_quota(city: City) -> None:
    people = People(city)
    best = proposed(people)
    cases = listed(people, "PROPOSED")
    explained = {unit: people.get(cast.RECORDS, "assessment", f"/annuals/{cases[unit]}/explanation") for unit in best}
    (left_out,) = [unit for unit in best if "QUOTA_FULL" in explained[unit]["notes"]]

    # It is recommended all the same: the committee, which takes them as they come, is to see all 28.
    who = GUEST if left_out == OWN else ASSESSOR
    people.take(who, "assessment", f"/annuals/{cases[left_out]}", "propose", grade="EXCELLENT", reason="力荐(虚构)")
    take_round(people, "publicize", ASSESSOR, GUEST)
    people.at("2025-01-16T09:00")
    take_round(people, "approve", COMMITTEE)
    ((unit, last),) = listed(people, "PUBLICIZED").items()
    grades = {unit: people.get(cast.RECORDS, "assessment", f"/annuals/{case}")["grade"] for unit, case in cases.items()}
    assert {each for each, grade in grades.items() if grade == "EXCELLENT"} == set(best) - {unit}
    refusal = people.refused(COMMITTEE, "assessment", f"/annuals/{last}", "approve")
    assert (refusal["status"], refusal["code"]) == (422, "QUOTA_EXCEEDED")
    assert (refusal["figures"]["used"], refusal["figures"]["limit"]) == (27, 27)
    assert listed(people, "PUBLICIZED") == {unit: last}

    # The poor group's head had an excellent year.
    assert grades[POOR] == "POOR"
    known = people.member("黄石市图书馆", 0, "head-of-poor-group")
    annual = evaluated(people, known, {"ACHIEVEMENT": "98", "LEADER": "97"})
    at = f"/annuals/{annual}"
    people.take(cast.RECORDS, "assessment", at, "verify")
    people.take(cast.RECORDS, "assessment", at, "propose")
    told = people.get(cast.RECORDS, "assessment", f"{at}/explanation")
    assert (told["band"], [each["reason_code"] for each in told["constraints"]]) == ("EXCELLENT", ["GROUP_POOR"])
    people.at("2025-01-20T09:00")
    refusal = people.refused(COMMITTEE, "assessment", at, "approve", grade="EXCELLENT")
    assert (refusal["status"], refusal["code"]) == (409, "CAP_VIOLATION")
    assert people.take(COMMITTEE, "assessment", at, "approve")["grade"] not in ("EXCELLENT", None)

"""How the annual assessment of 2024 of a scenario's people is led to a grade, through the HTTP API."""

from collections.abc import Mapping

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.people import People

YEAR = 2024
EVIDENCE = ["a" * 64]


def scheme(people: People, kind: str) -> None:
    """Have the scheme of the year published, if it was not."""
    found = people.get(cast.RECORDS, "assessment", f"/schemes?year={YEAR}&target_kind={kind}")["items"]
    if not found:
        made = people.post(cast.RECORDS, "assessment", "/schemes", year=YEAR, target_kind=kind)["id"]
        people.take(cast.RECORDS, "assessment", f"/schemes/{made}", "publish")


def evaluated(people: People, who: Person, scores: Mapping[str, str], *, votes: str = "EXCELLENT") -> str:
    """Have the year of a cadre assessed to the end of the evaluation; return the case's id.

    Every quarter was GOOD, and all ten who voted gave the grade `votes`; `scores` are those of ACHIEVEMENT and LEADER.
    """
    about = {"subject_kind": "CADRE", "cadre": who.cadre, "year": YEAR}
    scheme(people, "CADRE")
    annual = str(people.post(cast.RECORDS, "assessment", "/annuals", **about)["id"])
    path = f"/annuals/{annual}"
    people.take(who, "assessment", path, "self-report", text="述职(虚构)。")
    for quarter in (1, 2, 3, 4):
        form = {"cadre": who.cadre, "year": YEAR, "quarter": quarter, "grade": "GOOD", "basis": ["TALK"]}
        people.post(cast.RECORDS, "assessment", "/routine-grades", **form, evidence=EVIDENCE)
    interviewers = [people.member(unit, 1, f"interviewer-{unit}").cadre for unit in cast.PANEL_UNITS[:2]]
    for day in ("2024-12-23", "2024-12-24"):
        form = {**about, "held_on": day, "interviewers": interviewers, "summary": "谈话(虚构)。"}
        people.post(cast.RECORDS, "assessment", "/talks", **form, evidence=EVIDENCE)
    classes = [{"name": "A", "expected": 10, "counts": {votes: 10}}]
    ballot = people.post(
        cast.RECORDS, "assessment", "/ballots", **about, held_on="2024-12-25", classes=classes, evidence=EVIDENCE
    )["id"]
    people.take(cast.RECORDS, "assessment", path, "evaluate", ballot=ballot, scores=dict(scores))
    return annual

"""Scenario 26 across the services: a grade of 不称职 is served, reviewed, appealed against, and made lighter, never heavier."""

from collections.abc import Mapping
from dataclasses import replace

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.annuals import evaluated
from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, People

UNIT = "黄石市医疗保障局"


def _officer(subject: str, *roles: str) -> Person:
    return Person(subject, subject, subject, roles, everywhere=True)


REVIEWER, SECOND = _officer("appeals-1", "ORG.appeal"), _officer("appeals-2", "ORG.appeal")
APPROVER = replace(COMMITTEE, roles=("COMM", "ORG.appeal"))
FAIR, FAIR_TOO = _officer("fair-1", "FAIRCOMM"), _officer("fair-2", "FAIRCOMM")


def served(people: People, whom: Mapping[Person, str]) -> list[str]:
    """Have the year of cadres end with these grades, served on 2025-03-10; return the ids of the cases."""
    people.at("2024-12-26T09:00", back=True)
    annuals = [
        evaluated(people, who, {"ACHIEVEMENT": "60", "LEADER": "60"}, votes="BASICALLY_COMPETENT") for who in whom
    ]
    people.at("2025-03-07T09:00")
    for grade, annual in zip(whom.values(), annuals, strict=True):
        path = f"/annuals/{annual}"
        people.take(cast.RECORDS, "assessment", path, "verify", reason="经核实(虚构)")
        people.take(cast.RECORDS, "assessment", path, "propose", grade=grade, reason="履职不力(虚构)")
        people.take(COMMITTEE, "assessment", path, "approve")
    people.at("2025-03-10T09:00")
    for who, annual in zip(whom, annuals, strict=True):
        people.sign(who, f"annual/{annual}", "ANNUAL_RESULT")
        path = f"/annuals/{annual}"
        people.until(
            lambda path=path: people.get(cast.RECORDS, "assessment", path)["state"] == "NOTIFIED", "the grade is served"
        )
    return annuals


def against(annual: str, kind: str = "REVIEW") -> dict[str, str]:
    return {"type": kind, "subject_ref": f"annual/{annual}", "grounds": "评价与事实不符(虚构)"}


def test_scenario_26_appeal(city: City) -> None:
    people = People(city)
    late, in_time, hopeful = (people.member(UNIT, place, f"cadre-graded-{place}") for place in (1, 2, 3))
    annual_late, annual, lighter = served(
        people, {late: "INCOMPETENT", in_time: "INCOMPETENT", hopeful: "BASICALLY_COMPETENT"}
    )

    def refused(who: Person, path: str, action: str | None = None, **form: object) -> tuple[int, str]:
        refusal = people.refused(who, "assessment", path, action, **form)
        return refusal["status"], refusal["code"]

    def grade() -> str:
        return str(people.get(in_time, "assessment", f"/annuals/{annual}/result")["grade"])

    # The 29th day is in time.
    people.at("2025-04-08T09:00")
    review = f"/appeals/{people.post(in_time, 'assessment', '/appeals', **against(annual))['id']}"
    # Nobody gets a heavier grade by appealing.
    direct = f"/appeals/{people.post(hopeful, 'assessment', '/appeals', **against(lighter, 'DIRECT_APPEAL'))['id']}"
    heavier = {"decision": "AMENDED", "amended_to": "INCOMPETENT", "reason": "经审查(虚构)"}
    for action in ("accept", "examine"):
        people.take(FAIR, "assessment", direct, action)
    assert refused(FAIR, direct, "decide", **heavier) == (422, "NO_REFORMATIO_IN_PEIUS")

    # The thirty-second is not.
    people.at("2025-04-11T09:00")
    assert refused(late, "/appeals", **against(annual_late)) == (422, "OUT_OF_TIME")

    # Who approved the grade does not judge it; two others do, within thirty days; it stands meanwhile.
    assert refused(APPROVER, review, "accept") == (422, "AVOIDANCE")
    accepted = people.take(REVIEWER, "assessment", review, "accept")
    assert accepted["due_on"] == "2025-05-08"
    people.take(REVIEWER, "assessment", review, "examine")
    assert grade() == "INCOMPETENT"
    people.at("2025-05-07T09:00")
    for who in (REVIEWER, SECOND):
        people.take(who, "assessment", review, "decide", decision="UPHELD", reason="经复核(虚构)")
    people.at("2025-05-08T09:00")
    people.sign(in_time, review.removeprefix("/").replace("appeals", "appeal"), "APPEAL_DECISION")

    # The appeal follows within fifteen days of that, and is prolonged once by thirty.
    people.at("2025-05-20T09:00")
    appeal = f"/appeals/{people.post(in_time, 'assessment', '/appeals', **against(annual, 'APPEAL'))['id']}"
    assert people.take(FAIR, "assessment", appeal, "accept")["due_on"] == "2025-07-19"
    people.take(FAIR, "assessment", appeal, "examine")
    longer = people.take(FAIR, "assessment", appeal, "extend", reason="案情复杂(虚构)")
    assert longer["due_on"] == "2025-08-18"
    assert refused(FAIR, appeal, "extend", reason="再延(虚构)") == (422, "EXTENSION_LIMIT")
    amended = {"decision": "AMENDED", "amended_to": "BASICALLY_COMPETENT", "reason": "经审查(虚构)"}
    for who in (FAIR, FAIR_TOO):
        people.take(who, "assessment", appeal, "decide", **amended)
    assert grade() == "INCOMPETENT"
    people.take(FAIR, "assessment", appeal, "execute")
    assert grade() == "BASICALLY_COMPETENT"

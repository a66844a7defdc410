"""Scenario 26: a grade of 不称职 is served, reviewed, appealed against and corrected; nobody judges their own decision."""

from datetime import datetime
from typing import Any

import pytest

from assessment.application.constraints import combined
from assessment.domain.grade import Grade
from assessment.entrypoints.events import NOTIFICATION
from citybus.clock import ZONE
from tests.support.annual import COMMITTEE, Year
from tests.support.assessment import City
from tests.support.grades import ALL, Client, a_service, person, problem

REVIEWER = {"sub": "reviewer", "roles": ["ORG.appeal"], "scope": ALL}
SECOND = {"sub": "second", "roles": ["ORG.appeal"], "scope": ALL}
APPROVER = {"sub": "committee", "roles": ["COMM", "ORG.appeal"], "scope": ALL}
PROPOSER = {"sub": "assessor", "roles": ["ORG.assess", "ORG.appeal", "FAIRCOMM"], "scope": ALL}
FAIR = {"sub": "fair", "roles": ["FAIRCOMM"], "scope": ALL}
FAIR_TOO = {"sub": "fair-too", "roles": ["FAIRCOMM"], "scope": ALL}


@pytest.fixture(scope="module")
def client(module_city: City) -> Client:
    return Client(module_city)


def at(year: Year, month: int, day: int) -> None:
    """Let it be ten o'clock of a day in 2025, with all done that fell due until then."""
    year.city.clock.set(datetime(2025, month, day, 10, tzinfo=ZONE))
    year.tick()


@pytest.fixture
def served(city: City) -> Any:
    """Return a year 2024 of 不称职, approved by the committee and served on 2025-03-10."""
    year = Year(city)
    at(year, 2, 10)
    case = year.verified(year.annual(year.cadre(), 2024))
    case = year.take(case, "propose", grade="INCOMPETENT", reason="履职不力")
    at(year, 3, 3)
    year.take(case, "approve", COMMITTEE)
    at(year, 3, 10)
    year.serve(case)
    return year, year.again(case)


def file(client: Client, case: Any, kind: str = "REVIEW") -> Any:
    form = {"type": kind, "subject_ref": f"annual/{case.id}", "grounds": "评价与事实不符"}
    return client.post(person(case.cadre), "/appeals", form)


def decide(client: Client, path: str, people: tuple[Any, Any], **form: Any) -> Any:
    for who in people:
        answer = client.take(who, path, "decide", {"reason": "审查完毕", **form})
    return answer


def test_scenario_26_what_is_late_is_refused(client: Client, served: Any) -> None:
    year, case = served
    at(year, 4, 11)
    answer = file(client, case)
    assert problem(answer) == (422, "OUT_OF_TIME")
    assert answer.json["figures"]["until"] == "2025-04-09"


def test_scenario_26_a_review_in_time_ends_in_a_lighter_grade(client: Client, served: Any) -> None:
    year, case = served
    at(year, 4, 8)
    answer = file(client, case)
    assert answer.status_code == 201, answer.text
    path = f"/appeals/{answer.json['id']}"
    assert (answer.json["service_on"], answer.json["original"]) == ("2025-03-10", "INCOMPETENT")
    # Enforcement is not suspended: the grade stands while it is reviewed, and past the day on which it would be final.
    at(year, 4, 21)
    held = year.again(case)
    assert (held.state, held.grade) == ("REVIEW_REQUESTED", "INCOMPETENT")
    assert problem(client.take(APPROVER, path, "accept")) == (422, "AVOIDANCE")
    assert problem(client.take(PROPOSER, path, "accept")) == (422, "AVOIDANCE")
    assert client.take(REVIEWER, path, "accept").json["due_on"] == "2025-05-08"
    assert client.take(REVIEWER, path, "examine").status_code == 200
    assert problem(client.take(REVIEWER, path, "extend", {"reason": "案情复杂"})) == (422, "EXTENSION_NOT_ALLOWED")
    at(year, 5, 7)
    answer = decide(client, path, (REVIEWER, SECOND), decision="AMENDED", amended_to="BASICALLY_COMPETENT")
    assert (answer.json["state"], answer.json["decision"]) == ("DECIDED", "AMENDED")
    assert year.again(case).grade == "INCOMPETENT"
    assert client.take(REVIEWER, path, "execute").json["state"] == "EXECUTED"
    corrected = year.again(case)
    assert (corrected.state, corrected.grade, corrected.revision) == ("CORRECTED", "BASICALLY_COMPETENT", 2)
    (told,) = [event for event in year.city.outbox() if event.type.startswith("assessment.appeal.decided")][-1:]
    assert corrected.cause == told.id
    # It is served anew, and the time to appeal against the new grade runs anew.
    at(year, 5, 12)
    year.serve(corrected)
    at(year, 6, 11)
    assert file(client, case).json["original"] == "BASICALLY_COMPETENT"


def reviewed(year: Year, client: Client, case: Any, **decision: Any) -> str:
    """Have a review of 8 April decided on 7 May and its decision served on the 8th; return its path."""
    at(year, 4, 8)
    path = f"/appeals/{file(client, case).json['id']}"
    for action in ("accept", "examine"):
        client.take(REVIEWER, path, action)
    at(year, 5, 7)
    done = decide(client, path, (REVIEWER, SECOND), **decision).json
    assert done["state"] == "DECIDED"
    ref = path.removeprefix("/").replace("appeals/", "appeal/")
    year.city.receive(a_service("APPEAL_DECISION", ref, case.cadre, "2025-05-08"), queue=NOTIFICATION)
    return path


def test_scenario_26_an_appeal_follows_a_review_that_amended_though_the_new_grade_is_served(
    client: Client, served: Any
) -> None:
    year, case = served
    review = reviewed(year, client, case, decision="AMENDED", amended_to="BASICALLY_COMPETENT")
    client.take(REVIEWER, review, "execute")
    at(year, 5, 12)
    year.serve(year.again(case))
    at(year, 5, 26)
    assert problem(file(client, case, "APPEAL")) == (422, "OUT_OF_TIME")
    at(year, 5, 23)
    answer = file(client, case, "APPEAL")
    assert answer.status_code == 201, answer.text
    seen = answer.json
    assert (seen["original"], seen["review"]) == ("BASICALLY_COMPETENT", review.removeprefix("/appeals/"))
    assert (seen["service_on"], seen["file_until"]) == ("2025-05-08", "2025-05-23")
    assert problem(file(client, case, "APPEAL")) == (409, "DUPLICATE")
    assert problem(file(client, case)) == (409, "DUPLICATE")
    path = f"/appeals/{seen['id']}"
    for action in ("accept", "examine"):
        client.take(FAIR, path, action)
    decide(client, path, (FAIR, FAIR_TOO), decision="AMENDED", amended_to="COMPETENT")
    client.take(FAIR, path, "execute")
    assert (year.again(case).grade, year.again(case).revision) == ("COMPETENT", 3)


@pytest.mark.parametrize("decision", [{"decision": "UPHELD"}, {"decision": "AMENDED", "amended_to": "COMPETENT"}])
def test_scenario_26_no_appeal_on_a_later_decision_follows_the_review_of_the_former(
    client: Client, served: Any, decision: dict[str, Any]
) -> None:
    year, case = served
    review = reviewed(year, client, case, **decision)
    if decision["decision"] == "AMENDED":
        client.take(REVIEWER, review, "execute")
    at(year, 5, 9)
    cause = year.city.outbox()[-1].id
    grade = {"grade": "BASICALLY_COMPETENT", "reason": "集体研究"}
    corrected = year.take(year.again(case), "amend", COMMITTEE, cause=cause, **grade)
    assert problem(file(client, case, "APPEAL")) == (422, "REVIEW_MISSING")
    year.serve(corrected)
    at(year, 5, 12)
    assert problem(file(client, case, "APPEAL")) == (422, "REVIEW_MISSING")
    assert file(client, case, "DIRECT_APPEAL").json["original"] == "BASICALLY_COMPETENT"


def test_scenario_26_an_appeal_follows_the_review_and_is_never_heavier(client: Client, served: Any) -> None:
    year, case = served
    at(year, 4, 8)
    review = f"/appeals/{file(client, case).json['id']}"
    for action in ("accept", "examine"):
        client.take(REVIEWER, review, action)
    at(year, 5, 7)
    upheld = decide(client, review, (REVIEWER, SECOND), decision="UPHELD").json
    assert upheld["decision"] == "UPHELD"
    assert year.again(case).state == "FINAL"
    year.city.receive(
        a_service("APPEAL_DECISION", f"appeal/{upheld['id']}", case.cadre, "2025-05-08"), queue=NOTIFICATION
    )
    at(year, 5, 26)
    assert problem(file(client, case, "APPEAL")) == (422, "OUT_OF_TIME")
    # Fifteen days after 8 May end on 23 May.
    at(year, 5, 23)
    path = f"/appeals/{file(client, case, 'APPEAL').json['id']}"
    assert year.again(case).state == "REVIEW_REQUESTED"
    assert problem(client.take(PROPOSER, path, "accept")) == (422, "AVOIDANCE")
    assert client.take(FAIR, path, "accept").json["due_on"] == "2025-07-22"
    client.take(FAIR, path, "examine")
    assert client.take(FAIR, path, "extend", {"reason": "案情复杂"}).json["due_on"] == "2025-08-21"
    assert problem(client.take(FAIR, path, "extend", {"reason": "再延"})) == (422, "EXTENSION_LIMIT")
    answer = decide(client, path, (FAIR, FAIR_TOO), decision="REVOKED", amended_to="COMPETENT")
    assert answer.json["amended_to"] == "COMPETENT"
    client.take(FAIR, path, "execute")
    assert (year.again(case).grade, year.again(case).revision) == ("COMPETENT", 2)


def test_scenario_26_a_heavier_decision_is_refused(client: Client, served: Any, city: City) -> None:
    year = Year(city)
    at(year, 2, 10)
    case = year.verified(year.annual(year.cadre(), 2024))
    case = year.take(case, "propose", grade="BASICALLY_COMPETENT", reason="履职一般")
    year.take(case, "approve", COMMITTEE)
    year.serve(case)
    path = f"/appeals/{file(client, case, 'DIRECT_APPEAL').json['id']}"
    for action in ("accept", "examine"):
        client.take(FAIR, path, action)
    answer = decide(client, path, (FAIR, FAIR_TOO), decision="AMENDED", amended_to="INCOMPETENT")
    assert problem(answer) == (422, "NO_REFORMATIO_IN_PEIUS")
    assert answer.json["figures"] == {"original": "BASICALLY_COMPETENT", "given": "INCOMPETENT"}
    client.take(person(case.cadre), path, "withdraw")
    assert year.again(case).state == "FINAL"


def test_scenario_26_what_is_not_adverse_and_what_a_group_got_cannot_be_appealed_against(
    client: Client, city: City
) -> None:
    year = Year(city)
    at(year, 2, 10)
    case = year.approved(year.annual(year.cadre(), 2024))
    year.serve(case)
    answer = file(client, case)
    assert problem(answer) == (422, "NOT_APPEALABLE")
    assert answer.json["figures"]["result"] == "COMPETENT"
    other = {"sub": "user-x", "roles": ["CADRE"], "scope": {"units": [], "person": year.cadre()}}
    form = {"type": "REVIEW", "subject_ref": f"annual/{case.id}", "grounds": "不服"}
    assert problem(client.post(other, "/appeals", form)) == (403, "DATA_SCOPE")
    group = year.group("N-77", 2024)
    form = {"type": "REVIEW", "subject_ref": f"annual/{group.id}", "grounds": "不服"}
    assert problem(client.post(other, "/appeals", form)) == (422, "UNKNOWN_MATTER")


def test_scenario_26_the_next_year_stays_bound_while_it_is_reviewed_and_is_freed_by_a_lighter_grade(
    client: Client, served: Any
) -> None:
    year, case = served

    def cap() -> Any:
        with year.city.acting() as uow:
            return combined(uow, case.cadre, 2025).cap

    at(year, 4, 8)
    path = f"/appeals/{file(client, case).json['id']}"
    assert cap() is Grade.COMPETENT
    for action in ("accept", "examine"):
        client.take(REVIEWER, path, action)
    decide(client, path, (REVIEWER, SECOND), decision="AMENDED", amended_to="COMPETENT")
    client.take(REVIEWER, path, "execute")
    assert cap() is None

"""Appeals that end in an excellent grade (A16, A13): the quota is asked when it is decided, and again when it is carried out."""

from datetime import datetime
from typing import Any

from citybus.clock import ZONE
from tests.support.annual import COMMITTEE, Year
from tests.support.assessment import City
from tests.support.grades import ALL, Client, person, problem

FAIR = {"sub": "fair", "roles": ["FAIRCOMM"], "scope": ALL}
FAIR_TOO = {"sub": "fair-too", "roles": ["FAIRCOMM"], "scope": ALL}
EXCELLENT = {"decision": "AMENDED", "amended_to": "EXCELLENT", "reason": "原评价有误"}


def appealed(year: Year, client: Client) -> tuple[Any, str]:
    """Return a grade of 不称职 that was served, and the path of the appeal against it, which is under examination."""
    case = year.verified(year.annual(year.cadre(), 2024))
    year.take(case, "propose", grade="INCOMPETENT", reason="履职不力")
    year.take(case, "approve", COMMITTEE)
    year.serve(case)
    form = {"type": "DIRECT_APPEAL", "subject_ref": f"annual/{case.id}", "grounds": "评价与事实不符"}
    path = f"/appeals/{client.post(person(case.cadre), '/appeals', form).json['id']}"
    for action in ("accept", "examine"):
        client.take(FAIR, path, action)
    return case, path


def test_no_excellent_grade_beyond_the_quota(city: City) -> None:
    year, client = Year(city), Client(city)
    city.clock.set(datetime(2025, 2, 10, 10, tzinfo=ZONE))
    (first, one), (second, two), (_, three) = (appealed(year, client) for _ in range(3))
    assert problem(client.take(FAIR, one, "decide", EXCELLENT)) == (422, "QUOTA_NOT_LOCKED")
    quota = year.quota("CADRE", 2024)
    # A quarter of three is rounded to one.
    assert quota.most == 1
    for path in (one, two, three):
        assert client.take(FAIR, path, "decide", EXCELLENT).json["state"] == "UNDER_EXAMINATION"
    for path in (one, two):
        assert client.take(FAIR_TOO, path, "decide", EXCELLENT).json["state"] == "DECIDED"
    assert client.take(FAIR, one, "execute").json["state"] == "EXECUTED"
    graded = year.again(first)
    assert (graded.state, graded.grade, graded.quota_id) == ("CORRECTED", "EXCELLENT", quota.id)
    assert year.again(quota).state == "USED"

    late = client.take(FAIR, two, "execute")
    assert problem(late) == (422, "QUOTA_EXCEEDED")
    assert (late.json["figures"]["used"], late.json["figures"]["limit"]) == (1, 1)
    assert year.again(second).grade == "INCOMPETENT"
    assert client.get(FAIR, two).json["state"] == "DECIDED"
    refused = client.take(FAIR_TOO, three, "decide", EXCELLENT)
    assert problem(refused) == (422, "QUOTA_EXCEEDED")
    assert (refused.json["figures"]["used"], refused.json["figures"]["limit"]) == (1, 1)
    assert client.get(FAIR, three).json["state"] == "UNDER_EXAMINATION"

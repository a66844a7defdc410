"""Leave is recorded by one, confirmed by another, and binds the grade of a year of which it was more than half."""

from datetime import datetime
from typing import Any

import pytest

from assessment.application.constraints import combined
from assessment.domain.grade import GradeStatus
from citybus.clock import ZONE
from tests.support.assessment import City, some_id
from tests.support.grades import ALL, ASSESSOR, Client, enrol, person, problem

STAFF = {"sub": "staff", "roles": ["UNITHR"], "scope": {"units": ["N-1"], "unit": "N-1"}}
OTHER_STAFF = {"sub": "other-staff", "roles": ["UNITHR"], "scope": {"units": ["N-2"], "unit": "N-2"}}
SECOND = {"sub": "second", "roles": ["ORG.assess"], "scope": ALL}
LEAVE = {"kind": "SICK", "begins": "2024-01-02", "ends": "2024-08-30"}


@pytest.fixture(scope="module")
def client(module_city: City) -> Client:
    return Client(module_city)


@pytest.fixture(scope="module")
def cadre(module_city: City) -> str:
    return enrol(module_city)


@pytest.fixture(autouse=True)
def autumn(city: City) -> None:
    city.clock.set(datetime(2024, 9, 2, 10, tzinfo=ZONE))


def status(city: City, cadre: str) -> Any:
    with city.acting() as uow:
        return combined(uow, cadre, 2024).status


def test_leave_counts_once_another_confirms_it_and_until_it_is_withdrawn(
    city: City, client: Client, cadre: str
) -> None:
    answer = client.post(STAFF, "/absences", {"cadre": cadre, **LEAVE})
    assert answer.status_code == 201, answer.text
    path = f"/absences/{answer.json['id']}"
    assert status(city, cadre) is GradeStatus.GRADED
    assert client.take(ASSESSOR, path, "confirm").json["state"] == "CONFIRMED"
    assert status(city, cadre) is GradeStatus.NO_GRADE
    assert client.get(person(cadre), path).json["kind"] == "SICK"
    assert problem(client.take(ASSESSOR, path, "withdraw")) == (422, "REASON_MISSING")
    assert client.take(ASSESSOR, path, "withdraw", {"reason": "登记有误"}).json["state"] == "WITHDRAWN"
    assert status(city, cadre) is GradeStatus.GRADED


def test_who_recorded_leave_does_not_confirm_it(client: Client, cadre: str) -> None:
    made = client.post(ASSESSOR, "/absences", {"cadre": cadre, **LEAVE}).json
    path = f"/absences/{made['id']}"
    assert problem(client.take(ASSESSOR, path, "confirm")) == (422, "AVOIDANCE")
    assert client.take(SECOND, path, "withdraw", {"reason": "重复"}).status_code == 200


def test_what_cannot_be_is_refused(client: Client, cadre: str) -> None:
    def recorded(who: Any = STAFF, **changes: Any) -> Any:
        return problem(client.post(who, "/absences", {"cadre": cadre, **LEAVE, **changes}))

    assert recorded(cadre=some_id()) == (422, "UNKNOWN_CADRE")
    assert recorded(kind="HOLIDAY") == (422, "UNKNOWN_ABSENCE_KIND")
    assert recorded(ends="2023-12-31") == (422, "DATE_RANGE")
    assert recorded(ends="2024-09-03") == (422, "DATE_RANGE")
    assert recorded(who=OTHER_STAFF) == (403, "DATA_SCOPE")
    assert recorded(reason="机密") == (451, "SECRECY_LEVEL")


def test_only_those_concerned_see_leave(client: Client, cadre: str) -> None:
    assert client.get(STAFF, "/absences").json["items"]
    assert client.get(ASSESSOR, f"/absences?cadre={cadre}").json["items"]
    assert client.get(person(cadre), "/absences").json["items"]
    assert client.get(OTHER_STAFF, "/absences").json["items"] == []
    # That somebody was ill is for the assessors and the keepers of the roster, not for every office of the department.
    for role, status in (("ORG.cadre", 200), ("ORG.edu", 403), ("ORG.supervise", 403)):
        assert client.get({"sub": "office", "roles": [role], "scope": ALL}, "/absences").status_code == status

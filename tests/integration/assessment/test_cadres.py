"""Changes in the roster by the API: posts with their history as of a day, suspension, leaving, and exports."""

import io
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from assessment.domain.columns import CADRES
from citybus import tables
from citybus.clock import ZONE
from tests.support.assessment import MONDAY, City, cadre_row, id_number, roster
from tests.support.duty import ORG_UNIT, OWN, SUPO_UNIT, Clerk, person, roster_of_offices

KEEPER = {"sub": "keeper", "roles": ["ORG.cadre"], "scope": {"units": "*", "unit": "D-HR"}}
SECOND = {"sub": "second", "roles": ["ORG.cadre"], "scope": {"units": "*", "unit": "D-HR"}}
OWN_HEAD = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": [OWN], "unit": OWN}}
POST = {
    "unit": ORG_UNIT,
    "post": "局长",
    "post_since": "2024-05-20",
    "rank": "COUNTY_CHIEF",
    "manage_level": "CITY",
    "reason": "工作需要",
    "document": "黄组干〔2024〕12号",
}


@pytest.fixture(scope="module")
def clerk(module_city: City) -> Clerk:
    module_city.clock.set(MONDAY)
    assert module_city.import_(roster_of_offices()).state == "IMPORTED"
    return Clerk(module_city)


def on(city: City, month: int, day: int) -> None:
    city.clock.set(datetime(2024, month, day, 9, tzinfo=ZONE))


def test_a_post_changes_and_what_was_known_on_a_day_can_be_asked(clerk: Clerk, city: City) -> None:
    cadre = clerk.cadres()[OWN][0]
    path = f"/cadres/{cadre}"
    on(city, 5, 27)
    assert clerk.refused(KEEPER, path, "change-post", {**POST, "reason": None}) == (400, "VALIDATION")
    changed = clerk.done(KEEPER, path, "change-post", POST)
    assert (changed["unit"], changed["post"], changed["version"], changed["effective_on"]) == (
        ORG_UNIT,
        "局长",
        2,
        "2024-05-20",
    )
    assert clerk.get(KEEPER, path).json["post"] == "局长"
    assert clerk.get(KEEPER, f"{path}?as_of=2024-05-26").json["post"] == "副区长"
    assert clerk.get(KEEPER, f"{path}?as_of=2024-05-26").json["version"] == 1
    # Whoever leads the former unit sees what was there then, and not what came after.
    assert clerk.get(OWN_HEAD, path).json["code"] == "DATA_SCOPE"
    assert clerk.get(OWN_HEAD, f"{path}?as_of=2024-05-26").json["unit"] == OWN
    listed = clerk.get(KEEPER, f"/cadres?unit={OWN}&as_of=2024-05-26").json["items"]
    assert cadre in {each["id"] for each in listed}
    assert cadre not in {each["id"] for each in clerk.get(KEEPER, f"/cadres?unit={OWN}").json["items"]}
    history = clerk.get(person(cadre, ORG_UNIT), f"{path}/posts").json["items"]
    assert [(each["number"], each["change"], each["unit"], each["document"]) for each in history] == [
        (1, "REGISTER", OWN, None),
        (2, "CHANGE_POST", ORG_UNIT, "黄组干〔2024〕12号"),
    ]
    assert len(clerk.get(KEEPER, f"{path}/posts?as_of=2024-05-26").json["items"]) == 1
    assert clerk.get(KEEPER, f"{path}/posts?as_of=2024-03-01").json["code"] == "NOT_FOUND"


def test_suspended_reinstated_left_and_never_deleted(clerk: Clerk, city: City) -> None:
    cadre = clerk.cadres()[SUPO_UNIT][0]
    path = f"/cadres/{cadre}"
    on(city, 6, 3)
    assert clerk.refused(KEEPER, path, "reinstate", {"reason": "r"}) == (409, "INVALID_TRANSITION")
    assert clerk.done(KEEPER, path, "suspend", {"reason": "配合调查"})["state"] == "SUSPENDED"
    on(city, 7, 1)
    assert clerk.refused(KEEPER, path, "reinstate", {"reason": "r", "effective_on": "2024-06-02"}) == (
        422,
        "DATE_RANGE",
    )
    assert clerk.done(KEEPER, path, "reinstate", {"reason": "查清"})["state"] == "ACTIVE"
    on(city, 12, 31)
    assert clerk.refused(KEEPER, path, "leave", {"reason": "到龄"}) == (400, "VALIDATION")
    assert clerk.done(KEEPER, path, "leave", {"reason": "到龄", "how": "RETIRED"})["state"] == "LEFT"
    assert clerk.refused(KEEPER, path, "change-post", POST) == (409, "INVALID_TRANSITION")
    assert clerk.get(KEEPER, f"{path}?as_of=2024-06-15").json["state"] == "SUSPENDED"
    assert [each["id"] for each in clerk.get(KEEPER, "/cadres?state=LEFT").json["items"]] == [cadre]
    told = [event for event in city.outbox() if event.subject == f"cadre/{cadre}"]
    assert [(event.type.split(".")[2], event.sequence, event.data.get("state")) for event in told] == [
        ("registered", 1, None),
        ("suspended", 2, "SUSPENDED"),
        ("reinstated", 3, "ACTIVE"),
        ("left", 4, "LEFT"),
    ]
    assert not any({"reason", "id_no", "birth"} & set(event.data) for event in told)
    own = {"sub": "own", "roles": ["ORG.cadre"], "scope": {"units": "*", "unit": ORG_UNIT}}
    colleague = clerk.cadres()[ORG_UNIT][-1]
    assert clerk.refused(own, f"/cadres/{colleague}", "suspend", {"reason": "r"}) == (422, "AVOIDANCE")


def exported(clerk: Clerk, who: Any, path: str) -> list[list[Any]]:
    answer = clerk.get(who, f"{path}/roster.xlsx")
    assert answer.status_code == 200, answer.json
    with CalamineWorkbook.from_filelike(io.BytesIO(answer.data)) as book:
        return book.get_sheet_by_name("干部").to_python()


def test_an_export_has_a_purpose_and_of_many_takes_two(clerk: Clerk, city: City) -> None:
    on(city, 12, 31)
    few = clerk.post(KEEPER, "/roster-exports", {"purpose": "干部统计", "unit": ORG_UNIT})
    assert (few.status_code, few.json["needs_approval"]) == (201, False)
    path = f"/roster-exports/{few.json['id']}"
    head, *rows = exported(clerk, KEEPER, path)
    assert "公民身份号码" not in head
    assert head[-1] == "状态"
    assert len(rows) == few.json["count"]
    assert clerk.get(SECOND, f"{path}/roster.xlsx").json["code"] == "FORBIDDEN"
    assert clerk.take_as(SECOND, path, "approve") == (422, "APPROVAL_NOT_NEEDED")

    people = [cadre_row(unit=OWN, id_no=id_number(date(1985, 1, 1) + timedelta(days=day))) for day in range(101)]
    assert city.import_(roster((), people)).state == "IMPORTED"
    many = clerk.post(KEEPER, "/roster-exports", {"purpose": "迁移名册", "unit": OWN, "id_numbers": True}).json
    path = f"/roster-exports/{many['id']}"
    assert many["needs_approval"] is True
    assert clerk.get(KEEPER, f"{path}/roster.xlsx").json["code"] == "EXPORT_NOT_APPROVED"
    assert clerk.take_as(KEEPER, path, "approve") == (422, "AVOIDANCE")
    assert clerk.take_as(SECOND, path, "approve") == (200, None)
    head, *rows = exported(clerk, KEEPER, path)
    assert head == [column.zh for column in CADRES.columns]
    # What was exported can be imported: everybody is registered already, and alike.
    again = city.import_(clerk.get(KEEPER, f"{path}/roster.xlsx").data)
    assert (again.state, again.cadres_new, again.cadres_same) == ("IMPORTED", 0, len(rows))
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.action == "roster.export")
    assert [(entry.purpose, "id_no" in entry.read_fields) for entry in entries] == [
        ("干部统计", False),
        ("迁移名册", True),
        ("迁移名册", True),
    ]
    city.clock.set(datetime(2025, 1, 8, 9, tzinfo=ZONE))
    clerk.fire()
    assert clerk.get(KEEPER, path).json["state"] == "EXPIRED"
    assert clerk.get(KEEPER, f"{path}/roster.xlsx").json["code"] == "EXPORT_NOT_APPROVED"

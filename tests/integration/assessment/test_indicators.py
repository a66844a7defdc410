"""Indicators by the API: drafted, published, changed, closed, and linked to by duty items."""

from datetime import datetime
from typing import Any

import pytest

from citybus.clock import ZONE
from tests.support.assessment import MONDAY, City
from tests.support.duty import ASSESSOR, HEAD, ORG_UNIT, OWN, Clerk, items, person, roster_of_offices

SUPERVISOR = {"sub": "supervisor", "roles": ["SUPO"], "scope": {"units": "*", "unit": "D-SUPO"}}


@pytest.fixture(scope="module")
def clerk(module_city: City) -> Clerk:
    module_city.clock.set(MONDAY)
    assert module_city.import_(roster_of_offices()).state == "IMPORTED"
    return Clerk(module_city)


def form(**changes: Any) -> dict[str, Any]:
    made = {
        "year": 2024,
        "code": "PROV-01",
        "title": "地区生产总值增长率",
        "level": "PROV",
        "unit_of_measure": "%",
        "target": "7.0",
        "baseline": "6.2",
        "lead_unit": OWN,
        "co_units": [ORG_UNIT],
    }
    return made | changes


def test_an_indicator_is_published_changed_and_closed_and_duty_items_link_to_it(clerk: Clerk, city: City) -> None:
    city.clock.set(datetime(2024, 2, 19, 9, tzinfo=ZONE))
    opened = clerk.post(SUPERVISOR, "/indicators", form())
    assert opened.status_code == 201, opened.json
    path, indicator = f"/indicators/{opened.json['id']}", opened.json["id"]
    for repeated in (form(title="别的指标"), form(code="PROV-02")):
        assert clerk.post(ASSESSOR, "/indicators", repeated).json["code"] == "DUPLICATE"
    assert clerk.post(ASSESSOR, "/indicators", form(year=2025)).status_code == 201
    assert clerk.post(HEAD, "/indicators", form(code="X")).json["code"] == "FORBIDDEN"

    owner, colleague = clerk.cadres()[OWN]
    linked = [each | {"indicator": indicator} if each["source"] == "GOAL" else each for each in items()]
    body = {"owner_kind": "CADRE", "owner": owner, "year": 2024, "kind": "DUTY", "items": linked}
    assert clerk.post(person(owner, OWN), "/duty-lists", body).json["code"] == "UNKNOWN_INDICATOR"
    clerk.done(ASSESSOR, path, "publish")
    assert clerk.post(person(owner, OWN), "/duty-lists", body | {"year": 2025}).json["code"] == "UNKNOWN_INDICATOR"
    assert clerk.post(person(owner, OWN), "/duty-lists", body).status_code == 201
    (found,) = clerk.get(ASSESSOR, f"{path}/duty-items").json["items"]
    assert (found["owner"], found["item"]["source"], found["item"]["indicator"]) == (owner, "GOAL", indicator)
    assert clerk.get(person(colleague, OWN), f"{path}/duty-items").json["items"] == []

    change = {name: value for name, value in form(target="7.2").items() if name not in ("year", "code", "level")}
    assert clerk.refused(ASSESSOR, path, "change", change) == (422, "REASON_MISSING")
    assert clerk.done(ASSESSOR, path, "change", change | {"reason": "省调整目标"})["target"] == "7.2"
    assert clerk.done(ASSESSOR, path, "close", {"reason": "年度结束"})["state"] == "CLOSED"
    published = [event for event in city.outbox() if event.subject == f"indicator/{indicator}"]
    assert [(event.type.split(".")[2], event.data["target"]) for event in published] == [
        ("published", "7"),
        ("changed", "7.2"),
        ("changed", "7.2"),
    ]
    assert [each["year"] for each in clerk.get(HEAD, "/indicators?state=CLOSED").json["items"]] == [2024]

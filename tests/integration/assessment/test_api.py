"""The API as its clients meet it: tokens, keys, data scope, problems, and who sees what of whom."""

import io
import json
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from python_calamine import CalamineWorkbook
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from assessment.entrypoints.http import blueprints
from assessment.entrypoints.problems import PROBLEMS
from assessment.persistence.models import CadreRow
from assessment.workbooks.scan import MOST_BYTES
from citybus import tables
from citybus.http import Tokens, create_app, routes
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from tests.support.assessment import (
    MONDAY,
    City,
    cadre_row,
    finding_data,
    finding_event,
    id_number,
    roster,
    rulebook,
    some_id,
    workbook,
)

ALL = {"units": "*", "unit": "4202-102"}
KEEPER = {"sub": "keeper", "roles": ["ORG.cadre"], "scope": ALL}
ASSESSOR = {"sub": "assessor", "roles": ["ORG.assess"], "scope": ALL}
PARTIAL = {"sub": "partial", "roles": ["ORG"], "scope": {"units": ["N-1"], "unit": "4202-102"}}
HEAD = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": ["N-1"], "unit": "N-1"}}
STAFF = {"sub": "staff", "roles": ["UNITHR"], "scope": {"units": "*", "unit": "N-1"}}
INSPECTOR = {"sub": "inspector", "roles": ["SUPO"], "scope": ALL}
ADMIN = {"sub": "admin", "roles": ["SYSADM"], "scope": ALL}
FIRST, SECOND = id_number(date(1975, 1, 1)), id_number(date(1975, 1, 2))
ROSTER = roster(
    [["N-1", "黄石市甲局", "市直部门", "政府系统"], ["N-2", "黄石市乙院", "市直属事业单位", "直属事业单位"]],
    [
        cadre_row(unit="N-1", id_no=FIRST, name="赵一（虚构）"),
        cadre_row(unit="N-2", id_no=SECOND, name="钱二（虚构）", rank="正科级", categories="事业人员"),
    ],
)


class Client:
    """Speaks to the API as anybody whose claims are given."""

    def __init__(self, app: Flask, issuer: FakeIssuer) -> None:
        self.app = app
        self._client = app.test_client()
        self._issuer = issuer

    def get(self, who: Any, path: str, **headers: str) -> TestResponse:
        return self._client.get(path, headers={**self._token(who), **headers})

    def upload(
        self, who: Any, content: bytes, *, key: str | None = None, name: str = "名册.xlsx", field: str = "file"
    ) -> TestResponse:
        boundary, body = encode_multipart({field: FileStorage(io.BytesIO(content), name)})
        return self._client.post(
            "/roster-imports",
            data=body,
            content_type=f'multipart/form-data; boundary="{boundary}"',
            headers={**self._token(who), "Idempotency-Key": key or str(uuid4())},
        )

    def _token(self, who: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._issuer.token(**who)}"} if who else {}


@pytest.fixture(scope="module")
def module_client(module_city: City) -> Client:
    issuer = FakeIssuer()
    app = create_app(
        service="assessment",
        version="1",
        units=module_city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(rulebook(), module_city.vault),
        own_problems=PROBLEMS,
    )
    assert module_city.import_(ROSTER).state == "IMPORTED"
    return Client(app, issuer)


@pytest.fixture
def client(module_client: Client, city: City) -> Client:
    return module_client


def problem(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json", answer.text
    found = json.loads(answer.text)
    assert set(found["messages"]) == {"zh", "en"}
    return answer.status_code, found["code"]


def member_of(city: City, unit: str) -> str:
    (row,) = city.rows(CadreRow.__table__, CadreRow.unit == unit)
    found: str = row.id
    return found


def person(cadre: str) -> dict[str, Any]:
    return {"sub": f"user-{cadre}", "roles": ["CADRE"], "scope": {"units": [], "person": cadre}}


# ---- imports of rosters


def test_an_upload_is_taken_in_and_its_import_can_be_followed(client: Client, city: City) -> None:
    answer = client.upload(KEEPER, roster([["N-3", "黄石市丙局", "市直部门", "政府系统"]], []))
    assert answer.status_code == 202
    where = answer.headers["Location"]
    assert (answer.json["state"], answer.json["progress"], answer.json["errors"]) == ("QUEUED", 0, None)
    assert city.runner().run_one()
    found = client.get(KEEPER, where).json
    assert (found["state"], found["progress"], found["total"]) == ("IMPORTED", 2, 2)
    assert (found["units"], found["cadres"]) == ({"new": 1, "same": 0}, {"new": 0, "same": 0})


def test_the_same_key_brings_the_same_import_and_another_file_is_refused(client: Client, city: City) -> None:
    content, key = roster([["N-4", "黄石市丁局", "市直部门", "政府系统"]], []), str(uuid4())
    first, again = client.upload(KEEPER, content, key=key), client.upload(KEEPER, content, key=key)
    assert first.json["id"] == again.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert problem(client.upload(KEEPER, ROSTER, key=key)) == (422, "KEY_REUSED")
    assert city.runner().run_one()
    assert not city.runner().run_one()


def test_a_rejected_roster_has_a_list_of_errors(client: Client, city: City) -> None:
    where = client.upload(KEEPER, roster([["n 5", "", "什么", "政府系统"]], [])).headers["Location"]
    assert problem(client.get(KEEPER, f"{where}/errors.xlsx")) == (404, "NOT_FOUND")
    city.runner().run_one()
    found = client.get(KEEPER, where).json
    assert (found["state"], found["fault_count"], found["errors"]) == ("REJECTED", 3, f"{where}/errors.xlsx")
    answer = client.get(KEEPER, found["errors"])
    with CalamineWorkbook.from_filelike(io.BytesIO(answer.data)) as book:
        lines = book.get_sheet_by_index(0).to_python()[1:]
    assert [line[4] for line in lines] == ["CODE_FORMAT", "REQUIRED", "UNKNOWN_VALUE"]
    assert problem(client.get(ASSESSOR, f"{where}/errors.xlsx")) == (403, "FORBIDDEN")


def test_the_template_is_served(client: Client) -> None:
    answer = client.get(KEEPER, "/roster-template.xlsx")
    assert answer.status_code == 200
    with CalamineWorkbook.from_filelike(io.BytesIO(answer.data)) as book:
        assert book.sheet_names[:2] == ["单位", "干部"]
    assert "attachment" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (422, "WORKBOOK_UNREADABLE")),
        (b"no workbook", (422, "WORKBOOK_UNREADABLE")),
        (workbook(("单位", [["机密"]])), (451, "SECRECY_LEVEL")),
        (b"x" * (MOST_BYTES + (1 << 20)), (413, "TOO_LARGE")),
    ],
)
def test_what_is_no_workbook_or_is_marked_is_not_taken_in(
    client: Client, city: City, content: bytes, expected: tuple[int, str]
) -> None:
    assert problem(client.upload(KEEPER, content)) == expected
    assert not city.runner().run_one()


def test_an_upload_without_its_file_is_told_so(client: Client) -> None:
    assert problem(client.upload(KEEPER, ROSTER, field="other")) == (400, "VALIDATION")


def test_only_keepers_of_the_whole_roster_import(client: Client) -> None:
    assert problem(client.upload(ASSESSOR, ROSTER)) == (403, "FORBIDDEN")
    assert problem(client.upload(PARTIAL, ROSTER)) == (403, "DATA_SCOPE")
    assert problem(client.upload(None, ROSTER)) == (401, "TOKEN_MISSING")
    assert problem(client.get(KEEPER, f"/roster-imports/{uuid4()}")) == (404, "NOT_FOUND")
    assert problem(client.get(PARTIAL, f"/roster-imports/{uuid4()}")) == (403, "DATA_SCOPE")


# ---- units and cadres


def test_units_are_listed_in_pages_to_everybody_but_administrators(client: Client) -> None:
    found = client.get(INSPECTOR, "/units?limit=1&kind=CITY_DEPT").json
    assert found["items"][0] == {
        "code": "N-1",
        "name": "黄石市甲局",
        "kind": "CITY_DEPT",
        "sector": "GOVERNMENT",
        "registered_at": MONDAY.isoformat(),
    }
    assert found["next"] is not None
    following = client.get(INSPECTOR, f"/units?limit=1&kind=CITY_DEPT&cursor={found['next']}").json
    assert following["items"][0]["code"] > "N-1"
    assert problem(client.get(ADMIN, "/units")) == (403, "FORBIDDEN")


def test_a_list_shows_those_within_the_data_scope(client: Client, city: City) -> None:
    def seen(who: Any, query: str = "") -> list[str]:
        answer = client.get(who, f"/cadres{query}")
        assert answer.status_code == 200, answer.text
        return [each["unit"] for each in answer.json["items"]]

    first = member_of(city, "N-1")
    assert seen(ASSESSOR) == ["N-1", "N-2"]
    assert seen(PARTIAL) == seen(HEAD) == seen(STAFF) == seen(person(first)) == ["N-1"]
    assert seen(person("p-of-another-form")) == []
    assert seen(ASSESSOR, "?unit=N-2") == seen(ASSESSOR, "?category=INSTITUTION_STAFF") == ["N-2"]
    assert seen(ASSESSOR, "?rank=COUNTY_DEPUTY&manage_level=CITY") == ["N-1"]
    assert seen(ASSESSOR, "?as_of=2024-03-03") == []
    assert problem(client.get(INSPECTOR, "/cadres")) == (403, "FORBIDDEN")


def test_a_cadre_is_shown_within_the_data_scope_and_the_look_is_recorded(client: Client, city: City) -> None:
    first, second = member_of(city, "N-1"), member_of(city, "N-2")
    for who in (KEEPER, PARTIAL, HEAD, STAFF, person(first)):
        answer = client.get(who, f"/cadres/{first}")
        assert answer.json["name"] == "赵一（虚构）"
        assert "id_no" not in answer.json
    for who in (PARTIAL, HEAD, STAFF, person(first)):
        assert problem(client.get(who, f"/cadres/{second}")) == (403, "DATA_SCOPE")
    assert problem(client.get(KEEPER, f"/cadres/{uuid4()}")) == (404, "NOT_FOUND")
    assert problem(client.get(KEEPER, f"/cadres/{first}?as_of=2024-03-03")) == (404, "NOT_FOUND")
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"cadre/{first}")
    assert {entry.actor for entry in entries} >= {"keeper", "head", f"user-{first}"}
    assert "birth" in entries[0].read_fields


def test_the_identity_number_is_shown_for_a_purpose_and_that_is_recorded(client: Client, city: City) -> None:
    first = member_of(city, "N-1")
    purpose = "核对任免表"
    assert client.get(KEEPER, f"/cadres/{first}?purpose={purpose}").json["id_no"] == FIRST
    assert client.get(person(first), f"/cadres/{first}?purpose=本人查阅").json["id_no"] == FIRST
    for who in (ASSESSOR, HEAD, STAFF):
        assert problem(client.get(who, f"/cadres/{first}?purpose={purpose}")) == (403, "FORBIDDEN")
    for none in ("", "x", "%20%20%20", "a%0Ab"):
        assert problem(client.get(KEEPER, f"/cadres/{first}?purpose={none}")) == (400, "VALIDATION")
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.action == "cadre.read-identity-number")
    assert [(entry.actor, entry.purpose, entry.read_fields) for entry in entries] == [
        ("keeper", purpose, ["id_no"]),
        (f"user-{first}", "本人查阅", ["id_no"]),
    ]


def test_the_catalogue_tells_codes_and_labels(client: Client) -> None:
    found = client.get(INSPECTOR, "/catalogue").json
    assert {"code": "CITY", "zh": "市管", "en": "managed by the city"} in found["manage_levels"]
    assert set(found) == {"unit_kinds", "sectors", "ranks", "manage_levels", "categories"}


# ---- annual records


def test_a_record_explains_its_deduction(client: Client, city: City) -> None:
    cadre, finding = member_of(city, "N-1"), some_id()
    data = finding_data(finding, {cadre: "DIRECT"})
    event = finding_event("verified", 1, data)
    city.receive(event)
    answer = client.get(ASSESSOR, f"/annual-records/{cadre}/2024")
    found = answer.json
    assert (found["deduction"], found["points"], found["cap"], found["version"]) == ("1.6", "1.6", "20", 1)
    assert found["items"] == [
        {
            "finding": finding,
            "role": "DIRECT",
            "base_weight": "2.0",
            "tolerance_case": None,
            "tolerance_factor": None,
            "effective_weight": "2.0",
            "role_share": "0.8",
            "points": "1.60",
            "verified_on": "2024-03-18",
            "rule_pack": "LOCAL-HS-2016@1",
        }
    ]
    assert found["explanation"]["en"].startswith("deduction = min(cap 20, 2.0×0.8) = 1.6;")
    assert (found["cause"], found["correlation_id"]) == (event.id, event.correlationid)
    assert answer.headers["ETag"] == '"1"'
    again = client.get(ASSESSOR, f"/annual-records/{cadre}/2024", **{"If-None-Match": '"1"'})
    assert again.status_code == 304

    city.clock.advance(timedelta(days=10))
    tolerance = {"case": some_id(), "factor": "0.5"}
    city.receive(finding_event("weight-changed", 2, data | {"effective_weight": "1.0", "tolerance": tolerance}))
    assert client.get(ASSESSOR, f"/annual-records/{cadre}/2024").json["deduction"] == "0.8"
    # As it stood on an earlier day, and before anything was recorded.
    for as_of, deduction in (("2024-03-04", "1.6"), ("2024-03-13", "1.6"), ("2024-03-14", "0.8"), ("2024-03-03", "0")):
        path = f"/annual-records/{cadre}/2024?as_of={as_of}"
        assert client.get(ASSESSOR, path).json["deduction"] == deduction, as_of
        listed = client.get(ASSESSOR, f"/annual-records?cadre={cadre}&year=2024&as_of={as_of}").json["items"]
        assert [each["deduction"] for each in listed] == ([] if deduction == "0" else [deduction])


def test_a_year_without_findings_deducts_nothing(client: Client, city: City) -> None:
    cadre = member_of(city, "N-2")
    found = client.get(person(cadre), f"/annual-records/{cadre}/2023").json
    assert (found["version"], found["deduction"], found["items"], found["recorded_at"]) == (0, "0", [], None)
    assert problem(client.get(ASSESSOR, f"/annual-records/{cadre}/2015")) == (404, "NOT_FOUND")
    assert problem(client.get(ASSESSOR, f"/annual-records/{cadre}/10000")) == (404, "NOT_FOUND")
    assert problem(client.get(ASSESSOR, f"/annual-records/{uuid4()}/2023")) == (404, "NOT_FOUND")


def test_a_record_is_shown_to_the_cadre_the_unit_s_head_and_the_organisation_department(
    client: Client, city: City
) -> None:
    first, second = member_of(city, "N-1"), member_of(city, "N-2")
    for cadre in (first, second):
        city.receive(finding_event("verified", 1, finding_data(some_id(), {cadre: "LEAD"}, year=2022)))

    def seen(who: Any) -> set[str]:
        return {each["cadre"] for each in client.get(who, "/annual-records?year=2022").json["items"]}

    assert seen(ASSESSOR) == {first, second}
    assert seen(PARTIAL) == seen(HEAD) == seen(person(first)) == {first}
    for who in (PARTIAL, HEAD, person(first)):
        assert client.get(who, f"/annual-records/{first}/2022").status_code == 200
        assert problem(client.get(who, f"/annual-records/{second}/2022")) == (403, "DATA_SCOPE")
    for who in (STAFF, INSPECTOR, ADMIN):
        assert problem(client.get(who, "/annual-records")) == (403, "FORBIDDEN")


def test_records_are_listed_in_pages(client: Client, city: City) -> None:
    cadre = member_of(city, "N-2")
    for year in (2018, 2019, 2020):
        data = finding_data(some_id(), {cadre: "LEAD"}, year=year, verified_on=f"{year}-05-05")
        city.receive(finding_event("verified", 1, data))
    years: list[int] = []
    path: str | None = f"/annual-records?cadre={cadre}&limit=2"
    while path:
        answer = client.get(ASSESSOR, path)
        years += [each["year"] for each in answer.json["items"]]
        path = answer.headers["Link"].partition(">")[0].lstrip("<") if answer.json["next"] else None
    assert years == sorted(years)
    assert {2018, 2019, 2020} <= set(years)
    assert len(set(years)) == len(years)


def test_every_route_has_its_roles_and_no_administrator_sees_business(client: Client) -> None:
    for route in routes(client.app):
        if route.roles is not None:
            assert not {"SYSADM", "SECADM", "AUDADM"} & set(route.roles), route

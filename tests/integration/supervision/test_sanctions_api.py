"""Sanctions, holds and adjustments by requests: who may send them, and what an answer holds."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from citybus import tables
from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from supervision.entrypoints.http import blueprints
from supervision.entrypoints.problems import PROBLEMS
from supervision.persistence.models import CadreRow
from tests.support.sanctions import heard
from tests.support.supervision import BUREAU, DISC, City, rulebook

EVERYWHERE = {"units": "*", "unit": "420200-DISC"}
FIRST = {"sub": "disc-1", "roles": ["DISC"], "scope": EVERYWHERE}
SECOND = {"sub": "disc-2", "roles": ["DISC"], "scope": EVERYWHERE}
ORG = {"sub": "org-1", "roles": ["ORG"], "scope": {"units": "*", "unit": "420200-ORG"}}
SECRETARY = {"sub": "comm-1", "roles": ["COMM"], "scope": {"units": "*", "unit": "420200-COMM"}}
DEPUTY = {"sub": "comm-2", "roles": ["COMM"], "scope": {"units": "*", "unit": "420200-COMM"}}
SUPO = {"sub": "supo-1", "roles": ["SUPO"], "scope": {"units": "*", "unit": "420200-SUPO"}}


class Client:
    """Speaks to the API as anybody whose claims are given."""

    def __init__(self, app: Flask, issuer: FakeIssuer) -> None:
        self.client = app.test_client()
        self.issuer = issuer

    def get(self, who: Any, path: str) -> Any:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.issuer.token(**who)}"})

    def post(self, who: Any, path: str, body: Any = None, version: str | None = None) -> Any:
        sent = {"Authorization": f"Bearer {self.issuer.token(**who)}", "Idempotency-Key": uuid4().hex}
        if version is not None:
            sent["If-Match"] = version
        return self.client.post(path, json=body or {}, headers=sent)

    def take(self, who: Any, path: str, action: str, body: Any = None) -> Any:
        version = self.get(FIRST, path).headers["ETag"]
        return self.post(who, f"{path}/{action}", body, version)


@pytest.fixture(scope="module")
def client(module_city: City) -> Client:
    issuer = FakeIssuer()
    app = create_app(
        service="supervision",
        version="1",
        units=module_city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(module_city.cases, rulebook(), module_city.vault),
        own_problems=PROBLEMS,
    )
    return Client(app, issuer)


@pytest.fixture
def person(city: City) -> str:
    heard(city)
    name = f"cadre-{uuid4().hex[:8]}"
    with city.acting(DISC) as uow:
        uow.session.execute(text("UPDATE projection_heartbeats SET last_seen = clock_timestamp()"))
        uow.session.add(CadreRow(id=name, unit=BUREAU))
        uow.commit()
    return name


def an_entry(person: str, **changes: Any) -> dict[str, Any]:
    return {
        "cadre": person,
        "regime": "GOV",
        "kind": "DEMERIT",
        "organ": "DISC",
        "decision_no": f"黄监〔2024〕{person}",
        "legal_basis": "《公职人员政务处分法》第八条",
        "conduct_on": "2023-06-01",
        "decided_on": "2024-03-01",
    } | changes


def test_a_sanction_is_entered_and_confirmed_by_requests(client: Client, city: City, person: str) -> None:
    made = client.post(FIRST, "/sanctions", an_entry(person))
    assert (made.status_code, made.json["state"], made.json["end_on"]) == (201, "ENTERED", "2025-03-01")
    path = made.headers["Location"]
    [confirm] = [option for option in made.json["actions"] if option["action"] == "confirm"]
    assert (confirm["allowed"], confirm["why"]["code"]) == (False, "AVOIDANCE")
    done = client.take(SECOND, path, "confirm")
    assert (done.status_code, done.json["state"], done.json["version"]) == (200, "RECORDED", 2)
    answer = client.get(ORG, f"/eligibility/{person}?purpose=AWARD&as_of=2025-02-28").json
    assert (answer["verdict"], answer["reasons"]) == (
        "BLOCKED",
        [{"code": "EFFECT_PERIOD_ACTIVE", "until": "2025-03-01"}],
    )
    listed = client.get(ORG, f"/sanctions?cadre={person}").json["items"]
    assert [item["id"] for item in listed] == [made.json["id"]]
    read = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"sanction/{made.json['id']}")
    assert "sanction.read" in {entry.action for entry in read}


def test_months_that_do_not_fit_are_refused_with_those_that_do(client: Client, person: str) -> None:
    answer = client.post(FIRST, "/sanctions", an_entry(person, months=18))
    assert (answer.status_code, answer.json["code"]) == (422, "MONTHS_MISMATCH")
    assert answer.json["figures"] == {"kind": "DEMERIT", "given": 18, "allowed": [12]}
    several = client.post(FIRST, "/sanctions", an_entry(person, months=18, offences=2))
    assert (several.status_code, several.json["end_on"]) == (201, "2025-09-01")


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        (SUPO, "/sanctions", 403),
        (ORG, "/case-holds", 403),
        (SUPO, "/case-holds", 403),
        (SUPO, "/adjustments", 403),
        (ORG, "/sanctions", 200),
        (ORG, "/adjustments", 200),
        (FIRST, "/case-holds", 200),
    ],
)
def test_who_may_list_what(client: Client, city: City, who: Any, path: str, status: int) -> None:
    assert client.get(who, path).status_code == status


def test_that_a_case_is_open_is_told_to_the_organisation_department_as_a_code(client: Client, person: str) -> None:
    made = client.post(FIRST, "/case-holds", {"cadre": person, "organ": "DISC", "case_no": "黄立1号"})
    assert made.status_code == 201
    answer = client.get(ORG, f"/eligibility/{person}?purpose=PROMOTE").json
    assert (answer["verdict"], answer["reasons"]) == ("BLOCKED", [{"code": "CASE_PENDING", "until": None}])
    assert client.get(ORG, made.headers["Location"]).status_code == 403
    closed = client.take(FIRST, made.headers["Location"], "close", {"result": "EXEMPT"})
    assert (closed.status_code, closed.json["result"]) == (200, "EXEMPT")
    assert client.get(ORG, f"/eligibility/{person}?purpose=PROMOTE").json["verdict"] == "PASS"


def test_an_adjustment_goes_its_way_by_requests(client: Client, person: str) -> None:
    what = {"way": "DEMOTE", "reason_codes": ["WORK_BEHIND"], "opinion": "核实意见"}
    proposal = {"cadre": person, "basis": "UNFIT", "findings": [], **what}
    assert client.post(ORG, "/adjustments", proposal).json["code"] == "UNKNOWN_REASON_CODE"
    what["reason_codes"] = ["LEADERSHIP_INSUFFICIENT"]
    made = client.post(ORG, "/adjustments", {**proposal, **what})
    assert (made.status_code, made.json["state"]) == (201, "PROPOSED")
    path = made.headers["Location"]
    decision = {"decision_no": "黄干1号", "members": 9, "present": 5, "in_favour": 5, "reason": "集体研究"}
    assert client.take(ORG, path, "start-verification").status_code == 200
    assert client.take(ORG, path, "recommend", what).json["state"] == "RECOMMENDED"
    decision["present"] = decision["in_favour"] = 6
    assert client.take(SECRETARY, path, "decide", decision).json["state"] == "RECOMMENDED"
    assert client.take(DEPUTY, path, "decide", decision).json["state"] == "DECIDED"
    assert client.take(ORG, path, "talk", {"talkers": ["member-1", "member-2"]}).json["state"] == "TALKED"
    done = client.take(ORG, path, "execute")
    assert (done.json["state"], done.json["executed_late"]) == ("EXECUTED", False)
    texts = client.get(ORG, f"{path}/texts").json
    assert (texts["opinion"], texts["talk_summary"]) == ("核实意见", None)
    assert "opinion" not in done.json


def test_the_catalogue_names_kinds_reasons_and_ways_of_the_day(client: Client, city: City) -> None:
    found = client.get(ORG | {"roles": ["ORG.supervise"]}, "/catalogue").json
    assert {"code": "DEMERIT", "zh": "记过", "en": "demerit"} in found["sanction_kinds"]["GOV"]
    assert len(found["adjustment_reasons"]["UNFIT"]) == 15
    assert found["adjustment_ways"]["UNFIT"] == ["TRANSFER", "RANK_CHANGE", "REMOVE", "DEMOTE"]

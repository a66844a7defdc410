"""The API as its clients meet it: tokens, keys, versions, problems, and what a reader is shown."""

import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from citybus import deadlines, tables
from citybus.cases.timers import handlers
from citybus.http.access import routes
from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from notification.entrypoints.http import blueprints
from notification.entrypoints.problems import PROBLEMS
from tests.support.notification import (
    BUREAU,
    DIRECT,
    FINANCE,
    LEAD,
    STARTED,
    VERIFIED,
    WITNESS,
    City,
    a_request,
    catalogue,
    rulebook,
)

PARTY = {"sub": "user-lead", "roles": ["CADRE"], "scope": {"units": [], "unit": BUREAU, "person": LEAD}}
OTHER_PARTY = {"sub": "user-direct", "roles": ["CADRE"], "scope": {"units": [], "unit": BUREAU, "person": DIRECT}}
HEAD = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": [BUREAU], "unit": BUREAU, "person": "head"}}
PERSONNEL = {"sub": "hr", "roles": ["UNITHR"], "scope": {"units": [BUREAU], "unit": BUREAU, "person": "hr"}}
DEPARTMENT = {"sub": "dept-finance-bureau", "roles": ["SUBSYS"], "scope": {"unit": FINANCE}}
APPROVER = {"sub": "org-sharing", "roles": ["ORG"], "scope": {"units": "*", "unit": "420200-ORG"}}
SECURITY = {"sub": "secadm-1", "roles": ["SECADM"], "scope": {"units": "*"}}
OFFICER = {"sub": "officer-1", "roles": ["SUPO"], "scope": {"units": "*", "unit": "420200-SUPO"}}

REQUEST = a_request() | {"valid_to": "2024-12-31"}


class Client:
    """Speaks to the API as anybody whose claims are given."""

    def __init__(self, app: Flask, issuer: FakeIssuer) -> None:
        self.client: FlaskClient = app.test_client()
        self.issuer = issuer

    def get(self, who: Any, path: str) -> TestResponse:
        return self.client.get(path, headers=self._token(who))

    def post(self, who: Any, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**self._token(who), "Idempotency-Key": key or str(uuid4()), **named}
        return self.client.post(path, json={} if body is None else body, headers=sent)

    def take(self, who: Any, path: str, action: str, body: Any = None, **more: Any) -> TestResponse:
        """Take a step on the case as `who` sees it now."""
        version = self.get(who, path).headers["ETag"]
        return self.post(who, f"{path}/{action}", body, **{"If_Match": version, **more})

    def _token(self, who: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(**who)}"} if who else {}


@pytest.fixture(scope="module")
def module_client(module_city: City) -> Client:
    issuer = FakeIssuer()
    app = create_app(
        service="notification",
        version="1",
        units=module_city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(
            module_city.deliveries,
            module_city.subscriptions,
            module_city.publications,
            module_city.deadlines,
            catalogue(),
            rulebook(),
        ),
        own_problems=PROBLEMS,
    )
    return Client(app, issuer)


@pytest.fixture
def client(module_client: Client, city: City) -> Client:
    return module_client


def content(answer: TestResponse) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json


def problem(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json", answer.text
    found = json.loads(answer.text)
    assert set(found["messages"]) == {"zh", "en"}
    return answer.status_code, found["code"]


def due_on_paper(city: City) -> str:
    case = city.sent()
    city.clock.advance(timedelta(days=8))
    deadlines.fire_due(city.units, handlers((city.deliveries, city.subscriptions)))
    return f"/deliveries/{case.id}"


def test_a_recipient_finds_opens_reads_and_signs(client: Client, city: City) -> None:
    sent = city.sent()
    (item,) = content(client.get(PARTY, f"/deliveries?ref={sent.ref}"))["items"]
    assert (item["id"], item["state"], item["recipient"]) == (sent.id, "SENT", {"kind": "CADRE", "id": LEAD})
    assert "content" not in item
    path = f"/deliveries/{sent.id}"
    assert problem(client.get(PARTY, f"{path}/document")) == (422, "NOT_OPENED")
    assert content(client.take(PARTY, path, "open"))["state"] == "OPENED"
    document = client.get(PARTY, f"{path}/document")
    assert document.headers["Cache-Control"] == "no-store"
    read = content(document)
    assert read["content"].startswith("问题告知书")
    assert hashlib.sha256(read["content"].encode()).hexdigest() == read["sha256"] == item["sha256"]
    signed = content(client.take(PARTY, path, "sign"))
    assert (signed["state"], signed["served_on"]) == ("SIGNED", "2024-03-04")
    # It can be read again afterwards, by the recipient alone.
    assert content(client.get(PARTY, f"{path}/document"))["sha256"] == item["sha256"]
    history = content(client.get(PARTY, f"{path}/history"))["items"]
    assert [step["action"] for step in history] == ["create", "dispatch", "open", "sign"]


def test_nobody_else_sees_a_document(client: Client, city: City) -> None:
    path = f"/deliveries/{city.opened().id}"
    for who, refusal in (
        (OTHER_PARTY, "DATA_SCOPE"),
        (HEAD, "DATA_SCOPE"),
        (PERSONNEL, "DATA_SCOPE"),
        (OFFICER, "FORBIDDEN"),
        (APPROVER, "FORBIDDEN"),
    ):
        assert problem(client.get(who, path)) == (403, refusal)
    for who in (OTHER_PARTY, HEAD, PERSONNEL, OFFICER, APPROVER):
        assert problem(client.get(who, f"{path}/document"))[0] == 403


def test_the_personnel_officer_serves_the_paper_without_seeing_the_text(client: Client, city: City) -> None:
    path = due_on_paper(city)
    seen = content(client.get(PERSONNEL, path))
    assert seen["state"] == "PAPER_DUE"
    assert problem(client.get(PERSONNEL, f"{path}/document")) == (403, "FORBIDDEN")
    also_cadre = PERSONNEL | {"roles": ["UNITHR", "CADRE"]}
    assert problem(client.get(also_cadre, f"{path}/document")) == (403, "DATA_SCOPE")
    actions = {action["action"]: action for action in seen["actions"]}
    assert (actions["substitute"]["allowed"], "witness" in actions["substitute"]["form"]["properties"]) == (True, True)
    assert actions["sign"]["why"]["code"] == "FORBIDDEN"
    missing = client.take(PERSONNEL, path, "substitute")
    assert problem(missing) == (400, "VALIDATION")
    done = content(client.take(PERSONNEL, path, "substitute", {"witness": WITNESS}))
    assert (done["state"], done["witness"], done["served_on"]) == ("SUBSTITUTED", WITNESS, "2024-03-12")
    assert problem(client.get(HEAD, path)) == (403, "DATA_SCOPE")


def test_a_recipient_is_told_what_may_be_done(client: Client, city: City) -> None:
    actions = content(client.get(PARTY, f"/deliveries/{city.sent().id}"))["actions"]
    assert {action["action"]: action["allowed"] for action in actions} == {"open": True}


def test_each_read_of_a_document_is_audited(client: Client, city: City) -> None:
    path = f"/deliveries/{city.opened().id}"
    client.get(PARTY, f"{path}/document")
    table = tables.audit_entries
    entries = city.rows(table, table.c.target == path[1:].replace("deliveries", "delivery"))
    assert [(entry.action, entry.read_fields) for entry in entries if entry.read_fields == ["content"]] == [
        ("delivery.document.read", ["content"])
    ]


def test_a_repeated_command_gets_the_same_answer_and_does_nothing(client: Client, city: City) -> None:
    path, key = f"/deliveries/{city.sent().id}", str(uuid4())
    version = client.get(PARTY, path).headers["ETag"]
    first = client.post(PARTY, f"{path}/open", key=key, If_Match=version)
    before = city.picture()
    again = client.post(PARTY, f"{path}/open", key=key, If_Match=version)
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (200, first.data, "true")
    assert city.picture() == before
    assert problem(client.post(PARTY, f"{path}/open")) == (428, "PRECONDITION_REQUIRED")
    assert problem(client.post(PARTY, f"{path}/sign", If_Match=version)) == (412, "STALE_VERSION")


def test_a_subscription_is_requested_approved_activated_and_its_record_read(client: Client, city: City) -> None:
    made = client.post(DEPARTMENT, "/subscriptions", REQUEST)
    assert made.status_code == 201, made.text
    asked = content(made)
    path = f"/subscriptions/{asked['id']}"
    assert (made.headers["Location"], asked["unit"], asked["fields"]) == (
        path,
        FINANCE,
        {name: sorted(names) for name, names in REQUEST["fields"].items()},
    )
    assert content(client.take(APPROVER, path, "approve", {"reason": "用途正当"}))["state"] == "APPROVED"
    assert content(client.take(SECURITY, path, "activate"))["activated_on"] == "2024-03-04"
    event = city.inspection()
    city.receive(event)
    for who in (DEPARTMENT, APPROVER):
        (item,) = content(client.get(who, f"{path}/deliveries"))["items"]
        assert item | {"id": "…"} == {
            "id": "…",
            "event": event.id,
            "type": STARTED,
            "subject": event.subject,
            "fields": ["inspection", "state", "units"],
            "dataclass": "L2",
            "at": "2024-03-04T09:00:00+08:00",
        }
    # An administrator sees the agreement, and none of the business.
    assert client.get(SECURITY, path).status_code == 200
    assert problem(client.get(SECURITY, f"{path}/deliveries")) == (403, "FORBIDDEN")
    other = DEPARTMENT | {"sub": "dept-other", "scope": {"unit": "420200-OTHER"}}
    assert problem(client.get(other, f"{path}/deliveries")) == (403, "DATA_SCOPE")
    assert content(client.take(SECURITY, path, "suspend", {"reason": "测试结束"}))["state"] == "SUSPENDED"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"max_class": "L4"}, "/max_class"),
        ({"event_types": []}, "/event_types"),
        ({"event_types": [STARTED, STARTED]}, "/event_types"),
        ({"event_types": [STARTED]}, "/fields"),
        ({"fields": {STARTED: ["unit", "unit"], VERIFIED: ["unit"]}}, f"/fields/{STARTED}/value"),
        ({"fields": {STARTED: [], VERIFIED: ["unit"]}}, f"/fields/{STARTED}/value"),
        ({"purpose": None}, "/purpose"),
        ({"agreement_no": ""}, "/agreement_no"),
        ({"valid_to": "2024-02-30"}, "/valid_to"),
        ({"state": "ACTIVE"}, "/state"),
    ],
)
def test_a_malformed_request_is_refused_at_its_place(client: Client, changes: Any, pointer: str) -> None:
    sent = {name: value for name, value in (REQUEST | changes).items() if value is not None}
    answer = client.post(DEPARTMENT, "/subscriptions", sent)
    assert problem(answer) == (400, "VALIDATION")
    assert pointer in {fault["pointer"] for fault in json.loads(answer.text)["errors"]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"department": "no-such"}, "UNKNOWN_DEPARTMENT"),
        ({"legal_basis": ""}, "LEGAL_BASIS_MISSING"),
        ({"max_class": "L1"}, "CLASS_EXCEEDED"),
        ({"valid_to": "2026-01-01"}, "VALIDITY_TOO_LONG"),
    ],
)
def test_a_request_that_may_not_be_is_refused_with_its_code(client: Client, changes: Any, code: str) -> None:
    assert problem(client.post(DEPARTMENT, "/subscriptions", REQUEST | changes)) == (422, code)


def test_what_may_be_asked_for_is_listed_with_classes(client: Client) -> None:
    found = content(client.get(DEPARTMENT, "/event-types"))
    assert found["departments"] == ["audit-bureau", "finance-bureau"]
    types = {item["type"]: item for item in found["items"]}
    assert types["assessment.deduction.changed.v1"]["subject_class"] == "L3"
    assert types[VERIFIED]["subject_class"] == "L2"
    fields = {field["name"]: field for field in types[VERIFIED]["fields"]}
    assert (fields["severity"]["dataclass"], fields["unit"]["zh"]) == ("L3", "单位代码")
    assert not any(name.split(".")[1] in ("signal", "service", "delivery") for name in types)


def test_nothing_is_told_without_a_token_or_the_role(client: Client) -> None:
    assert problem(client.get(None, "/deliveries")) == (401, "TOKEN_MISSING")
    for role in ("SYSADM", "SECADM", "AUDADM", "SUBSYS"):
        admin = {"sub": "admin", "roles": [role], "scope": {"units": "*", "unit": BUREAU, "person": LEAD}}
        assert problem(client.get(admin, "/deliveries")) == (403, "FORBIDDEN")
    for who in (PARTY, HEAD, PERSONNEL, OFFICER):
        for path in ("/subscriptions", "/event-types"):
            assert problem(client.get(who, path)) == (403, "FORBIDDEN")


def test_the_routes_are_these(client: Client) -> None:
    declared = {(route.method, route.path) for route in routes(client.client.application) if route.roles}
    assert declared == {
        ("GET", "/deadlines"),
        ("GET", "/deadlines/<uuid:case_id>"),
        ("GET", "/deadlines/<uuid:case_id>/history"),
        ("GET", "/deliveries"),
        ("GET", "/deliveries/<uuid:case_id>"),
        ("GET", "/deliveries/<uuid:case_id>/document"),
        ("GET", "/deliveries/<uuid:case_id>/history"),
        ("GET", "/bulletins"),
        ("GET", "/event-types"),
        ("GET", "/proofs/<string(length=64):digest>"),
        ("GET", "/publications"),
        ("GET", "/publications/<uuid:case_id>"),
        ("GET", "/publications/<uuid:case_id>/history"),
        ("POST", "/proofs"),
        ("GET", "/subscriptions"),
        ("GET", "/subscriptions/<uuid:case_id>"),
        ("GET", "/subscriptions/<uuid:case_id>/deliveries"),
        ("GET", "/subscriptions/<uuid:case_id>/history"),
        ("POST", "/subscriptions"),
        *(("POST", f"/deliveries/<uuid:case_id>/{name}") for name in ("open", "refuse", "sign", "substitute")),
        *(("POST", f"/publications/<uuid:case_id>/{name}") for name in ("confirm", "replay", "retract")),
        *(("POST", f"/subscriptions/<uuid:case_id>/{name}") for name in ("activate", "approve", "resume", "suspend")),
    }


def test_the_api_describes_itself(client: Client) -> None:
    document = content(client.client.get("/openapi.json"))
    assert document["openapi"] == "3.1.0"
    assert "/deliveries/{case_id}/sign" in document["paths"]

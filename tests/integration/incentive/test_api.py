"""The API as its clients meet it: tokens, keys, versions, problems, and what a reader is shown."""

import hashlib
import io
import json
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from citybus import tables
from citybus.http.access import routes
from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.ids import new_id
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from incentive.entrypoints.http import blueprints
from incentive.entrypoints.problems import PROBLEMS
from incentive.persistence.models import EvidenceRow, ToleranceRow
from tests.support.incentive import (
    BUREAU,
    DIRECT,
    DISCIPLINE,
    DISTRICT,
    LEAD,
    ORGANISATION,
    PDF,
    SCORES,
    SECRET,
    VERIFIERS,
    City,
    a_decision,
    a_panel,
    rulebook,
)


def claims(subject: str, role: str, unit: str, person: str | None = None, units: Any = "*") -> dict[str, Any]:
    scope = {"units": units, "unit": unit} | ({"person": person} if person else {})
    return {"sub": subject, "roles": [role], "scope": scope}


APPLICANT = claims("user-lead", "CADRE", BUREAU, LEAD, [])
OTHER = claims("user-direct", "CADRE", BUREAU, DIRECT, [])
HEAD = claims("head", "UNITHEAD", BUREAU, units=[BUREAU])
ACCEPTOR = claims("org-acceptor", "ORG", ORGANISATION)
FIRST = claims("disc-verifier", "DISC", DISCIPLINE, "verifier-1")
SECOND = claims("org-verifier", "ORG.supervise", ORGANISATION, "verifier-2")
DECIDER = claims("org-panel", "ORG.supervise", ORGANISATION)
CONFIRMER = claims("disc-panel", "DISC", DISCIPLINE)
COMMITTEE = claims("comm-1", "COMM", "420200-COMM")
OF_UNIT = claims("officer-of-unit", "DISC", BUREAU)
FAR = claims("far", "DISC", DISCIPLINE, units=[DISTRICT])

VERIFIED = {"factors": SCORES, "exclusions": [], "reason": "核实属实"}


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

    def take(self, who: Any, case: Any, action: str, body: Any = None, **more: Any) -> TestResponse:
        """Take a step on the case as it is now."""
        path = f"/tolerance-cases/{case['id']}"
        version = self.get(ACCEPTOR, path).headers["ETag"]
        return self.post(who, f"{path}/{action}", body, **{"If_Match": version, **more})

    def upload(
        self, who: Any, content: bytes, name: str = "a.pdf", media_type: str = "application/pdf"
    ) -> TestResponse:
        sent = {**self._token(who), "Idempotency-Key": str(uuid4())}
        part = FileStorage(io.BytesIO(content), name, content_type=media_type)
        boundary, body = encode_multipart({"file": part})
        return self.client.post(
            "/evidence", data=body, content_type=f'multipart/form-data; boundary="{boundary}"', headers=sent
        )

    def _token(self, who: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(**who)}"} if who else {}


@pytest.fixture(scope="module")
def module_client(module_city: City) -> Client:
    issuer = FakeIssuer()
    app = create_app(
        service="incentive",
        version="1",
        units=module_city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(module_city.bound, rulebook()),
        own_problems=PROBLEMS,
    )
    return Client(app, issuer)


@pytest.fixture
def client(module_client: Client, city: City) -> Client:
    return module_client


def problem(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json", answer.text
    found = json.loads(answer.text)
    assert set(found["messages"]) == {"zh", "en"}
    return answer.status_code, found["code"]


def application(finding: str, **changes: Any) -> dict[str, Any]:
    made = {"finding": finding, "applicant": "CADRE", "circumstance": 2, "statement": "先行先试中出现失误。"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def drafted(client: Client, city: City, who: Any = APPLICANT, **changes: Any) -> Any:
    answer = client.post(who, "/tolerance-cases", application(city.finding("VERIFIED"), **changes))
    assert answer.status_code == 201, answer.text
    return answer.json


def filed(client: Client, city: City, who: Any = APPLICANT, **changes: Any) -> Any:
    case = drafted(client, city, who, **changes)
    assert client.take(who, case, "file").status_code == 200
    return case


def deliberating(client: Client, city: City, **changes: Any) -> Any:
    case = filed(client, city, **changes)
    for who, action, body in (
        (ACCEPTOR, "accept", None),
        (ACCEPTOR, "assign", {"verifiers": VERIFIERS}),
        (FIRST, "verify", VERIFIED),
        (SECOND, "verify", VERIFIED),
    ):
        answer = client.take(who, case, action, body)
        assert answer.status_code == 200, answer.text
    return case


def test_a_case_goes_its_way_by_requests_until_its_effects_are_done(client: Client, city: City) -> None:
    digest = client.upload(APPLICANT, PDF).json["sha256"]
    case = deliberating(client, city, evidence=[digest])
    half = client.take(DECIDER, case, "decide", a_decision())
    assert (half.status_code, half.json["state"]) == (200, "DELIBERATING")
    done = client.take(CONFIRMER, case, "decide", a_decision())
    assert (done.json["state"], done.json["decision"], done.json["factor"]) == ("DECIDED", "MITIGATE", "0.5")
    path = f"/tolerance-cases/{case['id']}"
    assert client.get(ACCEPTOR, f"{path}/effects").json["items"] == []
    stored = city.again(ToleranceRow(id=case["id"]))
    city.receive("notification", city.served(stored, date(2024, 3, 4)))
    city.clock.advance(timedelta(days=15))
    city.fire()
    effects = client.get(ACCEPTOR, f"{path}/effects").json
    assert (effects["state"], effects["complete"], effects["overdue"]) == ("EFFECTIVE", False, False)
    assert effects["due_at"] is not None
    assert [(item["step"], item["cadre"], item["at_most"], item["done_at"]) for item in effects["items"]] == [
        ("FINDING_WEIGHT", None, "1.0", None),
        ("DEDUCTION:cadre-lead", LEAD, "1.0", None),
        ("DEDUCTION:cadre-direct", DIRECT, "1.0", None),
    ]
    city.clock.advance(timedelta(hours=2))
    city.fire()
    assert client.get(ACCEPTOR, f"{path}/effects").json["overdue"] is True
    city.receive("supervision", city.weight_changed(stored.finding_id, "1.0", case["id"]))
    for cadre in (LEAD, DIRECT):
        city.receive("assessment", city.deduction(cadre, {stored.finding_id: "1.0"}))
    effects = client.get(ACCEPTOR, f"{path}/effects").json
    assert (effects["complete"], effects["overdue"], effects["due_at"]) == (True, False, None)
    assert all(item["done_at"] and item["by_event"] for item in effects["items"])
    # A cadre sees what concerns the finding and the own record.
    assert [item["step"] for item in client.get(APPLICANT, f"{path}/effects").json["items"]] == [
        "FINDING_WEIGHT",
        "DEDUCTION:cadre-lead",
    ]
    history = client.get(APPLICANT, f"{path}/history").json["items"]
    assert [step["action"] for step in history][-2:] == ["serve", "take_effect"]


def test_a_repeated_command_gets_the_same_answer_and_does_nothing(client: Client, city: City) -> None:
    key, body = str(uuid4()), application(city.finding())
    first = client.post(APPLICANT, "/tolerance-cases", body, key=key)
    before = city.picture()
    again = client.post(APPLICANT, "/tolerance-cases", body, key=key)
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (201, first.data, "true")
    assert city.picture() == before
    assert problem(client.post(APPLICANT, "/tolerance-cases", body | {"circumstance": 3}, key=key)) == (
        422,
        "KEY_REUSED",
    )
    assert problem(client.post(APPLICANT, "/tolerance-cases", body)) == (409, "DUPLICATE")


def test_a_command_says_which_version_it_was_decided_on(client: Client, city: City) -> None:
    case = drafted(client, city)
    path = f"/tolerance-cases/{case['id']}/file"
    assert problem(client.post(APPLICANT, path)) == (428, "PRECONDITION_REQUIRED")
    assert problem(client.post(APPLICANT, path, If_Match='"9"')) == (412, "STALE_VERSION")
    assert client.post(APPLICANT, path, If_Match='"1"').headers["ETag"] == '"2"'


def test_asking_before_anything_is_known_is_too_early(client: Client) -> None:
    assert problem(client.post(APPLICANT, "/tolerance-cases", application(new_id()))) == (422, "STAGE_TOO_EARLY")


def test_an_exclusion_is_refused_by_its_own_code(client: Client, city: City) -> None:
    case = filed(client, city)
    client.take(ACCEPTOR, case, "accept")
    client.take(ACCEPTOR, case, "assign", {"verifiers": VERIFIERS})
    excluded = VERIFIED | {"exclusions": ["SAFETY"]}
    for who in (FIRST, SECOND):
        client.take(who, case, "verify", excluded)
    answer = client.take(DECIDER, case, "decide", a_decision(deviation="理由"))
    assert problem(answer) == (422, "EXCLUDED_SAFETY")
    verification = client.get(DECIDER, f"/tolerance-cases/{case['id']}/verification").json
    assert (verification["advice"], verification["exclusions"]) == ("DENY", ["SAFETY"])
    assert "SAFETY" in verification["explanation"]["en"]


def test_a_reader_is_told_what_may_be_done_and_why_other_things_may_not(client: Client, city: City) -> None:
    case = deliberating(client, city)
    read = client.get(DECIDER, f"/tolerance-cases/{case['id']}").json
    (decide,) = read["actions"]
    assert (decide["action"], decide["allowed"]) == ("decide", True)
    assert decide["form"]["properties"]["panel"]["type"] == "array"
    (decide,) = client.get(ACCEPTOR, f"/tolerance-cases/{case['id']}").json["actions"]
    assert decide["why"]["code"] == "AVOIDANCE"
    (decide,) = client.get(APPLICANT, f"/tolerance-cases/{case['id']}").json["actions"]
    assert decide["why"]["code"] == "FORBIDDEN"


def test_what_an_applicant_wrote_is_for_the_applicant_and_officers_without_part(client: Client, city: City) -> None:
    case = drafted(client, city, statement=SECRET)
    path = f"/tolerance-cases/{case['id']}/statement"
    assert SECRET not in client.get(APPLICANT, f"/tolerance-cases/{case['id']}").text
    assert client.get(APPLICANT, path).json["statement"] == SECRET
    # A draft is the applicant's own.
    assert problem(client.get(ACCEPTOR, path)) == (403, "DATA_SCOPE")
    client.take(APPLICANT, case, "file")
    assert client.get(ACCEPTOR, path).json["statement"] == SECRET
    for who in (HEAD, OTHER, OF_UNIT, FAR):
        assert problem(client.get(who, path)) == (403, "DATA_SCOPE")
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.action == "tolerance.statement.read")
    read = [entry.actor for entry in entries if entry.target == f"tolerance/{case['id']}"]
    assert read == ["user-lead", "org-acceptor"]


def test_scores_and_votes_are_for_officers_without_part(client: Client, city: City) -> None:
    case = deliberating(client, city)
    path = f"/tolerance-cases/{case['id']}/verification"
    found = client.get(COMMITTEE, path).json
    assert (found["factors"], found["advice"], found["grounds"]["total"]) == (SCORES, "MITIGATE", 8)
    assert (found["panel"], found["decision"], found["verifiers"]) == ([], None, VERIFIERS)
    assert problem(client.get(APPLICANT, path)) == (403, "FORBIDDEN")
    for who in (OF_UNIT, FAR):
        assert problem(client.get(who, path)) == (403, "DATA_SCOPE")
    unverified = filed(client, city)
    assert problem(client.get(COMMITTEE, f"/tolerance-cases/{unverified['id']}/verification")) == (404, "NOT_FOUND")


def test_evidence_is_kept_once_and_each_has_the_own_name_for_it(client: Client, city: City) -> None:
    content = PDF + uuid4().bytes
    first, again = client.upload(APPLICANT, content), client.upload(APPLICANT, content, name="b.pdf")
    other = client.upload(OTHER, content, name="c.pdf")
    digest = hashlib.sha256(content).hexdigest()
    assert (first.status_code, first.json["sha256"], first.headers["Location"]) == (201, digest, f"/evidence/{digest}")
    assert (again.status_code, again.json["name"]) == (200, "a.pdf")
    assert (other.status_code, other.json["name"]) == (201, "c.pdf")
    assert len(city.rows(EvidenceRow.__table__, EvidenceRow.sha256 == digest)) == 1


@pytest.mark.parametrize(
    ("content", "name", "media_type", "expected"),
    [
        (b"MZ", "a.exe", "application/x-msdownload", (415, "EVIDENCE_TYPE")),
        (b"MZ", "a.pdf", "application/pdf", (415, "EVIDENCE_TYPE")),
        (b"", "a.pdf", "application/pdf", (422, "EVIDENCE_EMPTY")),
        (PDF, "绝密.pdf", "application/pdf", (451, "SECRECY_LEVEL")),
    ],
)
def test_an_unfit_file_is_refused(client: Client, content: bytes, name: str, media_type: str, expected: Any) -> None:
    assert problem(client.upload(APPLICANT, content, name, media_type)) == expected


def test_evidence_is_read_by_who_asked_and_by_officers_without_part(client: Client, city: City) -> None:
    content = PDF + uuid4().bytes
    digest = client.upload(APPLICANT, content, name="会议 纪要.pdf").json["sha256"]
    path = f"/evidence/{digest}"
    case = drafted(client, city, evidence=[digest])
    assert problem(client.get(ACCEPTOR, path)) == (404, "NOT_FOUND")
    client.take(APPLICANT, case, "file")
    for who in (APPLICANT, ACCEPTOR, COMMITTEE):
        answer = client.get(who, path)
        assert (answer.data, answer.content_type) == (content, "application/pdf")
        assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%E4%BC%9A")
    for who in (OTHER, HEAD, OF_UNIT, FAR):
        assert problem(client.get(who, path)) == (404, "NOT_FOUND")
    assert problem(client.get(ACCEPTOR, f"/evidence/{'0' * 64}")) == (404, "NOT_FOUND")
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"evidence/{digest}")
    assert [entry.action for entry in entries].count("evidence.read") == 3


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"finding": "f1"}, "/finding"),
        ({"applicant": "FRIEND"}, "/applicant"),
        ({"circumstance": "2"}, "/circumstance"),
        ({"circumstance": 0}, "/circumstance"),
        ({"statement": ""}, "/statement"),
        ({"evidence": ["abc"]}, "/evidence/0"),
        ({"evidence": ["0" * 64, "0" * 64]}, "/evidence"),
        ({"factor": "0"}, "/factor"),
    ],
)
def test_a_malformed_application_is_refused_at_its_place(client: Client, changes: Any, pointer: str) -> None:
    answer = client.post(APPLICANT, "/tolerance-cases", application(new_id()) | changes)
    assert problem(answer) == (400, "VALIDATION")
    assert pointer in {fault["pointer"] for fault in json.loads(answer.text)["errors"]}


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("assign", {"verifiers": VERIFIERS[:1]}, "/verifiers"),
        ("verify", VERIFIED | {"factors": SCORES | {"motive": 3}}, "/factors/motive"),
        ("verify", VERIFIED | {"factors": {"motive": 1}}, "/factors/nature"),
        ("decide", a_decision(panel=[]), "/panel"),
        ("decide", a_decision(panel=a_panel({"MITIGATE": 5}, vote="PERHAPS")), "/panel/0/vote"),
    ],
)
def test_a_malformed_step_is_refused_at_its_place(
    client: Client, city: City, action: str, body: Any, pointer: str
) -> None:
    case = filed(client, city)
    answer = client.take(ACCEPTOR, case, action, body)
    assert problem(answer) == (400, "VALIDATION")
    assert pointer in {fault["pointer"] for fault in json.loads(answer.text)["errors"]}


def test_lists_are_filtered_and_paged(client: Client, city: City) -> None:
    made = {filed(client, city, HEAD, applicant="UNIT")["id"] for _ in range(3)}
    found, start = [], "/tolerance-cases?applicant_kind=UNIT&state=FILED&limit=2"
    path = start
    while path:
        answer = client.get(ACCEPTOR, path)
        found += [item["id"] for item in answer.json["items"]]
        cursor = answer.json["next"]
        path = f"{start}&cursor={cursor}" if cursor else ""
    assert made <= set(found)
    assert len(found) == len(set(found))


def test_the_catalogue_names_what_forms_may_name(client: Client) -> None:
    found = client.get(APPLICANT, "/catalogue").json
    assert [entry["code"] for entry in found["circumstances"]] == list(range(1, 10))
    assert {entry["code"]: entry["factor"] for entry in found["decisions"]} == {
        "EXEMPT": "0.0",
        "MITIGATE": "0.5",
        "DENY": "1.0",
    }
    assert found["factors"][0]["zh"] == "动机态度"
    assert "PRIVATE_GAIN" in {entry["code"] for entry in found["exclusions"]}


def test_nothing_is_told_without_a_token(client: Client) -> None:
    assert problem(client.get(None, "/tolerance-cases")) == (401, "TOKEN_MISSING")
    for role in ("SYSADM", "SECADM", "AUDADM", "SUBSYS"):
        for path in ("/tolerance-cases", "/catalogue"):
            assert problem(client.get(claims("admin", role, ORGANISATION), path)) == (403, "FORBIDDEN")


def test_the_units_personnel_officer_proves_a_correction_and_those_of_the_plan_see_the_proof(
    client: Client, city: City
) -> None:
    personnel = claims("hr-of-bureau", "UNITHR", BUREAU, units=[BUREAU])
    path = f"/corrections/{city.correction(city.effective()).id}"

    def step(who: Any, action: str, body: Any) -> TestResponse:
        return client.post(who, f"{path}/{action}", body, If_Match=client.get(ACCEPTOR, path).headers["ETag"])

    digest = client.upload(personnel, b"%PDF-1.7 of the personnel officer").json["sha256"]
    assert step(personnel, "plan", {"measures": ["完善决策程序"]}).status_code == 200
    assert step(personnel, "prove", {"proof": [digest]}).status_code == 200
    elsewhere = claims("hr-elsewhere", "UNITHR", DISTRICT, units=[DISTRICT])
    seen = [client.get(who, f"/evidence/{digest}").status_code for who in (HEAD, APPLICANT, ACCEPTOR, elsewhere)]
    assert seen == [200, 200, 200, 404]


def test_the_routes_of_tolerance_are_these(client: Client) -> None:
    # Those of other case types are tested with them.
    own = ("/catalogue", "/evidence", "/tolerance-cases")
    every = [route for route in routes(client.client.application) if route.roles]
    declared = {(route.method, route.path) for route in every if route.path.startswith(own)}
    case = "/tolerance-cases/<uuid:case_id>"
    assert declared == {
        ("GET", "/catalogue"),
        ("GET", "/evidence/<string(length=64):digest>"),
        ("POST", "/evidence"),
        ("GET", "/tolerance-cases"),
        ("POST", "/tolerance-cases"),
        ("GET", case),
        *(("GET", f"{case}/{name}") for name in ("effects", "history", "statement", "verification")),
        *(
            ("POST", f"{case}/{name}")
            for name in (
                "accept",
                "answer",
                "ask-review",
                "assign",
                "attach",
                "decide",
                "discard",
                "extend",
                "file",
                "give-notice",
                "not-accept",
                "reassign",
                "refile",
                "review",
                "revise",
                "revoke",
                "verify",
                "withdraw",
            )
        ),
    }


def test_the_api_describes_itself(client: Client) -> None:
    document = client.client.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert "/tolerance-cases/{case_id}/not-accept" in document["paths"]


def test_each_commands_events_keep_the_requests_correlation_id(client: Client, city: City) -> None:
    case = drafted(client, city)
    client.take(APPLICANT, case, "file", X_Correlation_ID="correlation-of-the-request")
    (event,) = city.outbox(f"tolerance/{case['id']}")
    assert event.correlationid == "correlation-of-the-request"

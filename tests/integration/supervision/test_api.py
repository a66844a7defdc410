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
from citybus.cases import Cases
from citybus.http.access import routes
from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from supervision.entrypoints.http import blueprints
from supervision.entrypoints.problems import PROBLEMS
from supervision.persistence.models import EvidenceRow, SignalRow
from tests.support.supervision import BUREAU, DIRECT, DISTRICT, LEAD, OFFICE, ORG, PDF, City, a_bulletin, rulebook

EVERYWHERE = {"units": "*", "unit": OFFICE}
OFFICER = {"sub": "officer-1", "roles": ["SUPO"], "scope": EVERYWHERE}
DIRECTOR = {"sub": "officer-director", "roles": ["SUPO.director"], "scope": EVERYWHERE}
FIRST = {"sub": "officer-2", "roles": ["SUPO"], "scope": EVERYWHERE}
SECOND = {"sub": "officer-3", "roles": ["ORG"], "scope": EVERYWHERE}
COMMISSION = {"sub": "disc-1", "roles": ["DISC"], "scope": {"units": "*", "unit": "420200-DISC"}}
PARTY = {"sub": "user-lead", "roles": ["CADRE"], "scope": {"units": [], "unit": BUREAU, "person": LEAD}}
OTHER_PARTY = {"sub": "user-direct", "roles": ["CADRE"], "scope": {"units": [], "unit": BUREAU, "person": DIRECT}}
RECALLER = {"sub": "org-1", "roles": ["ORG.supervise"], "scope": {"units": "*", "unit": "420200-ORG"}}
TRAINING = {"sub": "edu-1", "roles": ["ORG.edu"], "scope": {"units": "*", "unit": "420200-ORG"}}
COMMITTEE = {"sub": "comm-1", "roles": ["COMM"], "scope": {"units": "*", "unit": "420200-COMM"}}
HEAD = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": [BUREAU], "unit": BUREAU}}

DRAFT = {
    "source": "AUDIT",
    "unit": BUREAU,
    "type": "TASK_NOT_IMPLEMENTED",
    "reason_codes": ["WEAK_EXECUTION"],
    "facts": "重点任务未按期落实。",
    "severity": 3,
    "occurred_on": "2024-02-01",
    "responsible": [{"cadre": LEAD, "role": "LEAD"}],
}
PLAN = {
    "kind": "COVERT",
    "theme": "KEY_PROJECTS",
    "plan_date": "2024-03-04",
    "team": ["member-1", "member-2"],
    "units": [BUREAU],
}


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
        path = f"/{case['collection']}/{case['id']}"
        version = self.get(OFFICER, path).headers["ETag"]
        return self.post(who, f"{path}/{action}", body, **{"If_Match": version, **more})

    def create(self, collection: str, body: Any) -> Any:
        answer = self.post(OFFICER, f"/{collection}", body)
        assert answer.status_code == 201, answer.json
        return {**answer.json, "collection": collection}

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
        service="supervision",
        version="1",
        units=module_city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(module_city.cases, rulebook(), module_city.vault),
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


def notified(client: Client, **changes: Any) -> Any:
    evidence = client.upload(OFFICER, PDF).json["sha256"]
    case = client.create("findings", DRAFT | {"evidence": [evidence]} | changes)
    assert client.take(OFFICER, case, "notify").status_code == 200
    return case


def test_a_finding_goes_its_way_by_requests(client: Client, city: City) -> None:
    case = notified(client)
    assert client.take(PARTY, case, "plea", {"text": "客观条件所限"}, If_Match='"2"').json["state"] == "PLEA_RECEIVED"
    first = client.take(FIRST, case, "verify", {"reason": "属实"})
    assert (first.status_code, first.json["state"]) == (200, "PLEA_RECEIVED")
    second = client.take(SECOND, case, "verify", {"reason": "核实无误"})
    assert (second.json["state"], second.json["year"], second.json["effective_weight"]) == ("VERIFIED", 2024, "2.0")
    history = client.get(OFFICER, f"/findings/{case['id']}/history").json["items"]
    assert [step["action"] for step in history] == ["create", "notify", "plea", "verify", "verify"]
    assert history[-1]["rule_packs"] == ["LOCAL-HS-2016@1"]


def test_an_inspection_goes_its_way_by_requests(client: Client) -> None:
    case = client.create("inspections", PLAN)
    for who, action, body in (
        (DIRECTOR, "approve", None),
        (OFFICER, "start", None),
        (OFFICER, "report", {"summary": "总体情况良好"}),
        (OFFICER, "close", None),
    ):
        answer = client.take(who, case, action, body)
        assert answer.status_code == 200, answer.json
    assert answer.json["state"] == "CLOSED"
    assert "summary" not in answer.json
    report = client.get(OFFICER, f"/inspections/{case['id']}/report")
    assert report.json["summary"] == "总体情况良好"
    assert problem(client.get(HEAD, f"/inspections/{case['id']}/report")) == (403, "FORBIDDEN")


def test_there_is_no_report_before_it_is_handed_in(client: Client) -> None:
    case = client.create("inspections", PLAN)
    assert problem(client.get(OFFICER, f"/inspections/{case['id']}/report")) == (404, "NOT_FOUND")


def test_a_repeated_command_gets_the_same_answer_and_does_nothing(client: Client, city: City) -> None:
    key = str(uuid4())
    first = client.post(OFFICER, "/findings", DRAFT, key=key)
    before = city.picture()
    again = client.post(OFFICER, "/findings", DRAFT, key=key)
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (201, first.data, "true")
    assert city.picture() == before
    assert problem(client.post(OFFICER, "/findings", DRAFT | {"severity": 1}, key=key)) == (422, "KEY_REUSED")


def test_a_command_says_which_version_it_was_decided_on(client: Client) -> None:
    case = client.create("findings", DRAFT)
    path = f"/findings/{case['id']}/notify"
    assert problem(client.post(OFFICER, path)) == (428, "PRECONDITION_REQUIRED")
    assert problem(client.post(OFFICER, path, If_Match='"9"')) == (412, "STALE_VERSION")
    assert client.post(OFFICER, path, If_Match='"1"').headers["ETag"] == '"2"'


def test_a_matter_of_discipline_is_refused_its_signal_kept_and_the_refusal_repeated(client: Client, city: City) -> None:
    case = client.create("findings", DRAFT | {"reason_codes": ["TAKING_GIFTS"]})
    path, key = f"/findings/{case['id']}/notify", str(uuid4())
    first = client.post(OFFICER, path, key=key, If_Match='"1"')
    assert problem(first) == (422, "DISCIPLINE_THRESHOLD")
    again = client.post(OFFICER, path, key=key, If_Match='"1"')
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (422, first.data, "true")
    assert client.get(OFFICER, f"/findings/{case['id']}").json["state"] == "DRAFT"
    (signal,) = city.rows(SignalRow.__table__, SignalRow.finding_id == case["id"])
    items = client.get(COMMISSION, "/signals?limit=200").json["items"]
    assert signal.id in {item["id"] for item in items}
    assert problem(client.get(OFFICER, "/signals")) == (403, "FORBIDDEN")
    of_unit = COMMISSION | {"scope": {"units": "*", "unit": BUREAU}}
    assert client.get(of_unit, "/signals").json["items"] == []


def test_a_reader_is_told_what_may_be_done_and_why_other_things_may_not(client: Client) -> None:
    case = notified(client)
    read = client.get(FIRST, f"/findings/{case['id']}").json
    actions = {action["action"]: action for action in read["actions"]}
    assert set(actions) == {"attach", "plea", "sign", "verify", "reject"}
    assert (actions["reject"]["allowed"], actions["reject"]["href"]) == (True, f"/findings/{case['id']}/reject")
    assert actions["verify"]["why"]["code"] == "PLEA_WINDOW_OPEN"
    assert actions["plea"]["why"]["code"] == "FORBIDDEN"
    assert "text" in actions["plea"]["form"]["properties"]


def test_a_cadre_sees_the_own_finding_from_its_notice_on(client: Client) -> None:
    case = client.create("findings", DRAFT)
    path = f"/findings/{case['id']}"
    assert problem(client.get(PARTY, path)) == (403, "DATA_SCOPE")
    client.take(OFFICER, case, "notify")
    assert client.get(PARTY, path).json["facts"] == DRAFT["facts"]
    assert case["id"] in {item["id"] for item in client.get(PARTY, "/findings?limit=200").json["items"]}
    assert problem(client.get(OTHER_PARTY, path)) == (403, "DATA_SCOPE")
    assert problem(client.get(HEAD, path)) == (403, "DATA_SCOPE")


def test_officers_read_all_answers_and_a_cadre_the_own(client: Client, city: City) -> None:
    both = [{"cadre": LEAD, "role": "LEAD"}, {"cadre": DIRECT, "role": "DIRECT"}]
    case = notified(client, responsible=both)
    for who, text in ((PARTY, "甲的申辩"), (OTHER_PARTY, "乙的申辩")):
        assert client.take(who, case, "plea", {"text": text}).status_code == 200
    path = f"/findings/{case['id']}/pleas"
    assert [item["text"] for item in client.get(OFFICER, path).json["items"]] == ["甲的申辩", "乙的申辩"]
    assert [item["text"] for item in client.get(OTHER_PARTY, path).json["items"]] == ["乙的申辩"]
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.action == "finding.pleas.read")
    assert [(entry.target, entry.read_fields) for entry in entries[-2:]] == [(f"finding/{case['id']}", ["text"])] * 2


def test_each_read_is_audited_with_its_purpose(client: Client, city: City) -> None:
    case = client.create("findings", DRAFT)
    headers = {**client._token(OFFICER), "X-Purpose": "复核"}
    client.client.get(f"/findings/{case['id']}", headers={**headers, "X-Purpose": "%E5%A4%8D%E6%A0%B8"})
    table = tables.audit_entries
    entries = city.rows(table, table.c.action == "finding.read", table.c.target == f"finding/{case['id']}")
    assert entries[-1].purpose == "复核"
    assert "facts" in entries[-1].read_fields


def test_evidence_is_kept_once_under_its_hash(client: Client, city: City) -> None:
    content = PDF + uuid4().bytes
    first, again = client.upload(OFFICER, content), client.upload(FIRST, content, name="b.pdf")
    digest = hashlib.sha256(content).hexdigest()
    assert (first.status_code, first.json["sha256"], first.headers["Location"]) == (201, digest, f"/evidence/{digest}")
    assert (again.status_code, again.json["name"]) == (200, "a.pdf")
    assert len(city.rows(EvidenceRow.__table__, EvidenceRow.sha256 == digest)) == 1


@pytest.mark.parametrize(
    ("content", "name", "media_type", "expected"),
    [
        (b"MZ", "a.exe", "application/x-msdownload", (415, "EVIDENCE_TYPE")),
        (b"MZ", "a.pdf", "application/pdf", (415, "EVIDENCE_TYPE")),
        (b"", "a.pdf", "application/pdf", (422, "EVIDENCE_EMPTY")),
        (PDF + b" " * (21 << 20), "a.pdf", "application/pdf", (413, "EVIDENCE_TOO_LARGE")),
        (PDF, "绝密.pdf", "application/pdf", (451, "SECRECY_LEVEL")),
    ],
)
def test_an_unfit_file_is_refused(client: Client, content: bytes, name: str, media_type: str, expected: Any) -> None:
    assert problem(client.upload(OFFICER, content, name, media_type)) == expected


def test_an_upload_without_a_file_is_refused(client: Client) -> None:
    sent = {**client._token(OFFICER), "Idempotency-Key": str(uuid4())}
    answer = client.client.post("/evidence", data={}, content_type="multipart/form-data", headers=sent)
    assert problem(answer) == (400, "VALIDATION")


def test_evidence_is_read_by_officers_within_its_scope_and_each_read_is_audited(client: Client, city: City) -> None:
    content = PDF + uuid4().bytes
    digest = client.upload(OFFICER, content, name="现场 照片.pdf").json["sha256"]
    path = f"/evidence/{digest}"
    assert problem(client.get(FIRST, path)) == (403, "DATA_SCOPE")
    notified(client, evidence=[digest])
    answer = client.get(FIRST, path)
    assert (answer.data, answer.content_type) == (content, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%E7%8E%B0")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    far = FIRST | {"scope": {"units": [DISTRICT], "unit": OFFICE}}
    of_unit = FIRST | {"scope": {"units": "*", "unit": BUREAU}}
    for who in (far, of_unit):
        assert problem(client.get(who, path)) == (403, "DATA_SCOPE")
    assert problem(client.get(PARTY, path)) == (403, "DATA_SCOPE")
    assert problem(client.get(FIRST, f"/evidence/{'0' * 64}")) == (404, "NOT_FOUND")
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"evidence/{digest}")
    assert [entry.action for entry in entries].count("evidence.read") == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"severity": 6}, "/severity"),
        ({"severity": "3"}, "/severity"),
        ({"source": None}, "/source"),
        ({"inspection": str(uuid4())}, "/source"),
        ({"source": "INSPECTION"}, "/source"),
        ({"responsible": []}, "/responsible"),
        ({"responsible": [{"cadre": LEAD, "role": "LEAD"}, {"cadre": LEAD, "role": "DIRECT"}]}, "/responsible"),
        ({"responsible": [{"cadre": LEAD, "role": "BOSS"}]}, "/responsible/0/role"),
        ({"reason_codes": ["WEAK_EXECUTION", "WEAK_EXECUTION"]}, "/reason_codes"),
        ({"facts": ""}, "/facts"),
        ({"evidence": ["abc"]}, "/evidence/0"),
        ({"occurred_on": "2024-02-30"}, "/occurred_on"),
        ({"weight": "0"}, "/weight"),
    ],
)
def test_a_malformed_draft_is_refused_at_its_place(client: Client, changes: Any, pointer: str) -> None:
    body = {name: value for name, value in (DRAFT | changes).items() if value is not None}
    answer = client.post(OFFICER, "/findings", body)
    assert problem(answer) == (400, "VALIDATION")
    assert pointer in {fault["pointer"] for fault in json.loads(answer.text)["errors"]}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "SURPRISE"}, "/kind"),
        ({"end_date": "2024-03-03"}, "/end_date"),
        ({"team": ["member-1", "member-1"]}, "/team"),
        ({"units": []}, "/units"),
    ],
)
def test_a_malformed_plan_is_refused_at_its_place(client: Client, changes: Any, pointer: str) -> None:
    answer = client.post(OFFICER, "/inspections", PLAN | changes)
    assert problem(answer) == (400, "VALIDATION")
    assert pointer in {fault["pointer"] for fault in json.loads(answer.text)["errors"]}


def test_lists_are_filtered_and_paged(client: Client) -> None:
    made = {client.create("findings", DRAFT | {"severity": 1, "type": "SERVICE"})["id"] for _ in range(3)}
    found, path = [], "/findings?severity=1&type=SERVICE&state=DRAFT&limit=2"
    while path:
        answer = client.get(OFFICER, path)
        found += [item["id"] for item in answer.json["items"]]
        cursor = answer.json["next"]
        path = f"/findings?severity=1&type=SERVICE&state=DRAFT&limit=2&cursor={cursor}" if cursor else ""
    assert made <= set(found)
    assert len(found) == len(set(found))


def test_the_catalogue_names_what_forms_may_name(client: Client) -> None:
    found = client.get(PARTY, "/catalogue").json
    assert found["weights"] == {"1": "0.5", "2": "1.0", "3": "2.0", "4": "4.0", "5": "8.0"}
    assert {"code": "WEAK_EXECUTION", "zh": "执行不力", "en": "weak execution"} in found["reason_codes"]
    assert [entry["code"] for entry in found["kinds"]][:2] == ["COVERT", "KEY"]


def test_nothing_is_told_without_a_token(client: Client) -> None:
    assert problem(client.get(None, "/findings")) == (401, "TOKEN_MISSING")
    for role in ("SYSADM", "SECADM", "AUDADM", "SUBSYS"):
        admin = {"sub": "admin", "roles": [role], "scope": EVERYWHERE}
        for path in ("/findings", "/inspections", "/signals", "/catalogue"):
            assert problem(client.get(admin, path)) == (403, "FORBIDDEN")


def case_routes(cases: Cases) -> set[tuple[str, str]]:
    """Return the routes of a case type: reading, opening where somebody may, and one for each action of people."""
    declared, base = cases.case_type, f"/{cases.case_type.collection}"
    one = f"{base}/<uuid:case_id>"
    return {
        ("GET", base),
        ("GET", one),
        ("GET", f"{one}/history"),
        *([("POST", base)] if declared.create.allow else []),
        *(("POST", f"{one}/{name.replace('_', '-')}") for name, action in declared.actions.items() if action.allow),
    }


def test_the_routes_are_these(client: Client, city: City) -> None:
    declared = {(route.method, route.path) for route in routes(client.client.application) if route.roles}
    assert declared == set().union(*map(case_routes, city.cases)) | {
        ("GET", "/adjustments/<uuid:case_id>/texts"),
        ("GET", "/catalogue"),
        ("GET", "/eligibility/<string:cadre>"),
        ("GET", "/evidence/<string(length=64):digest>"),
        ("GET", "/findings/<uuid:case_id>/pleas"),
        ("GET", "/inspections/<uuid:case_id>/report"),
        ("GET", "/recall-suggestions"),
        ("GET", "/recalls/<uuid:case_id>/texts"),
        ("GET", "/informant-accesses/<uuid:case_id>/identity"),
        ("GET", "/signal-receipts"),
        ("GET", "/signal-receipts/<uuid:signal_id>"),
        ("GET", "/signals/<uuid:case_id>/texts"),
        ("POST", "/eligibility/checks"),
        ("POST", "/evidence"),
    }


def test_the_api_describes_itself(client: Client) -> None:
    document = client.client.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert "/findings/{case_id}/verify" in document["paths"]


def test_each_commands_events_keep_the_requests_correlation_id(client: Client, city: City) -> None:
    case = client.create("findings", DRAFT)
    client.take(OFFICER, case, "notify", X_Correlation_ID="correlation-of-the-request")
    (event,) = city.outbox(f"finding/{case['id']}")
    assert event.correlationid == "correlation-of-the-request"


def test_the_events_of_a_case_share_a_correlation_id_where_requests_name_none(client: Client, city: City) -> None:
    case = client.create("findings", DRAFT)
    client.take(OFFICER, case, "notify")
    client.take(OFFICER, case, "reject", {"reason": "不属实"})
    assert len({event.correlationid for event in city.outbox(f"finding/{case['id']}")}) == 1


def test_time_is_the_citys(client: Client, city: City) -> None:
    city.clock.advance(timedelta(days=30))
    case = notified(client)
    assert client.get(OFFICER, f"/findings/{case['id']}").json["notified_on"] == date(2024, 4, 3).isoformat()


def test_scenario_03_a_recall_in_a_matter_of_discipline_is_refused_and_the_commission_hears(
    client: Client, city: City
) -> None:
    finding = client.create("findings", DRAFT | {"reason_codes": ["TAKING_GIFTS"]})
    body = {"cadre": LEAD, "findings": [finding["id"]]}
    first = client.post(RECALLER, "/recalls", body, key="scenario-3")
    assert problem(first) == (422, "DISCIPLINE_THRESHOLD")
    again = client.post(RECALLER, "/recalls", body, key="scenario-3")
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (422, first.data, "true")
    items = client.get(COMMISSION, "/signals?limit=200").json["items"]
    assert [item["finding"] for item in items].count(finding["id"]) == 1
    assert client.get(RECALLER, "/recalls").json["items"] == []


def test_a_recall_goes_its_way_through_the_api(client: Client, city: City) -> None:
    finding = city.verified()
    body = {"cadre": LEAD, "findings": [finding.id], "text": "建议召回"}
    suggested = {item["cadre"]: item for item in client.get(RECALLER, "/recall-suggestions").json["items"]}
    assert finding.id in suggested[LEAD]["findings"]
    assert 2 in suggested[LEAD]["circumstances"]
    made = client.post(RECALLER, "/recalls", body)
    assert (made.status_code, made.json["state"], made.json["circumstances"]) == (201, "PROPOSED", [2])
    path = made.headers["Location"]
    assert LEAD not in {item["cadre"] for item in client.get(RECALLER, "/recall-suggestions").json["items"]}
    assert problem(client.get(PARTY, path)) == (403, "DATA_SCOPE")
    told = client.post(RECALLER, f"{path}/notify", If_Match='"1"')
    assert told.json["notified_on"] == city.clock.today().isoformat()
    actions = {action["action"]: action for action in client.get(COMMITTEE, path).json["actions"]}
    assert actions["approve"]["why"]["code"] == "PLEA_WINDOW_OPEN"
    assert client.post(PARTY, f"{path}/plea", {"text": "说明情况"}, If_Match='"2"').status_code == 200
    assert client.post(COMMITTEE, f"{path}/approve", If_Match='"3"').json["state"] == "APPROVED"
    starts = (city.clock.today() + timedelta(days=7)).isoformat()
    plan = {"title": "第一期", "place": "党校", "starts": starts, "capacity": 1, "trainers": ["trainer-1"]}
    group = client.post(TRAINING, "/training-classes", plan).json
    opened = client.post(TRAINING, f"/training-classes/{group['id']}/open", If_Match='"1"')
    assert opened.json["state"] == "OPEN"
    enrolled = client.post(TRAINING, f"{path}/enrol", {"class": group["id"]}, If_Match='"4"')
    assert (enrolled.json["state"], enrolled.json["class"]) == ("ENROLLED", group["id"])
    assert problem(client.post(TRAINING, f"{path}/enrol", {"class": "x"}, If_Match='"5"')) == (400, "VALIDATION")
    texts = client.get(RECALLER, f"{path}/texts").json["items"]
    assert [text["kind"] for text in texts] == ["PROPOSAL", "PLEA"]
    handed = client.post(COMMISSION, f"{path}/to-discipline", {"case_no": "9号"}, If_Match='"5"')
    assert (handed.json["state"], "9号" in handed.text) == ("TRANSFERRED", False)
    assert [text["kind"] for text in client.get(COMMISSION, f"{path}/texts").json["items"]][-1] == "DISCIPLINE_CASE"


def test_lists_are_filtered_by_whom_and_what_they_are_about(client: Client, city: City) -> None:
    mine, other = (
        client.create("findings", DRAFT | {"responsible": [{"cadre": who, "role": "LEAD"}]}) for who in (LEAD, DIRECT)
    )

    def listed(path: str) -> set[str]:
        return {item["id"] for item in client.get(OFFICER, f"{path}&limit=200").json["items"]}

    of_lead = listed(f"/findings?cadre={LEAD}")
    assert (mine["id"] in of_lead, other["id"] in of_lead) == (True, False)
    verified = city.verified()
    assert verified.id in listed(f"/findings?cadre={LEAD}&year={verified.year}")
    assert listed(f"/findings?cadre={LEAD}&year={verified.year - 1}") == set()
    bulletins = [city.open(city.bulletins, ORG, a_bulletin(finding.id)) for finding in (verified, city.verified())]
    assert listed(f"/bulletins?finding={verified.id}") == {bulletins[0].id}
    assert problem(client.get(OFFICER, "/bulletins?finding=x")) == (400, "VALIDATION")


def test_a_bulletin_whose_legal_basis_is_null_has_none(client: Client, city: City) -> None:
    """Scenario 9, over HTTP: what is missing is told as such, after what must not be public."""
    draft = a_bulletin(city.verified().id) | {"legal_basis": None}
    assert problem(client.post(RECALLER, "/bulletins", draft)) == (422, "LEGAL_BASIS_MISSING")
    draft |= {"text": "甲某,家住黄石港区,推进不力。", "unnamed_text": None}
    assert problem(client.post(RECALLER, "/bulletins", draft)) == (400, "VALIDATION")
    del draft["unnamed_text"]
    assert problem(client.post(RECALLER, "/bulletins", draft)) == (422, "PII_FORBIDDEN")


def test_who_uploaded_a_file_reads_it_again_and_nobody_else_by_its_hash(client: Client, city: City) -> None:
    mine = client.upload(HEAD, PDF + b"proof").json["sha256"]
    assert client.get(HEAD, f"/evidence/{mine}").data == PDF + b"proof"
    theirs = client.upload(OFFICER, PDF + b"held against the cadre").json["sha256"]
    case = notified(client, evidence=[theirs])
    assert client.get(PARTY, f"/findings/{case['id']}").json["evidence"] == [theirs]
    for who, digest in ((PARTY, theirs), (HEAD, theirs), (PARTY, mine)):
        assert problem(client.get(who, f"/evidence/{digest}")) == (403, "DATA_SCOPE")
    # Naming it as proof of one's own opens it to nobody.
    finding = city.verified()
    plan = {"finding": finding.id, "owner": LEAD, "plan": "整改"}
    path = client.post(HEAD, "/rectifications", plan).headers["Location"]
    done = client.post(HEAD, f"{path}/submit", {"report": "完成", "proof": [theirs]}, If_Match='"1"')
    assert done.status_code == 200
    for who in (HEAD, PARTY):
        assert problem(client.get(who, f"/evidence/{theirs}")) == (403, "DATA_SCOPE")

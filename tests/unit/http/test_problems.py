"""Every error that leaves an API is a problem that says what to do, in two languages, and nothing more."""

import logging
from typing import Any

import psycopg2
import psycopg2.errors
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from citybus.errors import Refusal, Transient
from citybus.http import AsOf, Blueprint, Kind, accepts, create_app, requires
from citybus.http.problems import COMMON, faults_of, kinds_of
from citybus.http.tokens import Tokens
from citybus.http.translations import Bilingual, both
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from citybus.unit_of_work import UnitOfWork

OWN = Kind("QUOTA_EXCEEDED", 422, "优秀名额已用完。", "The quota is used up.")
SECRET = "420202199001010011"


class Part(Schema):
    weight = fields.Integer(required=True, validate=validate.Range(1, 100))
    day = fields.Date()


class Form(Schema):
    name = fields.String(required=True, validate=validate.Length(max=5))
    parts = fields.List(fields.Nested(Part), load_default=[])
    until = fields.Date(data_key="valid-to")
    days = fields.List(fields.Date())
    share = fields.String(validate=validate.Equal("all", error=Bilingual("应为全部", "Must be {other}")))


class Query(Schema):
    size = fields.Integer(load_default=1)
    as_of = AsOf()


class Broken(Exception):
    pass


ERRORS: dict[str, Exception] = {
    "refusal": Refusal("QUOTA_EXCEEDED", zh="名额 3，已用 3。", en="Quota 3, used 3.", used=3, limit=3),
    "undeclared": Refusal("ODD", zh="奇", en="Odd", status=418),
    "unheard-of": Refusal("ODD", zh="奇", en="Odd", status=499),
    "bug": Broken(SECRET),
    "data": DataError("SELECT 1", {"id": SECRET}, psycopg2.DataError(SECRET)),
    "overflow": OverflowError("date value out of range"),
    "deadlock": OperationalError("SELECT 1", {}, psycopg2.errors.DeadlockDetected("deadlock")),
    "pool": PoolTimeout("no connection"),
    "lost": DataError("SELECT 1", {}, psycopg2.DataError("x"), connection_invalidated=True),
    "transient": Transient("later"),
    "form": ValidationError({"name": ["Not a valid string."]}),
}


def no_units(context: Any) -> UnitOfWork:
    raise AssertionError("no transaction is wanted")


@pytest.fixture
def app() -> Flask:
    blueprint = Blueprint("things", "things")

    @blueprint.route("/errors/<name>")
    @requires("ORG")
    def error(name: str) -> dict[str, str]:
        raise ERRORS[name]

    @blueprint.route("/http/<int:status>")
    @requires("ORG")
    def http(status: int) -> dict[str, str]:
        abort(status)

    @blueprint.route("/forms", methods=["POST"])
    @requires("ORG")
    @blueprint.arguments(Form)
    @blueprint.arguments(Query, location="query")
    @blueprint.response(200)
    def form(form: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
        return {**form, **query}

    @blueprint.route("/files")
    class Files(MethodView):
        @requires("ORG")
        @accepts("text/plain", max_bytes=10)
        @blueprint.response(200)
        def post(self) -> dict[str, str]:
            return {}

    issuer = FakeIssuer()
    made = create_app(
        service="sample",
        version="1",
        units=no_units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=[blueprint],
        own_problems=[OWN],
    )
    made.config["token"] = issuer.token(roles=["ORG"])
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {app.config['token']}"
    client.environ_base["HTTP_IDEMPOTENCY_KEY"] = "k"
    return client


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("refusal", 422, "QUOTA_EXCEEDED"),
        ("undeclared", 418, "ODD"),
        ("unheard-of", 499, "ODD"),
        ("bug", 500, "INTERNAL"),
        ("data", 400, "VALIDATION"),
        ("overflow", 400, "VALIDATION"),
        ("deadlock", 503, "UNAVAILABLE"),
        ("pool", 503, "UNAVAILABLE"),
        ("lost", 503, "UNAVAILABLE"),
        ("transient", 503, "UNAVAILABLE"),
        ("form", 400, "VALIDATION"),
    ],
)
def test_every_error_is_a_problem(client: FlaskClient, name: str, status: int, code: str) -> None:
    answer = client.get(f"/errors/{name}", headers={"X-Correlation-ID": "abc-1"})
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    problem = answer.json
    assert problem is not None
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:city:problem:{code.lower().replace('_', '-')}"
    assert problem["instance"] == f"/errors/{name}"
    assert problem["correlationid"] == answer.headers["X-Correlation-ID"] == "abc-1"
    assert set(problem["messages"]) == {"zh", "en"}
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("name", ["bug", "data"])
def test_neither_the_problem_nor_the_log_quotes_a_person(
    client: FlaskClient, name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.get(f"/errors/{name}?id={SECRET}")
    assert SECRET not in answer.text


def test_the_domains_figures_and_words_are_told(client: FlaskClient) -> None:
    problem = client.get("/errors/refusal").json
    assert problem is not None
    assert problem["figures"] == {"used": 3, "limit": 3}
    assert problem["messages"] == {"zh": "名额 3，已用 3。", "en": "Quota 3, used 3."}
    assert problem["title"] == OWN.zh


@pytest.mark.parametrize(
    ("wanted", "detail", "language"),
    [
        (None, "名额 3，已用 3。", "zh"),
        ("en-GB,en;q=0.9", "Quota 3, used 3.", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "名额 3，已用 3。", "zh"),
        ("fr", "名额 3，已用 3。", "zh"),
    ],
)
def test_detail_is_in_the_language_that_is_preferred(
    client: FlaskClient, wanted: str | None, detail: str, language: str
) -> None:
    answer = client.get("/errors/refusal", headers={"Accept-Language": wanted} if wanted else {})
    assert answer.json is not None
    assert answer.json["detail"] == detail
    assert answer.headers["Content-Language"] == language


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "VALIDATION"),
        (404, "NOT_FOUND"),
        (413, "TOO_LARGE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (410, "GONE"),
        (500, "INTERNAL"),
    ],
)
def test_the_frameworks_errors_are_problems(client: FlaskClient, status: int, code: str) -> None:
    answer = client.get(f"/http/{status}")
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json["code"] == code


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "OPTIONS", "BREW"])
def test_a_method_that_a_route_does_not_know_is_a_problem(client: FlaskClient, method: str) -> None:
    answer = client.open("/forms", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json is not None
    assert answer.json["code"] == "METHOD_NOT_ALLOWED"


def test_an_unknown_path_is_a_problem(client: FlaskClient) -> None:
    answer = client.post("/nowhere", json={})
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND")
    assert client.get("/docs/nothing.js").json["code"] == "NOT_FOUND"  # type: ignore[index]  # it is there


def test_a_slash_at_the_end_changes_nothing(client: FlaskClient) -> None:
    assert client.post("/forms/", json={"name": "a"}).status_code == 200


def test_each_fault_in_a_form_has_its_pointer(client: FlaskClient) -> None:
    sent = {"name": "too long", "parts": [{"weight": 3}, {"weight": 101}, {}], "a/b~c": 1, "share": "half"}
    problem = client.post("/forms", json=sent).json
    assert problem is not None
    assert problem["code"] == "VALIDATION"
    assert {fault["pointer"]: fault["messages"] for fault in problem["errors"]} == {
        "/name": {"zh": "长度不得超过 5。", "en": "Longer than maximum length 5."},
        "/parts/1/weight": {
            "zh": "应大于或等于 1 且小于或等于 100。",
            "en": "Must be greater than or equal to 1 and less than or equal to 100.",
        },
        "/parts/2/weight": {"zh": "必填项缺失。", "en": "Missing data for required field."},
        "/a~1b~0c": {"zh": "未知字段。", "en": "Unknown field."},
        "/share": {"zh": "应为全部", "en": "Must be all"},
    }


def test_a_fault_in_the_query_names_its_parameter(client: FlaskClient) -> None:
    problem = client.post("/forms?size=big", json={"name": "a"}).json
    assert problem is not None
    assert problem["errors"] == [
        {"parameter": "size", "in": "query", "messages": {"zh": "应为整数。", "en": "Not a valid integer."}}
    ]


def test_a_day_that_no_rule_can_reckon_with_is_named_wherever_it_stands(client: FlaskClient) -> None:
    sent = {
        "name": "a",
        "valid-to": "9999-12-31",
        "days": ["2024-03-04", "0001-01-01"],
        "parts": [{"weight": 1}, {"weight": 1, "day": "2200-01-01"}],
    }
    answer = client.post("/forms", json=sent)
    assert answer.status_code == 400
    assert answer.json is not None
    wanted = {"zh": "日期应在 1900 年至 2199 年之间。", "en": "A day in the years 1900 to 2199 is wanted."}
    assert {fault["pointer"]: fault["messages"] for fault in answer.json["errors"]} == {
        "/valid-to": wanted,
        "/days/1": wanted,
        "/parts/1/day": wanted,
    }
    asked = client.post("/forms?as_of=9999-12-31T00:00:00%2B08:00", json={"name": "a"})
    assert asked.json is not None
    assert asked.json["errors"] == [{"parameter": "as_of", "in": "query", "messages": wanted}]


@pytest.mark.parametrize("day", ["1900-01-01", "2199-12-31"])
def test_a_day_that_can_be_reckoned_with_is_taken(client: FlaskClient, day: str) -> None:
    assert client.post("/forms", json={"name": "a", "valid-to": day}).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", "/name"),
        (b"{", ""),
        (b"\xff", ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b'{"name": NaN}', ""),
        (b"[" * 33 + b"]" * 33, ""),
        (b'{"a":' * 33 + b"1" + b"}" * 33, ""),
        (b'{"name": "a\\u0000"}', ""),
        (b'{"a\\u0000": 1}', ""),
    ],
)
def test_a_body_that_cannot_be_meant_is_a_problem(client: FlaskClient, body: bytes, pointer: str) -> None:
    answer = client.post("/forms", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json is not None
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]


def test_a_wide_body_and_an_escaped_backslash_are_fine(client: FlaskClient) -> None:
    wide = {"name": "a", "parts": [{"weight": 1}] * 100}
    assert client.post("/forms", json=wide).status_code == 200
    answer = client.post("/forms", data=b'{"name": "\\\\u00"}', content_type="application/json")
    assert answer.json == {"name": "\\u00", "parts": [], "size": 1}


@pytest.mark.parametrize("path", ["/forms?size=%00", "/errors/%00"])
def test_a_nul_character_in_the_address_is_a_problem(client: FlaskClient, path: str) -> None:
    answer = client.open(path, method="POST" if "forms" in path else "GET", json={"name": "a"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "media_type", "size", "status"),
    [
        ("/forms", "text/plain", 1, 415),
        ("/forms", "application/x-www-form-urlencoded", 1, 415),
        ("/forms", "application/json", (1 << 20) + 1, 413),
        ("/files", "application/json", 1, 415),
        ("/files", "text/plain", 10, 200),
        ("/files", "text/plain", 11, 413),
    ],
)
def test_media_types_and_sizes_are_limited(
    client: FlaskClient, path: str, media_type: str, size: int, status: int
) -> None:
    answer = client.post(path, data=b"x" * size, content_type=media_type)
    assert answer.status_code == status


def test_a_body_of_unsaid_length_is_refused(client: FlaskClient) -> None:
    answer = client.post("/forms", json={"name": "a"}, headers={"Transfer-Encoding": "chunked"})
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (411, "LENGTH_REQUIRED")


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "IDEMPOTENCY_KEY_MISSING"), ("a b", "VALIDATION"), ("x" * 201, "VALIDATION"), ("键", "VALIDATION")],
)
def test_a_command_wants_a_key(app: Flask, key: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {app.config['token']}", "Idempotency-Key": key.encode().decode("latin-1")}
    answer = app.test_client().post("/forms", json={"name": "a"}, headers=headers)
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (400, code)


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "a\tb", "编号"])
def test_a_correlation_id_that_could_forge_a_log_line_is_replaced(client: FlaskClient, sent: str) -> None:
    answer = client.get("/errors/refusal", headers={"X-Correlation-ID": sent.encode().decode("latin-1")})
    assert len(answer.headers["X-Correlation-ID"]) == 36


def test_responses_carry_security_headers(client: FlaskClient) -> None:
    headers = client.post("/forms", json={"name": "a"}).headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_own_problems_stand_beside_the_common_ones(app: Flask) -> None:
    assert set(kinds_of(app)) == {OWN, *COMMON}
    page = app.test_client().get("/problems").text
    assert all(kind.code in page and kind.zh in page for kind in (OWN, *COMMON))


def test_a_problem_declared_twice_and_differently_is_refused() -> None:
    with pytest.raises(ValueError, match="IN_FLIGHT"):
        create_app(
            service="sample",
            version="1",
            units=no_units,
            tokens=Tokens(FakeIssuer(), issuer=ISSUER, audience=AUDIENCE),
            blueprints=[],
            own_problems=[Kind("IN_FLIGHT", 409, "另", "other")],
        )


class Every(Schema):
    """Fields and validators whose messages must all be known in Chinese."""

    integer = fields.Integer()
    decimal = fields.Decimal(allow_nan=False)
    text = fields.String()
    day = fields.Date()
    instant = fields.AwareDateTime()
    naive = fields.NaiveDateTime()
    truth = fields.Boolean()
    id = fields.UUID()
    many = fields.List(fields.String())
    object = fields.Dict()
    nested = fields.Nested(Part)
    one_of = fields.String(validate=validate.OneOf(["a", "b"]))
    some_of = fields.List(fields.String(), validate=validate.ContainsOnly(["a"]))
    pattern = fields.String(validate=validate.Regexp("a"))
    longer = fields.String(validate=validate.Length(min=3))
    between = fields.String(validate=validate.Length(min=3, max=4))
    exact = fields.String(validate=validate.Length(equal=3))
    equal = fields.Integer(validate=validate.Equal(3))
    above = fields.Integer(validate=validate.Range(min=3, min_inclusive=False))
    below = fields.Integer(validate=validate.Range(max=0))
    needed = fields.String(required=True)


@pytest.mark.parametrize(
    "sent",
    [
        dict.fromkeys(Every().fields, "x")
        | {"text": 7, "decimal": "NaN", "nested": 7, "object": 7, "many": 7, "extra": 1}
        | {"some_of": ["z"], "equal": 4, "above": 3, "below": 1, "pattern": "b", "integer": 1.5},
        dict.fromkeys(Every().fields),
        {"many": [7], "between": "xxxxx", "instant": "2026-01-01T00:00:00", "naive": "2026-01-01T00:00:00+08:00"},
    ],
)
def test_marshmallows_messages_are_known_in_chinese(sent: dict[str, Any]) -> None:
    errors = Every().validate(sent)
    texts = [fault.en for fault in faults_of({"json": errors})]
    assert texts
    for text in texts:
        zh, en = both(text)
        assert en == text
        assert not zh.startswith("取值无效（"), text


def test_a_message_that_no_table_knows_is_given_as_it_is() -> None:
    assert both("Odd.") == ("取值无效（Odd.）", "Odd.")


def test_equal_english_with_other_chinese_is_kept_apart() -> None:
    assert both(Bilingual("甲", "same")) == ("甲", "same")
    assert both(Bilingual("乙", "same")) == ("乙", "same")

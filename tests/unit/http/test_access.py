"""Who may take which route."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.views import MethodView

from citybus.http import Blueprint, Caller, UndeclaredRoute, caller, create_app, requires, routes
from citybus.http.access import PUBLIC, caller_of
from citybus.http.problems import Rejection
from citybus.http.tokens import Tokens
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from citybus.unit_of_work import UnitOfWork


def no_units(context: Any) -> UnitOfWork:
    raise AssertionError("no transaction is wanted")


def app_of(blueprint: Blueprint, issuer: FakeIssuer | None = None) -> Flask:
    return create_app(
        service="sample",
        version="1",
        units=no_units,
        tokens=Tokens(issuer or FakeIssuer(), issuer=ISSUER, audience=AUDIENCE),
        blueprints=[blueprint],
    )


@pytest.mark.parametrize(
    ("held", "wanted", "has"),
    [
        (["ORG"], "ORG", True),
        (["ORG"], "ORG.assess", True),
        (["ORG.assess"], "ORG.assess", True),
        (["ORG.assess"], "ORG", False),
        (["ORG.assess"], "ORG.edu", False),
        (["ORGAN"], "ORG.assess", False),
        (["ORG.assess"], "ORG.*", True),
        (["ORG"], "ORG.*", True),
        (["ORGAN.x"], "ORG.*", False),
        ([], "ORG.*", False),
        (["SUPO", "DISC"], "DISC", True),
    ],
)
def test_an_office_holds_its_parts(held: list[str], wanted: str, has: bool) -> None:
    assert Caller("a", frozenset(held)).has(wanted) is has


def claims(**said: Any) -> dict[str, Any]:
    return {"sub": "a", **said}


def test_claims_make_the_caller() -> None:
    scope = {"units": ["420202"], "unit": "420202", "person": "p1"}
    assert caller_of(claims(roles=["UNITHR"], scope=scope)) == Caller(
        "a", frozenset({"UNITHR"}), frozenset({"420202"}), "420202", "p1"
    )
    assert caller_of(claims(roles=["ORG"], scope={"units": "*"})).units is None
    assert caller_of(claims()) == Caller("a", frozenset())


@pytest.mark.parametrize(
    "said",
    [
        {"roles": "ORG"},
        {"roles": [7]},
        {"roles": [""]},
        {"scope": "*"},
        {"scope": {"units": "420202"}},
        {"scope": {"units": [None]}},
        {"scope": {"unit": ["420202"]}},
        {"scope": {"person": ""}},
    ],
)
def test_claims_of_another_form_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Rejection) as refused:
        caller_of(claims(**said))
    assert refused.value.code == "TOKEN_INVALID"


@pytest.mark.parametrize("roles", [["SYSADM", "SECADM"], ["AUDADM", "ORG"], ["SECADM", "AUDADM", "SYSADM"]])
def test_an_administrator_holds_no_other_role(roles: list[str]) -> None:
    with pytest.raises(Rejection) as refused:
        caller_of(claims(roles=roles))
    assert (refused.value.code, refused.value.status) == ("ROLES_CONFLICT", 403)


def test_an_administrator_alone_is_welcome() -> None:
    assert caller_of(claims(roles=["AUDADM"])).has("AUDADM")


def test_data_scope_is_required() -> None:
    officer = Caller("a", frozenset(), frozenset({"420202"}), person="p1")
    officer.require_unit("420202")
    officer.require_person("p1")
    Caller("b", frozenset(), None).require_unit("420203")
    for outside in (lambda: officer.require_unit("420203"), lambda: officer.require_person("p2")):
        with pytest.raises(Rejection) as refused:
            outside()
        assert (refused.value.code, refused.value.status) == ("DATA_SCOPE", 403)


def test_a_route_is_for_somebody() -> None:
    with pytest.raises(ValueError, match="name a role"):
        requires()


def test_an_application_with_undeclared_routes_does_not_start() -> None:
    blueprint = Blueprint("things", "things")

    @blueprint.route("/things")
    class Things(MethodView):
        @requires("ORG")
        def get(self) -> dict[str, str]:
            return {}

        def post(self) -> dict[str, str]:
            return {}

    @blueprint.route("/open")
    def nobody_said() -> dict[str, str]:
        return {}

    with pytest.raises(UndeclaredRoute, match=r"GET /open, HEAD /open, POST /things"):
        app_of(blueprint)


def sample() -> Blueprint:
    blueprint = Blueprint("things", "things")

    @blueprint.route("/things/<int:number>")
    @requires("ORG.assess", "SUPO")
    @blueprint.response(200)
    def thing(number: int) -> dict[str, Any]:
        return {"number": number, "subject": caller().subject}

    @blueprint.route("/parts")
    class Parts(MethodView):
        @blueprint.response(200)
        @requires("DISC")
        def get(self) -> dict[str, str]:
            return {}

    return blueprint


def test_routes_are_listed_with_their_roles() -> None:
    listed = {(route.method, route.path): route.roles for route in routes(app_of(sample()))}
    assert listed.pop(("GET", "/things/<int:number>")) == ("ORG.assess", "SUPO")
    assert listed.pop(("GET", "/parts")) == ("DISC",)
    assert set(listed.values()) == {None}
    assert len(listed) == len({endpoint for endpoint in PUBLIC if not endpoint.startswith("public.")})


def test_public_pages_want_no_token() -> None:
    client = app_of(sample()).test_client()
    for route in routes(client.application):
        if route.roles is None:
            assert client.get(route.path.replace("<name>", "start.js")).status_code == 200, route.path


Make = Callable[[FakeIssuer], str]


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        (None, 401, "TOKEN_MISSING"),
        ("", 401, "TOKEN_MISSING"),
        ("Basic YTpi", 401, "TOKEN_MISSING"),
        ("Bearer", 401, "TOKEN_MISSING"),
        ("Bearer nonsense", 401, "TOKEN_INVALID"),
        (lambda issuer: issuer.token(exp=1), 401, "TOKEN_EXPIRED"),
        (lambda issuer: issuer.token(), 403, "FORBIDDEN"),
        (lambda issuer: issuer.token(roles=["ORG.edu"]), 403, "FORBIDDEN"),
        (lambda issuer: issuer.token(roles=["SYSADM", "SUPO"]), 403, "ROLES_CONFLICT"),
        (lambda issuer: issuer.token(roles=["SUPO"]), 200, None),
        (lambda issuer: issuer.token(roles=["ORG"]), 200, None),
    ],
)
def test_a_route_lets_through_whom_it_declares(header: str | Make | None, status: int, code: str | None) -> None:
    issuer = FakeIssuer()
    sent = {}
    if header is not None:
        sent["Authorization"] = header if isinstance(header, str) else f"Bearer {header(issuer)}"
    answer = app_of(sample(), issuer).test_client().get("/things/7", headers=sent)
    assert answer.status_code == status
    if code is None:
        assert answer.json == {"number": 7, "subject": "officer-1"}
    else:
        assert answer.json is not None
        assert answer.json["code"] == code
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_while_the_keys_are_away_the_answer_is_to_try_later() -> None:
    issuer = FakeIssuer()
    client = app_of(sample(), issuer).test_client()
    token = issuer.token(roles=["SUPO"])
    issuer.away = True
    answer = client.get("/things/7", headers={"Authorization": f"bearer {token}"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_head_wants_what_get_wants() -> None:
    client = app_of(sample()).test_client()
    assert client.head("/things/7").status_code == 401
    assert client.head("/parts").status_code == 401

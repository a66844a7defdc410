"""The routes of a case type: what may be done now is said with its form, and each step is taken under its version."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from citybus import tables
from citybus.cases import routes
from citybus.clock import ZONE, FixedClock
from citybus.database import engine
from citybus.http.app import create_app
from citybus.http.commands import show, visit
from citybus.http.parsing import Blueprint
from citybus.http.tokens import Tokens
from citybus.ids import new_id
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from citybus.unit_of_work import Units
from tests.support.permits import PERMIT, Base, permits
from tests.support.postgres import ServiceDatabase

FORM = {"unit": "U1", "holder": "p-1", "amount": 10}


class Client:
    """Somebody with a token, who gives each command a key of its own."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(path, headers=self._headers, query_string=query)

    def post(self, path: str, form: dict[str, Any] | None = None, version: int | None = None) -> Any:
        more = {"Idempotency-Key": new_id()} | ({} if version is None else {"If-Match": f'"{version}"'})
        return self._client.post(path, json=form or {}, headers=self._headers | more)


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture(scope="module")
def app(
    module_database: ServiceDatabase, issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    owner = create_engine(module_database.owner_url)
    tables.metadata.create_all(owner)
    Base.metadata.create_all(owner)
    owner.dispose()
    made = engine(module_database.app_url, application="test")
    folder: Path = tmp_path_factory.mktemp("packs")
    units = Units(
        sessionmaker(made, expire_on_commit=False),
        "/city/420200/toy",
        FixedClock(datetime(2024, 3, 4, 9, tzinfo=ZONE)),
    )
    yield create_app(
        service="toy",
        version="1",
        units=units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=[routes.blueprint(permits(folder))],
    )
    made.dispose()


def client(app: Any, issuer: FakeIssuer, *roles: str, **scope: Any) -> Client:
    return Client(app.test_client(), issuer.token(sub="-".join(roles), roles=list(roles), scope=scope))


@pytest.fixture
def clerk(app: Any, issuer: FakeIssuer) -> Client:
    return client(app, issuer, "CLERK", units="*", unit="OFFICE")


def test_a_case_is_opened_read_and_moved_under_its_version(clerk: Client) -> None:
    opened = clerk.post("/permits", FORM)
    assert (opened.status_code, opened.headers["ETag"]) == (201, '"1"')
    where = opened.headers["Location"]
    assert clerk.post(f"{where}/submit").json["code"] == "PRECONDITION_REQUIRED"
    assert clerk.post(f"{where}/submit", version=9).json["code"] == "STALE_VERSION"
    moved = clerk.post(f"{where}/submit", version=1)
    assert (moved.status_code, moved.headers["ETag"], moved.json["state"]) == (200, '"2"', "SUBMITTED")
    read = clerk.get(where)
    assert (read.headers["ETag"], read.headers["Cache-Control"]) == ('"2"', "no-store")
    assert clerk.post(f"{where}/submit", version=2).json["code"] == "INVALID_TRANSITION"


def test_a_reader_is_told_what_may_be_done_with_its_form_and_why_the_rest_is_refused(clerk: Client) -> None:
    where = clerk.post("/permits", FORM).headers["Location"]
    clerk.post(f"{where}/submit", version=1)
    options = {option["action"]: option for option in clerk.get(where).json["actions"]}
    assert options["retouch"]["allowed"]
    assert options["retouch"]["href"] == f"{where}/retouch"
    assert options["note"]["why"]["code"] == "FORBIDDEN"
    assert options["note"]["form"]["required"] == ["text"]
    assert options["note"]["form"]["properties"]["text"]["type"] == "string"
    assert "expire" not in options
    answer = clerk.post(options["retouch"]["href"], version=2)
    assert answer.status_code == 200


def test_history_tells_who_did_what_and_when(clerk: Client) -> None:
    where = clerk.post("/permits", FORM).headers["Location"]
    clerk.post(f"{where}/submit", {"reason": "ready"}, version=1)
    items = clerk.get(f"{where}/history").json["items"]
    assert [(item["action"], item["actor"], item["reason"]) for item in items] == [
        ("create", "CLERK", None),
        ("submit", "CLERK", "ready"),
    ]
    assert items[1]["at"] == "2024-03-04T09:00:00+08:00"


def test_a_list_holds_what_the_caller_may_see_page_by_page(app: Any, issuer: FakeIssuer, clerk: Client) -> None:
    for number in range(3):
        clerk.post("/permits", FORM | {"unit": f"L{number}"})
    board = client(app, issuer, "BOARD", units=["L0", "L1", "L2"])
    first = board.get("/permits", limit=2).json
    assert (len(first["items"]), first["next"] is not None) == (2, True)
    rest = board.get("/permits", limit=2, cursor=first["next"]).json
    assert (len(rest["items"]), rest["next"]) == (1, None)
    assert {item["unit"] for item in first["items"] + rest["items"]} == {"L0", "L1", "L2"}
    assert board.get("/permits", state="SUBMITTED").json["items"] == []


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/history"])
def test_strangers_are_refused(app: Any, issuer: FakeIssuer, clerk: Client, path: str) -> None:
    case = clerk.post("/permits", FORM).json["id"]
    where = "/permits" + path.format(id=case)
    assert client(app, issuer, "TRAINER").get(where).json["code"] == "FORBIDDEN"
    if path:
        assert client(app, issuer, "BOARD", units=["U9"]).get(where).json["code"] == "DATA_SCOPE"


def test_a_wrong_form_names_its_fields(clerk: Client) -> None:
    answer = clerk.post("/permits", {"unit": "U1", "amount": "many"})
    assert (answer.status_code, answer.json["code"]) == (400, "VALIDATION")
    assert {error["pointer"] for error in answer.json["errors"]} == {"/holder", "/amount"}


def test_a_missing_case_is_not_found(clerk: Client) -> None:
    assert clerk.get(f"/permits/{new_id()}").json["code"] == "NOT_FOUND"


def test_a_kind_that_nobody_opens_has_no_such_route_and_public_pages_have_no_caller(
    module_database: ServiceDatabase, issuer: FakeIssuer, app: Any, tmp_path: Path
) -> None:
    made = engine(module_database.app_url, application="test")
    units = Units(sessionmaker(made), "/city/420200/toy", FixedClock(datetime(2024, 3, 4, 9, tzinfo=ZONE)))
    pages = Blueprint("public", __name__, url_prefix="/public")

    @pages.get("")
    def listing() -> Response:
        with visit() as uow:
            return show({"actor": uow.context.actor, "on": uow.clock.today().isoformat()})

    kept = replace(PERMIT, create=replace(PERMIT.create, allow={}))
    quiet = create_app(
        service="toy",
        version="1",
        units=units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=[routes.blueprint(permits(tmp_path, case_type=kept)), pages],
    )
    assert client(quiet, issuer, "CLERK", units="*").post("/permits", FORM).status_code == 405
    assert quiet.test_client().get("/public").json == {"actor": "public", "on": "2024-03-04"}
    made.dispose()

"""The sample API on a real database."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import sessionmaker

from citybus import database, tables
from citybus.testing.keys import FakeIssuer
from dandang.local.provision import ServiceDatabase
from tests.integration.http import sample


@pytest.fixture(scope="module")
def engine(module_database: ServiceDatabase) -> Iterator[Engine]:
    owner = create_engine(module_database.owner_url)
    tables.metadata.create_all(owner)
    sample.metadata.create_all(owner)
    owner.dispose()
    made = database.engine(module_database.app_url, application="test")
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def sessions(engine: Engine) -> sessionmaker[Any]:
    return sessionmaker(engine)


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def hooks() -> sample.Hooks:
    return sample.Hooks()


@pytest.fixture
def app(sessions: sessionmaker[Any], issuer: FakeIssuer, hooks: sample.Hooks) -> Flask:
    return sample.app_on(sessions, issuer, hooks)


class Officer:
    """A client who signs in and makes a new key for each command, unless told otherwise."""

    def __init__(self, app: Flask, issuer: FakeIssuer, **claims: Any) -> None:
        self.client: FlaskClient = app.test_client()
        said = {"roles": ["ORG"], "scope": {"units": "*"}, **claims}
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {issuer.token(**said)}"

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)

    def post(self, path: str, json: Any = None, key: str | None = None, **sent: Any) -> Any:
        headers = {"Idempotency-Key": key or str(uuid4()), **sent.pop("headers", {})}
        return self.client.post(path, json=json, headers=headers, **sent)

    def write(self, **content: Any) -> Any:
        return self.post("/notes", {"id": str(uuid4()), "unit": "420202", "text": "a", **content})


@pytest.fixture
def officer(app: Flask, issuer: FakeIssuer) -> Officer:
    return Officer(app, issuer)

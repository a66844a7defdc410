"""Requests made up from the document: whatever is sent, the API answers as it says, and never with a server error."""

import contextlib
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from sqlalchemy.orm import sessionmaker

from citybus.testing.keys import FakeIssuer
from tests.integration.http import sample

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
OPERATIONS = [
    *(("GET", path) for path in ("/notes", "/notes/{note_id}", "/context")),
    *(("POST", path) for path in ("/notes", "/notes/{note_id}/rewrite", "/notes/{note_id}/accuse", "/files")),
    ("DELETE", "/notes/{note_id}"),
]


@pytest.fixture(scope="module")
def described(sessions: sessionmaker[Any], issuer: FakeIssuer) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", sample.app_on(sessions, issuer))


def test_all_operations_are_tried(described: Any) -> None:
    found = {(each.ok().method.upper(), each.ok().path) for each in described.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_api_answers_as_its_document_says(
    described: Any, issuer: FakeIssuer, method: str, path: str, mode: GenerationMode
) -> None:
    token = issuer.token(roles=["ORG"], scope={"units": "*"})

    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    with contextlib.suppress(Unsatisfiable):  # an operation with nothing in it that could be wrong
        answers()

"""The document says what the API does: it is checked against the OpenAPI 3.1 schema, and against real answers."""

import re
from typing import Any

import jsonschema_rs
import pytest
import schemathesis.specs.openapi.definitions as openapi_definitions

from citybus.http.app import POLICY
from tests.integration.http.conftest import Officer


@pytest.fixture
def document(officer: Officer) -> dict[str, Any]:
    found: dict[str, Any] = officer.client.get("/openapi.json").json
    return found


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    openapi_definitions.OPENAPI_31_VALIDATOR.validate(document)


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }


def names(operation: dict[str, Any]) -> set[str]:
    return {str(each.get("$ref", each.get("name"))).rpartition("/")[2] for each in operation.get("parameters", [])}


def test_each_operation_says_who_may_take_it_and_what_it_wants(document: dict[str, Any]) -> None:
    found = operations(document)
    rewrite = found["POST", "/notes/{note_id}/rewrite"]
    assert rewrite["x-roles"] == ["ORG.assess"]
    assert rewrite["security"] == [{"bearer": []}]
    assert {"IdempotencyKey", "IfMatch"} <= names(rewrite)
    assert set(rewrite["responses"]) == {
        *("200", "400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "default"),
    }
    listed = found["GET", "/notes"]
    assert names(listed) >= {"limit", "cursor", "as_of"}
    assert not {"IdempotencyKey", "IfMatch"} & names(listed)
    assert "404" not in listed["responses"]
    assert "IfMatch" not in names(found["POST", "/notes"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(document))):
        place: Any = document
        for step in reference.split("/"):
            place = place[step]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/notes", 201), ("GET", "/notes", 200), ("GET", "/notes/{note_id}", 404), ("POST", "/notes", 400)],
)
def test_answers_are_as_the_document_says(
    document: dict[str, Any], officer: Officer, method: str, path: str, status: int
) -> None:
    if method == "GET":
        answer = officer.get(path.replace("{note_id}", "00000000-0000-0000-0000-000000000000"))
    else:
        answer = officer.write(**({} if status == 201 else {"unit": 7}))
    assert answer.status_code == status
    response = operations(document)[method, path]["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"][answer.content_type]["schema"]
    jsonschema_rs.validator_for({**schema, "components": document["components"]}).validate(answer.json)


def test_the_page_loads_nothing_from_elsewhere(officer: Officer) -> None:
    client = officer.client
    page = client.get("/docs")
    assert page.mimetype == "text/html"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    assert "<script>" not in page.text
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        asset = client.get(f"/{link}")
        assert asset.status_code == 200
        assert asset.data
    assert b"openapi.json" in client.get("/docs/start.js").data


@pytest.mark.parametrize("name", ["../app.py", "..%2F..%2Fapp.py", "index.css", "swagger-ui.js"])
def test_only_the_pages_own_files_are_served(officer: Officer, name: str) -> None:
    assert officer.client.get(f"/docs/{name}").status_code == 404


def test_pages_may_be_kept_but_business_may_not(officer: Officer) -> None:
    assert "max-age" in officer.client.get("/openapi.json").headers["Cache-Control"]
    read = officer.get("/notes")
    assert read.headers["Cache-Control"] == "no-store"
    assert read.headers["Content-Security-Policy"] == POLICY


def test_an_upload_is_described_with_its_media_type(document: dict[str, Any]) -> None:
    upload = operations(document)["POST", "/files"]
    assert list(upload["requestBody"]["content"]) == ["multipart/form-data"]

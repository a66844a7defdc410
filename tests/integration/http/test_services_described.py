"""Requests made up from the documents of the four services, on cases that really stand: never a server error.

What a document says of statuses, media types and contents is held as well. Days at the ends of the calendar are put in
place of some, and what concerns a case is sent at the version at which it is.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from citybus.cases import Cases
from citybus.testing.keys import FakeIssuer
from tests.support import annual, recall, supervision
from tests.support.every_case import SERVICES, Place, app_of, place
from tests.support.postgres import Postgres

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
ADMINISTRATORS = {"SYSADM", "SECADM", "AUDADM"}
SOMEBODY = "01935781-0000-7000-8000-00000000abcd"
DAYS = st.sampled_from(["0001-01-01", "2024-03-04", "9999-12-31"])
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
EXAMPLES = {GenerationMode.POSITIVE: 3, GenerationMode.NEGATIVE: 1}


@pytest.fixture(scope="module", params=SERVICES)
def there(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Place]:
    with place(postgres, request.param) as made:
        FILL[made.service](made.city)
        yield made


def a_year(city: Any) -> None:
    year = annual.Year(city)
    cadre = year.cadre()
    year.scheme()
    year.verified(year.annual(cadre))
    year.annual(year.cadre())


def a_few_tolerances(city: Any) -> None:
    for made in (city.drafted, city.filed, city.accepted, city.verifying, city.deliberating, city.decided):
        made()
    city.receive("assessment", city.registered("cadre-lead"))
    city.nominated(city.batch(), "cadre-lead")


def some_documents(city: Any) -> None:
    city.sent()
    city.opened()
    city.requested()
    city.receive(city.bulletin())


def some_findings(city: Any) -> None:
    city.running_inspection()
    city.open(city.findings, supervision.RECORDER, supervision.a_draft())
    city.notified()
    finding = city.verified()
    city.open(city.bulletins, supervision.ORG, supervision.a_bulletin(finding.id))
    city.approved_bulletin(finding)
    recall.Recalls(city).open_class()


FILL: Final[Mapping[str, Callable[[Any], None]]] = {
    "assessment": a_year,
    "incentive": a_few_tolerances,
    "notification": some_documents,
    "supervision": some_findings,
}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_the_service_answers_as_its_document_says(there: Place, mode: GenerationMode) -> None:
    issuer = FakeIssuer()
    described = schemathesis.openapi.from_wsgi("/openapi.json", app_of(there, issuer))
    operations = [found.ok() for found in described.get_all_operations()]
    kinds = {cases.case_type.collection: cases for cases in there.cases}
    known = heard_of(there)
    offices = {role.removesuffix(".*") for operation in operations for role in roles_of(operation)} - ADMINISTRATORS
    assert operations
    for operation in operations:
        of_admins = set(roles_of(operation)) & ADMINISTRATORS
        roles = of_admins if of_admins and not set(roles_of(operation)) & offices else offices
        scope = {"units": "*", "unit": "420200-AWAY", "person": SOMEBODY}
        token = issuer.token(sub="somebody", roles=sorted(roles), scope=scope)
        try_(operation, mode, token, standing(there, kinds, operation.path), known)


def try_(
    operation: Any,
    mode: GenerationMode,
    token: str,
    cases: Sequence[tuple[str, int]],
    known: Mapping[str, Sequence[str]],
) -> None:
    positive = mode is GenerationMode.POSITIVE

    @settings(
        max_examples=EXAMPLES[mode],
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def answers(case: Any, data: st.DataObject) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        if positive:
            if cases:
                case_id, version = data.draw(st.sampled_from(cases))
                case.path_parameters["case_id"] = case_id
                headers["If-Match"] = f'"{version}"'
            if operation.method.upper() != "GET":
                headers["Idempotency-Key"] = str(uuid4())
            case.body = sensible(case.body, data, known)
            case.query = sensible(case.query, data, known)
        case.call_and_validate(headers=headers, checks=CHECKS)

    with contextlib.suppress(Unsatisfiable):  # an operation with nothing in it that could be wrong
        answers()


def heard_of(there: Place) -> dict[str, list[str]]:
    """Return cadres, units and findings that the service knows, by the name under which requests give them."""
    found: dict[str, list[str]] = {}
    tables = there.cases[0].model.metadata.tables
    for name, table, column in (
        ("cadre", "cadres", "id"),
        ("unit", "cadres", "unit"),
        ("finding", "findings", "id"),
        ("class", "training_classes", "id"),
        ("batch", "batches", "id"),
    ):
        if table in tables:
            found[name] = sorted({str(getattr(row, column)) for row in there.city.rows(tables[table])})[:4]
    return found


def standing(there: Place, known: Mapping[str, Cases], path: str) -> list[tuple[str, int]]:
    """Return id and version of the cases of the collection to which `path` belongs."""
    cases = known.get(path.split("/")[1])
    if cases is None or "{case_id}" not in path:
        return []
    table = cases.model.__table__
    return [(str(row.id), row.version) for row in there.city.rows(table)]


def roles_of(operation: Any) -> list[str]:
    found: list[str] = operation.definition.raw.get("x-roles", [])
    return found


def sensible(content: Any, data: st.DataObject, known: Mapping[str, Sequence[str]], name: str = "") -> Any:
    """Return `content` with days, units and cadres in it that lead further than what nobody has heard of."""
    if isinstance(content, dict):
        return {key: sensible(value, data, known, key) for key, value in content.items()}
    if isinstance(content, list):
        return [sensible(value, data, known, name) for value in content]
    if isinstance(content, str) and _DAY.fullmatch(content):
        return data.draw(DAYS)
    if isinstance(content, str) and (found := known.get(name.removesuffix("s"))):
        return data.draw(st.sampled_from([content, *found]))
    return content


def test_a_file_that_is_sent_again_is_answered_as_the_document_says(there: Place) -> None:
    """Evidence and proofs: 201 when they are new, 200 when they are here already."""
    described = schemathesis.openapi.from_wsgi("/openapi.json", app_of(there, FakeIssuer()))
    for operation in (found.ok() for found in described.get_all_operations()):
        if operation.method.upper() == "POST" and operation.path.rpartition("/")[2] in ("evidence", "proofs"):
            responses = operation.definition.raw["responses"]
            assert [*responses["200"]["content"]] == [*responses["201"]["content"]] == ["application/json"]

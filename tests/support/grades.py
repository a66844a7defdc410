"""What the tests of constraints and appeals share: people, a client of the API, and cadres in the roster."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import uuid4

from flask import Flask
from werkzeug.test import TestResponse

from assessment.entrypoints.http import blueprints
from assessment.entrypoints.problems import PROBLEMS
from assessment.persistence.models import CadreRow, ConstraintRow
from citybus.envelope import Event
from citybus.http import Tokens, create_app
from citybus.ids import new_id
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from tests.support.assessment import MONDAY, City, cadre_row, id_number, roster, rulebook

ALL = {"units": "*", "unit": "4202-102"}
ASSESSOR = {"sub": "assessor", "roles": ["ORG.assess"], "scope": ALL}
COMMITTEE = {"sub": "committee", "roles": ["COMM"], "scope": {"units": "*", "unit": "4202-101"}}
OTHER_UNIT = {"sub": "elsewhere", "roles": ["ORG.assess"], "scope": {"units": ["N-2"], "unit": "4202-102"}}


def person(cadre: str) -> dict[str, Any]:
    return {"sub": f"user-{cadre}", "roles": ["CADRE"], "scope": {"units": [], "unit": "N-1", "person": cadre}}


class Client:
    """Speaks to the API as anybody whose claims are given."""

    def __init__(self, city: City) -> None:
        self._issuer = FakeIssuer()
        self.app: Flask = create_app(
            service="assessment",
            version="1",
            units=city.units,
            tokens=Tokens(self._issuer, issuer=ISSUER, audience=AUDIENCE),
            blueprints=blueprints(rulebook(), city.vault),
            own_problems=PROBLEMS,
        )
        self._client = self.app.test_client()

    def get(self, who: Mapping[str, Any], path: str) -> TestResponse:
        return self._client.get(path, headers=self._token(who))

    def post(
        self, who: Mapping[str, Any], path: str, body: Mapping[str, Any] | None = None, version: int | None = None
    ) -> TestResponse:
        headers = {**self._token(who), "Idempotency-Key": str(uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self._client.post(path, json=dict(body or {}), headers=headers)

    def take(
        self, who: Mapping[str, Any], path: str, action: str, body: Mapping[str, Any] | None = None
    ) -> TestResponse:
        """Take a step on the case at `path` as it is now."""
        version = self.get(who, path).json["version"]
        return self.post(who, f"{path}/{action}", body, version)

    def _token(self, who: Mapping[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._issuer.token(**who)}"}


def problem(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json", answer.text
    return answer.status_code, json.loads(answer.text)["code"]


def enrol(city: City, unit: str = "N-1", number: int = 0) -> str:
    """Put a cadre of `unit` into the roster and return the id."""
    identity = id_number(date.fromordinal(date(1970, 1, 1).toordinal() + number), sequence="000")
    content = roster(
        [[unit, f"黄石市{unit}局", "市直部门", "政府系统"]], [cadre_row(unit=unit, id_no=identity, name="某某（虚构）")]
    )
    before = {row.id for row in city.rows(CadreRow.__table__)}
    assert city.import_(content).state == "IMPORTED"
    (found,) = {row.id for row in city.rows(CadreRow.__table__)} - before
    return str(found)


def an_event(event_type: str, subject: str, data: Mapping[str, Any], **changes: Any) -> Event:
    """Return an event as another service would publish it."""
    made: dict[str, Any] = {
        "id": new_id(),
        "type": event_type,
        "source": f"/city/420200/{event_type.partition('.')[0]}",
        "subject": subject,
        "dataschema": f"urn:city:schema:{event_type}",
        "data": dict(data),
        "sequence": 1,
        "correlationid": "correlation-of-the-source",
        "actor": "somebody",
        "dataclass": "L3",
    }
    return Event(**made | changes)


def active(city: City, cadre: str) -> set[tuple[Any, ...]]:
    """Return what binds the grades of a cadre now: year, kind, grade, reason, source, findings, open-ended."""
    table = ConstraintRow.__table__
    return {
        (row.year, row.kind, row.grade, row.reason_code, row.source, tuple(row.findings), row.open_ended)
        for row in city.rows(table, table.c.cadre == cadre, table.c.state == "ACTIVE")
    }


def a_sanction(cadre: str, number: str, **changes: Any) -> dict[str, Any]:
    """Return the state of a sanction: 撤职 of 2025-03-03 for two years, but for `changes`."""
    made = {
        "sanction": number,
        "cadre": cadre,
        "regime": "GOV",
        "kind": "REMOVAL",
        "organ": "DISC",
        "state": "IN_EFFECT",
        "decided_on": "2025-03-03",
        "effective_on": "2025-03-03",
        "end_on": "2027-03-03",
        "months": 24,
        "watch_until": None,
        "restored_on": None,
        "affects_use": False,
    }
    return made | changes


def a_service(document: str, ref: str, cadre: str, day: str) -> Event:
    """Return the event that a document about `ref` was signed for on a day."""
    delivery = new_id()
    data = {
        "delivery": delivery,
        "document": document,
        "ref": ref,
        "recipient": {"kind": "CADRE", "id": cadre},
        "state": "SIGNED",
        "served_on": day,
    }
    return an_event("notification.delivery.signed.v1", f"delivery/{delivery}", data, time=MONDAY)

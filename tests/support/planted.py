"""Marks in every text that a service's API takes, sent through the real API: who finds one elsewhere has found a leak.

Which fields are texts is read off the API's own document: whatever is a string and is neither an id, a day nor one of a
list. Those that hold a code, a name on the roster or a number are named in CODES, those that are meant for others in
TOLD; a field that is in neither is planted, so that a new one is planted from its first day.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from citybus.cases import Actor, Cases
from citybus.cases.forms import Form
from citybus.testing.keys import FakeIssuer
from tests.support.every_case import Place, app_of

MARK: Final = "植入词"
"""What every mark begins with."""

CODES: Final = frozenset(
    {
        # Units, cadres and people who sign in, by their codes and ids.
        *("unit", "units.[]", "cadre", "cadres.[]", "owner", "lead_unit", "co_units.[]", "team.[]", "trainers.[]"),
        *("talkers.[]", "witness", "responsible.[].cadre", "verifiers.[].subject", "verifiers.[].cadre"),
        *("panel.[].subject", "panel.[].cadre", "positions.[].unit", "positions.[].avoid.[]", "department"),
        # Codes of catalogues and of rules, which refuse what they do not know.
        *("kind", "type", "theme", "organ", "reason_codes.[]", "reason_code", "exclusions.[]", "rank", "manage_level"),
        *("categories.[]", "category", "state", "how", "grade", "basis.[]", "amended_to", "classes.[].name", "code"),
        *("positions.[].key", "positions.[].level", "positions.[].place", "position", "external.degree"),
        *("items.[].key_project", "event_types.[]", "fields.*.[]"),
    }
)
"""Fields, by their place in the body, that hold no text of anybody's own."""

TOLD: Final[Mapping[str, frozenset[str]]] = {
    # A bulletin is written for the public, and approved by three offices.
    "supervision/bulletins": frozenset(
        {"title", "text", "unnamed_title", "unnamed_text", "legal_basis", "correction_text"}
    ),
    # The year's indicators and who answers for them are public.
    "assessment/indicators": frozenset({"title", "unit_of_measure"}),
    # The roster tells of each cadre's post.
    "assessment/cadres": frozenset({"post"}),
    # What a department may read, and under which agreement, is told to whoever watches over it.
    "notification/subscriptions": frozenset({"purpose", "legal_basis", "agreement_no"}),
    # Page of an issue, or number of a broadcast: printed.
    "notification/publications": frozenset({"external_id"}),
}
"""Service and collection → texts that are written to be told."""

Texts = Mapping[tuple[str, ...], Mapping[str, Any]]
"""Where the texts of a body are, each with its schema. `[]` stands for every member of a list, `*` for every value."""


@dataclass(frozen=True)
class Sent:
    """A command that was accepted: who sent it, where to, and what; `version` is that of the case then."""

    actor: Actor
    operation: str
    path: str
    body: Any
    version: int | None


@dataclass
class Door:
    """The real API of a service, through which people send texts with marks in them."""

    there: Place
    issuer: FakeIssuer = field(default_factory=FakeIssuer)
    sent: dict[str, Sent] = field(default_factory=dict)
    """The last accepted command of each operation."""
    accepted: set[tuple[str, str]] = field(default_factory=set)
    """Operation and place of each text that was accepted."""
    refused: list[tuple[str, int, str]] = field(default_factory=list)
    """Operation, status and body of each refusal."""

    def __post_init__(self) -> None:
        self.client: FlaskClient = app_of(self.there, self.issuer).test_client()
        self.document = self.client.get("/openapi.json").json or {}
        self.planted: dict[str, Texts] = {
            path: found
            for path, methods in self.document["paths"].items()
            if (found := dict(self._planted(path, methods.get("post", {}))))
        }
        """The texts of every operation that are planted."""

    def raw(self, actor: Actor | None, operation: str, path: str, **sent: Any) -> TestResponse:
        """Send a request, note a refusal, and return the answer."""
        headers = {"Idempotency-Key": str(uuid4()), **sent.pop("headers", {})}
        if actor is not None:
            headers["Authorization"] = f"Bearer {self.token(actor)}"
        answer = self.client.post(path, headers=headers, **sent)
        if answer.status_code >= 400:
            self.refused.append((operation, answer.status_code, answer.text))
        return answer

    def token(self, actor: Actor) -> str:
        units = "*" if actor.units is None else sorted(actor.units)
        scope = {"units": units, "unit": actor.unit, "person": actor.person}
        said = {name: value for name, value in scope.items() if value is not None}
        return self.issuer.token(sub=actor.subject, roles=sorted(actor.roles), scope=said)

    def command(self, actor: Actor, operation: str, path: str, body: Any, version: int | None = None) -> Any:
        """Send a command with marks in every text; if it is refused so, with marks in those texts that `body` gives."""
        for every in (True, False):
            planted, places = self.plant(operation, body, every=every)
            headers = {} if version is None else {"If-Match": f'"{version}"'}
            answer = self.raw(actor, operation, path, json=planted, headers=headers)
            if answer.status_code < 400:
                self.sent[operation] = Sent(actor, operation, path, planted, version)
                self.accepted |= {(operation, place) for place in places}
                return answer.json
        raise AssertionError(f"{operation}: {answer.text}")

    def open(self, cases: Cases, actor: Actor, form: Mapping[str, Any]) -> Any:
        """Open a case as `actor`, and return it."""
        collection = f"/{cases.case_type.collection}"
        made = self.command(actor, collection, collection, body_of(cases, "create", form))
        return self.again(cases, made["id"])

    def take(self, cases: Cases, case: Any, action: str, actor: Actor, form: Mapping[str, Any] | None = None) -> Any:
        """Take a step on the case as it is now, and return the case."""
        step = action.replace("_", "-")
        collection, version = cases.case_type.collection, self.again(cases, case.id).version
        operation, path = f"/{collection}/{{case_id}}/{step}", f"/{collection}/{case.id}/{step}"
        self.command(actor, operation, path, body_of(cases, action, form or {}), version)
        return self.again(cases, case.id)

    def again(self, cases: Cases, case_id: str) -> Any:
        """Return a case as it is stored now."""
        with self.there.acting() as uow:
            found = uow.session.get_one(cases.model, case_id)
            uow.session.expunge(found)
            return found

    def plant(self, operation: str, body: Any, *, every: bool) -> tuple[Any, list[str]]:
        """Return `body` with marks in its texts, with `every` in those too that it does not give; and where they are."""
        made, texts = deepcopy(body), self.planted.get(operation, {})
        return made, [".".join(path) for path in texts if _plant(made, path, mark(operation, path), every=every)]

    def _planted(self, path: str, operation: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
        collection = f"{self.there.service}/{path.split('/')[1]}"
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type != "application/json":
                continue
            for place, schema in texts_of(self.document, content["schema"]):
                name = ".".join(place)
                if name not in CODES and name not in TOLD.get(collection, ()):
                    yield place, schema


def mark(operation: str, path: Sequence[str]) -> str:
    """Return the mark of a text: always the same, since two people may have to send the same."""
    return f"{MARK} {operation.replace('{', '').replace('}', '')} {'.'.join(path)}"


def texts_of(
    document: Mapping[str, Any], schema: Mapping[str, Any], place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield the place and the schema of every free text of a body: strings without a format, a pattern or a list."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kind = schema.get("type", ())
    kinds = {kind} if isinstance(kind, str) else set(kind)
    for name, below in schema.get("properties", {}).items():
        yield from texts_of(document, below, (*place, name))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from texts_of(document, schema["additionalProperties"], (*place, "*"))
    if "array" in kinds:
        yield from texts_of(document, schema["items"], (*place, "[]"))
    if "string" in kinds and not {"enum", "format", "pattern"} & set(schema):
        yield place, schema


def body_of(cases: Cases, action: str, form: Mapping[str, Any]) -> Any:
    """Return the body of a request that says what `form` says to a case type."""
    schema = cases.forms.get(action, Form)()
    names = {each.attribute or name: each.data_key or name for name, each in schema.fields.items()}
    return json.loads(json.dumps({names[name]: value for name, value in form.items()}, default=_plain))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else str(value)


def _plant(within: Any, path: Sequence[str], word: str, *, every: bool) -> bool:
    """Put `word` at `path`; say whether it is there now."""
    head, rest = path[0], path[1:]
    if head in ("[]", "*"):
        keys: Any = range(len(within)) if head == "[]" else list(within)
        # In each of them, not in the first alone.
        return True in {key: _plant_at(within, key, rest, word, every=every) for key in keys}.values()
    if head not in within:
        if not every or (rest and tuple(rest) != ("[]",)):
            return False
        within[head] = [word] if rest else word
        return True
    return _plant_at(within, head, rest, word, every=every)


def _plant_at(within: Any, key: Any, rest: Sequence[str], word: str, *, every: bool) -> bool:
    if rest:
        return _plant(within[key], rest, word, every=every)
    before = within[key]
    # A text may have to be long.
    within[key] = f"{before} {word}" if isinstance(before, str) and len(before) > 100 and MARK not in before else word
    return True

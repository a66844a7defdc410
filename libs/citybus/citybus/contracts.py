"""Event contracts as data: one JSON Schema per event type and version, with what the bus has to know about it."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from citybus.errors import CityError

CLASSES: Final = ("L1", "L2", "L3")
"""Data classes that an event may have. L4 never leaves its service."""

EVENT_TYPE: Final = re.compile(r"[a-z]+(\.[a-z]+(-[a-z]+)*){2}\.v[1-9][0-9]*")

_SUBJECT: Final = re.compile(r"([a-z]+(-[a-z]+)*)/<.+")
_KEYWORDS: Final = frozenset(
    [
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "additionalProperties",
        "title",
        "description",
        "x-zh",
        "x-dataclass",
        "x-revision",
    ]
)
_ROOT_KEYWORDS: Final = (_KEYWORDS - {"additionalProperties"}) | {
    "$schema", "$id", "x-subject", "x-ordered", "x-consumers", "x-changes",
}  # fmt: skip
_FREE: Final = frozenset({"title", "description", "x-zh", "x-consumers", "x-ordered", "x-changes", "x-revision"})
"""What may be changed in a published schema."""

_CHINESE: Final = re.compile(r"[一-鿿]")

FORMATS: Final = FormatChecker(formats=["date", "uuid"])
"""Checks the formats that contracts use."""


@FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("decimal", raises=InvalidOperation)
def _is_decimal(value: object) -> bool:
    return not isinstance(value, str) or (
        Decimal(value).is_finite() and value == value.strip() and "e" not in value.lower()
    )


class ContractsInvalid(CityError):
    """Contracts do not keep the rules of contracts/README.md. `problems` holds one line for each error."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Contract:
    """The contract of one event type and version."""

    type: str
    schema: Mapping[str, Any]

    @property
    def title(self) -> dict[str, str]:
        """What the event is called, `zh` and `en`."""
        return {"zh": self.schema["x-zh"]["title"], "en": self.schema["title"]}

    @property
    def description(self) -> dict[str, str]:
        """What the event means, `zh` and `en`."""
        return {"zh": self.schema["x-zh"]["description"], "en": self.schema["description"]}

    @property
    def service(self) -> str:
        """The service that publishes it."""
        return self.type.partition(".")[0]

    @property
    def subject(self) -> str:
        """The form of the envelope's subject, such as `finding/<id>`."""
        return str(self.schema["x-subject"])

    @property
    def subject_kind(self) -> str:
        """What stands before the slash of the subject."""
        return self.subject.partition("/")[0]

    @property
    def dataclass(self) -> str:
        """The highest data class of its fields."""
        return str(self.schema["x-dataclass"])

    @property
    def ordered(self) -> bool:
        """Whether a consumer needs every step of a subject."""
        return bool(self.schema["x-ordered"])

    @property
    def consumers(self) -> tuple[str, ...]:
        """The queues that receive it."""
        return tuple(self.schema["x-consumers"])

    @property
    def revision(self) -> int:
        """Grows with each optional field that was added."""
        return int(self.schema["x-revision"])

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """The data class of each field of `data`."""
        return {name: str(field["x-dataclass"]) for name, field in self.schema["properties"].items()}

    def produced_errors(self, data: object) -> list[str]:
        """Return what is wrong with `data` as a producer's: nothing that is not listed, at any depth."""
        return _errors(self._strict, data)

    def accepted_errors(self, data: object) -> list[str]:
        """Return what is wrong with `data` for a reader, who ignores what is not listed."""
        return _errors(self._tolerant, data)

    def fingerprint(self, revision: int) -> str:
        """Return the SHA-256 of what readers rely on, as it was at `revision`: later properties are struck out."""
        shape = orjson.dumps(_shape(self.schema, revision), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(shape).hexdigest()

    @cached_property
    def _strict(self) -> Draft202012Validator:
        return Draft202012Validator(_closed(self.schema), format_checker=FORMATS)

    @cached_property
    def _tolerant(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema, format_checker=FORMATS)


def load(folder: Path) -> dict[str, Contract]:
    """Return the contracts in `folder`, which holds `schemas/`, by event type. Raises ContractsInvalid with all errors."""
    contracts: dict[str, Contract] = {}
    problems = []
    for path in sorted((folder / "schemas").glob("*.json")):
        event_type = path.name.removesuffix(".json")
        try:
            schema = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            problems.append(f"{event_type}: not JSON: {error}")
            continue
        found = list(_problems(event_type, schema))
        problems.extend(f"{event_type}: {problem}" for problem in found)
        if not found:
            contracts[event_type] = Contract(event_type, schema)
    if problems:
        raise ContractsInvalid(problems)
    return contracts


def _errors(validator: Draft202012Validator, data: object) -> list[str]:
    return sorted(f"{error.json_path}: {error.message}" for error in validator.iter_errors(data))


def _problems(event_type: str, schema: Any) -> Iterator[str]:
    """Yield what is wrong with a schema file, by the rules of contracts/README.md."""
    if not EVENT_TYPE.fullmatch(event_type):
        yield "the name is not <service>.<subject>.<past participle>.v<n>"
    if not isinstance(schema, dict):
        yield "a schema is an object"
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"not a JSON Schema 2020-12: {error.json_path}: {error.message}"
        return
    for key, wanted in (
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("$id", f"urn:city:schema:{event_type}"),
        ("type", "object"),
    ):
        if schema.get(key) != wanted:
            yield f"{key} is {wanted}"
    yield from (f"{key} is not used in a contract" for key in sorted(schema.keys() - _ROOT_KEYWORDS))
    yield from _text_problems("", schema, ("title", "description"))
    if not _SUBJECT.fullmatch(str(schema.get("x-subject"))):
        yield "x-subject is <kind>/<what identifies it>"
    if not isinstance(schema.get("x-ordered"), bool):
        yield "x-ordered is true or false"
    consumers = schema.get("x-consumers")
    if not isinstance(consumers, list) or consumers != sorted({str(each) for each in consumers}):
        yield "x-consumers is a sorted list of queues"
    yield from _field_problems(schema)
    yield from _revision_problems(schema)


def _text_problems(where: str, schema: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    chinese = schema.get("x-zh")
    for name in names:
        english = schema.get(name)
        if not isinstance(english, str) or not english or _CHINESE.search(english):
            yield f"{where}{name} is wanted in English"
        if not isinstance(chinese, dict) or not _CHINESE.search(str(chinese.get(name))):
            yield f"{where}x-zh.{name} is wanted in Chinese"


def _field_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the fields: texts, data classes, keywords."""
    highest = CLASSES[0]
    for name, field in schema.get("properties", {}).items():
        own = field.get("x-dataclass")
        yield from _text_problems(f"{name}: ", field, ("title",))
        if own not in CLASSES:
            yield f"{name}: x-dataclass is one of {', '.join(CLASSES)}: L4 is never in an event"
            continue
        highest = max(highest, own)
        for path, inner in _inside(field, name):
            yield from (f"{path}: {key} is not used in a contract" for key in sorted(inner.keys() - _KEYWORDS))
            if inner.get("x-dataclass", own) not in CLASSES or inner.get("x-dataclass", own) > own:
                yield f"{path}: x-dataclass is above that of {name}"
            if inner.get("additionalProperties", {}) in (True, False):
                yield f"{path}: additionalProperties is written for maps only, with the schema of the values"
    if schema.get("x-dataclass") != highest:
        yield f"x-dataclass is the highest of the fields, {highest}"


def _inside(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a schema and all schemas in it, with their paths."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from _inside(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(inner := schema.get(key), dict):
            yield from _inside(inner, f"{path}[]")


def _revision_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the revisions: later properties are optional and explained."""
    revision = schema.get("x-revision")
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 1:
        yield "x-revision is a whole number from 1"
        return
    added = set()
    for path, parent in _inside(schema, "data"):
        for name, field in parent.get("properties", {}).items():
            since = field.get("x-revision", 1)
            if since != 1:
                added.add(since)
                if name in parent.get("required", ()):
                    yield f"{path}.{name}: was added in revision {since} and cannot be required"
            if not isinstance(since, int) or not 1 <= since <= revision:
                yield f"{path}.{name}: x-revision is between 1 and the root's {revision}"
    later = set(range(2, revision + 1))
    changes = schema.get("x-changes", [])
    told = {
        change.get("revision")
        for change in changes
        if isinstance(change, dict) and _CHINESE.search(str(change.get("zh"))) and change.get("en")
    }
    if added != later or told != later:
        yield f"every revision after the first adds a property and is told in x-changes (revision, zh, en): {sorted(later)}"


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema which allows no property that it does not list, at any depth."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(inner) for name, inner in schema["properties"].items()}
        closed.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), dict):
        closed["items"] = _closed(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    return closed


def _shape(schema: Mapping[str, Any], revision: int) -> dict[str, Any]:
    """Return what readers rely on: without texts, and without properties that came after `revision`."""
    shape = {key: value for key, value in schema.items() if key not in _FREE}
    if "properties" in schema:
        shape["properties"] = {
            name: _shape(inner, revision)
            for name, inner in schema["properties"].items()
            if inner.get("x-revision", 1) <= revision
        }
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            shape[key] = _shape(schema[key], revision)
    if "required" in schema:
        shape["required"] = sorted(schema["required"])
    return shape

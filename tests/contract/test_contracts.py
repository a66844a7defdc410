"""The folder contracts/ is whole: every event type has schema, examples and bindings, and the document is current."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from pydantic import ValidationError

from citybus.envelope import Event
from dandang.contracts import Contracts, load
from dandang.local.state import PROJECT

FOLDER = PROJECT / "contracts"
TYPES = sorted(path.name.removesuffix(".json") for path in (FOLDER / "schemas").glob("*.json"))
EXAMPLES = sorted((FOLDER / "examples").glob("*/*.json"))
SERVICES = ("assessment", "supervision", "incentive", "notification")


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    """All contracts, which keep the rules of their README."""
    return load(FOLDER, PROJECT / "deploy" / "rabbitmq")


def test_contracts_examples_and_bindings_agree(contracts: Contracts) -> None:
    """What `dandang contracts check` says: examples, consumers, ordered queues, frozen revisions, the document."""
    assert contracts.problems() == []


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as it is published; `contracts.problems()` says whether it is current."""
    with (FOLDER / "asyncapi.yaml").open("rb") as published:
        read: dict[str, Any] = yaml.load(published, Loader=yaml.CSafeLoader)
    return read


@pytest.mark.parametrize("event_type", TYPES)
def test_event_type_has_schema_example_and_document(
    contracts: Contracts, document: dict[str, Any], event_type: str
) -> None:
    assert contracts.types[event_type].service in SERVICES
    assert contracts.examples(event_type)
    assert document["channels"][event_type]["address"] == event_type
    assert event_type in document["components"]["messages"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_example_is_read_and_written_alike(path: Path) -> None:
    example = json.loads(path.read_bytes())
    assert json.loads(Event.from_json(orjson.dumps(example)).to_json()) == example


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_example_is_a_cloudevent_to_others(path: Path) -> None:
    event = JSONFormat().read(CloudEvent, path.read_bytes())
    assert event.get_type() == path.parent.name
    assert event.get_subject() == json.loads(path.read_bytes())["subject"]


def test_document_is_asyncapi(document: dict[str, Any]) -> None:
    assert ApplicationSchema.model_validate(document).asyncapi == "3.0.0"


def test_document_that_is_not_asyncapi_is_seen(document: dict[str, Any]) -> None:
    spoilt = deepcopy(document)
    spoilt["channels"][TYPES[0]]["bindings"]["amqp"]["is"] = "topic"
    with pytest.raises(ValidationError):
        ApplicationSchema.model_validate(spoilt)


def test_references_of_the_document_lead_somewhere(document: dict[str, Any]) -> None:
    for reference in _references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["$ref"]] if "$ref" in value else [each for inner in value.values() for each in _references(inner)]
    return [each for inner in value for each in _references(inner)] if isinstance(value, list) else []

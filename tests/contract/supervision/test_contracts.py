"""Supervision and the contracts: what it declares to publish has one, and what it consumes it can read."""

import json
from pathlib import Path

import pytest

from citybus.envelope import Event
from citybus.inbox import Order, read
from supervision.application.case_types import bind
from supervision.domain import eligibility, signal
from supervision.entrypoints.events import subscriptions
from tests.support.contracts import load
from tests.support.supervision import CONTRACTS, rulebook

CASE_TYPES = [cases.case_type for cases in bind(rulebook())]
UNPUBLISHED = {
    "bulletin": {"DRAFT", "REVIEWING", "REJECTED"},
    "finding": {"DRAFT"},
    "inspection": {"PLANNED"},
    "sanction": {"ENTERED", "DISCARDED"},
    "measure": {"PROPOSED", "WITHDRAWN"},
    "rectification": {"CANCELLED"},
    "signal": {"RECEIVED", "MERGED"},
}
"""States of which no event tells."""
PUBLISHED = {
    eligibility.EVENT: (True, "L3"),
    **{
        action.event: (action.mandatory, case_type.dataclass)
        for case_type in CASE_TYPES
        for action in (case_type.create, *case_type.actions.values())
        if action.event
    },
}
QUEUES = subscriptions(bind(rulebook()))
CONSUMED = [
    (queue, event_type, path)
    for queue, subscription in QUEUES.items()
    for event_type in subscription.handlers
    for path in sorted((CONTRACTS / "examples" / event_type).glob("*.json"))
]

OF_THE_MECHANISM = ("supervision.service.", "supervision.deadline.armed.", "supervision.deadline.settled.")


def test_what_is_published_is_what_the_contracts_say() -> None:
    contracts = {
        event_type: contract
        for event_type, contract in load(CONTRACTS).items()
        if contract.service == "supervision" and not event_type.startswith(OF_THE_MECHANISM)
    }
    assert set(PUBLISHED) == set(contracts)
    for event_type, (mandatory, dataclass) in PUBLISHED.items():
        contract = contracts[event_type]
        assert (mandatory, dataclass) == (bool(contract.consumers), contract.dataclass), event_type


def test_every_state_a_case_can_be_published_in_is_in_its_contract() -> None:
    contracts = load(CONTRACTS)
    for case_type in CASE_TYPES:
        for action in (case_type.create, *case_type.actions.values()):
            # Of a hold nothing is told but that there is one, and what a refused finding sends is handed over at once.
            if action.event and case_type.kind != "case-hold" and action.event != signal.HANDED_OVER:
                states = set(contracts[action.event].schema["properties"]["state"]["enum"])
                assert set(case_type.states) - UNPUBLISHED.get(case_type.kind, set()) <= states


@pytest.mark.parametrize(
    ("queue", "event_type", "path"), CONSUMED, ids=lambda value: getattr(value, "stem", str(value))
)
def test_every_example_of_what_is_consumed_can_be_read(queue: str, event_type: str, path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    # A field that is added later must not stop the reader.
    body["data"]["added_later"] = True
    arrival = read(QUEUES[queue], "application/cloudevents+json", json.dumps(body).encode())
    assert arrival.handler is not None
    assert "added_later" not in arrival.data


def test_every_type_consumed_has_a_contract_that_names_the_queue() -> None:
    contracts = load(CONTRACTS)
    for queue, subscription in QUEUES.items():
        for event_type in subscription.handlers:
            contract = contracts[event_type]
            assert queue in contract.consumers
            assert list((CONTRACTS / "examples" / event_type).glob("*.json"))
            if subscription.order is Order.EVERY_STEP:
                assert contract.ordered


def test_no_example_of_ours_holds_a_text() -> None:
    for folder in (CONTRACTS / "examples").glob("supervision.*"):
        if folder.name.startswith("supervision.bulletin."):
            continue  # Its text is public: three offices approved it.
        for path in folder.glob("*.json"):
            data = Event.from_json(path.read_bytes()).data
            assert not {"facts", "summary", "text", "reason", "name"} & set(data), path.name

"""Incentive and the contracts: what it declares to publish has one, and what it consumes it can read."""

import json
from pathlib import Path

import pytest

from citybus.envelope import Event
from citybus.inbox import Order, read
from incentive.application.case_types import bind
from incentive.application.standings import EVENT
from incentive.domain.tolerance import TOLERANCE
from incentive.entrypoints.events import subscriptions
from tests.support.contracts import load
from tests.support.incentive import CONTRACTS, rulebook

BOUND = bind(rulebook())
PUBLISHED = {
    action.event: (action.mandatory, cases.case_type.dataclass)
    for cases in BOUND
    for action in (cases.case_type.create, *cases.case_type.actions.values())
    if action.event
} | {EVENT: (False, "L3")}
OF_TOLERANCE = [action.event for action in TOLERANCE.actions.values() if action.event]
QUEUES = subscriptions(BOUND)
CONSUMED = [
    (queue, event_type, path)
    for queue, subscription in QUEUES.items()
    for event_type in subscription.handlers
    for path in sorted((CONTRACTS / "examples" / event_type).glob("*.json"))
]

OF_THE_MECHANISM = ("incentive.service.", "incentive.deadline.armed.", "incentive.deadline.settled.")


def test_what_is_published_is_what_the_contracts_say() -> None:
    contracts = {
        event_type: contract
        for event_type, contract in load(CONTRACTS).items()
        if contract.service == "incentive" and not event_type.startswith(OF_THE_MECHANISM)
    }
    assert set(PUBLISHED) == set(contracts)
    for event_type, declared in PUBLISHED.items():
        contract = contracts[event_type]
        assert declared == (bool(contract.consumers), contract.dataclass), event_type
    # Supervision eases the finding when the last step comes, and wants all before it.
    assert all(contracts[event_type].ordered for event_type in OF_TOLERANCE)


def test_every_state_a_case_can_be_published_in_is_in_its_contract() -> None:
    contracts = load(CONTRACTS)
    for event_type in OF_TOLERANCE:
        states = set(contracts[event_type].schema["properties"]["state"]["enum"])
        assert set(TOLERANCE.states) - {"DRAFT"} <= states


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
    for folder in (CONTRACTS / "examples").glob("incentive.*"):
        for path in folder.glob("*.json"):
            data = Event.from_json(path.read_bytes()).data
            assert not {"statement", "late_cause", "new_facts", "deviation", "reason", "name", "born_on"} & set(data), (
                path.name
            )

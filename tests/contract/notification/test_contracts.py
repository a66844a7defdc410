"""Notification and the contracts: what it declares to publish has one, and what it consumes it can read."""

import json
import re
from pathlib import Path

import pytest

from citybus.envelope import Event
from citybus.inbox import Order, read
from notification.application.deadlines import deadlines
from notification.application.deliveries import deliveries
from notification.application.publications import publications
from notification.domain.deadline import DEADLINE
from notification.domain.delivery import DELIVERY, FIRST_DOCUMENTS
from notification.domain.document import Document
from notification.domain.publication import PUBLICATION
from notification.domain.sharing import SHAREABLE, kind_of
from notification.domain.subscription import SUBSCRIPTION
from notification.entrypoints.events import subscriptions
from tests.support.contracts import load
from tests.support.notification import CONTRACTS, MONDAY, catalogue, rulebook

PUBLISHED = {
    action.event: (action.mandatory, case_type.dataclass)
    for case_type in (DELIVERY, SUBSCRIPTION, PUBLICATION, DEADLINE)
    for action in (case_type.create, *case_type.actions.values())
    if action.event
}
QUEUES = subscriptions(deliveries(rulebook()), publications(rulebook()), deadlines(rulebook()), catalogue(), rulebook())
CONSUMED = [
    (queue, event_type, path)
    for queue, subscription in QUEUES.items()
    for event_type in subscription.handlers
    for path in sorted((CONTRACTS / "examples" / event_type).glob("*.json"))
]
OWN = (
    "assessment.unit.registered.v1",
    "assessment.cadre.registered.v1",
    "supervision.finding.notified.v1",
    "incentive.tolerance.decided.v1",
)

OF_THE_MECHANISM = ("notification.service.", "notification.deadline.armed.", "notification.deadline.settled.")


def test_what_is_published_is_what_the_contracts_say() -> None:
    contracts = {
        event_type: contract
        for event_type, contract in load(CONTRACTS).items()
        if contract.service == "notification" and not event_type.startswith(OF_THE_MECHANISM)
    }
    both = {
        f"{event_type.removesuffix('.v1')}.v2": told
        for event_type, told in PUBLISHED.items()
        if ".delivery." in event_type
    }
    PUBLISHED.update(both)
    assert set(PUBLISHED) == set(contracts)
    for event_type, (mandatory, dataclass) in PUBLISHED.items():
        contract = contracts[event_type]
        assert (mandatory, dataclass) == (bool(contract.consumers), contract.dataclass), event_type


def test_every_state_and_document_that_is_published_is_in_its_contract() -> None:
    contracts = load(CONTRACTS)
    for case_type, hidden in (
        (DELIVERY, {"QUEUED"}),
        (SUBSCRIPTION, set()),
        (PUBLICATION, {"EXPIRED"}),
        (DEADLINE, set()),
    ):
        for action in (case_type.create, *case_type.actions.values()):
            if action.event:
                properties = contracts[action.event].schema["properties"]
                assert set(case_type.states) - hidden == set(properties["state"]["enum"])
                if case_type is DELIVERY:
                    assert set(properties["document"]["enum"]) == FIRST_DOCUMENTS
                    newer = contracts[action.event.replace(".v1", ".v2")].schema["properties"]
                    assert set(case_type.states) - hidden == set(newer["state"]["enum"])
                    for document in set(Document) - FIRST_DOCUMENTS:
                        assert re.search(newer["document"]["pattern"], document)


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
        assert {event_type for event_type, contract in contracts.items() if queue in contract.consumers} == set(
            subscription.handlers
        )
        for event_type in subscription.handlers:
            if subscription.order is Order.EVERY_STEP and ".service." not in event_type:
                assert contracts[event_type].ordered
    handled = {event_type for subscription in QUEUES.values() for event_type in subscription.handlers}
    assert set(OWN) <= handled


def test_whatever_may_be_shared_arrives() -> None:
    handled = {event_type for subscription in QUEUES.values() for event_type in subscription.handlers}
    shareable = rulebook().on(MONDAY.date())[SHAREABLE]
    assert {event_type for event_type in load(CONTRACTS) if kind_of(event_type) in shareable} <= handled


def test_no_example_of_ours_holds_a_text_or_a_name() -> None:
    for folder in (CONTRACTS / "examples").glob("notification.*"):
        for path in folder.glob("*.json"):
            data = Event.from_json(path.read_bytes()).data
            assert not {"content", "name", "reason", "witness", "particulars"} & set(data), path.name

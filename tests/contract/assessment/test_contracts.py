"""Assessment and the contracts: what it publishes keeps to one, and what it consumes it can read."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assessment.domain.annual import ANNUAL
from assessment.domain.appeal import APPEAL
from assessment.domain.cadre import CADRE as CADRE_CASE
from assessment.domain.constraint import CONSTRAINT
from assessment.domain.deduction import Responsibility, Role, deduct
from assessment.domain.duty_list import DUTY_LIST
from assessment.domain.indicator import INDICATOR
from assessment.domain.joint_review import JOINT_REVIEW
from assessment.domain.quota import QUOTA
from assessment.domain.roster import Cadre, Unit
from assessment.domain.scheme import SCHEME
from assessment.entrypoints.events import subscriptions
from assessment.schemas.published import cadre_registered, deduction_changed, result_served, unit_registered
from citybus.envelope import Event
from citybus.inbox import Order, read
from citybus.outbox import Draft
from tests.support.assessment import CONTRACTS, id_number, rulebook, some_id
from tests.support.contracts import load

FINDING = Responsibility(some_id(), Role.DIRECT, Decimal("2.0"), Decimal("1.0"), date(2024, 3, 18))
CADRE = Cadre(
    name="张三（虚构）",
    id_no=id_number(),
    birth=date(1980, 3, 15),
    unit="420202",
    post="副区长",
    post_since=date(2019, 5, 1),
    rank="COUNTY_DEPUTY",
    party_member=True,
    manage_level="CITY",
    categories=("CIVIL_SERVANT",),
)
PACK = "LOCAL-HS-2016@1"
SERVED: Any = SimpleNamespace(
    id=some_id(),
    subject_kind="CADRE",
    cadre=some_id(),
    unit="420202",
    year=2024,
    revision=1,
    served_on=date(2025, 3, 10),
    appeal_until=date(2025, 4, 9),
)
PUBLISHED = [
    *(
        unit_registered(Unit("420202", "黄石港区", kind, "COUNTY"), PACK)
        for kind in ("COUNTY", "CITY_DEPT", "PUBLIC_INST")
    ),
    cadre_registered(some_id(), CADRE, PACK),
    deduction_changed(some_id(), 2024, deduct(2024, [FINDING], rulebook().on)),
    deduction_changed(some_id(), 2024, deduct(2024, [], rulebook().on)),
    result_served(SERVED),
]
DECLARED = {
    action.event: (action.mandatory, case_type.dataclass, case_type.kind)
    for case_type in (ANNUAL, APPEAL, CADRE_CASE, CONSTRAINT, DUTY_LIST, INDICATOR, JOINT_REVIEW, QUOTA, SCHEME)
    for action in (case_type.create, *case_type.actions.values())
    if action.event
}
QUEUES = subscriptions(rulebook())
CONSUMED = [
    (queue, event_type, path)
    for queue, subscription in QUEUES.items()
    for event_type in subscription.handlers
    for path in sorted((CONTRACTS / "examples" / event_type).glob("*.json"))
]


@pytest.mark.parametrize("draft", PUBLISHED, ids=lambda draft: draft.type)
def test_what_is_published_keeps_to_its_contract(draft: Draft) -> None:
    contract = load(CONTRACTS)[draft.type]
    assert contract.produced_errors(dict(draft.data)) == []
    assert (draft.dataclass, draft.subject.partition("/")[0]) == (contract.dataclass, contract.subject_kind)
    assert draft.mandatory == bool(contract.consumers)


def test_every_contract_of_ours_is_published() -> None:
    ours = {name for name, contract in load(CONTRACTS).items() if contract.service == "assessment"}
    mechanism = {f"assessment.{told}.v1" for told in ("service.heartbeat", "deadline.armed", "deadline.settled")}
    assert ours == {draft.type for draft in PUBLISHED} | set(DECLARED) | mechanism


@pytest.mark.parametrize(("event_type", "declared"), DECLARED.items(), ids=list(DECLARED))
def test_what_case_types_declare_is_what_the_contracts_say(event_type: str, declared: tuple[bool, str, str]) -> None:
    contract = load(CONTRACTS)[event_type]
    assert declared == (bool(contract.consumers), contract.dataclass, contract.subject_kind)


def test_kinds_of_units_are_those_of_the_rules() -> None:
    kinds = load(CONTRACTS)["assessment.unit.registered.v1"].schema["properties"]["kind"]["enum"]
    assert set(kinds) == set(rulebook().on(date(2024, 3, 4))["roster.unit_kinds"])


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


def test_no_example_of_ours_holds_an_identity_number_or_a_birth_date() -> None:
    for folder in (CONTRACTS / "examples").glob("assessment.*"):
        for path in folder.glob("*.json"):
            assert not {"id_no", "birth", "party_member"} & set(Event.from_json(path.read_bytes()).data), path.name

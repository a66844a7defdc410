"""What is bound to a queue and what its consumer does with it: nothing that arrives as a contract says is parked."""

import json

import pytest

from citybus.inbox import Subscription, read
from tests.contract.assessment.test_contracts import QUEUES as ASSESSMENT
from tests.contract.incentive.test_contracts import QUEUES as INCENTIVE
from tests.contract.notification.test_contracts import QUEUES as NOTIFICATION
from tests.contract.supervision.test_contracts import QUEUES as SUPERVISION
from tests.support.contracts import load
from tests.support.supervision import CONTRACTS

QUEUES = {**ASSESSMENT, **INCENTIVE, **NOTIFICATION, **SUPERVISION}


@pytest.mark.parametrize("queue", sorted(QUEUES))
def test_whatever_is_bound_to_a_queue_is_taken_in(queue: str) -> None:
    subscription: Subscription = QUEUES[queue]
    bound = [event_type for event_type, contract in load(CONTRACTS).items() if queue in contract.consumers]
    assert bound
    for event_type in bound:
        for path in (CONTRACTS / "examples" / event_type).glob("*.json"):
            body = json.loads(path.read_text(encoding="utf-8"))
            arrival = read(subscription, "application/cloudevents+json", json.dumps(body).encode())
            assert arrival.event.type == event_type

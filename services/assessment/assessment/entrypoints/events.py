"""What comes from the bus: the queues, and what each of their events leads to."""

from collections.abc import Mapping
from typing import Any, Final

from assessment.application.constraints import reconsider
from assessment.application.recompute_deduction import recompute_deduction
from assessment.application.rulebook import Rulebook
from assessment.schemas.consumed import FindingState
from citybus.envelope import Event
from citybus.freshness import hears
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork

SUPERVISION: Final = "assessment.supervision"


def subscriptions(rulebook: Rulebook) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def recompute(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        recompute_deduction(rulebook, uow, event, data)
        reconsider(uow, str(data["finding"]), event)

    weighed = Handler(FindingState(), recompute)
    found = (
        # Each event has the finding's whole state, but an older one must not overwrite a newer: every step is taken in
        # its order. Steps before verification concern nobody's record and only mark their place.
        Subscription(
            SUPERVISION,
            Order.EVERY_STEP,
            {f"supervision.finding.{step}.v1": weighed for step in ("verified", "weight-changed")}
            | hears("supervision"),
        ),
    )
    return {subscription.queue: subscription for subscription in found}

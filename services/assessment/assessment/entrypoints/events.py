"""What comes from the bus and by the clock: the queues, and what each of their events and each deadline leads to."""

from collections.abc import Mapping
from typing import Any, Final

from assessment.application.apply_correction import handler
from assessment.application.case_types import case_types
from assessment.application.constraints import reconsider
from assessment.application.correct_annual import RECONSIDER
from assessment.application.recompute_deduction import recompute_deduction
from assessment.application.rulebook import Rulebook
from assessment.application.serve_result import serve_result
from assessment.schemas.consumed import DeliveryServed, FindingState
from citybus import deadlines
from citybus.cases.timers import handlers
from citybus.envelope import Event
from citybus.freshness import hears
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork

NOTIFICATION: Final = "assessment.notification"
SUPERVISION: Final = "assessment.supervision"


def subscriptions(rulebook: Rulebook) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def recompute(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        recompute_deduction(rulebook, uow, event, data)
        reconsider(uow, str(data["finding"]), event)

    annuals = case_types(rulebook).annuals

    def serve(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        serve_result(annuals, uow, event, data)

    served = Handler(DeliveryServed(), serve)
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
        Subscription(
            NOTIFICATION,
            Order.ANY,
            {f"notification.delivery.{how}.v1": served for how in ("signed", "refused", "substituted")}
            | hears("notification"),
        ),
    )
    return {subscription.queue: subscription for subscription in found}


def on_time(rulebook: Rulebook) -> dict[str, deadlines.Handler]:
    """Return what is done when a deadline of the service passes, by the deadline's kind."""
    bound = case_types(rulebook)
    return {**handlers(bound), RECONSIDER: handler(bound.annuals)}

"""What comes from the bus: the queues, and what each of their events leads to."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.cases import Cases
from citybus.envelope import Event
from citybus.freshness import note_heartbeat
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork
from incentive.application.know_deduction import know_deduction
from incentive.application.know_finding import know_finding
from incentive.application.know_roster import know_cadre
from incentive.application.serve_decision import serve_decision
from incentive.schemas.consumed import CadreRegistered, DeductionChanged, DeliveryServed, FindingState, Heartbeat

OTHERS: Final = ("assessment", "supervision", "notification")
STEPS: Final = ("notified", "served", "plea-received", "verified", "rejected", "weight-changed")


def subscriptions(tolerances: Cases) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def on_served(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        serve_decision(tolerances, uow, event, data)

    served = Handler(DeliveryServed(), on_served)
    known = Handler(FindingState(), know_finding)
    heard = Handler(Heartbeat(), _heard)
    found = (
        # Units are registered on the same queue; nothing here asks for more of them than their code.
        Subscription(
            "incentive.assessment",
            Order.NEWEST,
            {
                "assessment.cadre.registered.v1": Handler(CadreRegistered(), know_cadre),
                "assessment.deduction.changed.v1": Handler(DeductionChanged(), know_deduction),
            },
            ignore_unknown=True,
        ),
        Subscription(
            "incentive.supervision",
            Order.EVERY_STEP,
            {f"supervision.finding.{step}.v1": known for step in STEPS},
        ),
        Subscription(
            "incentive.notification",
            Order.ANY,
            {f"notification.delivery.{how}.v1": served for how in ("signed", "refused", "substituted")},
        ),
        Subscription("incentive.heartbeat", Order.ANY, {f"{other}.service.heartbeat.v1": heard for other in OTHERS}),
    )
    return {subscription.queue: subscription for subscription in found}


def _heard(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    note_heartbeat(uow.session, data["service"])

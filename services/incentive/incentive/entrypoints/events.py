"""What comes from the bus: the queues, and what each of their events leads to."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.envelope import Event
from citybus.freshness import hears
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork
from incentive.application.case_types import CaseTypes
from incentive.application.know_deduction import know_deduction
from incentive.application.know_finding import know_finding
from incentive.application.know_roster import CADRE_STEPS, know_cadre
from incentive.application.serve_decision import serve_decision
from incentive.application.standings import know_eligibility
from incentive.schemas.consumed import (
    CadreRegistered,
    DeductionChanged,
    DeliveryServed,
    EligibilityChanged,
    FindingState,
)

STEPS: Final = ("notified", "served", "plea-received", "verified", "rejected", "weight-changed")


def subscriptions(bound: CaseTypes) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def on_served(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        serve_decision(bound.tolerances, uow, event, data)

    served = Handler(DeliveryServed(), on_served)
    known = Handler(FindingState(), know_finding)
    found = (
        # Units are registered on the same queue; nothing here asks for more of them than their code.
        Subscription(
            "incentive.assessment",
            Order.NEWEST,
            {
                **{f"assessment.cadre.{past}.v1": Handler(CadreRegistered(), know_cadre) for past in CADRE_STEPS},
                "assessment.deduction.changed.v1": Handler(DeductionChanged(), know_deduction),
                **hears("assessment"),
            },
            ignore_unknown=True,
        ),
        Subscription(
            "incentive.supervision",
            Order.EVERY_STEP,
            {
                **{f"supervision.finding.{step}.v1": known for step in STEPS},
                "supervision.eligibility.changed.v1": Handler(EligibilityChanged(), know_eligibility),
                **hears("supervision"),
            },
        ),
        Subscription(
            "incentive.notification",
            Order.ANY,
            {
                f"notification.delivery.{how}.{version}": served
                for how in ("signed", "refused", "substituted")
                for version in ("v1", "v2")
            }
            | hears("notification"),
        ),
    )
    return {subscription.queue: subscription for subscription in found}

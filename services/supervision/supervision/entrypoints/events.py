"""What comes from the bus: the queues, and what each of their events leads to."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from citybus.cases import Cases
from citybus.envelope import Event
from citybus.freshness import hears
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork
from supervision.application.apply_appeal import apply_appeal
from supervision.application.apply_tolerance import apply_tolerance
from supervision.application.case_types import CaseTypes
from supervision.application.know_roster import CADRE_STEPS, know_cadre, know_unit
from supervision.application.know_tolerance import know_tolerance
from supervision.application.report_channel import report_channel
from supervision.application.serve_finding import serve_finding
from supervision.application.serve_measure import serve_measure
from supervision.application.serve_notice import serve_notice
from supervision.application.undo_tolerance import undo_tolerance
from supervision.schemas.consumed import (
    AppealState,
    CadreRegistered,
    DeliveryServed,
    PublicationState,
    ToleranceEffective,
    ToleranceState,
    UnitRegistered,
)

UseCase = Callable[[Any, UnitOfWork, Event, Mapping[str, Any]], None]

TOLERANCE_STEPS: Final = (
    "filed",
    "accepted",
    "not-accepted",
    "verifying",
    "deliberating",
    "decided",
    "served",
    "reviewed",
    "correcting",
    "closed",
    "revocation-noticed",
    "withdrawn",
)

APPEAL_STEPS: Final = ("filed", "accepted", "decided", "executed", "rejected", "withdrawn")


def subscriptions(bound: CaseTypes) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def upon(cases: Cases | CaseTypes, use_case: UseCase) -> Callable[[UnitOfWork, Event, Any], None]:
        return lambda uow, event, data: use_case(cases, uow, event, data)

    def serve(uow: UnitOfWork, event: Event, data: Any) -> None:
        serve_finding(bound.findings, uow, event, data)
        serve_measure(bound.measures, uow, event, data)
        for cases in (bound.adjustments, bound.recalls, bound.sanctions):
            serve_notice(cases, uow, event, data)

    served = Handler(DeliveryServed(), serve)
    appealed = Handler(AppealState(), upon(bound, apply_appeal))
    found = (
        Subscription(
            "supervision.assessment",
            Order.NEWEST,
            {
                "assessment.unit.registered.v1": Handler(UnitRegistered(), know_unit),
                **{f"assessment.cadre.{past}.v1": Handler(CadreRegistered(), know_cadre) for past in CADRE_STEPS},
                **{f"assessment.appeal.{step}.v1": appealed for step in APPEAL_STEPS},
                **hears("assessment"),
            },
        ),
        Subscription(
            "supervision.incentive",
            Order.EVERY_STEP,
            {
                f"incentive.tolerance.{step}.v1": Handler(ToleranceState(), upon(bound, know_tolerance))
                for step in TOLERANCE_STEPS
            }
            | {
                "incentive.tolerance.effective.v1": Handler(ToleranceEffective(), upon(bound, apply_tolerance)),
                "incentive.tolerance.revoked.v1": Handler(ToleranceEffective(), upon(bound, undo_tolerance)),
            }
            | hears("incentive"),
        ),
        Subscription(
            "supervision.notification",
            Order.ANY,
            {
                f"notification.delivery.{how}.{version}": served
                for how in ("signed", "refused", "substituted")
                for version in ("v1", "v2")
            }
            | {
                f"notification.publication.{step}.v1": Handler(
                    PublicationState(), upon(bound.bulletins, report_channel)
                )
                for step in ("posted", "confirmed", "withdrawn", "failed")
            }
            | hears("notification"),
        ),
    )
    return {subscription.queue: subscription for subscription in found}

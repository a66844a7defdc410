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
from incentive.application.know_links import know_adjustment, know_bulletin, know_constraint, know_measure, know_recall
from incentive.application.know_roster import CADRE_STEPS, know_cadre
from incentive.application.serve_decision import serve_decision
from incentive.application.standings import know_annual
from incentive.application.watch_gate import know_bars
from incentive.schemas.consumed import (
    AnnualState,
    BulletinState,
    CadreRegistered,
    ConstraintState,
    DeductionChanged,
    DeliveryServed,
    EligibilityChanged,
    FindingState,
    MeasureOnCadre,
    MeasureState,
)

RECALL_STEPS: Final = (
    "proposed",
    "notified",
    "approved",
    "enrolled",
    "training-started",
    "phase-passed",
    "training-passed",
    "training-failed",
    "observing",
    "evaluated",
    "outcome",
    "cancelled",
    "transferred",
)
STEPS: Final = (
    "notified",
    "served",
    "plea-received",
    "verified",
    "rejected",
    "rectifying",
    "rectified",
    "reopened",
    "closed",
    "revoked",
    "weight-changed",
)
ADJUSTMENT_STEPS: Final = ("proposed", "decided", "executed", "reversed", "withdrawn")
MEASURE_STEPS: Final = ("approved", "delivered", "replied", "overdue", "closed", "withdrawn")
ANNUAL_RESULTS: Final = ("approved", "corrected", "finalized", "made-up", "notified", "suspended")
"""The steps of an annual assessment from which there is a result, or none is to be had yet."""
BULLETIN_STEPS: Final = (
    "approved",
    "scheduled",
    "publishing",
    "published",
    "corrected",
    "withdrawing",
    "withdrawn",
    "expired",
)


def subscriptions(bound: CaseTypes) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def on_served(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        serve_decision(bound.tolerances, uow, event, data)

    served = Handler(DeliveryServed(), on_served)

    def on_bars(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        know_bars(bound.candidates, uow, event, data)

    recall = Handler(MeasureOnCadre(), know_recall)
    result = Handler(AnnualState(), know_annual)
    known = Handler(FindingState(), know_finding)
    adjustment = Handler(MeasureOnCadre(), know_adjustment)
    measure = Handler(MeasureState(), know_measure)
    bulletin = Handler(BulletinState(), know_bulletin)
    constraint = Handler(ConstraintState(), know_constraint)
    found = (
        # Units are registered on the same queue; nothing here asks for more of them than their code.
        Subscription(
            "incentive.assessment",
            Order.NEWEST,
            {
                **{f"assessment.cadre.{past}.v1": Handler(CadreRegistered(), know_cadre) for past in CADRE_STEPS},
                **{f"assessment.annual.{step}.v1": result for step in ANNUAL_RESULTS},
                "assessment.constraint.added.v1": constraint,
                "assessment.constraint.lifted.v1": constraint,
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
                **{f"supervision.adjustment.{step}.v1": adjustment for step in ADJUSTMENT_STEPS},
                **{f"supervision.bulletin.{step}.v1": bulletin for step in BULLETIN_STEPS},
                **{f"supervision.measure.{step}.v1": measure for step in MEASURE_STEPS},
                **{f"supervision.recall.{step}.v1": recall for step in RECALL_STEPS},
                "supervision.eligibility.changed.v1": Handler(EligibilityChanged(), on_bars),
                **hears("supervision"),
            },
            # Bound as well are sanctions and open cases: what they bar is told by the eligibility.
            ignore_unknown=True,
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

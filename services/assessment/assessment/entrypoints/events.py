"""What comes from the bus and by the clock: the queues, and what each of their events and each deadline leads to."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from assessment.application.appeals import know_service
from assessment.application.apply_correction import handler
from assessment.application.bind_grade import bind_grade, hold_grade, release_grade
from assessment.application.bind_put_off import bind_put_off
from assessment.application.case_types import case_types
from assessment.application.constraints import reconsider
from assessment.application.correct_annual import RECONSIDER
from assessment.application.know_matter import know_matter
from assessment.application.recompute_deduction import recompute_deduction
from assessment.application.rulebook import Rulebook
from assessment.application.serve_result import serve_result
from assessment.domain import grade_effect
from assessment.domain.constraint import Wanted
from assessment.schemas.consumed import (
    AdjustmentState,
    CaseHold,
    DeliveryServed,
    FindingState,
    MeasureState,
    RecallState,
    SanctionState,
)
from citybus import deadlines
from citybus.cases.timers import handlers
from citybus.envelope import Event
from citybus.freshness import hears
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork

NOTIFICATION: Final = "assessment.notification"
SUPERVISION: Final = "assessment.supervision"
Effect = Callable[[Mapping[str, Any], grade_effect.RulesOn], list[Wanted]]

# Each carries the whole state of its matter; the steps of a kind that are not named here change nothing that binds a grade.
ADJUSTMENT_STEPS: Final = ("decided", "executed", "reversed", "withdrawn")
MEASURE_STEPS: Final = ("approved", "delivered", "closed")
RECALL_STEPS: Final = ("approved", "outcome", "cancelled", "transferred")
SANCTION_STEPS: Final = ("recorded", "in-effect", "modified", "expired", "revoked")
FINDING_STEPS: Final = ("verified", "rectifying", "rectified", "reopened", "closed", "revoked", "weight-changed")
"""What happens to a finding from its verification on: it may count, count otherwise, or count no more."""


def subscriptions(rulebook: Rulebook) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def recompute(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        recompute_deduction(rulebook, uow, event, data)
        reconsider(uow, str(data["finding"]), event)
        know_matter(uow, event, data)

    def binds(effect: Effect) -> Callable[[UnitOfWork, Event, Any], None]:
        def take_over(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
            bind_grade(rulebook, effect, uow, event, data)
            know_matter(uow, event, data)

        return take_over

    def sanctioned(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        bind_grade(rulebook, grade_effect.of_sanction, uow, event, data)
        know_matter(uow, event, data)
        bind_put_off(rulebook, uow, event, str(data["cadre"]))

    def held(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        hold_grade(rulebook, uow, event, data)
        bind_put_off(rulebook, uow, event, str(data["cadre"]))

    def released(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        release_grade(uow, event, data)
        bind_put_off(rulebook, uow, event, str(data["cadre"]))

    annuals = case_types(rulebook).annuals

    def serve(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        serve_result(annuals, uow, event, data)
        know_service(uow, event, data)

    served = Handler(DeliveryServed(), serve)
    weighed = Handler(FindingState(), recompute)
    matters = {
        "adjustment": (Handler(AdjustmentState(), binds(grade_effect.of_adjustment)), ADJUSTMENT_STEPS),
        "measure": (Handler(MeasureState(), binds(grade_effect.of_measure)), MEASURE_STEPS),
        "recall": (Handler(RecallState(), binds(grade_effect.of_recall)), RECALL_STEPS),
        "sanction": (Handler(SanctionState(), sanctioned), SANCTION_STEPS),
    }
    holds = {
        "opened": Handler(CaseHold(), held),
        "closed": Handler(CaseHold(), released),
    }
    found = (
        # Each event has the finding's whole state, but an older one must not overwrite a newer: every step is taken in
        # its order. Steps before verification concern nobody's record and only mark their place.
        Subscription(
            SUPERVISION,
            Order.EVERY_STEP,
            {f"supervision.finding.{step}.v1": weighed for step in FINDING_STEPS}
            | {f"supervision.{kind}.{step}.v1": handler for kind, (handler, steps) in matters.items() for step in steps}
            | {f"supervision.case-hold.{step}.v1": handler for step, handler in holds.items()}
            | hears("supervision"),
            # Bound as well are subject kinds that bind no grade.
            ignore_unknown=True,
        ),
        Subscription(
            NOTIFICATION,
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


def on_time(rulebook: Rulebook) -> dict[str, deadlines.Handler]:
    """Return what is done when a deadline of the service passes, by the deadline's kind."""
    bound = case_types(rulebook)
    return {**handlers(bound), RECONSIDER: handler(bound.annuals)}

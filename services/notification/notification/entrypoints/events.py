"""What comes from the bus: the queues, and what each of their events leads to."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from marshmallow import Schema

from citybus.cases import Cases
from citybus.envelope import Event
from citybus.freshness import hears
from citybus.inbox import Handler, Order, Subscription
from citybus.unit_of_work import UnitOfWork
from notification.application.catalogue import Catalogue
from notification.application.correct_notice import CHANGES, tell_revocation, tell_weight
from notification.application.know_roster import CADRE_STEPS, know_cadre, know_unit
from notification.application.notify_responsible import notify_responsible
from notification.application.publish_bulletin import (
    correct_bulletin,
    expire_bulletin,
    note_published,
    note_withdrawn,
    publish_bulletin,
    withdraw_bulletin,
)
from notification.application.rulebook import Rulebook
from notification.application.serve_notice import NOTICES
from notification.application.share_event import share_event
from notification.application.tell_decision import tell_decision, tell_refusal, tell_tolerance_revoked
from notification.application.watch_deadline import watch_deadline
from notification.domain.document import Document
from notification.schemas.consumed import (
    AdjustmentState,
    AnnualState,
    Anything,
    AppealState,
    BulletinEvent,
    CadreRegistered,
    DeadlineState,
    FindingChanged,
    FindingNotified,
    MatterChanged,
    MeasureState,
    RecallState,
    SanctionState,
    ToleranceDecided,
    ToleranceRefused,
    ToleranceRevocation,
    UnitRegistered,
)

ORDERS: Final = {
    # The roster keeps what is registered last, and departments need no more either.
    "assessment": Order.NEWEST,
    # A notice must not be lost behind a later step, and departments are told of each step in its turn.
    "supervision": Order.EVERY_STEP,
    "incentive": Order.EVERY_STEP,
    # Its own deadlines come the way that all deadlines come.
    "notification": Order.NEWEST,
}

BULLETIN_STEPS: Final[Mapping[str, Callable[[Cases, UnitOfWork, Event, Mapping[str, Any]], None]]] = {
    "publishing": publish_bulletin,
    "published": note_published,
    "corrected": correct_bulletin,
    "withdrawing": withdraw_bulletin,
    "withdrawn": note_withdrawn,
    "expired": expire_bulletin,
}

NOTICE_SCHEMAS: Final[Mapping[Document, type[Schema]]] = {
    Document.RECALL_NOTICE: RecallState,
    Document.RECALL_OUTCOME: RecallState,
    Document.UNIT_WARNING: RecallState,
    Document.MEASURE_NOTICE: MeasureState,
    Document.SANCTION_NOTICE: SanctionState,
    Document.ADJUSTMENT_NOTICE: AdjustmentState,
    Document.ANNUAL_RESULT: AnnualState,
    Document.APPEAL_DECISION: AppealState,
}

Apply = Callable[[UnitOfWork, Event, Any], None]


def subscriptions(
    deliveries: Cases, publications: Cases, deadlines: Cases, catalogue: Catalogue, rulebook: Rulebook
) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name.

    Whatever a contract sends to one of them is passed on to departments; some events have effects here beside that.
    """
    own = {
        "assessment.unit.registered.v1": Handler(UnitRegistered(), know_unit),
        **{f"assessment.cadre.{past}.v1": Handler(CadreRegistered(), know_cadre) for past in CADRE_STEPS},
        "supervision.finding.notified.v1": Handler(FindingNotified(), _with(deliveries, notify_responsible)),
        "incentive.tolerance.decided.v1": Handler(ToleranceDecided(), _with(deliveries, tell_decision)),
        "incentive.tolerance.not-accepted.v1": Handler(ToleranceRefused(), _with(deliveries, tell_refusal)),
        "incentive.tolerance.reviewed.v1": Handler(ToleranceDecided(), _with(deliveries, tell_decision)),
        **{
            f"incentive.tolerance.{step}.v1": Handler(ToleranceRevocation(), _with(deliveries, tell_tolerance_revoked))
            for step in ("revocation-noticed", "revoked")
        },
        "supervision.finding.weight-changed.v1": Handler(FindingChanged(), _with(deliveries, tell_weight)),
        "supervision.finding.revoked.v1": Handler(FindingChanged(), _with(deliveries, tell_revocation)),
        **{event_type: Handler(MatterChanged(), _with(deliveries, change)) for event_type, change in CHANGES.items()},
        **{
            event_type: Handler(NOTICE_SCHEMAS[notice.document](), _with(deliveries, notice))
            for event_type, notice in NOTICES.items()
        },
        **{
            f"{source}.deadline.{step}.v1": Handler(DeadlineState(), _with(deadlines, watch_deadline))
            for source in ORDERS
            for step in ("armed", "settled")
        },
        **{
            f"supervision.bulletin.{step}.v1": Handler(BulletinEvent(), _with(publications, use_case))
            for step, use_case in BULLETIN_STEPS.items()
        },
    }

    def shared(handler: Handler) -> Handler:
        def apply(uow: UnitOfWork, event: Event, data: Any) -> None:
            handler.apply(uow, event, data)
            share_event(catalogue, rulebook, uow, event)

        return Handler(handler.schema, apply)

    found = {}
    for source, order in ORDERS.items():
        queue = f"notification.{source}"
        passed_on = {
            event_type: shared(own.get(event_type, Handler(Anything(), _nothing)))
            for event_type, contract in catalogue.contracts.items()
            if queue in contract.consumers
        }
        found[queue] = Subscription(queue, order, passed_on | hears(source))
    return found


def _with(deliveries: Cases, use_case: Callable[[Cases, UnitOfWork, Event, Mapping[str, Any]], None]) -> Apply:
    return lambda uow, event, data: use_case(deliveries, uow, event, data)


def _nothing(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """The effect of an event that is only passed on."""

"""What comes from the bus, and what time brings."""

from collections.abc import Callable, Mapping
from typing import Any

from citybus import deadlines
from citybus.cases import Cases
from citybus.cases.timers import handlers
from citybus.envelope import Event
from citybus.freshness import note_heartbeat, send_heartbeat
from citybus.inbox import Handler, Order, Subscription
from citybus.nameko_ext import consume, every, units_of_work
from citybus.unit_of_work import UnitOfWork
from supervision.application.apply_tolerance import apply_tolerance
from supervision.application.know_roster import know_cadre, know_unit
from supervision.application.serve_finding import serve_finding
from supervision.schemas.consumed import (
    CadreRegistered,
    DeliveryServed,
    Heartbeat,
    ToleranceEffective,
    UnitRegistered,
)

Bound = Callable[[Cases, UnitOfWork, Event, Mapping[str, Any]], None]


def subscriptions(findings: Cases) -> dict[str, Subscription]:
    """Return the subscription of each of the service's queues, by the queue's name."""

    def upon(use_case: Bound) -> Callable[[UnitOfWork, Event, Any], None]:
        return lambda uow, event, data: use_case(findings, uow, event, data)

    served = Handler(DeliveryServed(), upon(serve_finding))
    found = (
        Subscription(
            "supervision.assessment",
            Order.NEWEST,
            {
                "assessment.unit.registered.v1": Handler(UnitRegistered(), know_unit),
                "assessment.cadre.registered.v1": Handler(CadreRegistered(), know_cadre),
            },
        ),
        Subscription(
            "supervision.incentive",
            Order.EVERY_STEP,
            {"incentive.tolerance.effective.v1": Handler(ToleranceEffective(), upon(apply_tolerance))},
        ),
        Subscription(
            "supervision.notification",
            Order.ANY,
            {f"notification.delivery.{how}.v1": served for how in ("signed", "refused", "substituted")},
        ),
        Subscription(
            "supervision.heartbeat",
            Order.ANY,
            {f"{other}.service.heartbeat.v1": Handler(Heartbeat(), _heard) for other in OTHERS},
        ),
    )
    return {subscription.queue: subscription for subscription in found}


OTHERS = ("assessment", "incentive", "notification")


def _heard(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    note_heartbeat(uow.session, data["service"])


def worker(inspections: Cases, findings: Cases) -> type:
    """Return the Nameko service of the worker process."""
    queues = subscriptions(findings)
    on_time = handlers((inspections, findings))

    class Worker:
        """The queues and the timers of supervision."""

        name = "supervision"
        units = units_of_work()

        @consume(queues["supervision.assessment"])
        def on_assessment(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["supervision.incentive"])
        def on_incentive(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["supervision.notification"])
        def on_notification(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["supervision.heartbeat"])
        def on_heartbeat(self, batch: Any) -> None:
            batch.apply(self.units)

        @every(seconds=2)
        def fire_deadlines(self) -> None:
            deadlines.fire_due(self.units, on_time)

        @every(seconds=15)
        def send_heartbeat(self) -> None:
            send_heartbeat(self.units, self.name)

    return Worker

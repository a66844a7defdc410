"""The worker process: the queues and the timers, hosted by Nameko."""

from typing import Any

from citybus import deadlines
from citybus.cases import Cases
from citybus.cases.timers import follow_calendar, handlers
from citybus.freshness import send_heartbeat
from citybus.nameko_ext import consume, every, units_of_work
from notification.application.catalogue import Catalogue
from notification.application.deliver import dispatch_queued
from notification.application.rulebook import Rulebook
from notification.entrypoints.events import subscriptions as queues_of


def worker(
    deliveries: Cases,
    subscriptions: Cases,
    publications: Cases,
    watched: Cases,
    catalogue: Catalogue,
    rulebook: Rulebook,
    deadline_seconds: float,
) -> type:
    """Return the Nameko service of the worker process, which looks for due deadlines every `deadline_seconds`."""
    queues = queues_of(deliveries, publications, watched, catalogue, rulebook)
    bound = (deliveries, subscriptions, publications, watched)
    on_time = handlers(bound)

    class Worker:
        """The queues and the timers of notification."""

        name = "notification"
        units = units_of_work()

        @consume(queues["notification.assessment"])
        def on_assessment(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["notification.supervision"])
        def on_supervision(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["notification.incentive"])
        def on_incentive(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["notification.notification"])
        def on_notification(self, batch: Any) -> None:
            batch.apply(self.units)

        @every(seconds=deadline_seconds)
        def fire_deadlines(self) -> None:
            deadlines.fire_due(self.units, on_time)

        @every(seconds=5)
        def dispatch_queued(self) -> None:
            dispatch_queued(deliveries, self.units)

        @every(seconds=60)
        def follow_calendar(self) -> None:
            follow_calendar(self.units, bound, rulebook.packs.calendar)

        @every(seconds=15)
        def send_heartbeat(self) -> None:
            send_heartbeat(self.units, self.name)

    return Worker

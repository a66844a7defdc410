"""The worker process: the queues and the timers, hosted by Nameko."""

from typing import Any

from citybus import deadlines
from citybus.calendar import Calendar
from citybus.cases.timers import follow_calendar, handlers
from citybus.freshness import send_heartbeat
from citybus.nameko_ext import consume, every, units_of_work
from incentive.application.case_types import CaseTypes
from incentive.entrypoints.events import subscriptions


def worker(bound: CaseTypes, calendar: Calendar, deadline_seconds: float) -> type:
    """Return the Nameko service of the worker process, which looks for due deadlines every `deadline_seconds`."""
    queues = subscriptions(bound)
    on_time = handlers(bound)

    class Worker:
        """The queues and the timers of incentive."""

        name = "incentive"
        units = units_of_work()

        @consume(queues["incentive.assessment"])
        def on_assessment(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["incentive.supervision"])
        def on_supervision(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues["incentive.notification"])
        def on_notification(self, batch: Any) -> None:
            batch.apply(self.units)

        @every(seconds=deadline_seconds)
        def fire_deadlines(self) -> None:
            deadlines.fire_due(self.units, on_time)

        @every(seconds=60)
        def follow_calendar(self) -> None:
            follow_calendar(self.units, bound, calendar)

        @every(seconds=15)
        def send_heartbeat(self) -> None:
            send_heartbeat(self.units, self.name)

    return Worker

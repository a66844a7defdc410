"""The worker process: the queues and the timers, hosted by Nameko."""

from typing import Any

from citybus import deadlines
from citybus.calendar import Calendar
from citybus.cases.timers import follow_calendar, handlers
from citybus.freshness import send_heartbeat
from citybus.nameko_ext import consume, every, units_of_work
from supervision.application.case_types import CaseTypes
from supervision.application.publish_bulletin import on_time as on_publication_time
from supervision.entrypoints.events import subscriptions


def worker(bound: CaseTypes, calendar: Calendar, deadline_seconds: float) -> type:
    """Return the Nameko service of the worker process, which looks for due deadlines every `deadline_seconds`."""
    queues = subscriptions(bound)
    on_time = {**handlers(bound), **on_publication_time(bound.bulletins)}

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

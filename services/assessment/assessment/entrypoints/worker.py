"""The worker's process: what Nameko runs for the queues, the deadlines and the heartbeat."""

from typing import Any

from assessment.application.case_types import case_types
from assessment.application.rulebook import Rulebook
from assessment.entrypoints.events import NOTIFICATION, SUPERVISION, on_time, subscriptions
from citybus import deadlines
from citybus.cases.timers import follow_calendar
from citybus.freshness import send_heartbeat
from citybus.nameko_ext import consume, every, units_of_work


def worker(rulebook: Rulebook, deadline_seconds: float) -> type:
    """Return the Nameko service of the worker process, which looks for due deadlines every `deadline_seconds`."""
    queues = subscriptions(rulebook)
    bound, timed = case_types(rulebook), on_time(rulebook)

    class Worker:
        """The queues and the timers of assessment."""

        name = "assessment"
        units = units_of_work()

        @consume(queues[SUPERVISION])
        def on_supervision(self, batch: Any) -> None:
            batch.apply(self.units)

        @consume(queues[NOTIFICATION])
        def on_notification(self, batch: Any) -> None:
            batch.apply(self.units)

        @every(seconds=deadline_seconds)
        def fire_deadlines(self) -> None:
            deadlines.fire_due(self.units, timed)

        @every(seconds=60)
        def follow_calendar(self) -> None:
            follow_calendar(self.units, bound, rulebook.packs.calendar)

        @every(seconds=15)
        def send_heartbeat(self) -> None:
            send_heartbeat(self.units, self.name)

    return Worker

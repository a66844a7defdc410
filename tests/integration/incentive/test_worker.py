"""The worker's process is monkey-patched: what events and timers lead to must work there as well."""

import subprocess
import sys
from datetime import date, datetime, time, timedelta

from chinese_calendar import constants

from citybus.clock import ZONE
from incentive.persistence.models import FindingRow
from tests.support.incentive import City

APPLY = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import eventlet
eventlet.monkey_patch()
from citybus import database, inbox
from citybus.calendar import PUBLISHED
from citybus.clock import SystemClock
from citybus.unit_of_work import Context, Units
from sqlalchemy.orm import sessionmaker
from incentive.application.case_types import bind
from incentive.entrypoints.events import subscriptions
from incentive.entrypoints.worker import worker
from tests.support.incentive import rulebook

bound = bind(rulebook())
assert worker(bound, PUBLISHED, 2).name == "incentive"
queue = subscriptions(bound)["incentive.supervision"]
sessions = sessionmaker(database.engine(sys.argv[1], application="test"), expire_on_commit=False)
with Units(sessions, "/city/420200/incentive", SystemClock())(Context("test", (), "test", "correlation")) as uow:
    arrival = inbox.read(queue, "application/cloudevents+json", sys.stdin.buffer.read())
    inbox.apply_batch(uow, queue, [arrival])
    uow.commit()
"""


def test_an_event_takes_effect_in_a_monkey_patched_process(city: City) -> None:
    finding = city.finding()
    event = city.about_finding(finding, "verified", verified_on="2024-03-04", year=2024)
    done = subprocess.run(
        [sys.executable, "-c", APPLY, city.engine.url.render_as_string(hide_password=False)],
        input=event.to_json(),
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (row,) = city.rows(FindingRow.__table__, FindingRow.id == finding)
    assert row.state == "VERIFIED"


FOLLOW = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import eventlet
eventlet.monkey_patch()
from datetime import date
from types import SimpleNamespace
from citybus import database
from citybus.calendar import Calendar, HolidayTable
from citybus.clock import SystemClock
from citybus.unit_of_work import Units
from sqlalchemy.orm import sessionmaker
from incentive.application.case_types import bind
from incentive.entrypoints.worker import worker
from tests.support.incentive import rulebook

day = date.fromisoformat(sys.argv[2])
calendar = Calendar([HolidayTable(day.year, frozenset({day}), frozenset(), "notice")])
sessions = sessionmaker(database.engine(sys.argv[1], application="test"), expire_on_commit=False)
process = SimpleNamespace(units=Units(sessions, "/city/420200/incentive", SystemClock()))
worker(bind(rulebook()), calendar, 2).follow_calendar(process)
"""


def test_deadlines_follow_the_holidays_that_the_operator_enters(city: City) -> None:
    unsure = max(constants.holidays).year + 1
    monday = next(day for n in range(7) if (day := date(unsure, 6, 7) + timedelta(days=n)).weekday() == 0)
    city.clock.set(datetime.combine(monday, time(9), ZONE))
    case = city.filed()
    before = city.deadlines(case)["tolerance.accept"]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            FOLLOW,
            city.engine.url.render_as_string(hide_password=False),
            (monday + timedelta(days=1)).isoformat(),
        ],
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert datetime.fromisoformat(city.deadlines(case)["tolerance.accept"]) > datetime.fromisoformat(before)

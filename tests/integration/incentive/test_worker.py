"""The worker's process is monkey-patched: what events lead to must work there as well."""

import subprocess
import sys

from incentive.persistence.models import FindingRow
from tests.support.incentive import City

APPLY = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import eventlet
eventlet.monkey_patch()
from citybus import database, inbox
from citybus.clock import SystemClock
from citybus.unit_of_work import Context, Units
from sqlalchemy.orm import sessionmaker
from incentive.application.case_types import bind
from incentive.entrypoints.events import subscriptions
from incentive.entrypoints.worker import worker
from tests.support.incentive import rulebook

bound = bind(rulebook())
assert worker(bound, 2).name == "incentive"
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

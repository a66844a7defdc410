"""The worker's process is monkey-patched: what events lead to must work there as well."""

import subprocess
import sys

from tests.support.notification import City

APPLY = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import eventlet
eventlet.monkey_patch()
from citybus import database, inbox
from citybus.clock import SystemClock
from citybus.unit_of_work import Context, Units
from sqlalchemy.orm import sessionmaker
from notification.application.deadlines import deadlines
from notification.application.deliveries import deliveries
from notification.application.publications import publications
from notification.application.subscriptions import subscriptions
from notification.entrypoints.events import subscriptions as queues_of
from notification.entrypoints.worker import worker
from tests.support.notification import catalogue, rulebook

bound = deliveries(rulebook())
assert worker(bound, subscriptions(rulebook(), catalogue()), publications(rulebook()), deadlines(rulebook()), catalogue(), rulebook(), 2).name == "notification"
queue = queues_of(bound, publications(rulebook()), deadlines(rulebook()), catalogue(), rulebook())["notification.supervision"]
sessions = sessionmaker(database.engine(sys.argv[1], application="test"), expire_on_commit=False)
with Units(sessions, "/city/420200/notification", SystemClock())(Context("test", (), "test", "correlation")) as uow:
    inbox.apply_batch(uow, queue, [inbox.read(queue, "application/cloudevents+json", sys.stdin.buffer.read())])
    uow.commit()
"""


def test_an_event_takes_effect_in_a_monkey_patched_process(city: City) -> None:
    event = city.finding()
    done = subprocess.run(
        [sys.executable, "-c", APPLY, city.engine.url.render_as_string(hide_password=False)],
        input=event.to_json(),
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert [case.state for case in city.of(event)] == ["SENT"]

"""The worker's process is monkey-patched: what events lead to must work there as well."""

import subprocess
import sys
from datetime import date

from tests.support.supervision import LEAD, City

APPLY = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import eventlet
eventlet.monkey_patch()
from citybus import database, inbox
from citybus.clock import SystemClock
from citybus.unit_of_work import Context, Units
from sqlalchemy.orm import sessionmaker
from supervision.application.case_types import bind
from supervision.entrypoints.events import subscriptions
from tests.support.supervision import rulebook

queue = subscriptions(bind(rulebook()))["supervision.notification"]
sessions = sessionmaker(database.engine(sys.argv[1], application="test"), expire_on_commit=False)
with Units(sessions, "/city/420200/supervision", SystemClock())(Context("test", (), "test", "correlation")) as uow:
    arrival = inbox.read(queue, "application/cloudevents+json", sys.stdin.buffer.read())
    inbox.apply_batch(uow, queue, [arrival])
    uow.commit()
"""


def test_an_event_takes_effect_in_a_monkey_patched_process(city: City) -> None:
    case = city.notified()
    event = city.served(case, LEAD, date(2024, 3, 5))
    done = subprocess.run(
        [sys.executable, "-c", APPLY, city.engine.url.render_as_string(hide_password=False)],
        input=event.to_json(),
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert city.again(case).plea_until == date(2024, 3, 12)

"""D1: PostgreSQL is killed, stopped in mid-transaction or frozen, deadlocks and keeps locks, while callers work."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from dandang.local import process
from tests.fault.system import QUEUE, Toy, count
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

LONG = os.environ.get("FAULT_SIZE") == "long"
CYCLES = 15 if LONG else 2
FROZEN_SECONDS = 30 if LONG else 5
RECOVERY_SECONDS = 10


def _kill(server: Postgres) -> None:
    server.kill()
    server.start()


def _stop_at_once(server: Postgres) -> None:
    """As `pg_ctl stop -m immediate`: no transaction is finished, no client is told goodbye."""
    assert server.running is not None
    server.running.popen.send_signal(signal.SIGQUIT)
    server.running.popen.wait(30)
    server.start()


def _freeze(server: Postgres) -> None:
    assert server.running is not None
    members = process.family(server.running.pid)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for member in members:
            # A session's own process may have ended since.
            with suppress(ProcessLookupError):
                os.kill(member.pid, number)
        if number is signal.SIGSTOP:
            time.sleep(FROZEN_SECONDS)


@pytest.mark.parametrize("fault", [_kill, _stop_at_once, _freeze])
def test_d1_a_database_that_is_away_spends_no_attempt_and_loses_nothing(
    toy: Toy, fault: Callable[[Postgres], None]
) -> None:
    for name in ("api", "relay", "worker"):
        toy.keep(name, name)
    with toy.calling():
        eventually(lambda: toy.effects() > 0, within=30, what="events take effect")
        for _ in range(CYCLES):
            toy.history.append({"op": "fault", "what": fault.__name__})
            fault(toy.postgres)
            assert toy.grows(within=30) < RECOVERY_SECONDS
    # Away is no failure of a message: none climbs the ladder, and no process gives up.
    assert "message will be retried" not in toy.kept["worker"].said()
    assert {name: kept.last_words for name, kept in toy.kept.items() if kept.crashes} == {}
    toy.settled()
    verdict = toy.verdict(f"D1-{fault.__name__.strip('_')}")
    assert verdict["kept"], verdict
    assert toy.letters() == []


def test_d1_a_handler_that_deadlocks_or_meets_a_lock_is_retried(toy: Toy) -> None:
    """A second party takes the locks of the handler in the other order, and keeps one beyond the lock time-out."""
    toy.keep("api", "api")
    toy.keep("relay", "relay")
    worker = toy.keep("worker", "worker", LOCKS="2s")
    toy.serves("worker")
    database = toy.consumers[QUEUE]
    url = make_url(database.admin_url).set(drivername="postgresql", database=database.name)
    # Its own patience with a ring is long, so that the handler is the one whom the server ends.
    adversary = psycopg2.connect(url.render_as_string(hide_password=False), options="-c deadlock_timeout=60s")
    take = "SELECT FROM locks WHERE id = %s FOR UPDATE"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'probe.worker'"

    def has_said(word: str) -> bool:
        return word in worker.said()

    with closing(adversary), adversary.cursor() as cursor, toy.calling(cases=2, notes=0):
        until = time.monotonic() + 30
        while not has_said("DeadlockDetected"):
            assert time.monotonic() < until, "no deadlock"
            cursor.execute(take, (2,))
            eventually(lambda: count(database, waits), within=10, every=0.01, what="the handler waits for a lock")
            cursor.execute(take, (1,))
            adversary.rollback()
        cursor.execute(take, (2,))
        eventually(lambda: has_said("LockNotAvailable"), within=30, what="a lock time-out")
        adversary.rollback()
    toy.settled()
    verdict = toy.verdict("D1-locks")
    assert verdict["kept"], verdict
    assert toy.letters() == []

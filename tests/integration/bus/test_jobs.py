"""Jobs: done by steps, resumed where they stopped, each step committed once."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from citybus import jobs
from citybus.errors import Invalid, Refusal
from citybus.jobs import Every, JobHandler, Run, Runner
from tests.support.mechanism import Mechanism, count
from tests.support.waiting import eventually


def enqueue(mechanism: Mechanism, kind: str = "import", **payload: Any) -> str:
    with mechanism.session() as session:
        return jobs.enqueue(session, kind, payload, created_by="u-1", correlation_id="c-1")


def find(mechanism: Mechanism, job_id: str) -> jobs.Job:
    with mechanism.sessions() as session:
        found = jobs.find(session, job_id)
    assert found is not None
    return found


def runner(mechanism: Mechanism, handlers: Mapping[str, JobHandler], **options: Any) -> Runner:
    return Runner(mechanism.engine, mechanism.units, handlers, **options)


def lapse(mechanism: Mechanism) -> None:
    with mechanism.session() as session:
        session.execute(text("UPDATE jobs SET claimed_until = clock_timestamp() - interval '1 s'"))


@contextmanager
def running(made: Runner) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield thread
    finally:
        made.stop()
        thread.join(20)
        assert not thread.is_alive()


def by_rows(run: Run) -> dict[str, Any]:
    """Count each row of the payload in a step of its own."""
    rows = run.payload["rows"]
    for row in rows[run.progress :]:
        with run.step(total=len(rows)) as uow:
            count(uow.session, row)
            uow.commit()
    return {"rows": len(rows)}


def test_job_is_done_by_steps(mechanism: Mechanism) -> None:
    job_id = enqueue(mechanism, rows=["a", "b", "c"])
    assert find(mechanism, job_id).state == "QUEUED"
    assert runner(mechanism, {"import": by_rows}).run_one()
    done = find(mechanism, job_id)
    assert (done.state, done.progress, done.total, done.result) == ("DONE", 3, 3, {"rows": 3})
    assert (done.created_by, done.correlation_id, done.last_error) == ("u-1", "c-1", None)
    assert [mechanism.value(row) for row in "abc"] == [1, 1, 1]
    assert not runner(mechanism, {"import": by_rows}).run_one()


def test_job_queued_in_a_transaction_that_fails_is_none(mechanism: Mechanism) -> None:
    with mechanism.sessions() as session:
        job_id = jobs.enqueue(session, "import", {}, created_by="u-1", correlation_id="c-1")
    with mechanism.sessions() as session:
        assert jobs.find(session, job_id) is None


def test_step_acts_on_account_of_who_queued_the_job(mechanism: Mechanism) -> None:
    seen: list[Any] = []

    def look(run: Run) -> None:
        with run.step(steps=5) as uow:
            seen.append(uow.context)
            uow.audit("import.row", "row/1")
            uow.commit()

    job_id = enqueue(mechanism)
    runner(mechanism, {"import": look}).run_one()
    (context,) = seen
    assert (context.actor, context.purpose, context.correlation_id) == ("u-1", "job import", "c-1")
    done = find(mechanism, job_id)
    assert (done.progress, done.total, done.result) == (5, None, {})


def test_step_that_is_not_committed_is_no_progress(mechanism: Mechanism) -> None:
    def forget(run: Run) -> None:
        with run.step() as uow:
            count(uow.session, "forgotten")
        assert run.progress == 0

    job_id = enqueue(mechanism)
    runner(mechanism, {"import": forget}).run_one()
    assert find(mechanism, job_id).progress == 0
    assert mechanism.value("forgotten") == 0


def test_failed_job_goes_on_where_it_stopped(mechanism: Mechanism) -> None:
    def fail_at_c(run: Run) -> None:
        for row in run.payload["rows"][run.progress :]:
            with run.step() as uow:
                count(uow.session, row)
                if row == "c":
                    raise KeyError("张三")
                uow.commit()

    job_id = enqueue(mechanism, rows=["a", "b", "c", "d"])
    runner(mechanism, {"import": fail_at_c}).run_one()
    failed = find(mechanism, job_id)
    assert (failed.state, failed.progress, failed.attempts) == ("QUEUED", 2, 1)
    assert failed.last_error is not None
    assert failed.last_error.startswith("KeyError at ")
    assert "张三" not in failed.last_error
    made = runner(mechanism, {"import": by_rows})
    with mechanism.session() as session:  # its two seconds may be over on a busy machine
        session.execute(text("UPDATE jobs SET claimed_until = claimed_until + interval '1 min'"))
    assert not made.run_one()  # it backs off
    lapse(mechanism)
    assert made.run_one()
    assert find(mechanism, job_id).state == "DONE"
    assert [mechanism.value(row) for row in "abcd"] == [1, 1, 1, 1]


@pytest.mark.parametrize("error", [Invalid("SCHEMA", "no rows"), Refusal("YEAR_CLOSED", zh="x", en="closed")])
def test_job_that_can_never_succeed_fails_at_once(mechanism: Mechanism, error: Exception) -> None:
    def refuse(run: Run) -> None:
        raise error

    job_id = enqueue(mechanism)
    runner(mechanism, {"import": refuse}).run_one()
    assert find(mechanism, job_id).state == "FAILED"


def test_job_fails_in_the_end(mechanism: Mechanism) -> None:
    def fail(run: Run) -> None:
        raise OSError("disk full")

    job_id = enqueue(mechanism)
    made = runner(mechanism, {"import": fail})
    for _ in range(jobs.MOST_ATTEMPTS):
        lapse(mechanism)
        assert made.run_one()
    failed = find(mechanism, job_id)
    assert failed.state == "FAILED"
    assert failed.last_error is not None
    assert failed.last_error.endswith("OSError: disk full") or "disk full" in failed.last_error


def test_job_that_takes_its_process_down_fails_in_the_end(mechanism: Mechanism) -> None:
    job_id = enqueue(mechanism, rows=[])
    with mechanism.session() as session:
        session.execute(text("UPDATE jobs SET state = 'RUNNING', attempts = :n"), {"n": jobs.MOST_ATTEMPTS})
    assert runner(mechanism, {"import": by_rows}).run_one()
    assert find(mechanism, job_id).state == "FAILED"


def test_process_that_lost_its_job_can_commit_no_step_of_it(mechanism: Mechanism) -> None:
    job_id = enqueue(mechanism, rows=["a", "b"])

    def slow(run: Run) -> None:
        lapse(mechanism)  # the machine slept, and another process took the job
        assert runner(mechanism, {"import": by_rows}).run_one()
        with run.step() as uow:
            count(uow.session, "a")
            uow.commit()

    assert runner(mechanism, {"import": slow}).run_one()
    done = find(mechanism, job_id)
    assert (done.state, done.attempts) == ("DONE", 2)
    assert [mechanism.value(row) for row in "ab"] == [1, 1]


def test_result_of_a_process_that_lost_its_job_does_not_count(mechanism: Mechanism) -> None:
    job_id = enqueue(mechanism, rows=["a"])

    def slow(run: Run) -> dict[str, Any]:
        lapse(mechanism)
        assert runner(mechanism, {"import": by_rows}).run_one()
        return {"rows": "too late"}

    assert runner(mechanism, {"import": slow}).run_one()
    assert find(mechanism, job_id).result == {"rows": 1}


def test_lease_is_renewed_while_the_handler_runs(mechanism: Mechanism) -> None:
    enqueue(mechanism, rows=[])
    others: list[bool] = []

    def long(run: Run) -> None:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            others.append(runner(mechanism, {"import": by_rows}).run_one())
            run.check()

    runner(mechanism, {"import": long}, lease=2.0).run_one()
    assert not any(others)


def test_lost_lease_is_noticed_by_the_renewal(mechanism: Mechanism) -> None:
    enqueue(mechanism)
    noticed: list[bool] = []

    def long(run: Run) -> None:
        with mechanism.session() as session:
            session.execute(text("UPDATE jobs SET attempts = attempts + 1"))
        noticed.append(run.lost.wait(10))
        run.check()

    runner(mechanism, {"import": long}, lease=0.3).run_one()
    assert noticed == [True]


def test_renewal_outlives_a_database_that_is_away(mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = enqueue(mechanism)
    failed: list[object] = []

    def long(run: Run) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(jobs, "_RENEW", text("SELECT no_such_column"))
            broken.setattr(jobs.logger, "warning", lambda *_, **__: failed.append(1), raising=False)
            eventually(lambda: len(failed) >= 2, within=10, what="renewals that fail")

    runner(mechanism, {"import": long}, lease=0.3).run_one()
    assert find(mechanism, job_id).state == "DONE"


def test_stopped_process_gives_its_job_back_and_the_attempt_does_not_count(mechanism: Mechanism) -> None:
    job_id = enqueue(mechanism, rows=["a", "b", "c"])

    def stopped(run: Run) -> None:
        for row in run.payload["rows"][run.progress :]:
            with run.step() as uow:
                count(uow.session, row)
                uow.commit()
            first.stop()

    first = runner(mechanism, {"import": stopped})
    first.run_one()
    given_back = find(mechanism, job_id)
    assert (given_back.state, given_back.progress, given_back.attempts) == ("QUEUED", 1, 0)
    runner(mechanism, {"import": by_rows}).run_one()
    assert find(mechanism, job_id).state == "DONE"
    assert [mechanism.value(row) for row in "abc"] == [1, 1, 1]


def test_two_processes_share_the_jobs(mechanism: Mechanism) -> None:
    rows = [f"row {n}" for n in range(30)]
    ids = [enqueue(mechanism, rows=[row]) for row in rows]
    with running(runner(mechanism, {"import": by_rows})), running(runner(mechanism, {"import": by_rows})):
        eventually(lambda: all(find(mechanism, i).state == "DONE" for i in ids), within=20, what="all jobs done")
    assert {mechanism.value(row) for row in rows} == {1}


def test_notice_wakes_the_process_and_polling_finds_what_no_notice_told(mechanism: Mechanism) -> None:
    beats: list[int] = []
    made = runner(mechanism, {"import": by_rows}, poll=120.0, beat=lambda: beats.append(1))
    with running(made):
        eventually(lambda: len(beats) >= 2, within=10, what="the runner to listen")
        job_id = enqueue(mechanism, rows=["a"])
        eventually(lambda: find(mechanism, job_id).state == "DONE", within=5, what="the job that was told of")
    made = runner(mechanism, {"import": by_rows}, poll=0.2)
    with running(made):
        job_id = enqueue(mechanism, rows=["b"])
        with mechanism.session() as session:  # another connection's notices would not show a late job
            session.execute(
                text("UPDATE jobs SET claimed_until = clock_timestamp() + interval '0.5 s' WHERE id = :i"),
                {"i": job_id},
            )
        eventually(lambda: find(mechanism, job_id).state == "DONE", within=5, what="the job found by polling")


def test_regular_work_is_done_beside_the_jobs_and_may_fail(mechanism: Mechanism) -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("failed")
        raise KeyError("x")

    every = (
        Every(0.05, "fails", fail),
        Every(0.05, "works", lambda: done.append("worked")),
        Every(999, "rare", lambda: done.append("rare")),
    )
    with running(runner(mechanism, {"import": by_rows}, every=every, poll=0.05)):
        eventually(lambda: done.count("worked") >= 3 and done.count("failed") >= 3, within=10, what="regular work")
        job_id = enqueue(mechanism, rows=["a"])
        eventually(lambda: find(mechanism, job_id).state == "DONE", within=5, what="the job")
    assert done.count("rare") == 1


def test_runner_waits_for_a_database_that_is_away(mechanism: Mechanism) -> None:
    away = [True]

    def sessions() -> Any:
        if away[0]:
            raise ConnectionError("away")
        return mechanism.sessions()

    class Engine:
        def raw_connection(self) -> Any:
            if away[0]:
                raise ConnectionError("away")
            return mechanism.engine.raw_connection()

    job_id = enqueue(mechanism, rows=["a"])
    units = type(mechanism.units)(sessions, mechanism.units.source, mechanism.clock)
    beats: list[int] = []
    engine: Any = Engine()
    with running(Runner(engine, units, {"import": by_rows}, poll=0.05, beat=lambda: beats.append(1))):
        eventually(lambda: len(beats) > 3, within=10, what="some turns without a database")
        away[0] = False
        eventually(lambda: find(mechanism, job_id).state == "DONE", within=10, what="the job")


def test_connection_that_is_cut_while_waiting_is_made_anew(mechanism: Mechanism) -> None:
    beats: list[int] = []
    with running(runner(mechanism, {"import": by_rows}, poll=0.3, beat=lambda: beats.append(1))):
        eventually(lambda: len(beats) >= 2, within=10, what="the runner to listen")
        with mechanism.owner.begin() as connection:
            connection.execute(text("SELECT 1"))
        cut(mechanism)
        seen = len(beats)
        eventually(lambda: len(beats) > seen + 2, within=10, what="turns after the cut")
        job_id = enqueue(mechanism, rows=["a"])
        eventually(lambda: find(mechanism, job_id).state == "DONE", within=5, what="the job")


def cut(mechanism: Mechanism) -> None:
    """Cut every connection that listens."""
    with mechanism.engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            )
        )

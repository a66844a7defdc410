"""Jobs: heavy work such as a year's end or an import, queued as rows, done by plain processes, resumable.

A job's handler works in steps, each a transaction of its own that also moves the job's progress. A process that dies
loses its lease; another goes on from the last committed step. Leases are real time, by the database's clock.
"""

import select as io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sqlalchemy import Engine, Row, func, insert, select, text, update
from sqlalchemy.orm import Session

from citybus.errors import CityError, Invalid, Refusal
from citybus.ids import new_id
from citybus.tables import jobs
from citybus.telemetry import logs, metrics
from citybus.unit_of_work import Context, UnitOfWork, Units

WAKE_UP: Final = "city_jobs"
LEASE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 5.0
MOST_ATTEMPTS: Final = 5

logger = logs.get(__name__)
_done = metrics.counter("city_jobs_done_total", "Jobs that ended", ("kind", "state"))
_waiting = metrics.gauge("city_jobs_waiting_rows", "Jobs that nobody has taken yet")

_CLAIM: Final = text("""
    WITH open AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE state IN ('QUEUED', 'RUNNING') AND kind = ANY(:kinds)
          AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
        ORDER BY id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs
    SET state = 'RUNNING', attempts = attempts + 1,
        claimed_until = clock_timestamp() + make_interval(secs => :lease)
    FROM open WHERE jobs.id = open.id
    RETURNING jobs.*
""")
_RENEW: Final = text("""
    UPDATE jobs SET claimed_until = clock_timestamp() + make_interval(secs => :lease)
    WHERE id = :id AND attempts = :attempts AND state = 'RUNNING'
    RETURNING id
""")


class Interrupted(CityError):
    """The process is stopping, or another has taken the job: the handler ends here, the job goes on elsewhere."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job's row as others see it. `progress` of `total` steps are done; `total` is None while it is not known."""

    id: str
    kind: str
    state: str
    payload: Mapping[str, Any]
    progress: int
    total: int | None
    result: Mapping[str, Any] | None
    created_by: str
    correlation_id: str
    attempts: int
    last_error: str | None


def enqueue(
    session: Session,
    kind: str,
    payload: Mapping[str, Any],
    *,
    created_by: str,
    correlation_id: str,
    total: int | None = None,
) -> str:
    """Queue a job in the session's transaction and return its id. It starts once the transaction is committed."""
    job_id = new_id()
    session.execute(
        insert(jobs).values(
            id=job_id,
            kind=kind,
            state="QUEUED",
            payload=dict(payload),
            total=total,
            created_by=created_by,
            correlation_id=correlation_id,
        )
    )
    session.execute(select(func.pg_notify(WAKE_UP, "")))
    return job_id


def find(session: Session, job_id: str) -> Job | None:
    """Return the job, or None if there is none of that id."""
    row = session.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else _job(row)


@dataclass(slots=True)
class Run:
    """One attempt at a job, as its handler sees it. `lost` is set once the job is another process's."""

    job: Job
    _units: Units
    _stopping: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)
    _beat: Callable[[], None] = lambda: None
    progress: int = 0
    total: int | None = None

    @property
    def payload(self) -> Mapping[str, Any]:
        """What the job was queued with."""
        return self.job.payload

    @contextmanager
    def step(self, *, steps: int = 1, total: int | None = None) -> Iterator[UnitOfWork]:
        """Open the transaction of the next `steps` steps; `commit()` of the unit also moves the job's progress.

        `self.progress` says where to go on; `total` may be told as soon as it is known. Raises Interrupted when the
        process is stopping or the job is another's, and nothing of the step is kept then.
        """
        self.check()
        context = Context(
            actor=self.job.created_by,
            roles=(),
            purpose=f"job {self.job.kind}",
            correlation_id=self.job.correlation_id,
        )
        known = self.total if total is None else total
        with self._units(context) as uow:
            # The row lock of the job is the fence: whoever lost the job cannot commit a step of it.
            mine = uow.session.execute(
                update(jobs)
                .where(jobs.c.id == self.job.id, jobs.c.attempts == self.job.attempts, jobs.c.state == "RUNNING")
                .values(progress=self.progress + steps, total=known)
                .returning(jobs.c.id)
            ).one_or_none()
            if mine is None:
                self.lost.set()
                raise Interrupted(f"job {self.job.id} is another process's now")
            yield uow
            done = not uow.session.in_transaction()
        if done:
            self.progress += steps
            self.total = known
        self._beat()

    def check(self) -> None:
        """Raise Interrupted if the process is stopping or the job was lost. For long work within a step."""
        if self.lost.is_set() or self._stopping.is_set():
            raise Interrupted(f"job {self.job.id} goes on elsewhere")


JobHandler = Callable[[Run], Mapping[str, Any] | None]
"""Does a job by steps and returns its result, plain JSON. It may run again from any committed step."""


@dataclass(frozen=True, slots=True)
class Every:
    """Something the job process does every `seconds` of real time beside its jobs, in any replica."""

    seconds: float
    name: str
    do: Callable[[], None]


class Runner:
    """Takes jobs and does them one at a time, until it is stopped. `beat` is called while it makes progress."""

    def __init__(
        self,
        engine: Engine,
        units: Units,
        handlers: Mapping[str, JobHandler],
        *,
        every: tuple[Every, ...] = (),
        lease: float = LEASE_SECONDS,
        poll: float = POLL_SECONDS,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._units = units
        self._handlers = dict(handlers)
        self._every = {entry.name: entry for entry in every}
        self._next = {entry.name: 0.0 for entry in every}
        self._lease = lease
        self._poll = poll
        self._beat = beat
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let the step in hand end, give the job back and return from `run`. May be called by a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Do jobs until stopped. A database that is away is waited for."""
        with _Bell(self._engine) as bell:
            while not self._stopping.is_set():
                self._beat()
                try:
                    self._do_regular_things()
                    busy = self.run_one()
                except Exception:
                    logger.exception("job loop failed")
                    busy = False
                if not busy:
                    bell.wait(self._poll, self._stopping)

    def _do_regular_things(self) -> None:
        for name, entry in self._every.items():
            if time.monotonic() >= self._next[name]:
                self._next[name] = time.monotonic() + entry.seconds
                try:
                    entry.do()
                except Exception:
                    logger.exception("regular work failed", kind=name)

    def run_one(self) -> bool:
        """Claim and do one job. Return False if there was none to claim."""
        with self._units.sessions() as session:
            row = session.execute(_CLAIM, {"kinds": sorted(self._handlers), "lease": self._lease}).one_or_none()
            waiting = select(func.count()).where(jobs.c.state == "QUEUED")
            _waiting.set(session.execute(waiting).scalar_one())
            session.commit()
        if row is None:
            return False
        job = _job(row)
        run = Run(job, self._units, self._stopping, progress=job.progress, total=job.total, _beat=self._beat)
        with logs.bound(correlation_id=job.correlation_id, kind=job.kind, ref=job.id):
            if job.attempts > MOST_ATTEMPTS:
                # It took its process down as often as it may.
                self._end(run, "FAILED", error="the process died at it too often")
            else:
                self._do(run)
        return True

    def _do(self, run: Run) -> None:
        logger.info("job begins", attempts=run.job.attempts, count=run.progress)
        try:
            with self._renewed(run):
                result = self._handlers[run.job.kind](run)
        except Interrupted:
            logger.info("job interrupted", count=run.progress)
            self._give_back(run)
        except Exception as error:
            logger.exception("job failed", attempts=run.job.attempts)
            final = isinstance(error, Invalid | Refusal) or run.job.attempts >= MOST_ATTEMPTS
            if final:
                self._end(run, "FAILED", error=logs.describe(error))
            else:
                self._retry(run, logs.describe(error))
        else:
            self._end(run, "DONE", result=dict(result or {}))

    @contextmanager
    def _renewed(self, run: Run) -> Iterator[None]:
        """Keep the lease while the handler runs, from a thread of its own."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self._lease / 3):
                try:
                    with self._units.sessions() as session:
                        params = {"id": run.job.id, "attempts": run.job.attempts, "lease": self._lease}
                        if session.execute(_RENEW, params).one_or_none() is None:
                            run.lost.set()
                        session.commit()
                except Exception:
                    logger.warning("lease not renewed", exc_info=True)

        thread = threading.Thread(target=renew, name="job-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _give_back(self, run: Run) -> None:
        """Queue the job again at once; the attempt does not count."""
        self._write(run, state="QUEUED", claimed_until=None, attempts=run.job.attempts - 1)

    def _retry(self, run: Run, error: str) -> None:
        seconds = min(2**run.job.attempts, 300)
        later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        self._write(run, state="QUEUED", claimed_until=later, last_error=error)

    def _end(self, run: Run, state: str, *, result: Mapping[str, Any] | None = None, error: str | None = None) -> None:
        if self._write(run, state=state, claimed_until=None, result=result, last_error=error):
            logger.info("job ended", state=state)
            _done.labels(run.job.kind, state).inc()

    def _write(self, run: Run, **values: Any) -> bool:
        with self._units.sessions() as session:
            written = session.execute(
                update(jobs)
                .where(jobs.c.id == run.job.id, jobs.c.attempts == run.job.attempts, jobs.c.state == "RUNNING")
                .values(**values)
                .returning(jobs.c.id)
            ).one_or_none()
            session.commit()
        return written is not None


class _Bell:
    """Waits for a notice that a job was queued; where the database is away, for the time of a poll."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def wait(self, seconds: float, stopping: threading.Event) -> None:
        """Wait until a notice comes, `seconds` are over or the process is stopping."""
        end = time.monotonic() + seconds
        try:
            if self._connection is None:
                self._connection = self._listen()
                return  # What was queued before we listened is looked for first.
            while not stopping.is_set() and (left := end - time.monotonic()) > 0:
                if io.select([self._connection], [], [], min(left, 0.5))[0]:
                    self._connection.poll()
                    if self._connection.notifies:
                        self._connection.notifies.clear()
                        return
        except Exception:
            logger.warning("not listening", exc_info=True)
            self._drop()
            stopping.wait(max(0.0, end - time.monotonic()))

    def _listen(self) -> Any:
        pooled = self._engine.raw_connection()
        driver: Any = pooled.driver_connection
        pooled.detach()
        driver.autocommit = True
        with driver.cursor() as cursor:
            cursor.execute(f"LISTEN {WAKE_UP}")
        return driver

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _job(row: Row[Any]) -> Job:
    return Job(
        id=str(row.id),
        kind=row.kind,
        state=row.state,
        payload=row.payload,
        progress=row.progress,
        total=row.total,
        result=row.result,
        created_by=row.created_by,
        correlation_id=row.correlation_id,
        attempts=row.attempts,
        last_error=row.last_error,
    )

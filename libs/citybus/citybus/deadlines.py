"""Deadlines: rows armed in the transaction that starts a period, fired once when the domain's time reaches them.

Domain time says what is due. Leases and back-off are real time, by the database's clock, so that all replicas share it.
A handler runs before its deadline's row is locked: everywhere a case is locked first and its deadlines after it, so that
a person who acts in time and the timer never wait for each other in a ring; one of the two finds the row changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from citybus.calendar import Calendar, Duration, Unit
from citybus.ids import new_id
from citybus.tables import deadlines
from citybus.telemetry import logs, metrics
from citybus.unit_of_work import Context, UnitOfWork, Units

OPEN: Final = ("ARMED", "WARNED")
LEASE_SECONDS: Final = 60
LONGEST_BACK_OFF_SECONDS: Final = 600

logger = logs.get(__name__)
_handled = metrics.counter("city_deadlines_handled_total", "Deadlines fired or warned of", ("kind", "outcome"))
_overdue = metrics.gauge("city_deadlines_overdue_rows", "Open deadlines that are past and not fired")
_failing = metrics.gauge("city_deadlines_failing_rows", "Open deadlines whose last handling failed")

# Those that failed come after those that did not, so that none holds up others.
_CLAIM: Final = text("""
    WITH due AS MATERIALIZED (
        SELECT id FROM deadlines
        WHERE state IN ('ARMED', 'WARNED') AND kind = ANY(:kinds)
          AND (due_at <= :now OR (state = 'ARMED' AND warn_at <= :now))
          AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
        ORDER BY attempts, due_at, id
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE deadlines
        SET claimed_until = clock_timestamp() + make_interval(secs => :lease), attempts = attempts + 1
        FROM due WHERE deadlines.id = due.id
        RETURNING deadlines.*
    )
    SELECT * FROM claimed ORDER BY attempts, due_at, id
""")
_BACK_OFF: Final = text("""
    UPDATE deadlines
    SET claimed_until = clock_timestamp() + make_interval(secs => :seconds), last_error = :error
    WHERE id = :id AND attempts = :attempts AND state IN ('ARMED', 'WARNED')
""")


@dataclass(frozen=True, slots=True)
class Deadline:
    """An armed deadline as it was when it was claimed. `ref` is the subject `<kind>/<id>` that it belongs to."""

    id: str
    kind: str
    ref: str
    due_at: datetime
    warn_at: datetime | None
    state: str
    data: Mapping[str, Any]
    correlation_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Handler:
    """What a service does about one kind of deadline: when it passes, and when people are to be warned of it.

    Both run in the transaction that marks the deadline. Where there is nothing left to do they just return.
    """

    fire: Callable[[UnitOfWork, Deadline], None] | None = None
    warn: Callable[[UnitOfWork, Deadline], None] | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What one pass did."""

    fired: int = 0
    warned: int = 0
    skipped: int = 0
    failed: int = 0


def arm(
    session: Session,
    kind: str,
    ref: str,
    due_at: datetime,
    *,
    warn_at: datetime | None = None,
    correlation_id: str,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Arm the deadline `kind` of `ref` in the session's transaction; an open one is moved to the new time.

    `due_at` and `warn_at` are aware and in the domain's time; `data` is plain JSON for the handler.
    """
    values = {"due_at": due_at, "warn_at": warn_at, "state": "ARMED", "data": dict(data or {})}
    statement = upsert(deadlines).values(id=new_id(), kind=kind, ref=ref, correlation_id=correlation_id, **values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[deadlines.c.kind, deadlines.c.ref],
            index_where=text("state IN ('ARMED', 'WARNED')"),
            set_={**values, "claimed_until": None, "attempts": 0, "last_error": None},
        )
    )


def arm_period(
    session: Session,
    kind: str,
    ref: str,
    period: Duration,
    start: date | datetime,
    *,
    warn: Duration | None = None,
    correlation_id: str,
    data: Mapping[str, Any] | None = None,
) -> datetime:
    """Arm the deadline at the end of `period` after `start`, people being warned `warn` before; return when it is due.

    How it was computed is kept with it, so that it can be moved once provisional holidays are published.
    """
    due_at = period.due(start)
    arm(
        session,
        kind,
        ref,
        due_at,
        warn_at=None if warn is None else warn.before(due_at),
        correlation_id=correlation_id,
        data={**(data or {}), **_basis(period, start, warn)},
    )
    return due_at


def satisfy(session: Session, kind: str, ref: str) -> bool:
    """Close the open deadline because what it waited for happened. Return False if there was none open."""
    return _close(session, kind, ref, "SATISFIED")


def cancel(session: Session, kind: str, ref: str) -> bool:
    """Close the open deadline because its ground fell away. Return False if there was none open."""
    return _close(session, kind, ref, "CANCELLED")


def last(session: Session, kind: str, ref: str) -> Deadline:
    """Return the deadline `kind` of `ref` that was armed last, whatever became of it; there is one."""
    row = session.execute(
        select(deadlines)
        .where(deadlines.c.kind == kind, deadlines.c.ref == ref)
        .order_by(deadlines.c.id.desc())
        .limit(1)
    ).one()
    return _deadline(row)


def settle_late(session: Session, kind: str, ref: str) -> bool:
    """Note that what a deadline waited for happened after it had passed. Return False if none has passed."""
    settled = session.execute(
        update(deadlines)
        .where(deadlines.c.kind == kind, deadlines.c.ref == ref, deadlines.c.state == "FIRED")
        .values(state="SATISFIED")
        .returning(deadlines.c.id)
    ).all()
    return bool(settled)


def _close(session: Session, kind: str, ref: str, state: str) -> bool:
    closed = session.execute(
        update(deadlines)
        .where(deadlines.c.kind == kind, deadlines.c.ref == ref, deadlines.c.state.in_(OPEN))
        .values(state=state)
        .returning(deadlines.c.id)
    ).all()
    return bool(closed)


def claim_due(session: Session, now: datetime, limit: int, kinds: Sequence[str]) -> list[Deadline]:
    """Claim up to `limit` deadlines of `kinds` that are due, or to be warned of, at the domain's `now`.

    Each is claimed by one process for a minute of real time; a claim counts as an attempt. The caller commits.
    """
    rows = session.execute(_CLAIM, {"now": now, "limit": limit, "kinds": list(kinds), "lease": LEASE_SECONDS})
    return [_deadline(row) for row in rows]


def fire_due(units: Units, handlers: Mapping[str, Handler], *, limit: int = 100) -> Tally:
    """Handle all that is due now, each deadline in its own transaction with its mark; return what was done.

    One that fails is logged, backs off and is tried again; it holds up no other. Call it often, in any number of
    replicas: each deadline takes effect once.
    """
    fired = warned = skipped = failed = 0
    while True:
        now = units.clock.now()
        with units.sessions() as session:
            claimed = claim_due(session, now, limit, sorted(handlers))
            session.commit()
        for deadline in claimed:
            outcome = _handle(units, handlers[deadline.kind], deadline, now)
            fired += outcome == "fired"
            warned += outcome == "warned"
            skipped += outcome == "skipped"
            failed += outcome == "failed"
        if len(claimed) < limit:
            return Tally(fired, warned, skipped, failed)


def _handle(units: Units, handler: Handler, deadline: Deadline, now: datetime) -> str:
    passed = deadline.due_at <= now
    act, state, outcome = (handler.fire, "FIRED", "fired") if passed else (handler.warn, "WARNED", "warned")
    context = Context(
        actor=f"system:{units.source.rpartition('/')[2]}",
        roles=(),
        purpose=f"deadline {deadline.kind}",
        correlation_id=deadline.correlation_id,
    )
    with logs.bound(correlation_id=deadline.correlation_id, kind=deadline.kind, ref=deadline.ref):
        try:
            with units(context) as uow:
                if not _is_mine(uow.session, deadline):
                    return "skipped"
                if act is not None:
                    act(uow, deadline)
                if not _mark(uow.session, deadline, state):
                    return "skipped"
                uow.commit()
        except Exception as error:
            logger.exception("deadline failed", attempts=deadline.attempts)
            _handled.labels(deadline.kind, "failed").inc()
            _back_off(units, deadline, error)
            return "failed"
        logger.info("deadline handled", outcome=outcome)
        _handled.labels(deadline.kind, outcome).inc()
        return outcome


def _is_mine(session: Session, deadline: Deadline) -> bool:
    """Return whether nobody closed, moved or claimed the deadline since: a look without a lock, to spare the work."""
    return (
        session.execute(
            select(deadlines.c.id).where(
                deadlines.c.id == deadline.id,
                deadlines.c.state == deadline.state,
                deadlines.c.attempts == deadline.attempts,
            )
        ).one_or_none()
        is not None
    )


def _mark(session: Session, deadline: Deadline, state: str) -> bool:
    """Mark the deadline under its row lock; False where someone else was first, and all is to be rolled back."""
    session.flush()
    # After a warning the count starts anew: the lease must not outlast the time until the deadline itself is due.
    marked = session.execute(
        update(deadlines)
        .where(
            deadlines.c.id == deadline.id,
            deadlines.c.state == deadline.state,
            deadlines.c.attempts == deadline.attempts,
        )
        .values(state=state, claimed_until=None, attempts=0, last_error=None)
        .returning(deadlines.c.id)
    ).all()
    return bool(marked)


def _back_off(units: Units, deadline: Deadline, error: Exception) -> None:
    seconds = min(2**deadline.attempts, LONGEST_BACK_OFF_SECONDS)
    try:
        with units.sessions() as session:
            session.execute(
                _BACK_OFF,
                {
                    "id": deadline.id,
                    "attempts": deadline.attempts,
                    "seconds": seconds,
                    "error": logs.describe(error),
                },
            )
            session.commit()
    except Exception:
        # The database is away: the lease runs out by itself.
        logger.warning("deadline not backed off", exc_info=True)


def measure(session: Session, now: datetime) -> None:
    """Set the gauges of deadlines that are past but not fired, and of those that fail."""
    is_open = deadlines.c.state.in_(OPEN)
    overdue = select(func.count()).where(is_open, deadlines.c.due_at <= now)
    failing = select(func.count()).where(is_open, deadlines.c.last_error.is_not(None))
    _overdue.set(session.execute(overdue).scalar_one())
    _failing.set(session.execute(failing).scalar_one())


def provisional(session: Session) -> list[Deadline]:
    """Return the open deadlines that were computed with days whose official holidays were not published."""
    rows = session.execute(
        select(deadlines)
        .where(deadlines.c.state.in_(OPEN), deadlines.c.data.contains({"calendar_provisional": True}))
        .order_by(deadlines.c.due_at, deadlines.c.id)
    )
    return [_deadline(row) for row in rows]


def recomputed(deadline: Deadline, calendar: Calendar) -> Deadline:
    """Return a provisional deadline as `calendar` has it: later, where that is what the published holidays make of it.

    It never comes earlier than people were told. One that moves is armed anew, so that they are warned of the new day.
    """
    basis = deadline.data["computed"]
    period = Duration.parse(basis["period"], calendar)
    start = _moment(basis["start"])
    warn = None if basis["warn"] is None else Duration.parse(basis["warn"], calendar)
    found = replace(deadline, data={**deadline.data, **_basis(period, start, warn)})
    due_at = period.due(start)
    if due_at <= deadline.due_at:
        return found
    return replace(found, due_at=due_at, warn_at=None if warn is None else warn.before(due_at), state="ARMED")


def move(session: Session, before: Deadline, after: Deadline) -> bool:
    """Put `after` in the place of `before`. Return False where the deadline is not as it was any more."""
    values: dict[str, Any] = {
        "due_at": after.due_at,
        "warn_at": after.warn_at,
        "state": after.state,
        "data": dict(after.data),
    }
    # Who has claimed it for the old time finds it changed.
    values |= {"claimed_until": None, "attempts": 0, "last_error": None}
    as_it_was = deadlines.c.due_at == before.due_at, deadlines.c.state == before.state
    moved = session.execute(
        update(deadlines).where(deadlines.c.id == before.id, *as_it_was).values(values).returning(deadlines.c.id)
    ).all()
    return bool(moved)


def _basis(period: Duration, start: date | datetime, warn: Duration | None) -> dict[str, Any]:
    by_day = period.unit not in (Unit.HOURS, Unit.MINUTES)
    return {
        "calendar_provisional": by_day and period.last_day(start).provisional,
        "computed": {
            "period": str(period),
            "start": start.isoformat(),
            "warn": None if warn is None else str(warn),
        },
    }


def _moment(text_: str) -> date | datetime:
    return datetime.fromisoformat(text_) if "T" in text_ else date.fromisoformat(text_)


def _deadline(row: Row[Any]) -> Deadline:
    return Deadline(
        id=str(row.id),
        kind=row.kind,
        ref=row.ref,
        due_at=row.due_at,
        warn_at=row.warn_at,
        state=row.state,
        data=row.data,
        correlation_id=row.correlation_id,
        attempts=row.attempts,
    )

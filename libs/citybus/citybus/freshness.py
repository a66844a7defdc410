"""How old a projection is: every service sends a heartbeat event, and others note when the last one that they processed was sent.

Heartbeats come by the very queues that bring a service's facts, behind them: one that was processed says that what was
told before it is known here. All of this is real time: a projection ages while domain time stands.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, fields
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from citybus.envelope import Event
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.inbox import Handler
from citybus.outbox import Draft
from citybus.tables import projection_heartbeats
from citybus.unit_of_work import Context, UnitOfWork, Units

PERIOD_SECONDS: Final = 60
STALE_AFTER: Final = timedelta(minutes=5)

# The row of the service itself says when it last sent: of all replicas whose timers run, one finds it old enough.
_TAKE_TURN: Final = text("""
    INSERT INTO projection_heartbeats AS beats (source, last_seen) VALUES (:service, clock_timestamp())
    ON CONFLICT (source) DO UPDATE SET last_seen = excluded.last_seen
    WHERE beats.last_seen <= excluded.last_seen - make_interval(secs => :seconds)
    RETURNING source
""")
_NOTE: Final = text("""
    INSERT INTO projection_heartbeats AS beats (source, last_seen) VALUES (:source, least(:sent_at, clock_timestamp()))
    ON CONFLICT (source) DO UPDATE SET last_seen = greatest(beats.last_seen, excluded.last_seen)
""")


def send_heartbeat(units: Units, service: str, *, every: float = PERIOD_SECONDS) -> bool:
    """Publish `<service>.service.heartbeat.v1` if none went out in the last `every` seconds. Return whether one did.

    Call it from every replica's timer, somewhat more often than `every`.
    """
    context = Context(actor=f"system:{service}", roles=(), purpose="heartbeat", correlation_id=new_id())
    with units(context) as uow:
        # A tenth of the period is left for timers that ring early.
        if uow.session.execute(_TAKE_TURN, {"service": service, "seconds": every * 0.9}).one_or_none() is None:
            return False
        uow.publish(
            Draft(
                type=f"{service}.service.heartbeat.v1",
                subject=f"service/{service}",
                data={"service": service, "sent_at": datetime.now(UTC).isoformat()},
                dataclass="L2",
            )
        )
        uow.commit()
        return True


def note_heartbeat(session: Session, source: str, sent_at: datetime) -> None:
    """Note, in the session's transaction, that a heartbeat of service `source` was processed that was sent at `sent_at`."""
    session.execute(_NOTE, {"source": source, "sent_at": sent_at})


class _Heartbeat(Schema):
    class Meta:
        unknown = EXCLUDE

    service = fields.String(required=True)
    sent_at = fields.AwareDateTime(required=True)


def _heard(uow: UnitOfWork, event: Event, data: dict[str, Any]) -> None:
    note_heartbeat(uow.session, data["service"], data["sent_at"])


def hears(source: str) -> dict[str, Handler]:
    """Return the handler by which a queue that brings the facts of service `source` notes its heartbeats."""
    return {f"{source}.service.heartbeat.v1": Handler(_Heartbeat(), _heard)}


def ages(session: Session) -> dict[str, timedelta]:
    """Return how long ago the last processed heartbeat of each service was sent. A service never heard of is absent."""
    rows = session.execute(
        select(projection_heartbeats.c.source, func.clock_timestamp() - projection_heartbeats.c.last_seen)
    )
    return {source: max(age, timedelta(0)) for source, age in rows}


def stale(session: Session, *sources: str, after: timedelta = STALE_AFTER) -> list[str]:
    """Return those of `sources` of which no heartbeat was processed within `after`."""
    found = ages(session)
    return [source for source in sources if source not in found or found[source] > after]


def require_fresh(session: Session, *sources: str, after: timedelta = STALE_AFTER) -> None:
    """Refuse to decide on a projection that is stale. Raises Refusal `DEPENDENCY_STALE` (503) naming the services."""
    old = stale(session, *sources, after=after)
    if old:
        raise Refusal(
            "DEPENDENCY_STALE",
            zh=f"来自 {'、'.join(old)} 的数据已超过时限未更新，暂不能据以决定，请稍后再试。",
            en=f"Data from {', '.join(old)} is out of date; nothing is decided on it. Try again later.",
            status=503,
            services=old,
            limit_seconds=int(after.total_seconds()),
        )

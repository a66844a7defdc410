"""How long the mechanism keeps its own rows: rows that have done their work are deleted in small bites.

Inbox rows are kept longer than anything that could bring an event again: a replay from the outbox or from the archive, a dead
letter that lay for months. The outbox is the record of what was told, and of what departments received (three years,
personal information protection law, article 56). Audit entries are never deleted here.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from citybus.telemetry import logs, metrics

INTERVAL_SECONDS: Final = 3600.0
KEY_AGE: Final = timedelta(days=90)
MESSAGE_AGE: Final = timedelta(days=3 * 366)
DONE_AGE: Final = timedelta(days=400)
_BITE: Final = 5000

logger = logs.get(__name__)
_deleted = metrics.counter("city_retention_deleted_total", "Rows that were kept long enough", ("table",))

# Real time decides: these ages have nothing to do with the domain's clock.
_SWEEPS: Final = (
    ("idempotency_keys", "created_at < now() - :age", KEY_AGE),
    ("outbox_messages", "published_at < now() - :age", MESSAGE_AGE),
    ("inbox_messages", "received_at < now() - :age AND outcome <> 'WAITING'", MESSAGE_AGE),
    ("jobs", "created_at < now() - :age AND state IN ('DONE', 'FAILED')", DONE_AGE),
)


def sweep(sessions: Callable[[], Session], *, bite: int = _BITE) -> dict[str, int]:
    """Delete what was kept long enough, `bite` rows a transaction; return how many rows of each table went."""
    gone: dict[str, int] = {}
    for table, condition, age in _SWEEPS:
        statement = text(
            f"WITH old AS (SELECT ctid FROM {table} WHERE {condition} LIMIT :bite) "
            f"DELETE FROM {table} USING old WHERE {table}.ctid = old.ctid RETURNING 1"
        )
        while True:
            with sessions() as session:
                found = len(session.execute(statement, {"age": age, "bite": bite}).all())
                session.commit()
            gone[table] = gone.get(table, 0) + found
            if found < bite:
                break
    for table, count in gone.items():
        _deleted.labels(table).inc(count)
    if any(gone.values()):
        logger.info("kept long enough", **gone)
    return gone

"""A service with the mechanism's tables and no domain, for the tests of what acts on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from citybus.clock import ZONE, FixedClock
from citybus.database import engine
from citybus.migrations import BUS_TABLES
from citybus.unit_of_work import Context, Units
from dandang.local import provision
from dandang.local.provision import ServiceDatabase

START = datetime(2024, 3, 4, 9, 0, tzinfo=ZONE)
CONTEXT = Context(actor="u-1", roles=("ORG",), purpose="test", correlation_id="c-1")


class Mechanism:
    """Engine, clock and units of work of such a service; `counters` is a table for effects."""

    def __init__(self, database: ServiceDatabase) -> None:
        self.database = database
        self.owner = create_engine(database.owner_url, poolclass=NullPool)
        with self.owner.begin() as connection:
            for table in BUS_TABLES:
                table.create(connection, checkfirst=True)
            connection.execute(text("CREATE TABLE IF NOT EXISTS counters (name text PRIMARY KEY, value int NOT NULL)"))
        provision.grant(database)
        self.engine: Engine = engine(database.app_url, application="mechanism", pool_size=10)
        self.clock = FixedClock(START)
        self.sessions = sessionmaker(self.engine)
        self.units = Units(sessions=self.sessions, source="/city/420200/test", clock=self.clock)

    def clear(self) -> None:
        """Empty every table."""
        names = ", ".join([*(table.name for table in BUS_TABLES), "counters"])
        with self.owner.begin() as connection:
            connection.execute(text(f"TRUNCATE {names}"))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        self.owner.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session that is committed at the end of the block."""
        with self.sessions() as session:
            yield session
            session.commit()

    def value(self, name: str) -> int:
        """Return what was counted under `name`."""
        with self.sessions() as session:
            found = session.execute(text("SELECT value FROM counters WHERE name = :name"), {"name": name})
            return found.scalar_one_or_none() or 0


def count(session: Session, name: str) -> None:
    """Count one more under `name`: an effect that shows when it happens twice."""
    session.execute(
        text("INSERT INTO counters VALUES (:name, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"),
        {"name": name},
    )

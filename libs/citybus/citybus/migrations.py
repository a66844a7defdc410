"""Migrations as a one-shot step: one at a time, never waiting long for a lock that a running service holds.

A service's `migrations/env.py` is two lines: `from citybus.migrations import run_environment` and
`run_environment(metadata)` with the metadata of its own tables; its first revision calls `create_bus_tables(op)`.
"""

import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, MetaData, NullPool, Table, create_engine, text
from sqlalchemy.exc import OperationalError

from citybus import audit, bus_schema, tables
from citybus.cases import tables as case_tables
from citybus.errors import CityError, Transient
from citybus.leadership import LOCK_SPACE
from citybus.telemetry import logs

EXIT_BUSY: Final = 75  # EX_TEMPFAIL of sysexits.h
_LOCK: Final = zlib.crc32(b"migrations") & 0x7FFFFFFF
_LOCK_NOT_AVAILABLE: Final = "55P03"

logger = logs.get(__name__)

BUS_TABLES: Final = tuple(
    {
        table.name: table
        for module in (tables, case_tables)
        for table in vars(module).values()
        if isinstance(table, Table)
    }.values()
)
"""The tables of the mechanism as code has them today."""


class Busy(Transient):
    """Another process migrates, or a table stayed locked: nothing was left half done, and it may be tried again."""


class NoRevision(CityError):
    """A folder without a single head revision."""


def upgrade(url: URL, folder: Path, revision: str = "head", *, wait: float = 60.0, lock_seconds: float = 5.0) -> None:
    """Bring the database to `revision`; a database that is there already is left alone.

    Each revision is a transaction. It waits `lock_seconds` at most for any lock, so that it does not hold up a running
    service, and tries again for `wait` seconds. Raises Busy when it did not get through.
    """
    _run(url, folder, lambda config: command.upgrade(config, revision), wait, lock_seconds)


def downgrade(url: URL, folder: Path, revision: str = "base", *, wait: float = 60.0, lock_seconds: float = 5.0) -> None:
    """Take the database back to `revision`. Raises Busy as `upgrade` does."""
    _run(url, folder, lambda config: command.downgrade(config, revision), wait, lock_seconds)


def _run(url: URL, folder: Path, step: Callable[[Config], None], wait: float, lock_seconds: float) -> None:
    engine = create_engine(url, poolclass=NullPool, connect_args={"application_name": "city migrations"})
    give_up = time.monotonic() + wait
    with engine.connect() as connection, _only_one(connection, give_up):
        connection.execute(
            text("SELECT set_config('lock_timeout', :lock, false), set_config('statement_timeout', '15min', false)"),
            {"lock": f"{int(lock_seconds * 1000)}ms"},
        )
        connection.commit()
        while True:
            config = Config()
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            config.attributes["connection"] = connection
            try:
                step(config)
                return
            except OperationalError as error:
                connection.rollback()
                if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
                    raise
                if time.monotonic() >= give_up:
                    raise Busy("a table stayed locked by a running service / 表被占用，迁移未完成，可重试") from None
                logger.warning("a table is locked, the migration tries again")
                time.sleep(0.2)


@contextmanager
def _only_one(connection: Connection, give_up: float) -> Iterator[None]:
    """Hold the lock of migrations of this database on `connection`."""
    keys = {"space": LOCK_SPACE, "lock": _LOCK}
    while not connection.execute(text("SELECT pg_try_advisory_lock(:space, :lock)"), keys).scalar_one():
        connection.rollback()
        if time.monotonic() >= give_up:
            raise Busy("another process migrates this database / 另一进程正在迁移此库，可重试")
        time.sleep(0.1)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:space, :lock)"), keys)
        connection.commit()


def run_environment(metadata: MetaData) -> None:
    """Run what alembic asks for: the whole body of a service's `migrations/env.py`."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=_wanted(metadata),
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


class Executes(Protocol):
    """What a revision's `alembic.op` can do, as far as it is needed here."""

    def execute(self, statement: str, /) -> Any:
        """Run a statement."""
        ...


def create_bus_tables(op: Executes) -> None:
    """Create the tables of the mechanism as version 1 of this library has them: called by a first revision."""
    for statement in (*bus_schema.VERSION_1, *audit.PROTECT):
        op.execute(statement)


def drop_bus_tables(op: Executes) -> None:
    """Drop what `create_bus_tables` created: for the way back of a first revision."""
    for table in bus_schema.TABLES_1:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION city_refuse_change()")


def bus_tables_to_2(op: Executes) -> None:
    """Bring the tables of the mechanism from version 1 of this library to version 2."""
    for statement in bus_schema.VERSION_2:
        op.execute(statement)


def bus_tables_to_1(op: Executes) -> None:
    """Take the tables of the mechanism from version 2 back to version 1."""
    for statement in bus_schema.BACK_TO_1:
        op.execute(statement)


def drift(connection: Connection, metadata: MetaData) -> list[Any]:
    """Return how the database differs from the tables in code, as alembic's operations; empty where it does not."""
    migration = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(migration, _wanted(metadata)))


def _wanted(metadata: MetaData) -> MetaData:
    """Return the tables of a service together with those of the mechanism."""
    wanted = MetaData(naming_convention=metadata.naming_convention)
    for table in {table.name: table for table in (*BUS_TABLES, *metadata.tables.values())}.values():
        table.to_metadata(wanted)
    return wanted


class AtHead:
    """Asks whether the database has all migrations of a folder. A yes is remembered: nobody goes back under load."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._yes = False

    def __call__(self) -> bool | str:
        """Return True, or a text that names what the database has and what it should have."""
        if self._yes:
            return True
        wanted = head(self._folder)
        with self._engine.connect() as connection:
            has = MigrationContext.configure(connection).get_current_revision()
        self._yes = has == wanted
        return self._yes or f"the database is at {has}, the code at {wanted}"


def head(folder: Path) -> str:
    """Return the last revision of a folder of migrations. Raises NoRevision if there is none, or more than one."""
    heads = ScriptDirectory(str(folder)).get_heads()
    if len(heads) != 1:
        raise NoRevision(f"{folder}: one head revision is wanted, there are {len(heads)}")
    return heads[0]

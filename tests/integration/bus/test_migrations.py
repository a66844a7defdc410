"""Migrations: the mechanism's tables as code has them, one migration at a time, and never waiting long for a lock."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, MetaData, NullPool, Table, Text, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from citybus import migrations, tables
from citybus.testing import migrations as conformance
from dandang.local.provision import ServiceDatabase, grant
from tests.support.migrations import FIRST, LATER, write_folder

OWN = MetaData()
Table("things", OWN, Column("id", Text, primary_key=True), Column("name", Text))

CATALOGUE = text("""
    SELECT 'column', table_name, column_name, concat_ws(' ', data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
    ORDER BY 1, 2, 3
""")


@pytest.fixture
def owner(database: ServiceDatabase) -> Iterator[Engine]:
    made = create_engine(database.owner_url, poolclass=NullPool)
    yield made
    made.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "migrations", FIRST, LATER)


def catalogue(engine: Engine) -> list[tuple[str, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(CATALOGUE)]


def test_way_up_down_and_up_again(database: ServiceDatabase, folder: Path) -> None:
    conformance.check(make_url(database.owner_url), folder, OWN)


def test_frozen_tables_are_those_of_the_code_in_every_column_and_index(
    database: ServiceDatabase, owner: Engine, postgres: object, folder: Path
) -> None:
    migrations.upgrade(make_url(database.owner_url), folder, "0001")
    migrated = catalogue(owner)
    migrations.downgrade(make_url(database.owner_url), folder)
    tables.metadata.create_all(owner, tables=migrations.BUS_TABLES)
    assert migrated == catalogue(owner)


def test_drift_is_seen(database: ServiceDatabase, owner: Engine, folder: Path) -> None:
    url = make_url(database.owner_url)
    migrations.upgrade(url, folder)
    with owner.begin() as connection:
        assert migrations.drift(connection, OWN) == []
        assert migrations.drift(connection, MetaData()) != []  # it does not know the service's own table
        connection.execute(text("ALTER TABLE things ADD COLUMN more text"))
        connection.execute(text("ALTER TABLE jobs ALTER COLUMN total TYPE bigint"))
    with owner.connect() as connection:
        assert len(migrations.drift(connection, OWN)) == 2
    with pytest.raises(AssertionError, match="differ"):
        conformance.check(url, folder, OWN)


def test_way_down_that_leaves_something_is_seen(database: ServiceDatabase, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", FIRST, LATER.replace('op.drop_table("things")', "pass"))
    with pytest.raises(AssertionError, match="leaves \\['things'\\]"):
        conformance.check(make_url(database.owner_url), folder, OWN)


def test_second_migration_at_the_same_time_waits_and_finds_nothing_to_do(
    database: ServiceDatabase, folder: Path
) -> None:
    url = make_url(database.owner_url)
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            migrations.upgrade(url, folder)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_migration_gives_up_when_another_one_does_not_end(
    database: ServiceDatabase, owner: Engine, folder: Path
) -> None:
    with owner.connect() as other:
        key = {"space": migrations.LOCK_SPACE, "lock": migrations._LOCK}
        other.execute(text("SELECT pg_advisory_lock(:space, :lock)"), key)
        with pytest.raises(migrations.Busy, match="another process migrates"):
            migrations.upgrade(make_url(database.owner_url), folder, wait=0.3)


def test_migration_does_not_hold_up_a_running_service(database: ServiceDatabase, owner: Engine, folder: Path) -> None:
    url = make_url(database.owner_url)
    migrations.upgrade(url, folder)
    with owner.connect() as service:
        service.execute(text("SELECT * FROM things"))  # an open transaction that reads
        with pytest.raises(migrations.Busy, match="stayed locked"):
            migrations.downgrade(url, folder, "0001", wait=0.5, lock_seconds=0.1)
        service.rollback()
    migrations.downgrade(url, folder, "0001")
    with owner.connect() as connection, pytest.raises(ProgrammingError):
        connection.execute(text("SELECT * FROM things"))


def test_other_errors_of_a_migration_are_told(database: ServiceDatabase, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", FIRST, LATER.replace("create_table", "no_such_thing"))
    with pytest.raises(AttributeError):
        migrations.upgrade(make_url(database.owner_url), folder)
    slow = LATER.replace(
        'op.create_table("things"',
        "op.execute(\"SET statement_timeout = '50ms'\")\n    op.execute('SELECT pg_sleep(5)')\n    op.create_table(\"things\"",
    )
    folder = write_folder(tmp_path / "n", FIRST, slow)
    with pytest.raises(DBAPIError, match="statement timeout"):
        migrations.upgrade(make_url(database.owner_url), folder)


def test_readiness_waits_for_the_last_migration(database: ServiceDatabase, owner: Engine, folder: Path) -> None:
    url = make_url(database.owner_url)
    at_head = migrations.AtHead(owner, folder)
    assert at_head() == "the database is at None, the code at 0002"
    migrations.upgrade(url, folder, "0001")
    assert at_head() == "the database is at 0001, the code at 0002"
    migrations.upgrade(url, folder)
    assert at_head() is True
    assert at_head() is True


def test_folder_has_one_head(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", FIRST, LATER, LATER.replace("0002", "0003"))
    with pytest.raises(migrations.NoRevision, match="there are 2"):
        migrations.head(folder)


@pytest.mark.parametrize("table", ["audit_entries", "audit_checkpoints"])
def test_database_itself_refuses_to_change_the_audit_trail(
    database: ServiceDatabase, owner: Engine, folder: Path, table: str
) -> None:
    migrations.upgrade(make_url(database.owner_url), folder)
    grant(database)
    with owner.begin() as connection:
        if table == "audit_entries":
            connection.execute(text(
                "INSERT INTO audit_entries VALUES (gen_random_uuid(), 0, 1, now(), 'a', '{}', 'p', 'x', 't', 'c', '{}', "
                "'{}', 'OK', '', '')"
            ))  # fmt: skip
        else:
            connection.execute(text("INSERT INTO audit_checkpoints VALUES (1, now(), '{}', '', '')"))
    for change in (f"UPDATE {table} SET at = now()", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with owner.connect() as connection, pytest.raises(ProgrammingError, match="append-only"):
            connection.execute(text(change))
    app = create_engine(database.app_url, poolclass=NullPool)
    with app.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|append-only"):
        connection.execute(text("DELETE FROM audit_entries"))

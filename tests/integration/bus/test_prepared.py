"""Prepared statements: planned once per connection, and right whatever becomes of transaction, connection and tables."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import sessionmaker

from citybus import outbox, tables
from citybus.clock import ZONE, FixedClock
from citybus.outbox import Draft, Origin
from citybus.unit_of_work import Context, Units
from tests.support.postgres import ServiceDatabase

CONTEXT = Context("clerk", ("CLERK",), "test", "correlation")


@pytest.fixture
def engine(database: ServiceDatabase) -> Iterator[Engine]:
    """An engine that has a single connection at a time."""
    owner = create_engine(database.owner_url)
    tables.metadata.create_all(owner)
    owner.dispose()
    made = create_engine(database.app_url, pool_size=1, max_overflow=0)
    yield made
    made.dispose()


@pytest.fixture
def units(engine: Engine) -> Units:
    clock = FixedClock(datetime(2024, 3, 4, 9, tzinfo=ZONE))
    return Units(sessionmaker(engine, expire_on_commit=False), "/city/420200/toy", clock)


def draft() -> Draft:
    return Draft("toy.permit.approved.v1", "permit/a", {"n": 1}, "L2")


def publish(units: Units, events: int = 1) -> list[int]:
    """Commit `events` of one subject and return their numbers."""
    with units(CONTEXT) as uow:
        for _ in range(events):
            uow.publish(draft())
        uow.commit()
        return [event.sequence for event in uow.published]


def run(engine: Engine, statement: str) -> None:
    """Run `statement` on the connection that the units of work use."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(statement)


def backend(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def test_a_connection_plans_the_statement_of_every_commit_a_few_times_at_most(engine: Engine, units: Units) -> None:
    assert [publish(units) for _ in range(12)] == [[number] for number in range(1, 13)]
    with engine.connect() as connection:
        known = connection.execute(text("SELECT name, generic_plans, custom_plans FROM pg_prepared_statements")).all()
    # PostgreSQL plans the first five executions for their values, to learn whether that pays.
    assert known == [("city_outbox_append", 7, 5)]


def test_a_plan_that_was_made_for_one_event_serves_many(units: Units) -> None:
    for _ in range(8):
        publish(units)
    assert publish(units, 500) == list(range(9, 509))


def test_what_a_transaction_prepared_outlives_its_rollback(engine: Engine, units: Units) -> None:
    with units(CONTEXT) as uow:
        outbox.append(uow.session, [(draft(), Origin("/city/420200/toy", "clerk", "correlation"))], uow.clock.now())
    before = backend(engine)
    assert publish(units) == [1]
    assert backend(engine) == before


def test_a_new_connection_prepares_anew(engine: Engine, units: Units, database: ServiceDatabase) -> None:
    assert publish(units) == [1]
    admin = create_engine(database.admin_url)
    with admin.connect() as connection:
        assert connection.scalar(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": backend(engine)})
    admin.dispose()
    with pytest.raises(OperationalError):
        publish(units)
    assert publish(units) == [2]


@pytest.mark.parametrize("meddling", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_a_connection_that_lost_its_statements_is_not_used_again(engine: Engine, units: Units, meddling: str) -> None:
    assert publish(units) == [1]
    before = backend(engine)
    run(engine, meddling)
    with pytest.raises(DBAPIError, match="does not exist"):
        publish(units)
    assert publish(units) == [2]
    assert backend(engine) != before


def test_a_connection_on_which_another_prepared_is_not_used_again(engine: Engine, units: Units) -> None:
    run(engine, "PREPARE city_outbox_append AS SELECT 1")
    with pytest.raises(DBAPIError, match="already exists"):
        publish(units)
    assert publish(units) == [1]


def test_a_table_may_gain_a_column_meanwhile(units: Units, database: ServiceDatabase) -> None:
    for _ in range(6):
        publish(units)
    owner = create_engine(database.owner_url)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE outbox_messages ADD COLUMN later text DEFAULT 'x'"))
    owner.dispose()
    assert publish(units) == [7]

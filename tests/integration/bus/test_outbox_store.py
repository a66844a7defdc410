"""The outbox in PostgreSQL, as the relay uses it."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2.errors
import pytest
from sqlalchemy import Engine, create_engine, insert, make_url, select, text

from citybus.ids import new_id
from citybus.leadership import LeaderSession, LeadershipLost
from citybus.outbox import WAKE_UP
from citybus.relay import FETCH, SESSION_PARAMETERS, DatabaseOutbox
from citybus.tables import metadata, outbox_messages
from dandang.local.provision import ServiceDatabase
from tests.support.conformance.outbox_store import OutboxBench, OutboxStoreConformance
from tests.support.postgres import Postgres
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

BODY = b'{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}'


@pytest.fixture(scope="module")
def tables(module_database: ServiceDatabase) -> Iterator[Engine]:
    """An engine of the owner of a database that has the outbox."""
    engine = create_engine(module_database.owner_url)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def outbox(tables: Engine) -> Engine:
    """The same with an empty outbox."""
    with tables.begin() as connection:
        connection.execute(text("TRUNCATE outbox_messages"))
    return tables


Sessions = Callable[[], LeaderSession]


@pytest.fixture
def sessions(outbox: Engine, module_database: ServiceDatabase) -> Iterator[Sessions]:
    """Makes sessions of relays; they are ended with the test."""
    made: list[LeaderSession] = []

    def make() -> LeaderSession:
        made.append(
            LeaderSession(module_database.app_url, name="test.relay", channel=WAKE_UP, parameters=SESSION_PARAMETERS)
        )
        return made[-1]

    yield make
    for session in made:
        session.resign()


def row(subject: str, **columns: Any) -> dict[str, Any]:
    """Return an outbox row."""
    return {
        "id": new_id(),
        "type": "type",
        "subject": subject,
        "sequence": 1,
        "exchange": "city.events",
        "routing_key": "key",
        "mandatory": True,
        "body": BODY,
        "correlation_id": "cause",
        **columns,
    }


def end_sessions(engine: Engine) -> None:
    """End the sessions of all relays, as an administrator can."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'test.relay'"
            )
        )


class _DatabaseBench(OutboxBench):
    def __init__(self, engine: Engine, administrator: Engine, session: LeaderSession) -> None:
        self.engine = engine
        self.administrator = administrator
        self.leadership = session
        self.store = DatabaseOutbox(session)

    def commit(self, *subjects: str, position: int | None = None) -> list[int]:
        at = {} if position is None else {"position": position}
        with self.engine.begin() as connection:
            return [
                connection.execute(
                    insert(outbox_messages).values(row(subject, **at)).returning(outbox_messages.c.position)
                ).scalar_one()
                for subject in subjects
            ]

    def give_out(self) -> int:
        with self.engine.begin() as connection:
            sequence = text("SELECT nextval(pg_get_serial_sequence('outbox_messages', 'position'))")
            return int(connection.execute(sequence).scalar_one())

    def attempts(self, position: int) -> tuple[int, str | None]:
        with self.engine.begin() as connection:
            found = connection.execute(
                select(outbox_messages.c.attempts, outbox_messages.c.last_error).where(
                    outbox_messages.c.position == position
                )
            ).one()
            return found.attempts, found.last_error

    def lose(self) -> None:
        end_sessions(self.administrator)


@pytest.fixture
def administrator(module_database: ServiceDatabase) -> Iterator[Engine]:
    """An engine of the server's administrator."""
    engine = create_engine(module_database.admin_url)
    yield engine
    engine.dispose()


class TestDatabaseOutbox(OutboxStoreConformance):
    @pytest.fixture
    def bench(self, outbox: Engine, administrator: Engine, sessions: Sessions) -> OutboxBench:
        session = sessions()
        assert session.lead()
        return _DatabaseBench(outbox, administrator, session)

    @pytest.mark.parametrize(
        ("body", "traceparent"),
        [
            (BODY, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            (b"{}", None),
            (b'{"traceparent": 7}', None),
            (b'["traceparent"]', None),
            (b'{"traceparent"', None),
        ],
    )
    def test_trace_context_is_read_where_there_is_one(
        self, bench: _DatabaseBench, body: bytes, traceparent: str | None
    ) -> None:
        with bench.engine.begin() as connection:
            connection.execute(insert(outbox_messages).values(row("case/1", body=body)))
        (pending,) = bench.store.fetch(1)
        assert (pending.message.body, pending.message.traceparent) == (body, traceparent)

    def test_timestamp_is_when_the_row_was_written(self, bench: _DatabaseBench) -> None:
        bench.commit("case/1")
        (pending,) = bench.store.fetch(1)
        assert abs(pending.message.timestamp - time.time()) < 60

    def test_rows_are_found_along_the_index_whatever_the_statistics_say(self, bench: _DatabaseBench) -> None:
        with bench.engine.begin() as connection:
            connection.execute(insert(outbox_messages), [row(f"case/{number}") for number in range(50)])
            connection.execute(text("ANALYZE outbox_messages"))
        plan = "\n".join(line for (line,) in bench.leadership.execute(f"EXPLAIN {FETCH}", (10, 10, 10)))
        assert "Seq Scan" not in plan
        assert "ix_outbox_messages_unpublished" in plan


class TestLeaderSession:
    def test_one_leads_and_the_others_stand_by(self, sessions: Sessions) -> None:
        first, second = sessions(), sessions()
        assert first.lead()
        assert not second.lead()
        assert first.lead()
        with pytest.raises(LeadershipLost):
            second.execute("SELECT 1")

    def test_another_leads_when_the_leader_resigns(self, sessions: Sessions) -> None:
        first, second = sessions(), sessions()
        assert first.lead()
        assert not second.lead()
        first.resign()
        assert eventually(second.lead)
        assert not first.lead()

    def test_leader_that_was_cut_off_can_write_no_more(
        self, sessions: Sessions, administrator: Engine, outbox: Engine
    ) -> None:
        first = sessions()
        assert first.lead()
        with outbox.begin() as connection:
            position = connection.execute(
                insert(outbox_messages).values(row("case/1")).returning(outbox_messages.c.position)
            ).scalar_one()
        end_sessions(administrator)
        second = sessions()
        assert eventually(second.lead)
        with pytest.raises(LeadershipLost):
            DatabaseOutbox(first).mark([position])
        assert [pending.position for pending in DatabaseOutbox(second).fetch(1)] == [position]
        assert not first.lead()

    def test_offices_of_other_names_are_other_offices(
        self, sessions: Sessions, module_database: ServiceDatabase
    ) -> None:
        assert sessions().lead()
        other = LeaderSession(module_database.app_url, name="other")
        assert other.lead()
        other.wait(0)
        other.resign()

    def test_notice_of_new_rows_ends_the_wait(self, sessions: Sessions, outbox: Engine) -> None:
        session = sessions()
        assert session.lead()

        def publish() -> None:
            with outbox.begin() as connection:
                connection.execute(text(f"SELECT pg_notify('{WAKE_UP}', '')"))

        later = threading.Timer(0.1, publish)
        began = time.monotonic()
        later.start()
        session.wait(30)
        assert 0.05 < time.monotonic() - began < 10
        later.join()

    def test_notice_that_came_during_other_work_is_not_missed(self, sessions: Sessions, outbox: Engine) -> None:
        session = sessions()
        assert session.lead()
        with outbox.begin() as connection:
            connection.execute(text(f"SELECT pg_notify('{WAKE_UP}', '')"))
        session.execute("SELECT 1")
        began = time.monotonic()
        session.wait(30)
        assert time.monotonic() - began < 10

    def test_wait_ends_without_a_notice(self, sessions: Sessions) -> None:
        session = sessions()
        assert session.lead()
        began = time.monotonic()
        session.wait(0.2)
        assert 0.15 < time.monotonic() - began < 10

    def test_end_of_the_session_ends_the_wait_and_is_told(self, sessions: Sessions, administrator: Engine) -> None:
        session = sessions()
        assert session.lead()
        later = threading.Timer(0.1, end_sessions, (administrator,))
        later.start()
        began = time.monotonic()
        with pytest.raises(LeadershipLost):  # noqa: PT012 - by the first or by the second, as the server's words come
            session.wait(30)
            session.wait(30)
        assert time.monotonic() - began < 10
        later.join()
        assert eventually(session.lead)

    def test_absent_database_is_told_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        session = LeaderSession("postgresql+psycopg2://nobody:secret@127.0.0.1:1/none", name="test.relay")
        for _ in range(3):
            with pytest.raises(LeadershipLost):
                session.lead()
        said = capsys.readouterr()
        assert (said.out + said.err).count("database away") == 1
        assert "secret" not in said.out + said.err


@pytest.mark.fault
def test_lead_is_taken_again_after_a_cut_connection(module_database: ServiceDatabase, outbox: Engine) -> None:
    url = make_url(module_database.app_url)
    with tcp_proxy((str(url.host), int(url.port or 5432))) as proxy:
        session = LeaderSession(
            url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False), name="test.relay"
        )
        assert session.lead()
        proxy.reset()
        with pytest.raises(LeadershipLost):
            session.execute("SELECT 1")
        assert eventually(session.lead)
        session.resign()


@pytest.mark.fault
def test_connection_that_breaks_in_the_middle_of_an_answer_ends_the_lead_and_nothing_else(
    module_database: ServiceDatabase, outbox: Engine
) -> None:
    url = make_url(module_database.app_url)
    with tcp_proxy((str(url.host), int(url.port or 5432))) as proxy:
        session = LeaderSession(
            url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False), name="test.relay"
        )
        for _ in range(3):
            assert eventually(session.lead)
            proxy.rate = 2_000_000
            cut = threading.Timer(0.2, proxy.reset)
            cut.start()
            with pytest.raises(LeadershipLost):
                session.execute("SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
            cut.join()
            proxy.rate = None
        with pytest.raises(psycopg2.errors.UndefinedTable):  # noqa: PT012 - the lead comes first
            assert eventually(session.lead)
            session.execute("SELECT FROM no_such_table")
        session.resign()


def test_driver_that_does_not_know_what_broke_ends_the_lead_too(
    module_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg2 raises a plain DatabaseError where a connection breaks between two parts of an answer."""
    session = LeaderSession(module_database.app_url, name="test.relay")
    assert session.lead()

    def broken(*_: object) -> None:
        raise psycopg2.DatabaseError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr("citybus.leadership._run", broken)
        with pytest.raises(LeadershipLost):
            session.execute("SELECT 1")
    assert eventually(session.lead)
    session.resign()


@pytest.mark.fault
def test_lead_is_taken_again_after_a_database_crash(module_postgres: Postgres) -> None:
    made = module_postgres.make_database()
    session = LeaderSession(made.app_url, name="test.relay")
    assert session.lead()
    module_postgres.kill()
    with pytest.raises(LeadershipLost):
        session.execute("SELECT 1")
    with pytest.raises(LeadershipLost):
        session.lead()
    module_postgres.start()

    def leads() -> bool:
        try:
            return session.lead()
        except LeadershipLost:
            return False

    assert eventually(leads)
    session.resign()

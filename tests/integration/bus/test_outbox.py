"""The outbox: events are committed with the facts, numbered per line in the order of commits."""

import threading
from collections.abc import Iterator
from datetime import datetime

import psycopg2
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from citybus import outbox, tables
from citybus.clock import ZONE, FixedClock
from citybus.envelope import Event
from citybus.outbox import WAKE_UP, Draft
from citybus.unit_of_work import Context, UnitOfWork, Units
from tests.support.postgres import ServiceDatabase
from tests.support.waiting import eventually

CONTEXT = Context("clerk", ("CLERK",), "test", "correlation", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")


@pytest.fixture(scope="module")
def sessions(module_database: ServiceDatabase) -> Iterator[sessionmaker[Session]]:
    owner = create_engine(module_database.owner_url)
    tables.metadata.create_all(owner)
    owner.dispose()
    engine = create_engine(module_database.app_url, pool_size=20)
    yield sessionmaker(engine, expire_on_commit=False)
    engine.dispose()


@pytest.fixture
def units(sessions: sessionmaker[Session]) -> Units:
    with sessions() as session:
        session.execute(text("DELETE FROM outbox_messages"))
        session.execute(text("DELETE FROM subject_sequences"))
        session.commit()
    return Units(sessions, "/city/420200/toy", FixedClock(datetime(2024, 3, 4, 9, tzinfo=ZONE)))


def draft(subject: str, **more: object) -> Draft:
    return Draft(type="toy.permit.approved.v1", subject=subject, data={"n": 1}, dataclass="L2", **more)  # type: ignore[arg-type]  # shorthand


def rows(units: Units) -> list[tuple[str, int, Event]]:
    with units(CONTEXT) as uow:
        found = uow.session.execute(select(tables.outbox_messages).order_by(tables.outbox_messages.c.position)).all()
        return [(row.subject, row.sequence, Event.from_json(bytes(row.body))) for row in found]


def test_a_part_that_fails_is_forgotten_with_its_rows_events_and_audit_entries(units: Units) -> None:
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/before"))
        uow.audit("permit.before", "permit/before")
        with pytest.raises(KeyError):
            a_part_that_fails(uow)
        with uow.part():
            uow.publish(draft("permit/kept"))
        uow.commit()
        assert [event.subject for event in uow.published] == ["permit/before", "permit/kept"]
        subjects = uow.session.execute(select(tables.subject_sequences.c.subject)).scalars()
        assert set(subjects) == {"permit/before", "permit/kept"}
        audited = uow.session.execute(select(tables.audit_entries.c.action)).scalars()
        assert [action for action in audited if action in ("permit.before", "permit.part")] == ["permit.before"]


def a_part_that_fails(uow: UnitOfWork) -> None:
    with uow.part():
        uow.session.execute(text("INSERT INTO subject_sequences (subject, last) VALUES ('permit/part', 7)"))
        uow.publish(draft("permit/part"), aside=True)
        uow.audit("permit.part", "permit/part")
        raise KeyError


def test_events_are_numbered_per_subject_in_the_order_of_publishing(units: Units) -> None:
    with units(CONTEXT) as uow:
        for subject in ("permit/b", "permit/a", "permit/b"):
            uow.publish(draft(subject))
        uow.commit()
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/b"))
        uow.commit()
        assert [event.sequence for event in uow.published] == [3]
    found = rows(units)
    assert [(subject, sequence) for subject, sequence, _ in found] == [
        ("permit/b", 1),
        ("permit/a", 1),
        ("permit/b", 2),
        ("permit/b", 3),
    ]
    assert all(event.sequence == sequence for _, sequence, event in found)
    assert {event.traceparent for _, _, event in found} == {CONTEXT.traceparent}


def test_an_event_may_be_numbered_in_a_line_of_its_own(units: Units) -> None:
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/a"))
        uow.publish(draft("permit/a", order_key="dept.x/permit/a", exchange="city.public", routing_key="dept.x.t"))
        uow.commit()
    (_, first, _), (line, second, event) = rows(units)
    assert (first, line, second, event.subject) == (1, "dept.x/permit/a", 1, "permit/a")


def test_what_is_not_committed_is_not_published(units: Units) -> None:
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/a"))
        uow.audit("toy.look", "permit/a")
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/a"))
        uow.rollback()
        uow.commit()
    assert rows(units) == []


def test_a_cause_is_carried_on(units: Units) -> None:
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/a"))
        uow.commit()
        cause = uow.published[0]
    with units(CONTEXT) as uow:
        uow.caused_by(cause)
        uow.publish(draft("permit/c"))
        uow.commit()
    event = rows(units)[-1][2]
    assert (event.causationid, event.correlationid, event.actor) == (cause.id, "correlation", "system:toy")


def test_the_line_of_a_subject_is_the_order_of_its_commits(units: Units) -> None:
    """Positions are given before commits, so another subject may overtake; within a subject nothing does."""
    with units(CONTEXT) as slow:
        slow.publish(draft("permit/a"))
        slow.session.execute(text("SELECT 1"))
        entered = threading.Event()

        def overtake() -> None:
            with units(CONTEXT) as fast:
                fast.publish(draft("permit/a"))
                entered.set()
                fast.commit()

        # The slow one takes its number first and commits last.

        outbox.append(slow.session, slow._events, slow.clock.now())
        slow._events = []
        other = threading.Thread(target=overtake)
        other.start()
        assert entered.wait(10)
        eventually(lambda: _waits_for_lock(units), within=10, what="the second transaction waits for the line")
        slow.commit()
        other.join(10)
    assert [sequence for _, sequence, _ in rows(units)] == [1, 2]


def _waits_for_lock(units: Units) -> bool:
    with units(CONTEXT) as uow:
        return bool(
            uow.session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
        )


def test_many_transactions_over_the_same_lines_neither_deadlock_nor_skip(units: Units) -> None:
    subjects = [f"permit/{n}" for n in range(5)]
    failures: list[BaseException] = []

    def work(turn: int) -> None:
        try:
            for _ in range(20):
                with units(CONTEXT) as uow:
                    for subject in subjects[turn % 5 :] + subjects[: turn % 5]:
                        uow.publish(draft(subject))
                    uow.commit()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for subject in subjects:
        assert [sequence for line, sequence, _ in rows(units) if line == subject] == list(range(1, 161))


def test_the_relay_is_woken_by_the_commit(units: Units, module_database: ServiceDatabase) -> None:
    listener = psycopg2.connect(module_database.app_url.replace("+psycopg2", ""))
    listener.autocommit = True
    with listener.cursor() as cursor:
        cursor.execute(f"LISTEN {WAKE_UP}")
    with units(CONTEXT) as uow:
        uow.publish(draft("permit/a"))
        uow.session.flush()
        listener.poll()
        assert listener.notifies == []
        uow.commit()

    def woken() -> bool:
        listener.poll()
        return bool(listener.notifies)

    eventually(woken, within=5, what="the notice")
    listener.close()


def test_leaving_without_commit_rolls_back(units: Units) -> None:
    def fail() -> UnitOfWork:
        with units(CONTEXT) as uow:
            uow.publish(draft("permit/a"))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert rows(units) == []

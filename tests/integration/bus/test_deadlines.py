"""Deadlines: each takes effect once, whoever fires it, and a failing one holds up no other."""

import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from citybus import deadlines
from citybus.calendar import _LAST_YEAR, Calendar, Duration, HolidayTable
from citybus.clock import ZONE
from citybus.deadlines import Deadline, Handler, Tally
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork, Units
from tests.support.mechanism import START, Mechanism, count


def fire(uow: UnitOfWork, deadline: Deadline) -> None:
    count(uow.session, f"fired {deadline.ref}")


def warn(uow: UnitOfWork, deadline: Deadline) -> None:
    count(uow.session, f"warned {deadline.ref}")


HANDLERS = {"plea": Handler(fire=fire, warn=warn)}


def arm(mechanism: Mechanism, ref: str = "finding/1", kind: str = "plea", days: int = 5, **more: Any) -> None:
    with mechanism.session() as session:
        deadlines.arm(session, kind, ref, START + timedelta(days=days), correlation_id="c-1", **more)


def states(mechanism: Mechanism) -> list[str]:
    with mechanism.sessions() as session:
        return list(session.execute(text("SELECT state FROM deadlines ORDER BY id")).scalars())


def lapse(mechanism: Mechanism) -> None:
    """Let real time pass, as far as leases and back-off are concerned."""
    with mechanism.session() as session:
        session.execute(text("UPDATE deadlines SET claimed_until = clock_timestamp() - interval '1 s'"))


def test_deadline_fires_when_domain_time_reaches_it_and_once(mechanism: Mechanism) -> None:
    arm(mechanism)
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    mechanism.clock.advance(timedelta(days=5))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    assert mechanism.value("fired finding/1") == 1
    assert states(mechanism) == ["FIRED"]


def test_handler_acts_on_account_of_the_service_and_the_case(mechanism: Mechanism) -> None:
    seen: list[Any] = []

    def publish(uow: UnitOfWork, deadline: Deadline) -> None:
        seen.extend([uow.context, deadline])
        uow.publish(Draft(type="t.x.v1", subject=deadline.ref, data={}, dataclass="L2"))

    arm(mechanism, data={"a": 1})
    mechanism.clock.advance(timedelta(days=6))
    deadlines.fire_due(mechanism.units, {"plea": Handler(fire=publish)})
    context, deadline = seen
    assert (context.actor, context.purpose, context.correlation_id) == ("system:test", "deadline plea", "c-1")
    assert (deadline.data, deadline.due_at) == ({"a": 1}, START + timedelta(days=5))
    with mechanism.sessions() as session:
        assert session.execute(text("SELECT subject FROM outbox_messages")).scalars().all() == ["finding/1"]


def test_people_are_warned_before_and_once(mechanism: Mechanism) -> None:
    arm(mechanism, warn_at=START + timedelta(days=2))
    mechanism.clock.advance(timedelta(days=2))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(warned=1)
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    assert states(mechanism) == ["WARNED"]
    mechanism.clock.advance(timedelta(days=3))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)
    assert (mechanism.value("warned finding/1"), mechanism.value("fired finding/1")) == (1, 1)


def test_time_that_jumps_past_both_warns_of_nothing_that_is_over(mechanism: Mechanism) -> None:
    arm(mechanism, warn_at=START + timedelta(days=2))
    mechanism.clock.advance(timedelta(days=9))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)
    assert mechanism.value("warned finding/1") == 0


def test_kind_without_something_to_do_is_only_marked(mechanism: Mechanism) -> None:
    arm(mechanism, warn_at=START)
    assert deadlines.fire_due(mechanism.units, {"plea": Handler()}) == Tally(warned=1)
    mechanism.clock.advance(timedelta(days=5))
    assert deadlines.fire_due(mechanism.units, {"plea": Handler()}) == Tally(fired=1)


def test_kind_that_this_version_does_not_know_is_left_to_one_that_does(mechanism: Mechanism) -> None:
    arm(mechanism, kind="newer")
    mechanism.clock.advance(timedelta(days=5))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    assert states(mechanism) == ["ARMED"]


@pytest.mark.parametrize(("close", "state"), [(deadlines.satisfy, "SATISFIED"), (deadlines.cancel, "CANCELLED")])
def test_closed_deadline_does_not_fire(mechanism: Mechanism, close: Any, state: str) -> None:
    arm(mechanism)
    with mechanism.session() as session:
        assert close(session, "plea", "finding/1")
        assert not close(session, "plea", "finding/1")
        assert not close(session, "plea", "finding/2")
    mechanism.clock.advance(timedelta(days=5))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    assert states(mechanism) == [state]


def test_armed_again_it_moves_and_once_closed_it_starts_anew(mechanism: Mechanism) -> None:
    arm(mechanism, warn_at=START)
    deadlines.fire_due(mechanism.units, HANDLERS)
    arm(mechanism, days=9)
    assert states(mechanism) == ["ARMED"]
    mechanism.clock.advance(timedelta(days=5))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    mechanism.clock.advance(timedelta(days=4))
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)
    arm(mechanism, days=10)
    assert states(mechanism) == ["FIRED", "ARMED"]


def test_arming_is_part_of_its_transaction(mechanism: Mechanism) -> None:
    with mechanism.sessions() as session:
        deadlines.arm(session, "plea", "finding/1", START, correlation_id="c-1")
    assert states(mechanism) == []


def test_failing_deadline_backs_off_and_holds_up_no_other(mechanism: Mechanism) -> None:
    def fail(uow: UnitOfWork, deadline: Deadline) -> None:
        count(uow.session, f"fired {deadline.ref}")
        if deadline.ref == "finding/1":
            raise KeyError("张三")

    handlers = {"plea": Handler(fire=fail)}
    for number in (1, 2, 3):
        arm(mechanism, f"finding/{number}", days=number)
    mechanism.clock.advance(timedelta(days=5))
    with mechanism.sessions() as session:
        began = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert deadlines.fire_due(mechanism.units, handlers, limit=1) == Tally(fired=2, failed=1)
    assert [mechanism.value(f"fired finding/{n}") for n in (1, 2, 3)] == [0, 1, 1]
    with mechanism.session() as session:
        attempts, error, until = session.execute(
            text("SELECT attempts, last_error, claimed_until FROM deadlines WHERE ref = 'finding/1'")
        ).one()
        # Its two seconds may be over on a busy machine.
        session.execute(text("UPDATE deadlines SET claimed_until = claimed_until + interval '1 min'"))
    assert deadlines.fire_due(mechanism.units, handlers) == Tally()  # it waits
    with mechanism.sessions() as session:
        deadlines.measure(session, mechanism.clock.now())
    assert attempts == 1
    assert error.startswith("KeyError at ")
    assert "张三" not in error
    assert timedelta(seconds=2) <= until - began < timedelta(seconds=12)
    assert deadlines._overdue._value.get() == 1
    assert deadlines._failing._value.get() == 1
    lapse(mechanism)
    assert deadlines.fire_due(mechanism.units, handlers) == Tally(failed=1)
    lapse(mechanism)
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)
    assert mechanism.value("fired finding/1") == 1


def test_claim_lapses_when_its_process_died(mechanism: Mechanism) -> None:
    arm(mechanism)
    mechanism.clock.advance(timedelta(days=5))
    with mechanism.session() as session:
        assert len(deadlines.claim_due(session, mechanism.clock.now(), 10, ["plea"])) == 1
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally()
    lapse(mechanism)
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)


def test_plea_that_comes_while_the_deadline_is_being_handled_wins_or_loses_but_not_both(mechanism: Mechanism) -> None:
    def satisfied_meanwhile(uow: UnitOfWork, deadline: Deadline) -> None:
        count(uow.session, "too late")
        with mechanism.session() as session:
            assert deadlines.satisfy(session, deadline.kind, deadline.ref)

    arm(mechanism)
    mechanism.clock.advance(timedelta(days=5))
    assert deadlines.fire_due(mechanism.units, {"plea": Handler(fire=satisfied_meanwhile)}) == Tally(skipped=1)
    assert mechanism.value("too late") == 0
    assert states(mechanism) == ["SATISFIED"]


def test_deadline_moved_between_claim_and_handling_is_left_alone(mechanism: Mechanism) -> None:
    arm(mechanism)
    mechanism.clock.advance(timedelta(days=5))
    with mechanism.session() as session:
        (claimed,) = deadlines.claim_due(session, mechanism.clock.now(), 10, ["plea"])
    arm(mechanism, days=30)
    outcome = deadlines._handle(mechanism.units, HANDLERS["plea"], claimed, mechanism.clock.now())
    assert outcome == "skipped"
    assert mechanism.value("fired finding/1") == 0


def test_failure_while_the_database_is_away_waits_for_the_lease(mechanism: Mechanism) -> None:
    arm(mechanism)
    mechanism.clock.advance(timedelta(days=5))
    with mechanism.session() as session:
        (claimed,) = deadlines.claim_due(session, mechanism.clock.now(), 10, ["plea"])

    def away() -> Any:
        raise ConnectionError

    broken = Units(away, mechanism.units.source, mechanism.clock)
    assert deadlines._handle(broken, HANDLERS["plea"], claimed, mechanism.clock.now()) == "failed"
    lapse(mechanism)
    assert deadlines.fire_due(mechanism.units, HANDLERS) == Tally(fired=1)


def test_each_fires_once_across_replicas(mechanism: Mechanism) -> None:
    for number in range(60):
        arm(mechanism, f"finding/{number}")
    mechanism.clock.advance(timedelta(days=5))
    tallies: list[Tally] = []

    def replica() -> None:
        for _ in range(5):
            tally = deadlines.fire_due(mechanism.units, HANDLERS, limit=7)
            tallies.append(tally)

    threads = [threading.Thread(target=replica) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(tally.fired for tally in tallies) == 60
    assert {mechanism.value(f"fired finding/{n}") for n in range(60)} == {1}


def test_period_is_armed_with_how_it_was_computed(mechanism: Mechanism) -> None:
    with mechanism.session() as session:
        due_at = deadlines.arm_period(
            session, "plea", "finding/1", Duration.parse("5 WD"), START, warn=Duration.parse("3 WD"),
            correlation_id="c-1", data={"a": 1},
        )  # fmt: skip
        deadlines.arm_period(session, "call", "finding/1", Duration.parse("2 h"), START, correlation_id="c-1")
        assert deadlines.provisional(session) == []
    assert due_at == datetime(2024, 3, 12, tzinfo=ZONE)
    with mechanism.session() as session:
        (plea,) = deadlines.claim_due(session, due_at, 10, ["plea"])
    assert plea.warn_at == datetime(2024, 3, 6, tzinfo=ZONE)
    assert plea.data == {
        "a": 1, "calendar_provisional": False,
        "computed": {"period": "5 WD", "start": START.isoformat(), "warn": "3 WD"},
    }  # fmt: skip


def provisional(mechanism: Mechanism, start: date | datetime, warn: str | None = None) -> Deadline:
    """Arm "5 WD" from a day whose official holidays are not published, and return the deadline."""
    with mechanism.session() as session:
        deadlines.arm_period(
            session,
            "plea",
            "finding/1",
            Duration.parse("5 WD"),
            start,
            warn=Duration.parse(warn) if warn else None,
            correlation_id="c-1",
        )
        (armed,) = deadlines.provisional(session)
        return armed


def published(day_off: date | None = None, extra_workday: date | None = None) -> Calendar:
    off, on = (frozenset({day} if day else ()) for day in (day_off, extra_workday))
    return Calendar([HolidayTable(UNSURE, off, on, "notice")])


UNSURE = _LAST_YEAR + 1
MONDAY = next(day for n in range(7) if (day := date(UNSURE, 6, 7) + timedelta(days=n)).weekday() == 0)


def test_a_provisional_deadline_comes_later_when_a_holiday_is_published(mechanism: Mechanism) -> None:
    before = provisional(mechanism, MONDAY, "1 WD")
    after = deadlines.recomputed(before, published(day_off=MONDAY + timedelta(days=2)))
    assert (after.due_at - before.due_at, after.state) == (timedelta(days=1), "ARMED")
    assert after.warn_at is not None
    assert after.warn_at > (before.warn_at or after.warn_at)
    with mechanism.session() as session:
        assert deadlines.move(session, before, after)
        assert not deadlines.move(session, before, after)
        assert deadlines.provisional(session) == []
        due = session.execute(text("SELECT due_at FROM deadlines")).scalar_one()
    assert due == after.due_at


def test_it_never_comes_earlier_than_people_were_told(mechanism: Mechanism) -> None:
    before = provisional(mechanism, MONDAY)
    after = deadlines.recomputed(before, published(extra_workday=MONDAY + timedelta(days=5)))
    assert (after.due_at, after.warn_at, after.state) == (before.due_at, before.warn_at, before.state)
    assert not after.data["calendar_provisional"]


def test_who_claimed_it_for_the_old_time_does_not_fire_one_that_moved(mechanism: Mechanism) -> None:
    before = provisional(mechanism, MONDAY)
    mechanism.clock.set(before.due_at)
    after = deadlines.recomputed(before, published(day_off=MONDAY + timedelta(days=2)))

    def moved_meanwhile(uow: UnitOfWork, deadline: Deadline) -> None:
        with mechanism.session() as session:
            assert deadlines.move(session, before, after)

    tally = deadlines.fire_due(mechanism.units, {"plea": Handler(fire=moved_meanwhile)})
    assert (tally.fired, tally.skipped) == (0, 1)
    with mechanism.session() as session:
        assert session.execute(text("SELECT state FROM deadlines")).scalar_one() == "ARMED"

"""The consumer's loop on a real database, with the queue in memory: what each kind of failure leads to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from marshmallow import ValidationError
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from citybus import inbox
from citybus.consumer import (
    ALONE_FROM,
    PARK_FROM,
    Batch,
    Consumer,
    Delivery,
    Misconfigured,
    Timing,
)
from citybus.envelope import Event
from citybus.errors import Invalid, Refusal, Transient
from citybus.inbox import Order, Subscription
from citybus.testing.consumer import MemoryInbound
from citybus.unit_of_work import Context, UnitOfWork
from tests.support.inbound import delivery_of, make_event
from tests.support.stock import QUEUE, Stock, subscription, write_effect
from tests.support.waiting import eventually

LADDER = ("1s", "10s")
QUICK = Timing(sweep=0.1, overdue=0.3, hold=0.5, pause_first=0.01, pause_most=0.05)

Apply = Callable[[UnitOfWork, Event, Any], None]


class Faults:
    """A handler that fails as told for the events of a subject, after it has written its effect."""

    def __init__(self) -> None:
        self.errors: dict[str, BaseException] = {}
        self.calls: list[str] = []

    def __call__(self, uow: UnitOfWork, event: Event, data: Any) -> None:
        self.calls.append(event.id)
        write_effect(uow, event, data)
        if (error := self.errors.get(event.subject)) is not None:
            raise error


class Rig:
    """A consumer in a thread, its queue and what it did."""

    def __init__(self, stock: Stock, of: Subscription, units: Any = None, **options: Any) -> None:
        self.stock = stock
        self.inbound = MemoryInbound(LADDER)
        self.batches: list[int] = []
        self.error: BaseException | None = None
        self.run_batch: Callable[[Batch], None] = self._run_batch
        self.units = units or stock.units
        self.consumer = Consumer(
            of,
            self.inbound,
            self.units,
            self._give,
            ladder=LADDER,
            timing=QUICK,
            **options,
        )
        self.thread = threading.Thread(target=self._run)

    def put(self, *events: Event, **changes: Any) -> None:
        self.inbound.put(*(delivery_of(event, **changes) for event in events))

    def settled(self) -> bool:
        """Whether every message has been brought to its end."""
        return self.inbound.settled()

    def drained(self) -> None:
        eventually(self.settled, what="every message is settled")

    def dead(self) -> list[tuple[str | None, str]]:
        return [(letter.message_id, letter.headers["city-reason"]) for letter in self.inbound.dead]

    def _give(self, batch: Batch) -> None:
        self.run_batch(batch)

    def _run_batch(self, batch: Batch) -> None:
        self.batches.append(len(batch.arrivals))
        batch.apply(self.units)

    def _run(self) -> None:
        try:
            self.consumer.run()
        except BaseException as error:
            self.error = error


@contextmanager
def running(rig: Rig) -> Iterator[Rig]:
    rig.thread.start()
    try:
        yield rig
    finally:
        rig.consumer.stop()
        rig.thread.join(20)
        assert not rig.thread.is_alive()
    assert rig.error is None, repr(rig.error)


@pytest.fixture
def faults() -> Faults:
    return Faults()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"consumer": QUEUE} | labels) or 0.0


def events(count: int) -> list[Event]:
    return [make_event(f"box/{number}") for number in range(count)]


def test_what_waits_in_the_queue_is_applied_in_batches_and_acknowledged(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST), batch_size=10)
    before = metric("city_inbox_applied_total", type="shop.box.packed.v1")
    rig.put(*events(25))
    with running(rig):
        rig.drained()
    assert len(stock.effects()) == 25
    assert rig.batches == [10, 10, 5]
    assert metric("city_inbox_applied_total", type="shop.box.packed.v1") - before == 25


def test_message_delivered_twice_takes_effect_once(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST))
    before = metric("city_inbox_duplicates_total")
    sent = events(3)
    rig.put(*sent, *sent)
    with running(rig):
        rig.drained()
        rig.put(*sent)
        rig.drained()
    assert set(stock.per_event().values()) == {1}
    assert metric("city_inbox_duplicates_total") - before == 6


def test_nothing_is_acknowledged_before_the_commit(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST))
    seen: list[bool] = []

    def run_batch(batch: Batch) -> None:
        batch.apply(stock.units)
        seen.append(len(stock.effects()) == 3 and len(rig.inbound._unacknowledged) == 3)

    rig.run_batch = run_batch
    rig.put(*events(3))
    with running(rig):
        rig.drained()
    assert seen == [True]


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (Delivery(b"{", content_type="application/cloudevents+json", message_id="x"), "UNDECODABLE"),
        (delivery_of(make_event(), content_type="application/json", message_id="x"), "WRONG_CONTENT_TYPE"),
        (delivery_of(make_event(), content_type=None, message_id="x"), "WRONG_CONTENT_TYPE"),
        (delivery_of(make_event(data={"weight": "heavy"}), message_id="x"), "SCHEMA"),
        (delivery_of(make_event(type="shop.crate.packed.v1"), message_id="x"), "UNKNOWN_TYPE"),
        (delivery_of(make_event(id="1"), message_id="x"), "NOT_CLOUDEVENT"),
        (delivery_of(make_event(), redeliveries=PARK_FROM, message_id="x"), "REDELIVERED_TOO_OFTEN"),
    ],
)
@pytest.mark.parametrize("order", Order)
def test_message_that_can_never_be_right_is_parked_and_fails_no_neighbour(
    stock: Stock, order: Order, delivery: Delivery, reason: str
) -> None:
    rig = Rig(stock, subscription(order))
    first, last = make_event("box/8"), make_event("box/9")
    rig.put(first)
    rig.inbound.put(delivery)
    rig.put(last)
    with running(rig):
        rig.drained()
    assert rig.dead() == [("x", reason)]
    assert rig.inbound.dead[0].body == delivery.body
    assert rig.inbound.dead[0].headers["city-consumer"] == QUEUE
    assert rig.inbound.dead[0].headers["city-attempts"] == 1
    assert stock.per_event() == {first.id: 1, last.id: 1}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Invalid("NO_SUCH_BOX"), "NO_SUCH_BOX"),
        (Refusal("STOCK_FULL", zh="满", en="full"), "STOCK_FULL"),
        (ValidationError({"weight": ["no"]}), "SCHEMA"),
    ],
)
def test_permanent_error_of_a_handler_parks_its_event_at_once(
    stock: Stock, faults: Faults, error: Exception, reason: str
) -> None:
    rig = Rig(stock, subscription(Order.NEWEST, faults))
    sent = events(8)
    faults.errors["box/5"] = error
    before = metric("city_inbox_dead_total", reason=reason)
    rig.put(*sent)
    with running(rig):
        rig.drained()
    assert rig.dead() == [(sent[5].id, reason)]
    assert rig.inbound.dead[0].headers["city-handler"] == "shop.box.packed.v1"
    assert sorted(stock.per_event()) == sorted(event.id for event in sent if event is not sent[5])
    assert metric("city_inbox_dead_total", reason=reason) - before == 1


def test_value_that_the_database_refuses_parks_its_event(stock: Stock) -> None:
    def overflow(uow: UnitOfWork, event: Event, data: Any) -> None:
        if event.subject == "box/1":
            uow.session.execute(text("SELECT CAST(300000 AS smallint)"))
        write_effect(uow, event, data)

    rig = Rig(stock, subscription(Order.NEWEST, overflow))
    sent = events(3)
    rig.put(*sent)
    with running(rig):
        rig.drained()
    assert rig.dead() == [(sent[1].id, "DATA_ERROR")]
    assert len(stock.effects()) == 2


@pytest.mark.parametrize("error", [Transient("later"), KeyError("person 420200198001010011"), RuntimeError()])
def test_passing_failure_climbs_the_ladder_and_is_parked_at_its_end(
    stock: Stock, faults: Faults, error: Exception
) -> None:
    rig = Rig(stock, subscription(Order.NEWEST, faults))
    sent = events(4)
    faults.errors["box/2"] = error
    rig.put(*sent)
    with running(rig):
        for attempt, delay in enumerate(LADDER, 1):
            eventually(lambda delay=delay: rig.inbound.rungs[delay], what=f"on rung {delay}")
            (letter,) = rig.inbound.rungs[delay]
            assert (letter.message_id, letter.attempts) == (sent[2].id, attempt)
            assert "420200198001010011" not in str(letter.headers)
            assert type(error).__name__ in letter.headers["city-error"]
            rig.drained()
            rig.inbound.let_time_pass()
        eventually(lambda: rig.inbound.dead, what="parked")
        assert rig.dead() == [(sent[2].id, "RETRIES_EXHAUSTED")]
        assert rig.inbound.dead[0].attempts == 3
        rig.drained()
    assert len(stock.effects()) == 3


def test_event_that_succeeds_on_retry_takes_effect_once(stock: Stock, faults: Faults) -> None:
    rig = Rig(stock, subscription(Order.NEWEST, faults))
    (event,) = events(1)
    faults.errors["box/0"] = Transient("later")
    rig.put(event)
    with running(rig):
        eventually(lambda: rig.inbound.rungs["1s"], what="on the ladder")
        faults.errors.clear()
        rig.inbound.let_time_pass()
        eventually(lambda: stock.effects() == [1], what="applied")
    assert rig.inbound.dead == []


def test_one_failing_message_among_many_costs_few_transactions(stock: Stock, faults: Faults) -> None:
    rig = Rig(stock, subscription(Order.NEWEST, faults), batch_size=64)
    faults.errors["box/40"] = Invalid("BAD")
    rig.put(*events(64))
    with running(rig):
        rig.drained()
    assert len(stock.effects()) == 63
    assert len(rig.batches) == 1 + 2 * 6


def test_failure_at_commit_is_found_as_well(stock: Stock) -> None:
    def fail_late(uow: UnitOfWork, event: Event, data: Any) -> None:
        write_effect(uow, event, data)
        if event.subject == "box/1":
            uow.session.execute(
                text("CREATE TEMP TABLE IF NOT EXISTS late (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            )
            uow.session.execute(text("INSERT INTO late VALUES (1), (1)"))

    rig = Rig(stock, subscription(Order.NEWEST, fail_late))
    sent = events(3)
    rig.put(*sent)
    with running(rig):
        rig.drained()
        eventually(lambda: rig.inbound.rungs["1s"], what="on the ladder")
    assert [letter.message_id for letter in rig.inbound.rungs["1s"]] == [sent[1].id]
    assert len(stock.effects()) == 2


def test_method_that_forgets_to_apply_its_batch_loses_nothing(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST))
    rig.run_batch = lambda batch: None
    rig.put(*events(1))
    with running(rig):
        eventually(lambda: rig.inbound.rungs["1s"], what="on the ladder")
    assert "RuntimeError" in rig.inbound.rungs["1s"][0].headers["city-error"]


def test_suspect_is_handled_alone(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST))
    one, two, three, four = events(4)
    rig.put(one, two)
    rig.put(three, redeliveries=ALONE_FROM)
    rig.put(four)
    with running(rig):
        rig.drained()
    assert rig.batches == [2, 1, 1]


def test_message_that_cannot_be_put_aside_is_kept_and_sent_when_that_works_again(stock: Stock, faults: Faults) -> None:
    rig = Rig(stock, subscription(Order.NEWEST, faults))
    faults.errors["box/0"] = Invalid("BAD")
    rig.inbound.refuses = True
    (event,) = events(1)
    rig.put(event)
    with running(rig):
        eventually(lambda: rig.inbound.refused > 2, what="tried again")
        assert len(rig.inbound._unacknowledged) == 1
        rig.inbound.refuses = False
        rig.drained()
    assert rig.dead() == [(event.id, "BAD")]
    assert len(faults.calls) == 1


def test_lost_connection_is_opened_again_and_nothing_doubles(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST), batch_size=2)
    lost = threading.Event()

    def run_batch(batch: Batch) -> None:
        batch.apply(stock.units)
        if not lost.is_set():
            lost.set()
            rig.inbound.lose()

    rig.run_batch = run_batch
    sent = events(6)
    rig.put(*sent)
    with running(rig):
        eventually(lambda: len(stock.effects()) == 6 and rig.settled(), what="all applied")
    assert set(stock.per_event().values()) == {1}


def test_missing_queue_ends_the_consumer(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST))
    rig.inbound.missing = True
    with pytest.raises(Misconfigured):
        rig.consumer.run()
    assert not rig.consumer.ready


def test_stop_finishes_the_batch_in_hand_and_leaves_the_rest(stock: Stock) -> None:
    rig = Rig(stock, subscription(Order.NEWEST), batch_size=2)

    def run_batch(batch: Batch) -> None:
        rig.consumer.stop()
        batch.apply(stock.units)

    rig.run_batch = run_batch
    rig.put(*events(6))
    with running(rig):
        rig.thread.join(10)
    assert len(stock.effects()) == 2
    assert len(rig.inbound.ready) == 4
    assert {delivery.redeliveries for delivery in rig.inbound.ready} == {0}


class Flaky:
    """A unit-of-work factory whose database is away while `away` is set."""

    def __init__(self, stock: Stock) -> None:
        self._units = stock.units
        self.away = threading.Event()
        self.asked = 0

    def __call__(self, context: Context) -> UnitOfWork:
        self.asked += 1
        if self.away.is_set():
            raise OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly"))
        return self._units(context)


class TestDatabaseAway:
    def test_no_attempt_is_spent_and_messages_are_kept(self, stock: Stock) -> None:
        flaky = Flaky(stock)
        rig = Rig(stock, subscription(Order.NEWEST), units=flaky)
        with running(rig):
            eventually(lambda: rig.consumer.ready, what="ready")
            flaky.away.set()
            rig.put(*events(3))
            eventually(lambda: not rig.consumer.ready, what="not ready")
            assert len(rig.inbound._unacknowledged) == 3
            flaky.away.clear()
            rig.drained()
            assert rig.consumer.ready
        assert len(stock.effects()) == 3
        assert rig.inbound.dead == []
        assert not any(rig.inbound.rungs.values())

    def test_long_absence_gives_messages_back_once_without_a_hot_loop(self, stock: Stock) -> None:
        flaky = Flaky(stock)
        rig = Rig(stock, subscription(Order.NEWEST), units=flaky)
        with running(rig):
            eventually(lambda: rig.consumer.ready, what="ready")
            flaky.away.set()
            rig.put(*events(3))
            eventually(lambda: [each.redeliveries for each in rig.inbound.ready] == [1, 1, 1], what="given back")
            asked = flaky.asked
            threading.Event().wait(0.5)
            assert flaky.asked - asked < 40
            assert {delivery.redeliveries for delivery in rig.inbound.ready} == {1}
            flaky.away.clear()
            rig.drained()
        assert len(stock.effects()) == 3

    def test_nothing_is_taken_before_the_database_answers(self, stock: Stock) -> None:
        flaky = Flaky(stock)
        flaky.away.set()
        rig = Rig(stock, subscription(Order.NEWEST), units=flaky)
        rig.put(*events(3))
        with running(rig):
            eventually(lambda: flaky.asked > 3, what="probed")
            assert len(rig.inbound.ready) == 3
            flaky.away.clear()
            rig.drained()

    def test_stop_does_not_wait_for_it(self, stock: Stock) -> None:
        flaky = Flaky(stock)
        rig = Rig(stock, subscription(Order.NEWEST), units=flaky)
        with running(rig):
            eventually(lambda: rig.consumer.ready, what="ready")
            flaky.away.set()
            rig.put(*events(1))
            eventually(lambda: not rig.consumer.ready, what="not ready")
        assert len(rig.inbound.ready) == 1

    def test_session_ended_by_the_server_is_survived(self, stock: Stock) -> None:
        ended = threading.Event()

        def end_session_once(uow: UnitOfWork, event: Event, data: Any) -> None:
            write_effect(uow, event, data)
            if not ended.is_set():
                ended.set()
                own = uow.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
                with stock.engine.connect() as other:
                    other.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})
                uow.session.execute(text("SELECT 1"))

        rig = Rig(stock, subscription(Order.NEWEST, end_session_once))
        rig.put(*events(3))
        with running(rig):
            rig.drained()
        assert stock.effects() == [1, 1, 1]
        assert not any(rig.inbound.rungs.values())


class TestEveryStep:
    def test_retried_step_is_followed_by_those_that_waited_for_it(self, stock: Stock, faults: Faults) -> None:
        rig = Rig(stock, subscription(Order.EVERY_STEP, faults))
        steps = [make_event("box/1", number) for number in (1, 2, 3)]
        faults.errors["box/1"] = Transient("later")
        rig.put(*steps)
        with running(rig):
            eventually(lambda: rig.inbound.rungs["1s"], what="first step on the ladder")
            rig.drained()
            assert stock.waiting() == [("box/1", 2), ("box/1", 3)]
            faults.errors.clear()
            rig.inbound.let_time_pass()
            eventually(lambda: stock.effects() == [1, 2, 3], what="all steps")
        assert stock.waiting() == []

    def test_parked_step_holds_back_its_subject_alone(self, stock: Stock, faults: Faults) -> None:
        rig = Rig(stock, subscription(Order.EVERY_STEP, faults))
        one, two = make_event("box/1", 1), make_event("box/1", 2)
        other = make_event("box/2", 1)
        faults.errors["box/1"] = Invalid("BAD")
        before = metric("city_inbox_overdue_gaps_total")
        rig.put(one, two, other)
        with running(rig):
            rig.drained()
            assert rig.dead() == [(one.id, "BAD")]
            assert stock.cursor("box/1") == (0, one.id)
            assert stock.effects("box/2") == [1]
            eventually(lambda: metric("city_inbox_overdue_gaps_total") - before == 1, what="reported")
            assert metric("city_inbox_waiting") == 1
            assert metric("city_inbox_waiting_oldest_seconds") > 0
            faults.errors.clear()
            rig.put(one)
            eventually(lambda: stock.effects("box/1") == [1, 2], what="replayed and followed")
        assert stock.cursor("box/1") == (2, None)

    def test_step_that_fails_its_schema_holds_back_its_subject(self, stock: Stock) -> None:
        rig = Rig(stock, subscription(Order.EVERY_STEP))
        bad = make_event("box/1", 1, data={})
        rig.put(bad, make_event("box/1", 2))
        with running(rig):
            rig.drained()
        assert stock.cursor("box/1") == (0, bad.id)
        assert stock.waiting() == [("box/1", 2)]

    def test_discarded_step_lets_its_followers_go(self, stock: Stock) -> None:
        rig = Rig(stock, subscription(Order.EVERY_STEP))
        bad = make_event("box/1", 1, data={})
        rig.put(bad, make_event("box/1", 2))
        with running(rig):
            rig.drained()
            rig.put(Event.from_json(inbox.tombstone(bad)))
            eventually(lambda: stock.effects("box/1") == [2], what="follower")
        assert stock.cursor("box/1") == (2, None)

    def test_follower_that_fails_is_put_aside_like_any_message(self, stock: Stock, faults: Faults) -> None:
        def fail_at_two(uow: UnitOfWork, event: Event, data: Any) -> None:
            write_effect(uow, event, data)
            if event.sequence == 2 and faults.errors:
                raise faults.errors["box/1"]

        rig = Rig(stock, subscription(Order.EVERY_STEP, fail_at_two))
        one, two, three = (make_event("box/1", number) for number in (1, 2, 3))
        faults.errors["box/1"] = Transient("later")
        with running(rig):
            rig.put(two, three)
            eventually(lambda: len(stock.waiting()) == 2, what="stored")
            rig.put(one)
            eventually(lambda: rig.inbound.rungs["1s"], what="second step on the ladder")
            eventually(lambda: stock.waiting() == [("box/1", 3)], what="third still stored")
            assert rig.inbound.rungs["1s"][0].body == two.to_json()
            faults.errors.clear()
            rig.inbound.let_time_pass()
            eventually(lambda: stock.effects() == [1, 2, 3], what="all steps")

    def test_gap_closed_by_another_process_is_noticed(self, stock: Stock) -> None:
        of = subscription(Order.EVERY_STEP)
        rig = Rig(stock, of)
        one, two = make_event("box/1", 1), make_event("box/1", 2)
        rig.put(two)
        with running(rig):
            eventually(lambda: stock.waiting() == [("box/1", 2)], what="stored")
            with stock.unit() as uow:
                inbox.apply_batch(uow, of, [inbox.read(of, "application/cloudevents+json", one.to_json())])
                uow.commit()
            eventually(lambda: stock.effects() == [1, 2], what="both steps")

    def test_skipped_gap_lets_the_followers_go(self, stock: Stock) -> None:
        rig = Rig(stock, subscription(Order.EVERY_STEP))
        rig.put(make_event("box/1", 3))
        with running(rig):
            eventually(lambda: stock.waiting() == [("box/1", 3)], what="stored")
            with stock.unit() as uow:
                inbox.skip_gap(uow.session, QUEUE, "box/1")
                uow.commit()
            eventually(lambda: stock.effects() == [3], what="follower")

    @pytest.mark.parametrize("away", [True, False])
    def test_housekeeping_that_fails_is_tried_again(self, stock: Stock, faults: Faults, away: bool) -> None:
        failing = FailingHousekeeping(stock, away)
        rig = Rig(stock, subscription(Order.EVERY_STEP, faults), units=failing)
        one = make_event("box/1", 1)
        faults.errors["box/1"] = Invalid("BAD")
        with running(rig):
            eventually(lambda: rig.consumer.ready, what="ready")
            rig.put(one)
            eventually(lambda: stock.cursor("box/1") == (0, one.id), what="blocked")
            rig.drained()
        assert rig.dead() == [(one.id, "BAD")]
        assert failing.failures == 0

    def test_housekeeping_that_is_wrong_is_not_tried_for_ever(self, stock: Stock) -> None:
        rig = Rig(stock, subscription(Order.EVERY_STEP))
        with pytest.raises(ProgrammingError):
            rig.consumer._in_database(lambda session: session.execute(text("SELECT nonsense")))


class FailingHousekeeping:
    """A unit-of-work factory whose first commits after something was parked fail."""

    def __init__(self, stock: Stock, away: bool) -> None:
        self._stock = stock
        self._away = away
        self.failures = 3

    def __call__(self, context: Context) -> UnitOfWork:
        uow = self._stock.units(context)
        commit = uow.commit

        def fail() -> None:
            if self.failures and uow.session.execute(text("SELECT EXISTS (SELECT FROM subject_cursors)")).scalar():
                self.failures -= 1
                error = psycopg2.OperationalError() if self._away else LockTimeout()
                raise OperationalError("COMMIT", {}, error)
            commit()

        uow.commit = fail  # type: ignore[method-assign]  # one instance's
        return uow


class LockTimeout(psycopg2.OperationalError):
    """What the driver says after lock_timeout."""

    pgcode = "55P03"

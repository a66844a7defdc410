"""The inbox on a real database: every event takes effect once, in the order that its consumer asks for."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import fields
from sqlalchemy import select, text

from citybus import inbox
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.inbox import Handler, Order, Outcome, Report, Subscription
from citybus.tables import outbox_messages
from citybus.unit_of_work import UnitOfWork
from tests.support.inbound import make_event
from tests.support.stock import PACKED, QUEUE, Packed, Stock, arrival, subscription, write_effect


def apply(stock: Stock, of: Subscription, *events: Event) -> Report:
    """Apply `events` as one batch and commit."""
    with stock.unit() as uow:
        report = inbox.apply_batch(uow, of, [arrival(of, event) for event in events])
        uow.commit()
    return report


def release(stock: Stock, of: Subscription, limit: int = 100) -> Report:
    """Apply stored events whose gap has closed, and commit."""
    with stock.unit() as uow:
        report = inbox.apply_batch(uow, of, inbox.followers(uow.session, of, limit))
        uow.commit()
    return report


def steps(count: int, subject: str = "box/1") -> list[Event]:
    return [make_event(subject, sequence) for sequence in range(1, count + 1)]


@pytest.mark.parametrize("order", Order)
class TestEveryOrder:
    def test_repeated_event_takes_effect_once(self, stock: Stock, order: Order) -> None:
        of = subscription(order)
        (event,) = steps(1)
        apply(stock, of, event)
        report = apply(stock, of, event)
        assert stock.effects() == [1]
        assert (report.duplicates, report.outcomes) == (1, Counter())

    def test_event_twice_in_one_batch_takes_effect_once(self, stock: Stock, order: Order) -> None:
        of = subscription(order)
        (event,) = steps(1)
        report = apply(stock, of, event, event)
        assert stock.effects() == [1]
        assert report.duplicates == 1

    def test_rolled_back_batch_leaves_nothing(self, stock: Stock, order: Order) -> None:
        of = subscription(order)
        with stock.unit() as uow:
            inbox.apply_batch(uow, of, [arrival(of, event) for event in steps(3)])
        assert stock.effects() == []
        assert stock.outcomes() == Counter()
        assert stock.cursor("box/1") is None
        apply(stock, of, *steps(3))
        assert stock.effects() == [1, 2, 3]

    def test_failing_handler_is_told_and_nothing_is_written(self, stock: Stock, order: Order) -> None:
        def fail_at_two(uow: UnitOfWork, event: Event, data: Any) -> None:
            write_effect(uow, event, data)
            if event.sequence == 2:
                raise KeyError("two")

        of = subscription(order, fail_at_two)
        with pytest.raises(KeyError), stock.unit() as uow:
            inbox.apply_batch(uow, of, [arrival(of, event) for event in steps(3)])
        assert stock.effects() == []

    def test_what_a_handler_publishes_names_its_own_event_as_cause(self, stock: Stock, order: Order) -> None:
        of = subscription(order)
        first, second = steps(2)
        apply(stock, of, first, second)
        with stock.engine.connect() as connection:
            bodies = connection.execute(select(outbox_messages.c.body).order_by(outbox_messages.c.position)).scalars()
            published = [Event.from_json(bytes(body)) for body in bodies]
        assert [(event.causationid, event.correlationid) for event in published] == [
            (first.id, first.correlationid),
            (second.id, second.correlationid),
        ]
        assert {event.actor for event in published} == {"system:stock"}

    def test_two_consumers_of_one_event_each_apply_it(self, stock: Stock, order: Order) -> None:
        one = subscription(order)
        other = Subscription("stock.other", order, one.handlers)
        (event,) = steps(1)
        apply(stock, one, event)
        apply(stock, other, event)
        assert stock.effects() == [1, 1]

    def test_empty_batch_does_nothing(self, stock: Stock, order: Order) -> None:
        assert apply(stock, subscription(order)) == Report()

    def test_processes_sharing_a_queue_apply_each_event_once(self, stock: Stock, order: Order) -> None:
        of = subscription(order)
        events = [event for number in range(20) for event in steps(5, f"box/{number}")]
        errors: list[BaseException] = []

        def work(seed: int) -> None:
            mine = list(events)
            random.Random(seed).shuffle(mine)
            try:
                for start in range(0, len(mine), 25):
                    apply(stock, of, *mine[start : start + 25])
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        while order is Order.EVERY_STEP and release(stock, of).outcomes:
            pass
        if order is Order.NEWEST:
            assert set(stock.per_event().values()) == {1}
            assert all(stock.effects(f"box/{number}")[-1] == 5 for number in range(20))
        else:
            assert stock.per_event() == Counter(event.id for event in events)


class TestAny:
    def test_every_event_counts_whatever_its_order(self, stock: Stock) -> None:
        of = subscription(Order.ANY)
        one, two, three = steps(3)
        apply(stock, of, three)
        apply(stock, of, one)
        apply(stock, of, two)
        assert stock.effects() == [3, 1, 2]
        assert stock.cursor("box/1") is None


class TestNewest:
    def test_older_event_is_superseded(self, stock: Stock) -> None:
        of = subscription(Order.NEWEST)
        one, two = steps(2)
        apply(stock, of, two)
        report = apply(stock, of, one)
        assert stock.effects() == [2]
        assert report.outcomes == {(PACKED, Outcome.SUPERSEDED): 1}
        assert stock.outcomes() == {"APPLIED": 1, "SUPERSEDED": 1}

    def test_gap_is_not_waited_for(self, stock: Stock) -> None:
        of = subscription(Order.NEWEST)
        apply(stock, of, make_event(sequence=7))
        assert stock.effects() == [7]
        assert stock.cursor("box/1") == (7, None)

    def test_swapped_events_in_one_batch_both_take_effect_in_order(self, stock: Stock) -> None:
        of = subscription(Order.NEWEST)
        one, two = steps(2)
        apply(stock, of, two, one)
        assert stock.effects() == [1, 2]

    def test_ignored_event_does_not_outrank_an_older_state(self, stock: Stock) -> None:
        of = subscription(Order.NEWEST, ignore_unknown=True)
        apply(stock, of, make_event(sequence=2, type="shop.box.labelled.v1"))
        apply(stock, of, make_event(sequence=1))
        assert stock.effects() == [1]
        assert stock.outcomes() == {"APPLIED": 1, "IGNORED": 1}

    def test_subjects_do_not_supersede_each_other(self, stock: Stock) -> None:
        of = subscription(Order.NEWEST)
        apply(stock, of, make_event("box/1", 5))
        apply(stock, of, make_event("box/2", 1))
        assert stock.effects() == [5, 1]


class TestEveryStep:
    of = subscription(Order.EVERY_STEP)

    def test_early_event_waits_and_follows_when_the_gap_closes(self, stock: Stock) -> None:
        one, two, three = steps(3)
        apply(stock, self.of, one)
        report = apply(stock, self.of, three)
        assert stock.effects() == [1]
        assert report.outcomes == {(PACKED, Outcome.WAITING): 1}
        assert stock.waiting() == [("box/1", 3)]
        report = apply(stock, self.of, two)
        assert report.followers
        assert release(stock, self.of).outcomes == {(PACKED, Outcome.APPLIED): 1}
        assert stock.effects() == [1, 2, 3]
        assert stock.waiting() == []
        assert stock.outcomes() == {"APPLIED": 3}

    def test_first_event_of_a_subject_is_its_first(self, stock: Stock) -> None:
        one, two = steps(2)
        apply(stock, self.of, two)
        assert stock.effects() == []
        assert apply(stock, self.of, one).followers
        release(stock, self.of)
        assert stock.effects() == [1, 2]

    def test_gap_of_one_subject_holds_back_no_other(self, stock: Stock) -> None:
        apply(stock, self.of, make_event("box/1", 2), make_event("box/2", 1))
        assert stock.effects("box/2") == [1]
        assert stock.effects("box/1") == []

    def test_events_swapped_in_one_batch_take_effect_in_order(self, stock: Stock) -> None:
        one, two, three = steps(3)
        assert not apply(stock, self.of, three, one, two).followers
        assert stock.effects() == [1, 2, 3]
        assert stock.waiting() == []

    def test_waiting_event_delivered_again_still_waits_once(self, stock: Stock) -> None:
        one, two, three = steps(3)
        apply(stock, self.of, three)
        apply(stock, self.of, three)
        assert stock.waiting() == [("box/1", 3)]
        apply(stock, self.of, one, two)
        release(stock, self.of)
        apply(stock, self.of, three)
        assert stock.effects() == [1, 2, 3]

    def test_type_without_handler_moves_the_cursor(self, stock: Stock) -> None:
        apply(stock, self.of, make_event(sequence=1, type="shop.box.labelled.v1"), make_event(sequence=2))
        assert stock.effects() == [2]
        assert stock.cursor("box/1") == (2, None)
        assert stock.outcomes() == {"APPLIED": 1, "IGNORED": 1}

    def test_newer_version_of_a_type_moves_the_cursor(self, stock: Stock) -> None:
        apply(stock, self.of, make_event(sequence=1), make_event(sequence=2, type="shop.box.packed.v2"))
        assert stock.effects() == [1]
        assert stock.cursor("box/1") == (2, None)

    def test_long_chain_is_released_in_portions(self, stock: Stock) -> None:
        first, *rest = steps(10)
        apply(stock, self.of, *rest)
        report = apply(stock, self.of, first)
        rounds = 0
        while report.followers:
            report = release(stock, self.of, limit=4)
            rounds += 1
        assert stock.effects() == list(range(1, 11))
        assert rounds == 3

    def test_chain_with_another_gap_is_released_up_to_it(self, stock: Stock) -> None:
        one, two, _three, four = steps(4)
        apply(stock, self.of, two, four)
        apply(stock, self.of, one)
        assert not release(stock, self.of).followers
        assert stock.effects() == [1, 2]
        assert stock.waiting() == [("box/1", 4)]

    def test_another_event_at_a_place_already_applied_is_refused(self, stock: Stock) -> None:
        apply(stock, self.of, make_event(sequence=1))
        with pytest.raises(Invalid, match="STEP_TAKEN"):
            apply(stock, self.of, make_event(sequence=1))
        assert stock.effects() == [1]

    def test_another_event_at_a_place_that_waits_is_refused(self, stock: Stock) -> None:
        apply(stock, self.of, make_event(sequence=3))
        with pytest.raises(Invalid, match="STEP_TAKEN"):
            apply(stock, self.of, make_event(sequence=3))
        assert len(stock.waiting()) == 1

    def test_parked_event_holds_back_its_subject_until_it_is_replayed(self, stock: Stock) -> None:
        one, two, three = steps(3)
        apply(stock, self.of, one)
        with stock.unit() as uow:
            inbox.set_aside(uow.session, self.of, two, parked=True)
            uow.commit()
        apply(stock, self.of, three)
        assert stock.cursor("box/1") == (1, two.id)
        assert apply(stock, self.of, two).followers
        release(stock, self.of)
        assert stock.effects() == [1, 2, 3]
        assert stock.cursor("box/1") == (3, None)

    def test_first_parked_event_of_a_subject_is_the_one_that_is_named(self, stock: Stock) -> None:
        one, two = steps(2)
        with stock.unit() as uow:
            inbox.set_aside(uow.session, self.of, one, parked=True)
            inbox.set_aside(uow.session, self.of, two, parked=True)
            uow.commit()
        assert stock.cursor("box/1") == (0, one.id)

    def test_event_sent_to_the_ladder_blocks_nothing(self, stock: Stock) -> None:
        (one,) = steps(1)
        with stock.unit() as uow:
            inbox.set_aside(uow.session, self.of, one, parked=False)
            uow.commit()
        assert stock.cursor("box/1") is None

    def test_waiting_event_that_was_set_aside_comes_back_as_new(self, stock: Stock) -> None:
        one, two = steps(2)
        apply(stock, self.of, two)
        with stock.unit() as uow:
            inbox.set_aside(uow.session, self.of, two, parked=False)
            uow.commit()
        assert stock.waiting() == []
        assert stock.outcomes() == Counter()
        apply(stock, self.of, one, two)
        assert stock.effects() == [1, 2]

    def test_applied_event_is_not_forgotten_by_a_late_set_aside(self, stock: Stock) -> None:
        (one,) = steps(1)
        apply(stock, self.of, one)
        with stock.unit() as uow:
            inbox.set_aside(uow.session, self.of, one, parked=True)
            uow.commit()
        apply(stock, self.of, one)
        assert stock.effects() == [1]
        assert stock.cursor("box/1") == (1, None)

    def test_tombstone_takes_the_place_of_a_discarded_event(self, stock: Stock) -> None:
        one, two, three = steps(3)
        apply(stock, self.of, one, three)
        stand_in = Event.from_json(inbox.tombstone(two))
        assert apply(stock, self.of, stand_in).followers
        release(stock, self.of)
        assert stock.effects() == [1, 3]
        assert apply(stock, self.of, two).duplicates == 1
        assert (stand_in.data, stand_in.dataclass) == ({}, "L1")

    def test_gap_is_skipped_on_an_operators_word(self, stock: Stock) -> None:
        one, _two, _three, four = steps(4)
        apply(stock, self.of, one, four)
        with stock.unit() as uow:
            assert inbox.skip_gap(uow.session, QUEUE, "box/1") == 4
            uow.commit()
        release(stock, self.of)
        assert stock.effects() == [1, 4]

    def test_nothing_is_skipped_where_nothing_waits_behind_a_gap(self, stock: Stock) -> None:
        apply(stock, self.of, *steps(2))
        with stock.unit() as uow:
            assert inbox.skip_gap(uow.session, QUEUE, "box/1") is None
            assert inbox.skip_gap(uow.session, QUEUE, "box/2") is None

    def test_open_gap_is_reported_once(self, stock: Stock) -> None:
        one, two, three = steps(3)
        apply(stock, self.of, one, three)
        with stock.unit() as uow:
            inbox.set_aside(uow.session, self.of, two, parked=True)
            uow.session.execute(text("UPDATE waiting_events SET since = now() - interval '1 hour'"))
            uow.commit()
        with stock.unit() as uow:
            count, age = inbox.waiting(uow.session, QUEUE)
            assert count == 1
            assert age > 3500
            assert inbox.overdue(uow.session, QUEUE, 7200) == []
            assert inbox.overdue(uow.session, QUEUE, 60) == [("box/1", 3, 1, two.id)]
            assert inbox.overdue(uow.session, QUEUE, 60) == []

    def test_nothing_waiting_is_no_age(self, stock: Stock) -> None:
        with stock.unit() as uow:
            assert inbox.waiting(uow.session, QUEUE) == (0, 0.0)

    def test_stored_event_that_no_longer_fits_is_told_when_its_turn_comes(self, stock: Stock) -> None:
        class Stricter(Packed):
            colour = fields.String(required=True)

        one, two = steps(2)
        apply(stock, self.of, two)
        apply(stock, self.of, one)
        of = Subscription(QUEUE, Order.EVERY_STEP, {PACKED: Handler(Stricter(), write_effect)})
        with pytest.raises(Invalid, match="SCHEMA"):
            release(stock, of)
        assert stock.waiting() == [("box/1", 2)]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_delivery_order_with_repeats_gives_every_step_once_in_order(stock: Stock, data: st.DataObject) -> None:
    stock.clear()
    of = subscription(Order.EVERY_STEP)
    events = [event for subject in ("box/1", "box/2") for event in steps(4, subject)]
    deliveries: Sequence[Event] = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(deliveries)))) | {0, len(deliveries)})
    for start, end in pairwise(cuts):
        report = apply(stock, of, *deliveries[start:end])
        while report.followers:
            report = release(stock, of)
    assert stock.effects("box/1") == [1, 2, 3, 4]
    assert stock.effects("box/2") == [1, 2, 3, 4]
    assert stock.waiting() == []
    assert stock.outcomes() == {"APPLIED": 8}

"""What every publisher does, the one in memory and the one to RabbitMQ alike."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from uuid import uuid4

import pytest

from citybus.broker.publisher import CONFIRMED, HELD, UNKNOWN, Fate, Limits, Outgoing, Publisher
from tests.support.waiting import eventually

EXCHANGE = "events"
LIMITS = Limits(
    window=50, body=100_000, confirm=3.0, blocked=1.0, connect=2.0, heartbeat=2, retry_first=0.05, retry_most=0.2
)


class PublisherBench(ABC):
    """A publisher with `LIMITS` and its broker.

    In exchange `events` the key `taken` leads to queue `taken`, `other` to queue `other`, `full` to queue `full`,
    which takes nothing more, and no other key to any queue.
    """

    publisher: Publisher

    @abstractmethod
    def arrived(self, queue: str) -> list[str]:
        """Return the ids of the messages in a queue, in order."""

    @abstractmethod
    def cut_off(self) -> None:
        """Break the connection and refuse another."""

    @abstractmethod
    def cut_during_next_batch(self) -> None:
        """Break the connection once, after some tens of messages of 1000 bytes."""

    @abstractmethod
    def fall_silent(self) -> None:
        """Let the broker neither take nor answer anything, without a word."""

    @abstractmethod
    def restore(self) -> None:
        """End every fault."""

    def connect(self) -> int:
        """Return the number of the connection, as soon as there is one."""
        return eventually(self.publisher.tend, what="connected")


def message(
    routing_key: str = "taken",
    *,
    exchange: str = EXCHANGE,
    mandatory: bool = True,
    body: bytes = b"{}",
    order_key: str | None = None,
) -> Outgoing:
    """Return a message of its own subject unless told otherwise."""
    message_id = str(uuid4())
    return Outgoing(
        message_id=message_id,
        type="supervision.finding.verified.v1",
        exchange=exchange,
        routing_key=routing_key,
        body=body,
        mandatory=mandatory,
        correlation_id=str(uuid4()),
        timestamp=1_700_000_000,
        order_key=order_key or message_id,
    )


def first_occurrences(ids: list[str]) -> list[str]:
    """Return `ids` without repetitions."""
    return list(dict.fromkeys(ids))


def assert_order_kept(published: Sequence[Outgoing], arrived: Sequence[str]) -> None:
    """Check that every message arrived, and those of each order key in their order."""
    assert sorted(arrived) == sorted(each.message_id for each in published)
    place = {message_id: index for index, message_id in enumerate(arrived)}
    last: dict[str, int] = {}
    for each in published:
        assert place[each.message_id] > last.get(each.order_key, -1)
        last[each.order_key] = place[each.message_id]


class PublisherConformance:
    """Subclass this and give it a fixture `bench`, a connected `PublisherBench`."""

    def test_nothing_is_published_before_there_is_a_connection(self, bench: PublisherBench) -> None:
        bench.cut_off()
        eventually(lambda: not bench.publisher.tend(), what="connection gone")
        assert bench.publisher.publish([message(), message()]) == [HELD, HELD]
        bench.restore()
        assert bench.connect()
        assert bench.arrived("taken") == []

    def test_empty_batch_has_no_outcomes(self, bench: PublisherBench) -> None:
        assert bench.publisher.publish([]) == []

    def test_confirmed_messages_are_in_their_queue_in_order(self, bench: PublisherBench) -> None:
        batch = [message() for _ in range(500)]
        assert bench.publisher.publish(batch) == [CONFIRMED] * 500
        assert bench.arrived("taken") == [each.message_id for each in batch]

    def test_several_batches_go_over_one_connection(self, bench: PublisherBench) -> None:
        number = bench.connect()
        for _ in range(3):
            assert bench.publisher.publish([message(), message()]) == [CONFIRMED, CONFIRMED]
            assert bench.publisher.tend() == number
        assert len(bench.arrived("taken")) == 6

    def test_mandatory_message_without_a_queue_is_returned(self, bench: PublisherBench) -> None:
        outcomes = bench.publisher.publish([message(), message("nowhere"), message()])
        assert [outcome.fate for outcome in outcomes] == [Fate.CONFIRMED, Fate.RETURNED, Fate.CONFIRMED]
        assert outcomes[1].reason == "312 NO_ROUTE"

    def test_message_that_nobody_must_take_is_confirmed_without_a_queue(self, bench: PublisherBench) -> None:
        assert bench.publisher.publish([message("nowhere", mandatory=False)]) == [CONFIRMED]

    def test_full_queue_declines(self, bench: PublisherBench) -> None:
        outcomes = bench.publisher.publish([message("full"), message()])
        assert [outcome.fate for outcome in outcomes] == [Fate.NACKED, Fate.CONFIRMED]

    @pytest.mark.parametrize(
        "bad",
        [
            message(exchange="no-such-exchange"),
            message(body=b"x" * (LIMITS.body + 1)),
            message("k" * 256),
        ],
        ids=["exchange missing", "body too large", "key too long"],
    )
    def test_message_that_cannot_be_taken_is_refused_and_keeps_no_other_from_going(
        self, bench: PublisherBench, bad: Outgoing
    ) -> None:
        number = bench.connect()
        good = [message() for _ in range(120)]
        batch = [*good[:70], bad, *good[70:]]
        outcomes = bench.publisher.publish(batch)
        assert outcomes[70].fate is Fate.REFUSED
        assert outcomes[70].reason
        assert outcomes[:70] + outcomes[71:] == [CONFIRMED] * 120
        assert first_occurrences(bench.arrived("taken")) == [each.message_id for each in good]
        assert bench.connect() == number

    def test_many_refused_messages_are_each_found(self, bench: PublisherBench) -> None:
        batch = [message(exchange="no-such-exchange") if index % 7 == 3 else message() for index in range(60)]
        outcomes = bench.publisher.publish(batch)
        for index, outcome in enumerate(outcomes):
            assert outcome.fate is (Fate.REFUSED if index % 7 == 3 else Fate.CONFIRMED)

    @pytest.mark.parametrize("bad", ["nowhere", "full"])
    def test_failure_holds_back_the_later_messages_of_its_order_key_alone(
        self, bench: PublisherBench, bad: str
    ) -> None:
        first, stuck, held = (message(key, order_key="case/1") for key in ("taken", bad, "taken"))
        others = [message("other", order_key=f"case/{number}") for number in (2, 3, 2, 3)]
        outcomes = bench.publisher.publish([others[0], first, stuck, others[1], held, others[2], others[3]])
        assert outcomes[0] == outcomes[1] == outcomes[3] == outcomes[5] == outcomes[6] == CONFIRMED
        assert outcomes[2].fate in (Fate.RETURNED, Fate.NACKED)
        assert outcomes[4] == HELD
        assert bench.arrived("taken") == [first.message_id]
        assert_order_kept(others, bench.arrived("other"))

    def test_messages_of_one_order_key_arrive_in_order_beside_others(self, bench: PublisherBench) -> None:
        batch = [message(order_key=f"case/{number % 3}") for number in range(300)]
        assert bench.publisher.publish(batch) == [CONFIRMED] * 300
        assert_order_kept(batch, bench.arrived("taken"))

    def test_cut_connection_loses_nothing_that_was_confirmed(self, bench: PublisherBench) -> None:
        number = bench.connect()
        bench.cut_during_next_batch()
        batch = [message(body=b"x" * 1000, order_key=f"case/{index % 40}") for index in range(400)]
        outcomes = bench.publisher.publish(batch)
        assert set(outcomes) == {CONFIRMED, UNKNOWN, HELD}
        arrived = bench.arrived("taken")
        confirmed = {each.message_id for each, outcome in zip(batch, outcomes, strict=True) if outcome == CONFIRMED}
        held = {each.message_id for each, outcome in zip(batch, outcomes, strict=True) if outcome == HELD}
        assert confirmed <= set(arrived)
        assert not held & set(arrived)

        assert bench.connect() == number + 1
        rest = [each for each, outcome in zip(batch, outcomes, strict=True) if outcome != CONFIRMED]
        assert bench.publisher.publish(rest) == [CONFIRMED] * len(rest)
        assert_order_kept(batch, first_occurrences(bench.arrived("taken")))

    def test_silent_broker_is_given_up(self, bench: PublisherBench) -> None:
        bench.fall_silent()
        began = time.monotonic()
        outcomes = bench.publisher.publish([message(), message()])
        assert outcomes == [UNKNOWN, HELD]
        # Missed heartbeats are noticed five seconds after the heartbeat's interval.
        assert time.monotonic() - began < LIMITS.heartbeat + 5, "they told it, not the missing confirm"
        assert not bench.publisher.tend()
        bench.restore()
        assert bench.connect() > 1
        assert bench.publisher.publish([message()]) == [CONFIRMED]

    def test_closed_publisher_leaves_what_it_published(self, bench: PublisherBench) -> None:
        assert bench.publisher.publish([message()]) == [CONFIRMED]
        bench.publisher.close()
        assert len(bench.arrived("taken")) == 1

"""What the relay does with what its ports tell it."""

import threading
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from prometheus_client import CollectorRegistry

from citybus.broker.publisher import Fate, Outgoing
from citybus.relay import BindingWatch, Metrics, Pace, Relay
from citybus.testing.publisher import MemoryBroker, MemoryPublisher
from citybus.testing.relay import MemoryLeadership, MemoryOutbox, MemoryRoutes, MemoryWakeUp
from tests.support.waiting import eventually

PACE = Pace(linger=0, batch=5, poll=7.0, stand_by=3.0, measure=0.0, retry_first=1.0, retry_most=8.0)


@dataclass
class World:
    """A relay whose every port is in memory. `now` is its time in seconds."""

    pace: Pace = PACE
    now: float = 0.0
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    leadership: MemoryLeadership = field(default_factory=MemoryLeadership)
    wake_up: MemoryWakeUp = field(default_factory=MemoryWakeUp)
    routes: MemoryRoutes = field(default_factory=MemoryRoutes)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.broker.bind("queue", "city.events", "key")
        self.outbox = MemoryOutbox(self.leadership, lambda: self.now)
        self.metrics = Metrics(self.registry)
        self.positions = count(1)
        self.relay = Relay(
            leadership=self.leadership,
            store=self.outbox,
            publisher=MemoryPublisher(self.broker),
            wake_up=self.wake_up,
            metrics=self.metrics,
            routes=self.routes,
            pace=self.pace,
        )

    def commit(self, subject: str, *, key: str = "key", position: int | None = None) -> str:
        """Commit a row and return its id."""
        at = position or next(self.positions)
        self.outbox.add(
            at,
            Outgoing(
                message_id=f"{subject}#{at}",
                type="type",
                exchange="city.events",
                routing_key=key,
                body=b"{}",
                mandatory=True,
                correlation_id="cause",
                timestamp=0,
                order_key=subject,
            ),
        )
        return f"{subject}#{at}"

    def arrived(self, queue: str = "queue") -> list[str]:
        """Return the ids in a queue."""
        return [message.message_id for message in self.broker.queues[queue]]

    def metric(self, name: str) -> float | None:
        """Return the value of a metric."""
        return self.registry.get_sample_value(name)


def ready(world: World) -> dict[str, bool]:
    """Return what readiness is told."""
    return {name: check() for name, check in world.relay.checks().items()}


def test_rows_are_published_in_order_and_marked() -> None:
    world = World()
    ids = [world.commit(f"case/{number % 2}") for number in range(8)]
    assert world.relay.turn() == 0
    assert world.arrived() == ids[:5]
    assert world.relay.turn() == 0
    assert world.arrived() == ids
    assert all(row.published for row in world.outbox.rows.values())
    assert world.metric("city_relay_published_total") == 8


def test_drained_outbox_is_waited_for() -> None:
    world = World()
    assert world.relay.turn() == 0
    assert world.wake_up.waits == [PACE.poll]


def test_one_that_stands_by_publishes_nothing_and_is_ready() -> None:
    world = World(leadership=MemoryLeadership(vacant=False))
    world.commit("case/1")
    assert world.relay.turn() == PACE.stand_by
    assert world.arrived() == []
    assert ready(world) == {"database": True, "broker": True, "bindings": True}
    assert world.metric("city_relay_leader_state") == 0
    world.leadership.vacant = True
    world.relay.turn()
    assert len(world.arrived()) == 1
    assert world.metric("city_relay_leader_state") == 1


def test_absent_database_is_waited_for_and_not_ready() -> None:
    world = World()
    world.commit("case/1")
    world.relay.turn()
    world.leadership.away = True
    assert world.relay.turn() == PACE.stand_by
    assert ready(world) == {"database": False, "broker": True, "bindings": True}
    assert world.metric("city_relay_leader_state") == 0
    assert world.metric("city_outbox_rows") == 0


def test_lead_lost_while_publishing_leaves_the_rows_to_the_next_leader() -> None:
    world = World()
    world.commit("case/1")

    class Losing(MemoryPublisher):
        def publish(self, batch):  # type: ignore[no-untyped-def]
            world.leadership.away = True
            return super().publish(batch)

    relay = Relay(
        leadership=world.leadership,
        store=world.outbox,
        publisher=Losing(world.broker),
        wake_up=world.wake_up,
        metrics=Metrics(CollectorRegistry()),
        pace=PACE,
    )
    assert relay.turn() == PACE.stand_by
    assert not any(row.published for row in world.outbox.rows.values())


def test_absent_broker_is_waited_for_and_not_ready() -> None:
    world = World(broker=MemoryBroker(up=False))
    world.commit("case/1")
    assert world.relay.turn() == PACE.stand_by
    assert ready(world)["broker"] is False
    assert world.metric("city_outbox_rows") == 1
    assert world.metric("city_relay_connected_state") == 0
    world.broker.up = True
    assert world.relay.turn() == 0
    assert len(world.arrived()) == 1


def test_nothing_is_published_while_a_binding_is_missing() -> None:
    world = World(routes=MemoryRoutes(all_there=False))
    world.commit("case/1")
    assert world.relay.turn() == PACE.stand_by
    assert world.arrived() == []
    assert ready(world) == {"database": True, "broker": True, "bindings": False}
    assert world.metric("city_relay_routed_state") == 0
    world.routes.all_there = True
    assert world.relay.turn() == 0
    assert len(world.arrived()) == 1
    assert ready(world)["bindings"] is True


def test_declined_row_backs_off_longer_each_time_and_holds_back_its_subject() -> None:
    world = World()
    stuck = world.commit("case/1", key="nowhere")
    behind = world.commit("case/1")
    other = world.commit("case/2")
    row = world.outbox.rows[1]
    waits = []
    for _ in range(6):
        world.relay.turn()
        assert row.due_at is not None
        waits.append(row.due_at - world.now)
        world.now = row.due_at
    assert waits == [1, 2, 4, 8, 8, 8]
    assert row.attempts == 6
    assert row.last_error == "RETURNED 312 NO_ROUTE"
    assert world.arrived() == [other]
    assert world.metric("city_relay_returned_total") == 6
    assert world.metric("city_outbox_declined_rows") == 1

    world.broker.bind("late", "city.events", "nowhere")
    world.relay.turn()
    world.relay.turn()
    assert world.arrived("late") == [stuck]
    assert world.arrived() == [other, behind]


@pytest.mark.parametrize(
    ("key", "full", "fate", "reason"),
    [
        ("nowhere", False, "returned", "RETURNED 312 NO_ROUTE"),
        ("key", True, "nacked", "NACKED"),
        ("k" * 256, False, "refused", "REFUSED too long"),
    ],
)
def test_every_way_to_be_declined_is_counted_and_kept(key: str, full: bool, fate: str, reason: str) -> None:
    world = World()
    if full:
        world.broker.full.add("queue")
    world.commit("case/1", key=key)
    world.relay.turn()
    assert world.metric(f"city_relay_{fate}_total") == 1
    assert world.outbox.rows[1].last_error == reason


def test_unanswered_rows_are_published_again_without_a_wait() -> None:
    world = World(broker=MemoryBroker(cut_after=3, unanswered=1))
    ids = [world.commit(f"case/{number}") for number in range(5)]
    world.relay.turn()
    assert world.metric("city_relay_unknown_total") == 2
    assert world.metric("city_relay_held_total") == 1
    assert all(row.attempts == 0 for row in world.outbox.rows.values())
    world.relay.turn()
    assert world.arrived() == [*ids[:3], *ids[2:]]
    assert all(row.published for row in world.outbox.rows.values())


def test_backlog_is_measured_now_and_then_and_not_at_every_turn() -> None:
    world = World(pace=Pace(measure=1000.0))
    world.relay.turn()
    world.commit("case/1", key="nowhere")
    world.relay.turn()
    assert world.metric("city_outbox_rows") == 0


def test_relay_without_routes_watches_no_bindings() -> None:
    world = World()
    relay = Relay(
        leadership=world.leadership,
        store=world.outbox,
        publisher=MemoryPublisher(world.broker),
        wake_up=world.wake_up,
        metrics=Metrics(CollectorRegistry()),
    )
    world.commit("case/1")
    relay.turn()
    assert len(world.arrived()) == 1
    assert relay.checks()["bindings"]()


def test_relay_runs_until_it_is_stopped_then_resigns() -> None:
    world = World()
    world.commit("case/1")
    stop = threading.Event()
    turns = []

    def alive() -> None:
        turns.append(ready(world))
        if len(turns) == 3:
            stop.set()

    world.relay.run(stop, alive)
    assert len(world.arrived()) == 1
    assert len(turns) == 3
    assert not world.leadership.leads
    assert ready(world)["database"] is False
    assert world.metric("city_relay_leader_state") == 0


class TestBindingWatch:
    """Whether every binding is there, without waiting for the answer."""

    def test_bindings_count_once_seen_since_the_connection(self) -> None:
        looks = count(1)
        looked: list[int] = []

        def missing() -> list[str]:
            looked.append(next(looks))
            return []

        watch = BindingWatch(missing, every=60)
        watch.start()
        try:
            assert not watch.complete(1)
            assert eventually(lambda: watch.complete(1))
            assert not watch.complete(2)
            assert eventually(lambda: watch.complete(2))
            assert len(looked) == 2
        finally:
            watch.stop()

    def test_missing_binding_is_found_and_forgotten_when_it_is_back(self) -> None:
        gone: list[str] = []
        watch = BindingWatch(lambda: gone, every=0.01)
        watch.start()
        try:
            assert eventually(lambda: watch.complete(1))
            gone.append("assessment.supervision <- supervision.finding.*.v1")
            assert eventually(lambda: not watch.complete(1))
            gone.clear()
            assert eventually(lambda: watch.complete(1))
        finally:
            watch.stop()

    def test_look_that_fails_leaves_the_last_answer(self) -> None:
        answers: list[object] = [OSError("away"), [], OSError("away")]
        asked = threading.Event()

        def missing() -> list[str]:
            if not answers:
                asked.set()
                return ["gone"]
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                assert watch.complete(1) is (len(answers) == 0)
                raise answer
            return []

        watch = BindingWatch(missing, every=0.01)
        watch.start()
        try:
            assert not watch.complete(1)
            assert asked.wait(10)
            assert eventually(lambda: not watch.complete(1))
        finally:
            watch.stop()


class RelayUnderFire(RuleBasedStateMachine):
    """Whatever fails and in whatever order: what was committed arrives, each subject in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(pace=Pace(batch=3, measure=0.0, retry_first=1.0, retry_most=4.0))
        self.committed: list[str] = []
        self.open: dict[str, int] = {}

    @rule(subject=st.sampled_from(["a", "b", "c"]), key=st.sampled_from(["key", "key", "fickle"]))
    def commit(self, subject: str, key: str) -> None:
        if subject not in self.open:  # a transaction of this subject holds its lock
            self.committed.append(self.world.commit(subject, key=key))

    @rule(subject=st.sampled_from(["a", "b", "c"]))
    def begin(self, subject: str) -> None:
        self.open.setdefault(subject, next(self.world.positions))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def commit_late(self, data: st.DataObject) -> None:
        subject = data.draw(st.sampled_from(sorted(self.open)))
        self.committed.append(self.world.commit(subject, position=self.open.pop(subject)))

    @rule()
    def turn(self) -> None:
        self.world.relay.turn()

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(after=st.integers(0, 4))
    def cut(self, after: int) -> None:
        self.world.broker.cut_after = after

    @rule()
    def toggle_broker(self) -> None:
        self.world.broker.up = not self.world.broker.up

    @rule()
    def toggle_database(self) -> None:
        self.world.leadership.away = not self.world.leadership.away

    @rule()
    def toggle_route(self) -> None:
        if ("city.events", "fickle") in self.world.broker.bindings:
            del self.world.broker.bindings["city.events", "fickle"]
        else:
            self.world.broker.bind("queue", "city.events", "fickle")

    @rule()
    def toggle_full(self) -> None:
        self.world.broker.full ^= {"queue"}

    @invariant()
    def marked_rows_have_arrived(self) -> None:
        marked = {row.message.message_id for row in self.world.outbox.rows.values() if row.published}
        assert marked <= set(self.world.arrived())

    def teardown(self) -> None:
        world = self.world
        for subject in list(self.open):
            self.committed.append(world.commit(subject, position=self.open.pop(subject)))
        world.broker.up = True
        world.broker.full.clear()
        world.broker.cut_after = None
        world.leadership.away = False
        world.broker.bind("queue", "city.events", "fickle")
        for _ in range(3 * len(self.committed) + 3):
            world.relay.turn()
            world.now += 4
        first = list(dict.fromkeys(world.arrived()))
        assert sorted(first) == sorted(self.committed)
        for subject in ("a", "b", "c"):
            mine = [each for each in self.committed if each.startswith(f"{subject}#")]
            assert [each for each in first if each.startswith(f"{subject}#")] == mine


TestRelayUnderFire = RelayUnderFire.TestCase
TestRelayUnderFire.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 7))
@settings(max_examples=50, deadline=None)
def test_batches_of_any_size_keep_the_order(subjects: list[str], batch: int) -> None:
    world = World(pace=Pace(batch=batch))
    ids = [world.commit(subject) for subject in subjects]
    for _ in range(len(ids) + 1):
        world.relay.turn()
    assert world.arrived() == ids


def test_every_fate_has_its_counter() -> None:
    assert set(Metrics(CollectorRegistry()).fates) == set(Fate)

"""The entrypoints in Nameko's own container: how a loop works, fails and ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import eventlet
import pytest
from eventlet.event import Event as Signal
from nameko.containers import ServiceContainer
from nameko.extensions import DependencyProvider

from citybus.consumer import Batch
from citybus.inbox import Order
from citybus.nameko_ext import Runtime, consume, every, run_worker, units_of_work
from citybus.testing.consumer import MemoryInbound
from tests.support.inbound import delivery_of, make_event
from tests.support.stock import QUEUE, Stock, subscription

WITHIN = 20
RUNTIME = "city.runtime"


@contextmanager
def started(service: type, runtime: Runtime) -> Iterator[ServiceContainer]:
    container = ServiceContainer(service, config={RUNTIME: runtime})
    container.start()
    try:
        with eventlet.Timeout(WITHIN):
            yield container
    finally:
        container.stop()


def test_timer_runs_on_after_a_failure_until_it_is_stopped(stock: Stock) -> None:
    runs: list[int] = []
    enough: Signal = Signal()

    class Timed:
        name = "timed"
        units = units_of_work()

        @every(seconds=0.01)
        def tick(self) -> None:
            assert self.units is stock.units
            runs.append(len(runs))
            if len(runs) == 1:
                raise KeyError("a run that fails is not the last")
            if len(runs) == 3:
                enough.send()

    with started(Timed, Runtime(stock.units, lambda _: MemoryInbound())):
        enough.wait()
    ended = len(runs)
    eventlet.sleep(0.05)
    assert len(runs) == ended >= 3


def test_method_that_raises_before_it_applies_its_batch_sends_the_message_up_the_ladder(stock: Stock) -> None:
    queue = MemoryInbound()
    sent = make_event()
    queue.put(delivery_of(sent))
    raised: Signal = Signal()

    class Broken:
        name = "broken"

        @consume(subscription(Order.NEWEST))
        def on_shop(self, batch: Batch) -> None:
            raised.send()
            raise KeyError("before the batch is applied")

    runtime = Runtime(stock.units, lambda _: queue)
    with started(Broken, runtime):
        raised.wait()
        runtime.consumers[QUEUE].stop()
    assert [delivery.message_id for delivery in queue.rungs["1s"]] == [sent.id]
    assert stock.effects() == []
    assert runtime.ready() == {QUEUE: False}


def test_failure_of_nameko_s_own_ends_a_timer_in_mid_run(stock: Stock) -> None:
    class Failing(DependencyProvider):  # type: ignore[misc]  # Nameko has no types
        def get_dependency(self, worker_ctx: Any) -> Any:
            raise RuntimeError("a provider failed")

    class Timed:
        name = "timed"
        failing = Failing()

        @every(seconds=0.01)
        def tick(self) -> None:
            raise AssertionError("it has not what it needs")

    with (
        started(Timed, Runtime(stock.units, lambda _: MemoryInbound())) as container,
        pytest.raises(RuntimeError, match="a provider failed"),
    ):
        container.wait()


def test_process_that_is_not_monkey_patched_runs_no_worker(stock: Stock) -> None:
    class Idle:
        name = "idle"

    with pytest.raises(RuntimeError, match="monkey-patched before anything else"):
        run_worker(Idle, Runtime(stock.units, lambda _: MemoryInbound()))

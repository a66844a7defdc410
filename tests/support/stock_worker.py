"""Stock's worker as a process: what its handlers do beside writing their effect is told by the events themselves."""

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402  # nothing may be imported before the patch
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from nameko.extensions import DependencyProvider  # noqa: E402
from sqlalchemy import text  # noqa: E402

from citybus.broker.consumer import Limits, RabbitInbound  # noqa: E402
from citybus.broker.publisher import PikaPublisher  # noqa: E402
from citybus.consumer import Batch, Inbound, Timing  # noqa: E402
from citybus.database import engine  # noqa: E402
from citybus.envelope import Event  # noqa: E402
from citybus.inbox import Handler, Order, Subscription  # noqa: E402
from citybus.nameko_ext import Runtime, consume, every, run_worker, units_of_work  # noqa: E402
from citybus.testing.consumer import MemoryInbound  # noqa: E402
from citybus.unit_of_work import UnitOfWork  # noqa: E402
from tests.support.stock import CONTEXT, PACKED, QUEUE, Packed, Stock, write_effect  # noqa: E402

TOLD = json.loads(os.environ["STOCK_TOLD"])
"""amqp, database: URLs; heartbeat: seconds; also_broken: whether a provider raises; no_queue: whether the queue, one in memory, is missing."""


def handle(uow: UnitOfWork, event: Event, data: Any) -> None:
    """Do what the event says, then write its effect."""
    match event.data.get("do"):
        case "exit":
            os._exit(9)
        case "spin":
            until = time.monotonic() + event.data["seconds"]
            while time.monotonic() < until:
                pass
        case "sleep":
            uow.session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": event.data["seconds"]})
    write_effect(uow, event, data)


FIRST = Subscription(QUEUE, Order.NEWEST, {PACKED: Handler(Packed(), handle)})
SECOND = Subscription("stock.returns", Order.NEWEST, {PACKED: Handler(Packed(), handle)})
STOCK = Stock(engine(TOLD["database"], application="stock-worker"))


class Broken(DependencyProvider):  # type: ignore[misc]  # Nameko has no types
    """What no provider of ours may do."""

    def get_dependency(self, worker_ctx: Any) -> Any:
        raise RuntimeError("a provider failed")


class Worker:
    """The service."""

    name = "stock"
    units = units_of_work()
    if TOLD.get("also_broken"):
        broken = Broken()

    @consume(FIRST)
    def on_shop(self, batch: Batch) -> None:
        batch.apply(self.units)

    if TOLD.get("second"):

        @consume(SECOND)
        def on_returns(self, batch: Batch) -> None:
            batch.apply(self.units)

    if TOLD.get("timer"):

        @every(seconds=0.1)
        def claim(self) -> None:
            """Claim one due row and take longer over it than the interval is."""
            with self.units(CONTEXT) as uow:
                uow.session.execute(text("INSERT INTO runs (process) VALUES (:process)"), {"process": os.getpid()})
                uow.session.execute(
                    text("""
                        UPDATE due SET fired = fired + 1 WHERE id = (
                            SELECT id FROM due WHERE fired = 0 LIMIT 1 FOR UPDATE SKIP LOCKED)
                    """)
                )
                uow.session.execute(text("SELECT pg_sleep(0.3)"))
                uow.session.execute(
                    text("UPDATE runs SET ended = clock_timestamp() WHERE ended IS NULL AND process = :process"),
                    {"process": os.getpid()},
                )
                uow.commit()
            raise KeyError("a run that fails is not the last")


def inbound(subscription: Subscription) -> Inbound:
    """Return the inbound side of a queue."""
    if TOLD.get("no_queue"):
        memory = MemoryInbound()
        memory.missing = True
        return memory
    return RabbitInbound(
        TOLD["amqp"],
        subscription.queue,
        lambda: PikaPublisher(TOLD["amqp"], app_id="stock"),
        exchange="stock.retry",
        ladder=("1s", "10s"),
        limits=Limits(heartbeat=TOLD.get("heartbeat", 30)),
        name=f"worker {subscription.queue}",
    )


def sleep_in_parallel() -> None:
    """Print how long four queries of 1.5 seconds take side by side."""

    def sleep() -> None:
        with STOCK.engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(1.5)"))

    sleep()
    start = time.monotonic()
    for thread in [eventlet.spawn(sleep) for _ in range(4)]:
        thread.wait()
    print(time.monotonic() - start)


if __name__ == "__main__":
    if sys.argv[1:] == ["sleep-in-parallel"]:
        sleep_in_parallel()
        sys.exit(0)
    runtime = Runtime(
        STOCK.units, inbound, consumer_options={"ladder": ("1s", "10s"), "timing": Timing(hold=2, pause_most=0.5)}
    )
    sys.exit(run_worker(Worker, runtime))

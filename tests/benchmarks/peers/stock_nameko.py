"""Stock Nameko: commit a row, dispatch an event, an `event_handler` writes a row: its two writes are not one.

`python -m tests.benchmarks.peers.stock_nameko produce|consume` with BENCH_URL (SQLAlchemy) and AMQP_URL set.
"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402  # nothing may be imported before the patch
import sys  # noqa: E402
import uuid  # noqa: E402

from nameko.events import EventDispatcher, event_handler  # noqa: E402
from nameko.rpc import rpc  # noqa: E402
from nameko.runners import ServiceRunner  # noqa: E402
from sqlalchemy import create_engine, text  # noqa: E402

TABLES = """
    CREATE TABLE stock_produced (id text PRIMARY KEY, body text);
    CREATE TABLE stock_inbox (id text PRIMARY KEY);
    CREATE TABLE stock_facts (id text PRIMARY KEY, body text);
"""
ENGINE = create_engine(os.environ["BENCH_URL"], pool_size=20, max_overflow=20)


class Producer:
    """Commits and dispatches, one by one."""

    name = "stockproducer"
    dispatch = EventDispatcher()

    @rpc
    def burst(self, count: int) -> None:
        """Commit `count` rows, each with its event."""
        for _ in range(count):
            key = uuid.uuid4().hex
            with ENGINE.begin() as connection:
                connection.execute(
                    text("INSERT INTO stock_produced VALUES (:id, :body)"), {"id": key, "body": "x" * 300}
                )
            self.dispatch("happened", {"id": key, "data": "x" * 300})


class Consumer:
    """Writes a row per event."""

    name = "stockconsumer"

    @event_handler("stockproducer", "happened")
    def on_happened(self, payload: dict[str, str]) -> None:
        """Write the inbox row and the effect."""
        with ENGINE.begin() as connection:
            connection.execute(
                text("INSERT INTO stock_inbox VALUES (:id) ON CONFLICT DO NOTHING"), {"id": payload["id"]}
            )
            connection.execute(
                text("INSERT INTO stock_facts VALUES (:id, :body)"), {"id": payload["id"], "body": payload["data"]}
            )


if __name__ == "__main__":
    runner = ServiceRunner({"AMQP_URI": os.environ["AMQP_URL"].replace("amqp://", "pyamqp://")})
    runner.add_service({"produce": Producer, "consume": Consumer}[sys.argv[1]])
    runner.start()
    runner.wait()

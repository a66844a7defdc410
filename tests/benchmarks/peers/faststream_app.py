"""FastStream with the same work: commit a row, publish with confirm; the subscriber commits inbox and row.

`python -m tests.benchmarks.peers.faststream_app consume|produce <events>` with BENCH_DSN and AMQP_URL set.
"""

import asyncio
import os
import sys
import uuid
from typing import Any

from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

TABLES = """
    CREATE TABLE fast_produced (id text PRIMARY KEY, body text);
    CREATE TABLE fast_inbox (id text PRIMARY KEY);
    CREATE TABLE fast_facts (id text PRIMARY KEY, body text);
"""
BROKER = RabbitBroker(os.environ["AMQP_URL"], logger=None)
QUEUE = RabbitQueue("faststream", durable=True)
ENGINE = create_async_engine(
    os.environ["BENCH_DSN"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=20, max_overflow=20
)


async def produce(events: int) -> None:
    """Commit and publish `events`, one by one."""
    await BROKER.start()
    await BROKER.declare_queue(QUEUE)
    for _ in range(events):
        key = uuid.uuid4().hex
        async with ENGINE.begin() as connection:
            await connection.execute(
                text("INSERT INTO fast_produced VALUES (:id, :body)"), {"id": key, "body": "x" * 300}
            )
        await BROKER.publish({"id": key, "data": "x" * 300}, QUEUE, persist=True)
    await BROKER.stop()


if __name__ == "__main__":
    if sys.argv[1] == "consume":

        @BROKER.subscriber(QUEUE, channel=Channel(prefetch_count=50))
        async def on_message(message: dict[str, Any]) -> None:
            """Write the inbox row and the effect."""
            async with ENGINE.begin() as connection:
                await connection.execute(
                    text("INSERT INTO fast_inbox VALUES (:i) ON CONFLICT DO NOTHING"), {"i": message["id"]}
                )
                await connection.execute(
                    text("INSERT INTO fast_facts VALUES (:i, :b)"), {"i": message["id"], "b": message["data"]}
                )

        asyncio.run(FastStream(BROKER).run())
    else:
        asyncio.run(produce(int(sys.argv[2])))

"""The limit of this machine: a hand-tuned outbox → window of confirms → quorum queue → inbox and row in batches of 500.

`python -m tests.benchmarks.peers.limit relay|consume <events>` with BENCH_DSN and AMQP_URL set. No envelope, no order,
no retry, no schema: what the hardware, PostgreSQL and pika give when nothing is asked of them.
"""

import json
import os
import sys

import pika
import psycopg2
from psycopg2.extras import execute_values

QUEUE = "limit"
TABLES = """
    CREATE TABLE limit_outbox (seq bigserial PRIMARY KEY, id text UNIQUE, body text, published_at timestamptz);
    CREATE INDEX ON limit_outbox (seq) WHERE published_at IS NULL;
    CREATE TABLE limit_inbox (id text PRIMARY KEY);
    CREATE TABLE limit_facts (id text, body text);
"""


def relay(events: int) -> None:
    """Publish `events` rows with up to 1,000 outstanding confirms."""
    database = psycopg2.connect(os.environ["BENCH_DSN"])
    cursor = database.cursor()
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    inner = channel._impl  # the blocking channel has no pipelined confirms; a limit may cheat
    acked = 0

    def confirm(frame: pika.frame.Method) -> None:
        nonlocal acked
        acked = frame.method.delivery_tag if frame.method.multiple else acked + 1

    inner.confirm_delivery(ack_nack_callback=confirm, callback=lambda _frame: None)
    connection.process_data_events(0.2)
    sent = 0
    while sent < events:
        cursor.execute("SELECT id, body FROM limit_outbox WHERE published_at IS NULL ORDER BY seq LIMIT 1000")
        rows = cursor.fetchall()
        database.commit()
        if not rows:
            connection.process_data_events(0.005)
            continue
        for key, body in rows:
            inner.basic_publish("", QUEUE, body.encode(), pika.BasicProperties(delivery_mode=2, message_id=key))
            sent += 1
        while acked < sent:
            connection.process_data_events(0.01)
        cursor.execute("UPDATE limit_outbox SET published_at = now() WHERE id = ANY(%s)", ([key for key, _ in rows],))
        database.commit()
    connection.close()


def consume(events: int) -> None:
    """Apply `events` messages in batches of 500, one transaction and one acknowledgement each."""
    database = psycopg2.connect(os.environ["BENCH_DSN"])
    cursor = database.cursor()
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1000)
    done, batch = 0, []
    for method, properties, body in channel.consume(QUEUE, inactivity_timeout=0.02):
        if method:
            batch.append((method.delivery_tag, properties.message_id, json.loads(body)))
        if batch and (len(batch) >= 500 or method is None):
            execute_values(
                cursor,
                "INSERT INTO limit_inbox VALUES %s ON CONFLICT DO NOTHING",
                [(key,) for _, key, _ in batch],
                page_size=500,
            )
            execute_values(
                cursor,
                "INSERT INTO limit_facts VALUES %s",
                [(key, read["data"]) for _, key, read in batch],
                page_size=500,
            )
            database.commit()
            channel.basic_ack(batch[-1][0], multiple=True)
            done += len(batch)
            batch = []
            if done >= events:
                break
    channel.cancel()
    connection.close()


if __name__ == "__main__":
    {"relay": relay, "consume": consume}[sys.argv[1]](int(sys.argv[2]))

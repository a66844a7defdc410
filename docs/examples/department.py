"""A department's own client of the city's bus: it needs pika, its queue and its user, and nothing of ours.

    AMQP_URL=amqps://dept-finance-bureau:…@bus.example/city python department.py dept.finance-bureau.events

Each message is a CloudEvent in JSON. It is written out as one line before it is acknowledged, so that nothing is lost:
what is delivered twice has the same `id`. With `--idle 2` it ends when nothing has come for two seconds.
"""

import argparse
import json
import os

import pika


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("queue")
    parser.add_argument("--idle", type=float, default=None, help="seconds without a message after which to end")
    given = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=50)
    for delivery, _, body in channel.consume(given.queue, inactivity_timeout=given.idle):
        if delivery is None:
            break
        event = json.loads(body)
        print(json.dumps(event, ensure_ascii=False), flush=True)
        channel.basic_ack(delivery.delivery_tag)
    channel.cancel()
    connection.close()


if __name__ == "__main__":
    main()

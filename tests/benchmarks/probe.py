"""The mechanism under load: a service as small as can be, run as its own processes.

`python -m tests.benchmarks.probe relay|worker|api` with PRODUCER_URL, CONSUMER_URL (SQLAlchemy) and AMQP_URL set. The
consumer writes one row per event, with inbox, cursor per subject and every step in order: all that a service has.
"""

import os
import signal
import sys
import threading
from typing import Any

QUEUE = "probe.toy"
SOURCE = "/city/420200/toy"
TYPE = "toy.fact.stated.v1"


def relay() -> None:
    """Publish the producer's outbox."""
    from citybus import relay as product

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    product.run(
        service="toy",
        database_url=os.environ["PRODUCER_URL"].replace("+psycopg2", ""),
        amqp_url=os.environ["AMQP_URL"],
        stop=stop,
        missing_bindings=list,
    )


def worker() -> int:
    """Consume into the consumer's database."""
    from marshmallow import EXCLUDE, Schema, fields
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

    from citybus.broker.consumer import RabbitInbound
    from citybus.broker.publisher import PikaPublisher
    from citybus.clock import SystemClock
    from citybus.database import engine
    from citybus.inbox import Handler, Order, Subscription
    from citybus.nameko_ext import Runtime, Units, consume, run_worker
    from citybus.unit_of_work import Units as UnitFactory

    class Stated(Schema):
        class Meta:
            unknown = EXCLUDE

        id = fields.String(required=True)
        body = fields.String(required=True)

    class Base(DeclarativeBase):
        pass

    class Fact(Base):
        __tablename__ = "facts"
        id: Mapped[str] = mapped_column(primary_key=True)
        body: Mapped[str]

    def state(uow: Any, event: Any, data: Any) -> None:
        uow.session.add(Fact(id=data["id"], body=data["body"]))

    subscription = Subscription(QUEUE, Order.EVERY_STEP, {TYPE: Handler(Stated(), state)})

    class Worker:
        name = "probe"
        units = Units()

        @consume(subscription)
        def on_fact(self, batch: Any) -> None:
            batch.apply(self.units)

    amqp = os.environ["AMQP_URL"]
    sessions = sessionmaker(engine(os.environ["CONSUMER_URL"], application="probe.worker"), expire_on_commit=False)
    return run_worker(
        Worker,
        Runtime(
            units=UnitFactory(sessions, "/city/420200/probe", SystemClock()),
            inbound=lambda wanted: RabbitInbound(
                amqp, wanted.queue, lambda: PikaPublisher(amqp, app_id="probe.retry"), exchange="probe.retry"
            ),
        ),
    )


def api() -> None:
    """Serve the toy case type on PORT, tokens checked against JWKS_FILE."""
    from pathlib import Path

    from sqlalchemy.orm import sessionmaker

    from citybus.cases import routes
    from citybus.clock import SystemClock
    from citybus.database import engine
    from citybus.http.app import create_app
    from citybus.http.server import serve
    from citybus.http.tokens import FileKeys, Tokens
    from citybus.testing.keys import AUDIENCE, ISSUER
    from citybus.unit_of_work import Units as UnitFactory
    from tests.support.permits import permits

    def build() -> Any:
        made = engine(os.environ["PRODUCER_URL"], application="probe.api", pool_size=8)
        return create_app(
            service="toy",
            version="1",
            units=UnitFactory(sessionmaker(made, expire_on_commit=False), SOURCE, SystemClock()),
            tokens=Tokens(FileKeys(Path(os.environ["JWKS_FILE"])), issuer=ISSUER, audience=AUDIENCE),
            blueprints=[routes.blueprint(permits(Path(os.environ["PACKS"])))],
        )

    serve(build, host="127.0.0.1", port=int(os.environ["PORT"]))


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        import eventlet

        eventlet.monkey_patch()
    from citybus.telemetry import logs

    # As the launcher does: lines of JSON cost a fraction of what logs cost by default.
    logs.configure("toy", sys.argv[1])
    sys.exit({"relay": relay, "worker": worker, "api": api}[sys.argv[1]]())

"""A city of two services for the fault tests: `python -m tests.fault.toy api|relay|worker`, with faults installed.

The api opens permits and moves them on (tests.support.permits); the worker writes one row per event into `effects`, which
has no key that could hide a repetition. The environment says where things are, and of the worker:

    LOCKS      take the rows 1 and 2 of `locks` for each event, with this time-out
    VERSION    `2`: the worker after an upgrade, which knows toy.permit.noted.v2 as well and wants effects.status
    SLOW       seconds that each event takes
    TROUBLE    a file; each of its lines names a permit or a unit and what the handler does about it: `transient`,
               `permanent` or `bug`. It is read anew for each event, so that a test can make and repair the trouble.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

SERVICE = "toy"
SOURCE = "/city/420200/toy"
EXCHANGE = "probe.retry"


def api() -> None:
    """Serve permits."""
    from sqlalchemy.orm import sessionmaker

    from citybus.cases import routes
    from citybus.clock import SystemClock
    from citybus.database import engine
    from citybus.http.app import create_app
    from citybus.http.server import serve
    from citybus.http.tokens import FileKeys, Tokens
    from citybus.testing.keys import AUDIENCE, ISSUER
    from citybus.unit_of_work import Units
    from tests.support.permits import permits

    def build() -> Any:
        made = engine(os.environ["DATABASE_URL"], application="toy.api", pool_size=8)
        return create_app(
            service=SERVICE,
            version="1",
            units=Units(sessionmaker(made, expire_on_commit=False), SOURCE, SystemClock()),
            tokens=Tokens(FileKeys(Path(os.environ["JWKS_FILE"])), issuer=ISSUER, audience=AUDIENCE),
            blueprints=[routes.blueprint(permits(Path(os.environ["PACKS"])))],
        )

    serve(build, host="127.0.0.1", port=int(os.environ["PORT"]), drain_seconds=2)


def relay() -> None:
    """Publish the outbox."""
    from citybus import relay as product

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    product.run(
        service=SERVICE,
        database_url=os.environ["DATABASE_URL"],
        amqp_url=os.environ["AMQP_URL"],
        stop=stop,
        missing_bindings=list,
        pace=product.Pace(batch=int(os.environ.get("BATCH", "200"))),
    )


def worker() -> int:
    """Write effects."""
    from marshmallow import EXCLUDE, Schema, fields
    from sqlalchemy import text
    from sqlalchemy.orm import sessionmaker

    from citybus.broker.consumer import Limits, RabbitInbound
    from citybus.broker.publisher import PikaPublisher
    from citybus.clock import SystemClock
    from citybus.consumer import Timing
    from citybus.database import engine
    from citybus.errors import Invalid, Transient
    from citybus.inbox import Handler, Order, Subscription
    from citybus.nameko_ext import Runtime, Units, consume, run_worker
    from citybus.unit_of_work import Units as UnitFactory

    locks = os.environ.get("LOCKS", "")
    slow = float(os.environ.get("SLOW", "0"))
    trouble = Path(os.environ.get("TROUBLE", "/nonexistent"))
    errors = {"transient": Transient("made by the test"), "permanent": Invalid("BAD_PERMIT", "made by the test")}

    class Permit(Schema):
        class Meta:
            unknown = EXCLUDE

        permit = fields.String(required=True)
        state = fields.String(required=True)
        unit = fields.String(required=True)

    def stumble(data: Any) -> None:
        if trouble.exists():
            told = dict(line.split() for line in trouble.read_text(encoding="utf-8").splitlines())
            for named in (data["permit"], data["unit"]):
                if named in told:
                    raise errors.get(told[named], RuntimeError("a handler's bug"))

    def write(uow: Any, event: Any, data: Any) -> None:
        stumble(data)
        if locks:
            uow.session.execute(text("SELECT set_config('lock_timeout', :patience, true)"), {"patience": locks})
            for number in (1, 2):
                uow.session.execute(text("SELECT FROM locks WHERE id = :number FOR UPDATE"), {"number": number})
        if slow:
            time.sleep(slow)
        uow.session.execute(
            text(
                "INSERT INTO effects (consumer, event, subject, sequence) VALUES (:consumer, :event, :subject, :sequence)"
            ),
            {"consumer": queue, "event": event.id, "subject": event.subject, "sequence": event.sequence},
        )

    class PermitV2(Schema):
        """Version 2, for these tests alone: `state` is called `status`, and `beside` names a version told with it."""

        class Meta:
            unknown = EXCLUDE

        permit = fields.String(required=True)
        status = fields.String(required=True)
        unit = fields.String(required=True)
        beside = fields.String(load_default=None)

    def write_v2(uow: Any, event: Any, data: Any) -> None:
        # Steps come in order, so the version beside it has taken effect, be it in a worker that knows no other.
        if data["beside"] is None:
            write(uow, event, data)
            status = text("UPDATE effects SET status = :status WHERE event = :event")
            uow.session.execute(status, {"status": data["status"], "event": event.id})

    queue = os.environ["QUEUE"]
    handler = Handler(Permit(), write)
    types = ("drafted", "submitted", "noted", "approved", "refused", "expired")
    handlers = {f"toy.permit.{name}.v1": handler for name in types}
    if os.environ.get("VERSION") == "2":
        handlers["toy.permit.noted.v2"] = Handler(PermitV2(), write_v2)
    subscription = Subscription(queue, Order.EVERY_STEP, handlers)

    class Worker:
        name = "probe"
        units = Units()

        @consume(subscription)  # type: ignore[untyped-decorator]  # Nameko has no types
        def on_permit(self, batch: Any) -> None:
            batch.apply(self.units)

    amqp = os.environ["AMQP_URL"]
    sessions = sessionmaker(engine(os.environ["DATABASE_URL"], application="probe.worker"), expire_on_commit=False)
    return run_worker(
        Worker,
        Runtime(
            units=UnitFactory(sessions, "/city/420200/probe", SystemClock()),
            inbound=lambda wanted: RabbitInbound(
                amqp,
                wanted.queue,
                lambda: PikaPublisher(amqp, app_id="probe.retry"),
                exchange=EXCHANGE,
                limits=Limits(heartbeat=int(os.environ.get("HEARTBEAT", "30"))),
            ),
            batch_size=int(os.environ.get("BATCH", "50")),
            consumer_options={"timing": Timing(sweep=0.5)},
        ),
    )


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        import eventlet

        eventlet.monkey_patch()
    from citybus.telemetry import logs
    from tests.fault import faults

    # As the launcher does: what logs by default paints every variable of a traceback, which takes it seconds.
    logs.configure(SERVICE, sys.argv[1])
    faults.install(sys.argv[1])
    sys.exit({"api": api, "relay": relay, "worker": worker}[sys.argv[1]]())

"""The composition root: a queue and a timer, a job that counts, an API without routes of its own."""

import sys
from collections.abc import Mapping
from typing import Any

from flask import Flask
from marshmallow import Schema, fields
from sqlalchemy import text
from sqlalchemy.orm import sessionmaker

from citybus import database
from citybus.deadlines import Deadline, Handler, fire_due
from citybus.envelope import Event
from citybus.errors import CityError
from citybus.inbox import Handler as EventHandler
from citybus.inbox import Order, Subscription
from citybus.jobs import Every, Run
from citybus.launcher import Service
from citybus.settings import ApiSettings, ServingSettings
from citybus.telemetry.health import Health
from citybus.unit_of_work import UnitOfWork, Units


class Packed(Schema):
    """The data of `shop.order.packed.v1`."""

    weight = fields.Integer(required=True)


def count(uow: UnitOfWork, name: str) -> None:
    """Count one more under `name`."""
    uow.session.execute(
        text("INSERT INTO counters VALUES (:name, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"),
        {"name": name},
    )


def on_packed(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Count an order and queue nothing else."""
    count(uow, "packed")


def on_due(uow: UnitOfWork, deadline: Deadline) -> None:
    """Count a deadline."""
    count(uow, "due")


def tally(run: Run) -> dict[str, Any]:
    """Count the steps of a job."""
    for _ in range(run.progress, run.payload["steps"]):
        with run.step() as uow:
            count(uow, "step")
            uow.commit()
    return {}


def build(settings: ServingSettings) -> Service:
    """Return the service. Its rules are wrong in a city called 999999."""
    if settings.city == "999999":
        raise CityError("规则包有误 / rule packs are wrong")
    engine = database.engine(
        settings.database_url.render_as_string(hide_password=False), application=f"warehouse {settings.process}"
    )
    units = Units(sessionmaker(engine), settings.source, settings.clock(), settings.audit_hash)

    def api(health: Health) -> Flask:
        from citybus.http.app import create_app
        from citybus.http.tokens import tokens_of

        if not isinstance(settings, ApiSettings):
            raise TypeError
        return create_app(
            service="warehouse", version="1", units=units, tokens=tokens_of(settings), blueprints=[], health=health
        )

    def worker() -> type:
        from citybus.nameko_ext import consume, every, units_of_work

        class Worker:
            """The queue and the timer."""

            name = "warehouse"
            units = units_of_work()

            @consume(
                Subscription(
                    "warehouse.shop", Order.NEWEST, {"shop.order.packed.v1": EventHandler(Packed(), on_packed)}
                )
            )
            def on_shop(self, batch: Any) -> None:
                batch.apply(self.units)

            @every(seconds=0.1)
            def fire(self) -> None:
                fire_due(self.units, {"plea": Handler(fire=on_due)})

        return Worker

    # What no process but a worker may be.
    if settings.process != "worker" and "eventlet" in sys.modules:
        raise RuntimeError("only a worker has eventlet")
    return Service(
        engine=engine,
        units=units,
        api=api,
        worker=worker,
        jobs={"tally": tally},
        regular=(Every(0.1, "count turns", lambda: None),),
    )

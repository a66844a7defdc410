"""A sample API served in a process of its own: `python -m tests.integration.http.served <port> <database URL>`."""

import os
import sys
import time
from pathlib import Path

from flask import Flask, Response
from sqlalchemy.orm import sessionmaker

from citybus import database
from citybus.clock import SystemClock
from citybus.http import Blueprint, FileKeys, Tokens, create_app, reply, requires, serve, show
from citybus.http.commands import command
from citybus.telemetry import logs
from citybus.telemetry.health import Health
from citybus.testing.keys import AUDIENCE, ISSUER
from citybus.unit_of_work import Units


def application() -> Flask:
    """Return the application; `SAMPLE_MARK` names a file that a slow request makes when it has begun."""
    blueprint = Blueprint("slow", "slow")

    @blueprint.route("/slow")
    @requires("ORG")
    @blueprint.response(200)
    def slow() -> Response:
        mark = Path(os.environ["SAMPLE_MARK"])
        mark.touch()
        deadline = time.monotonic() + 20
        while mark.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return show({"pid": os.getpid()})

    @blueprint.route("/quick", methods=["POST"])
    @requires("ORG")
    @blueprint.response(200)
    def quick() -> Response:
        return command(lambda uow: reply({"pid": os.getpid()}))

    engine = database.engine(sys.argv[2], application="sample", pool_size=8)
    health = Health()
    health.add("database", lambda: engine.connect().close())
    return create_app(
        service="sample",
        version="1",
        units=Units(sessionmaker(engine), "/city/420200/sample", SystemClock()),
        tokens=Tokens(FileKeys(Path(os.environ["SAMPLE_JWKS"])), issuer=ISSUER, audience=AUDIENCE),
        blueprints=[blueprint],
        health=health,
    )


if __name__ == "__main__":
    logs.configure("sample", "api")
    serve(application, host="127.0.0.1", port=int(sys.argv[1]), drain_seconds=15)

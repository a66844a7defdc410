"""Health and metrics, as far as no process is needed for them."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from citybus.http import create_app
from citybus.http.tokens import Tokens
from citybus.telemetry.health import Health
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from citybus.unit_of_work import UnitOfWork


def no_units(context: Any) -> UnitOfWork:
    raise AssertionError("no transaction is wanted")


def client_of(health: Health | None) -> FlaskClient:
    app: Flask = create_app(
        service="sample",
        version="1",
        units=no_units,
        tokens=Tokens(FakeIssuer(), issuer=ISSUER, audience=AUDIENCE),
        blueprints=[],
        health=health,
    )
    return app.test_client()


def test_strangers_cannot_make_the_checks_run_at_will() -> None:
    asked = []
    health = Health()
    health.add("database", lambda: asked.append(1))
    client = client_of(health)
    assert {client.get("/health/ready").status_code for _ in range(20)} == {200}
    assert len(asked) == 1


def test_a_failing_check_makes_it_not_ready_but_alive() -> None:
    health = Health()
    health.add("database", lambda: "away")
    client = client_of(health)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json) == (503, {"status": "not ok", "database": "away"})
    assert client.get("/health/live").status_code == 200


def test_answering_is_progress() -> None:
    at = [0.0]
    health = Health(stuck_after=30, monotonic=lambda: at[0])
    client = client_of(health)
    at[0] = 1000
    assert client.get("/health/live").status_code == 200


def test_metrics_are_in_prometheus_text_format() -> None:
    answer = client_of(None).get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE city_http_requests_total counter" in answer.data

"""The application of one service's API: its routes, and around them all that is the same for every route."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import flask_smorest
import orjson
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider

from citybus.http import access, commands, correlation, metrics, openapi, parsing, problems
from citybus.http.operations import operations
from citybus.http.problems import Kind
from citybus.http.tokens import Tokens
from citybus.telemetry import logs
from citybus.telemetry.health import Health
from citybus.unit_of_work import Units

POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

_log = logs.get(__name__)


class Json(JSONProvider):
    """JSON by orjson. It refuses what has no JSON form, so that no `repr` gets out by accident."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)


def create_app(
    *,
    service: str,
    version: str,
    units: Units,
    tokens: Tokens,
    blueprints: Sequence[flask_smorest.Blueprint],
    health: Health | None = None,
    own_problems: Iterable[Kind] = (),
) -> Flask:
    """Return the application that serves `blueprints` for `service`.

    Every route has its roles (`requires`), every command its idempotency key, every error is a problem. `health`
    says whether the process is ready; `own_problems` are the codes of the service's rules. Raises UndeclaredRoute where a
    route has no role.
    """
    app = Flask(service, static_folder=None)
    app.json = Json(app)
    app.config.update(
        API_TITLE=f"{service} API",
        API_VERSION=version,
        OPENAPI_VERSION="3.1.0",
        MAX_CONTENT_LENGTH=parsing.MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=parsing.MAX_BODY_BYTES,
        MAX_FORM_PARTS=100,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    # A path means one thing, with or without a slash at its end; nobody is redirected with a command in hand.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    api = openapi.Api(app)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    app.register_blueprint(operations(health or Health()))
    app.register_blueprint(openapi.pages(app.config["API_TITLE"]))

    problems.install(app, own_problems)
    app.before_request(_begin)
    access.install(app, tokens)
    commands.install(app, units)
    parsing.install(app)
    app.after_request(_end)
    openapi.install(app, api)
    return app


def _begin() -> None:
    g.began = time.perf_counter()
    correlation.begin()


def _end(response: Response) -> Response:
    headers = response.headers
    headers[correlation.HEADER] = correlation.correlation().id
    headers.setdefault("Content-Security-Policy", POLICY)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    seconds = time.perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule else None
    metrics.count(request.method, route, response.status_code, seconds)
    if request.endpoint not in access.PUBLIC:
        # The route, not the path nor the query: these may hold what belongs to a person.
        _log.info(
            "request",
            method=request.method if request.method in metrics.METHODS else "OTHER",
            route=route,
            status=response.status_code,
            seconds=round(seconds, 5),
            actor=g.caller.subject if "caller" in g else None,
        )
    return response

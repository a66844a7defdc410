"""The API's description: an OpenAPI 3.1 document made from the routes, a page that shows it, a page of all problems."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Any, Final

import flask_smorest
import orjson
from flask import Blueprint, Flask, Response, current_app
from marshmallow import Schema, fields

from citybus.http import access, problems
from citybus.http.commands import UNSAFE
from citybus.http.problems import Rejection

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_VERSIONED: Final = "_city_versioned"
_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START: Final = b"""window.onload = () => {
  window.ui = SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});
};
"""
_DOCS: Final = """<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_PROBLEMS: Final = """<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: problems</title>
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border-bottom: 1px solid #d0d7de; padding: .4rem .6rem; text-align: left; vertical-align: top; }}
:target {{ background: #fff8c5; }}
</style>
</head>
<body>
<h1>问题代码 Problems</h1>
<p>每个错误均为 <code>application/problem+json</code>（RFC 9457）。
Every error is <code>application/problem+json</code> (RFC 9457).</p>
<table>
<thead><tr><th>HTTP</th><th>code</th><th>中文</th><th>English</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


class FaultSchema(Schema):
    """One thing wrong in a request."""

    pointer = fields.String(metadata={"description": "JSON pointer into the body"})
    parameter = fields.String(metadata={"description": "name of a parameter or header"})
    place = fields.String(data_key="in", metadata={"description": "query, path, header or cookie"})
    messages = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class ProblemSchema(Schema):
    """An error as RFC 9457 has it, with the domain's code, both languages and the figures behind it."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    code = fields.String(required=True)
    messages = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    figures = fields.Dict(keys=fields.String(), required=True)
    errors = fields.List(fields.Nested(FaultSchema))
    correlationid = fields.String(required=True)


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no type hints
    """flask-smorest's API without its own errors: `problems` answers those."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to `problems`."""


def versioned(handler: access.Handler) -> access.Handler:
    """Declare, for the document, that a command wants If-Match; the handler asks `expected_version()` for it."""
    setattr(handler, _VERSIONED, True)
    return handler


def document(app: Flask, api: Api) -> dict[str, Any]:
    """Return the OpenAPI document of `app`: what flask-smorest knows, and what holds for every route."""
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    read: dict[str, Any] = api.spec.to_dict()
    components = read["components"]
    components["responses"] = {
        "Problem": {
            "description": "A problem; `code` says which. The page /problems lists them all.",
            "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["parameters"] = {**components.get("parameters", {}), **_PARAMETERS}
    for route in access.routes(app):
        path = _template(route.path)
        if route.roles is not None:
            _describe(app, route, read["paths"][path][route.method.lower()])
        elif operation := read["paths"].get(path, {}).get(route.method.lower()):
            _describe_problems(operation, [404, "default"] if "<" in route.path else ["default"])
    return read


def pages(title: str) -> Blueprint:
    """Return the public pages: /openapi.json, /docs with its assets, /problems."""
    blueprint = Blueprint("pages", __name__)

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        """Answer the OpenAPI document, made once."""
        return _cached(current_app.extensions["city-openapi"], "application/json")

    @blueprint.get("/docs")
    def docs() -> Response:
        """Answer the page that shows the document."""
        return _page(_DOCS.format(title=escape(title)))

    @blueprint.get("/docs/<name>")
    def asset(name: str) -> Response:
        """Answer one of the page's files, from the installed package."""
        if name == "start.js":
            return _cached(_START, "text/javascript")
        if name not in _ASSETS:
            raise Rejection("NOT_FOUND")
        return _cached((files("flask_swagger_ui") / "dist" / name).read_bytes(), _ASSETS[name])

    @blueprint.get("/problems", endpoint="problems")
    def problems_page() -> Response:
        """Answer the table of all problems that this API may give."""
        rows = "\n".join(
            f'<tr id="{kind.code}"><td>{kind.status}</td><td><code>{kind.code}</code></td>'
            f'<td lang="zh-CN">{escape(kind.zh)}</td><td lang="en">{escape(kind.en)}</td></tr>'
            for kind in problems.kinds_of(current_app)
        )
        return _page(_PROBLEMS.format(title=escape(title), rows=rows))

    return blueprint


def install(app: Flask, api: Api) -> None:
    """Make the document of `app`, whose routes are all registered."""
    app.extensions["city-openapi"] = orjson.dumps(document(app, api))


_PARAMETERS: Final[dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "A new key for each command; the same key for each attempt at it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The ETag of the object on which the command was decided.",
        "schema": {"type": "string", "pattern": '^"[0-9]{1,18}"$'},
    },
}


def _describe(app: Flask, route: access.Route, operation: dict[str, Any]) -> None:
    operation["security"] = [{"bearer": []}]
    operation["x-roles"] = list(route.roles or ())
    parameters = operation.setdefault("parameters", [])
    if route.method in UNSAFE:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if getattr(access.handler_of(app.view_functions[route.endpoint], route.method), _VERSIONED, False):
        parameters.append({"$ref": "#/components/parameters/IfMatch"})
    _describe_problems(operation, _statuses(route))


def _describe_problems(operation: dict[str, Any], statuses: Iterable[int | str]) -> None:
    responses = operation.setdefault("responses", {})
    # What flask-smorest says of wrong arguments is said by the problems below.
    for status in [status for status, response in responses.items() if "$ref" in response]:
        del responses[status]
    for status in statuses:
        responses.setdefault(str(status), {"$ref": "#/components/responses/Problem"})


def _statuses(route: access.Route) -> list[int | str]:
    statuses: list[int | str] = [400, 401, 403, "default"]
    if "<" in route.path:
        statuses.append(404)
    if route.method in UNSAFE:
        statuses += [409, 412, 413, 415, 422, 428]
    return sorted(statuses, key=str)


def _template(path: str) -> str:
    return "".join(
        part if index % 2 == 0 else "{" + part.rpartition(":")[2] + "}"
        for index, part in enumerate(path.replace(">", "<").split("<"))
    )


def _page(html: str) -> Response:
    return Response(html, mimetype="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


def _cached(body: bytes, media_type: str) -> Response:
    response = Response(body, mimetype=media_type, headers={"Cache-Control": "public, max-age=300"})
    response.add_etag()
    return response

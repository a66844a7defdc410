"""Commands and queries: from a request to its one transaction and back to a response."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import orjson
import psycopg2.errors
from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError

from citybus import idempotency
from citybus.http import problems
from citybus.http.access import caller
from citybus.http.correlation import correlation
from citybus.http.parsing import fingerprint
from citybus.http.problems import Fault, Rejection, invalid
from citybus.http.versions import etag, unchanged
from citybus.idempotency import Reply
from citybus.unit_of_work import Context, UnitOfWork, Units

UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ATTEMPTS: Final = 3

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_UNITS: Final = "city-units"
_COLLIDED = (psycopg2.errors.DeadlockDetected, psycopg2.errors.SerializationFailure)


def install(app: Flask, units: Units) -> None:
    """Give the routes of `app` their transactions, and want an idempotency key of every command."""
    app.extensions[_UNITS] = units

    def want_key() -> None:
        if request.method in UNSAFE and request.url_rule is not None:
            g.idempotency_key = _key()

    app.before_request(want_key)


def context() -> Context:
    """Return on whose account the present request acts.

    Its purpose is the header `X-Purpose` (percent-encoded UTF-8, up to 200 characters), else the route's name.
    """
    sender, tie = caller(), correlation()
    purpose = unquote(request.headers.get("X-Purpose", "")).strip()
    if len(purpose) > 200 or not purpose.isprintable():
        raise invalid(
            Fault(
                "用途说明过长或含控制字符。",
                "The purpose is too long, or holds control characters.",
                parameter="X-Purpose",
                place="header",
            )
        )
    return Context(
        actor=sender.subject,
        roles=tuple(sorted(sender.roles)),
        purpose=purpose or str(request.endpoint),
        correlation_id=tie.id,
        traceparent=tie.traceparent,
        correlation_named=tie.named,
    )


def transaction() -> UnitOfWork:
    """Return a unit of work for the present request: `with transaction() as uow: …`."""
    units: Units = current_app.extensions[_UNITS]
    return units(context())


def visit() -> UnitOfWork:
    """Return a unit of work for a request to a public route, which has no caller: it only reads."""
    units: Units = current_app.extensions[_UNITS]
    return units(Context("public", (), str(request.endpoint), correlation().id))


def command(work: Callable[[UnitOfWork], Reply]) -> Response:
    """Do `work` in one transaction under the request's idempotency key, commit, and return its response.

    `work` changes what it will through the unit of work, does not commit, and returns the reply, mostly made by
    `reply()`. It is done again, in a new transaction, where PostgreSQL broke it off for a deadlock or a serialization
    failure, or where the connection was lost; so it does nothing outside the transaction. Raises Refusal: see
    `idempotency.run`, and what `work` raises.
    """
    same = fingerprint()
    attempt = 1
    while True:
        try:
            return problems.respond(_once(work, same))
        except DBAPIError as error:
            # A connection may have died in the pool. If it died in the commit, the key tells the next attempt what
            # came of it.
            if attempt == ATTEMPTS or not (isinstance(error.orig, _COLLIDED) or error.connection_invalidated):
                raise
        attempt += 1


def reply(
    content: Any,
    *,
    status: int = 200,
    version: int | None = None,
    location: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Return `content` (already dumped by a schema; None for no body) as the reply of a command."""
    sent = dict(headers or {})
    if content is not None:
        sent["Content-Type"] = "application/json"
    if version is not None:
        sent["ETag"] = etag(version)
    if location is not None:
        sent["Location"] = location
    return Reply(status, b"" if content is None else orjson.dumps(content), sent)


def show(content: Any, *, version: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` (already dumped) as the response of a read; 304 where the reader holds `version` already."""
    if version is not None and unchanged(version):
        return problems.respond(Reply(304, b"", {"ETag": etag(version)}))
    return problems.respond(reply(content, version=version, headers=headers))


def _once(work: Callable[[UnitOfWork], Reply], same: bytes) -> Reply:
    with transaction() as uow:
        done = idempotency.run(
            uow.session, caller().subject, g.idempotency_key, same, lambda: work(uow), problems.render
        )
        if not done.replayed:
            uow.commit()
    return done


def _key() -> str:
    sent = request.headers.get("Idempotency-Key")
    if not sent:
        raise Rejection("IDEMPOTENCY_KEY_MISSING")
    if not _KEY.fullmatch(sent):
        raise invalid(
            Fault(
                "幂等键应为 1 至 200 个可见 ASCII 字符。",
                "An idempotency key is 1 to 200 visible ASCII characters.",
                parameter="Idempotency-Key",
                place="header",
            )
        )
    return sent

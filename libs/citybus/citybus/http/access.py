"""Access: who calls, which roles a route wants, and the one list of routes that want none."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Flask, g, request
from werkzeug.routing import Rule

from citybus.actor import Actor
from citybus.http.problems import Rejection
from citybus.http.tokens import TokenRefused, Tokens
from citybus.telemetry import logs

PUBLIC: Final = frozenset(
    {
        "operations.live",
        "operations.ready",
        "operations.metrics",
        "pages.openapi",
        "pages.docs",
        "pages.asset",
        "pages.problems",
        "public.feed",
        "public.listing",
        "public.one",
    }
)
"""The endpoints that want no token: health, metrics, the pages that describe the API, and what is published to everybody.

There is no other list.
"""

SEPARATED: Final = frozenset({"SYSADM", "SECADM", "AUDADM"})
"""The system, security and audit administrators: three people, none of whom sees business (GB/T 22239, level 3)."""

Handler = TypeVar("Handler", bound=Callable[..., Any])

_MARK: Final = "_city_roles"

_log = logs.get(__name__)


class Caller(Actor):
    """Who calls: what a checked token says of them."""

    __slots__ = ()

    def require_unit(self, unit: str) -> None:
        """Raise Refusal `DATA_SCOPE` (403) unless `unit` is in the caller's data scope."""
        if self.units is not None and unit not in self.units:
            raise Rejection("DATA_SCOPE")

    def require_person(self, person: str) -> None:
        """Raise Refusal `DATA_SCOPE` (403) unless the caller is `person`."""
        if self.person != person:
            raise Rejection("DATA_SCOPE")


@dataclass(frozen=True, slots=True)
class Route:
    """One route and who may take it. `roles` is None for a public one."""

    method: str
    path: str
    endpoint: str
    roles: tuple[str, ...] | None


class UndeclaredRoute(Exception):
    """A route says neither which roles it wants nor is it on the public list: the application does not start."""


def requires(*roles: str) -> Callable[[Handler], Handler]:
    """Declare that a route is for callers who hold at least one of `roles`. Each route that is not public has it."""
    if not roles:
        raise ValueError("a route is for somebody: name a role")

    def declare(handler: Handler) -> Handler:
        setattr(handler, _MARK, roles)
        return handler

    return declare


def routes(app: Flask) -> list[Route]:
    """Return all routes of `app` with their roles, by path and method. Raises UndeclaredRoute naming all that lack one."""
    found = [
        Route(method, rule.rule, rule.endpoint, roles) for rule, method, roles in _declared(app) if method != "HEAD"
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def install(app: Flask, tokens: Tokens) -> None:
    """Let nobody through to a route of `app` but as declared. Called when all routes are registered.

    Raises UndeclaredRoute.
    """
    table = {(rule.endpoint, method): roles for rule, method, roles in _declared(app)}

    def enforce() -> None:
        if request.url_rule is None:
            return
        roles = table[request.url_rule.endpoint, request.method]
        if roles is None:
            return
        sender = authenticate(tokens)
        if not any(sender.has(role) for role in roles):
            raise Rejection("FORBIDDEN")

    app.before_request(enforce)


def authenticate(tokens: Tokens) -> Caller:
    """Return who sent the present request, and remember it for `caller()`.

    Raises Refusal: `TOKEN_MISSING`, `TOKEN_INVALID`, `TOKEN_EXPIRED` (401), `ROLES_CONFLICT` (403), `UNAVAILABLE`.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Rejection("TOKEN_MISSING")
    try:
        claims = tokens.claims(token.strip())
    except TokenRefused as refused:
        _log.info("token refused", reason=str(refused))
        raise Rejection(refused.code) from refused
    g.caller = caller_of(claims)
    return caller()


def caller() -> Caller:
    """Return who sent the present request."""
    found: Caller = g.caller
    return found


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """Return the caller whom `claims` describe: `sub`, `roles`, `scope: {units: [code] | "*", unit, person}`.

    Raises Refusal `TOKEN_INVALID` where a claim has another form, `ROLES_CONFLICT` where an administrator holds
    another role beside.
    """
    roles = _texts(claims.get("roles", []))
    scope = claims.get("scope", {})
    if not isinstance(scope, Mapping):
        raise Rejection("TOKEN_INVALID")
    if roles & SEPARATED and len(roles) > 1:
        raise Rejection("ROLES_CONFLICT")
    units = scope.get("units", [])
    unit, person = scope.get("unit"), scope.get("person")
    if not all(value is None or (isinstance(value, str) and value) for value in (unit, person)):
        raise Rejection("TOKEN_INVALID")
    return Caller(
        subject=claims["sub"],
        roles=roles,
        units=None if units == "*" else _texts(units),
        unit=unit,
        person=person,
    )


def handler_of(view: Any, method: str) -> Any:
    """Return the function that answers `method` (HEAD as GET): the view itself, or a method of its class."""
    verb = "get" if method == "HEAD" else method.lower()
    return getattr(getattr(view, "view_class", None), verb, view)


def _texts(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise Rejection("TOKEN_INVALID")
    return frozenset(value)


def _declared(app: Flask) -> Iterator[tuple[Rule, str, tuple[str, ...] | None]]:
    undeclared = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in sorted(rule.methods or ()):
            roles = None
            if rule.endpoint not in PUBLIC:
                verb = "get" if method == "HEAD" else method.lower()
                handler = getattr(getattr(view, "view_class", None), verb, view)
                roles = getattr(handler, _MARK, None)
                if roles is None:
                    undeclared.append(f"{method} {rule.rule}")
                    continue
            yield rule, method, roles
    if undeclared:
        raise UndeclaredRoute(f"no role is declared for {', '.join(sorted(undeclared))}")

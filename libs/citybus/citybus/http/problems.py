"""Problems: every error that leaves this API is RFC 9457 `application/problem+json`, in Chinese and English."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson
import sqlalchemy.exc
from flask import Flask, Response, current_app, request
from marshmallow import ValidationError
from psycopg2.errors import UniqueViolation
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from citybus.errors import Refusal, Transient
from citybus.http import metrics, translations
from citybus.http.correlation import correlation
from citybus.idempotency import Reply, in_flight, key_reused
from citybus.tables import metadata
from citybus.telemetry import logs

MEDIA_TYPE: Final = "application/problem+json"
EXTENSION: Final = "city-problems"
RETRY_SECONDS: Final = 5

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its code, its status, what it means in both languages."""

    code: str
    status: int
    zh: str
    en: str


COMMON: Final = (
    Kind("VALIDATION", 400, "请求内容不符合要求，见 errors。", "The request is not as it must be, see errors."),
    Kind(
        "IDEMPOTENCY_KEY_MISSING",
        400,
        "请求缺少 Idempotency-Key 头，请为每个命令生成一个新键。",
        "The Idempotency-Key header is missing. Make a new key for each command.",
    ),
    Kind("TOKEN_MISSING", 401, "请先登录：缺少访问令牌。", "Sign in first: there is no access token."),
    Kind("TOKEN_INVALID", 401, "访问令牌无效，请重新登录。", "The access token is not valid. Sign in again."),
    Kind("TOKEN_EXPIRED", 401, "访问令牌已过期，请重新登录。", "The access token has expired. Sign in again."),
    Kind("FORBIDDEN", 403, "您的角色不能执行此操作。", "Your roles do not allow this."),
    Kind("DATA_SCOPE", 403, "该对象不在您的数据范围内。", "This is outside your data scope."),
    Kind(
        "ROLES_CONFLICT",
        403,
        "系统、安全、审计管理员须分设，且不得兼有业务角色。",
        "The system, security and audit administrators are separated and hold no business role.",
    ),
    Kind("NOT_FOUND", 404, "没有这个资源。", "There is no such resource."),
    Kind("METHOD_NOT_ALLOWED", 405, "该资源不支持此方法。", "This resource does not know that method."),
    Kind(
        "INVALID_TRANSITION",
        409,
        "当前状态不允许此操作。",
        "The present state does not allow this.",
    ),
    Kind("DUPLICATE", 409, "已存在相同的记录。", "There is such a record already."),
    Kind(
        "LENGTH_REQUIRED",
        411,
        "请求须标明长度（Content-Length）。",
        "The request must say its length (Content-Length).",
    ),
    Kind(
        "STALE_VERSION",
        412,
        "对象已被他人修改，请重新读取后再试。",
        "The object was changed meanwhile. Read it again, then decide again.",
    ),
    Kind("TOO_LARGE", 413, "请求内容过大。", "The request is too large."),
    Kind("UNSUPPORTED_MEDIA_TYPE", 415, "不支持该内容类型。", "This content type is not supported."),
    Kind("LOCKED", 423, "对象已锁定。", "The object is locked."),
    Kind(
        "PRECONDITION_REQUIRED",
        428,
        "请求缺少 If-Match 头，请带上所读对象的 ETag。",
        "The If-Match header is missing. Send the ETag of the object as you read it.",
    ),
    Kind(
        "SECRECY_LEVEL",
        451,
        "内容带有密级标志，本系统不得处理。",
        "The content is marked as classified: this system must not hold it.",
    ),
    Kind("INTERNAL", 500, "系统内部错误，已记录。", "An internal error happened and was recorded."),
    Kind(
        "DEPENDENCY_STALE",
        503,
        "所依赖的数据已不新鲜，为稳妥起见暂不作出结论。",
        "Data that this depends on is not fresh, so no conclusion is given.",
    ),
    *(Kind(known.code, known.status, known.zh, known.en) for known in (in_flight(), key_reused())),
    Kind("UNAVAILABLE", 503, "服务暂时不可用，请稍后重试。", "The service is away for a moment. Try again soon."),
)
_COMMON: Final = MappingProxyType({kind.code: kind for kind in COMMON})
_OF_STATUS: Final = MappingProxyType(
    {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE", 500: "INTERNAL"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: where (a JSON pointer into the body, or a named parameter) and what."""

    zh: str
    en: str
    pointer: str | None = None
    parameter: str | None = None
    place: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fault as a member of a problem's `errors`."""
        where = (
            {"pointer": self.pointer} if self.pointer is not None else {"parameter": self.parameter, "in": self.place}
        )
        return {**where, "messages": {"zh": self.zh, "en": self.en}}


class Rejection(Refusal):
    """A refusal by the mechanism itself, before any rule of the domain was asked."""

    def __init__(
        self,
        code: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **figures: Any,
    ) -> None:
        kind = _COMMON[code]
        super().__init__(code, zh=kind.zh, en=kind.en, status=kind.status, **figures)
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def invalid(*faults: Fault) -> Rejection:
    """Return the rejection of a request with `faults` in it."""
    return Rejection("VALIDATION", faults=faults)


def faults_of(messages: Any) -> list[Fault]:
    """Return the faults in webargs' messages: `{location: {field: {index: [text]}}}`."""
    return [fault for place, under in messages.items() for fault in _faults(place, under, ())]


def _faults(place: str, found: Any, path: tuple[str, ...]) -> list[Fault]:
    if isinstance(found, Mapping):
        # marshmallow keeps what concerns a whole object under the field name `_schema`.
        return [
            fault
            for name, under in found.items()
            for fault in _faults(place, under, path if name == "_schema" else (*path, str(name)))
        ]
    texts = [found] if isinstance(found, str) else found
    if place in ("json", "json_or_form", "form", "files"):
        pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
        return [Fault(*translations.both(text), pointer=pointer) for text in texts]
    place = {"querystring": "query", "headers": "header", "cookies": "cookie", "view_args": "path"}.get(place, place)
    return [Fault(*translations.both(text), parameter=".".join(path), place=place) for text in texts]


def kinds_of(app: Flask) -> list[Kind]:
    """Return all kinds of problems that `app` declares, by status and code."""
    declared: Mapping[str, Kind] = app.extensions[EXTENSION]
    return sorted(declared.values(), key=lambda kind: (kind.status, kind.code))


def render(refusal: Refusal) -> Reply:
    """Return the problem that tells the caller of `refusal`, in the language that the request prefers."""
    zh = prefers_chinese()
    status = refusal.status
    code = refusal.code
    kind = current_app.extensions[EXTENSION].get(code)
    detail = refusal.zh if zh else refusal.en
    if status in (401, 403):
        metrics.DENIED.labels(code).inc()
        _log.warning("access denied", code=code, status=status)
    body: dict[str, Any] = {
        "type": f"urn:city:problem:{code.lower().replace('_', '-')}",
        "title": (kind.zh if zh else kind.en) if kind else detail,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "code": code,
        "messages": {"zh": refusal.zh, "en": refusal.en},
        "figures": refusal.figures,
        "correlationid": correlation().id,
    }
    headers = {"Content-Type": MEDIA_TYPE, "Content-Language": "zh" if zh else "en", "Vary": "Accept-Language"}
    if isinstance(refusal, Rejection):
        if refusal.faults:
            body["errors"] = [fault.to_dict() for fault in refusal.faults]
        headers |= refusal.headers
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    elif status == 401:
        error = "" if code == "TOKEN_MISSING" else ' error="invalid_token"'
        headers["WWW-Authenticate"] = f"Bearer{error}"
    return Reply(status, orjson.dumps(body, default=str), headers)


def prefers_chinese() -> bool:
    """Say whether the request prefers Chinese: yes, unless it asks for English."""
    return request.accept_languages.best_match(("zh", "en"), "zh") == "zh"


def respond(reply: Reply) -> Response:
    """Return `reply` as Flask's response."""
    response = Response(reply.body, status=reply.status, headers=dict(reply.headers))
    if not reply.body:
        response.headers.remove("Content-Type")
    if reply.replayed:
        metrics.REPLAYED.inc()
        response.headers["Idempotent-Replayed"] = "true"
    return response


def of_http(error: HTTPException) -> Refusal:
    """Return the refusal that stands for what Flask or Werkzeug raised."""
    status = error.code or 500
    if status == 400:
        return invalid(Fault("请求格式不正确。", "The request is malformed.", pointer=""))
    if code := _OF_STATUS.get(status):
        headers = {}
        if isinstance(error, MethodNotAllowed):
            headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return Rejection(code, headers=headers)
    code = error.name.upper().replace(" ", "_")
    return Refusal(code, status=status, zh="请求被拒绝。", en=f"{error.name}.")


def away(error: Exception) -> bool:
    """Say whether `error` means that the database cannot be asked at present, and may be asked again later."""
    return isinstance(
        error,
        Transient | sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError | sqlalchemy.exc.TimeoutError,
    ) or (isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated)


def install(app: Flask, own: Iterable[Kind] = ()) -> None:
    """Make every error that leaves `app` a problem, and declare the service's `own` kinds beside the common ones.

    Raises ValueError where two kinds with the same code differ.
    """
    kinds = dict(_COMMON)
    for kind in own:
        if kinds.setdefault(kind.code, kind) != kind:
            raise ValueError(f"the problem {kind.code} is declared twice, and differently")
    app.extensions[EXTENSION] = kinds
    handlers: list[tuple[type[Exception], Callable[[Any], Refusal]]] = [
        (Refusal, lambda error: error),
        (HTTPException, of_http),
        (ValidationError, lambda error: invalid(*faults_of({"json": error.messages}))),
        (Exception, _unexpected),
    ]
    for error_type, refusal_of in handlers:
        app.register_error_handler(error_type, lambda error, refusal_of=refusal_of: respond(render(refusal_of(error))))


def duplicate(error: Exception) -> bool:
    """Say whether `error` is that a row of the service exists already: who checked first was overtaken by another."""
    cause = getattr(error, "orig", None)
    return isinstance(cause, UniqueViolation) and cause.diag.table_name not in metadata.tables


def unstorable(error: Exception) -> bool:
    """Say whether `error` is that a value in the request is none that can be reckoned with, stored or looked up.

    A text that is no identifier, a day whose period ends after the year 9999, a number too large: what a form lets
    through is met by the calendar or by PostgreSQL at the latest.
    """
    return isinstance(error, sqlalchemy.exc.DataError | OverflowError)


def _unexpected(error: Exception) -> Refusal:
    if duplicate(error):
        return Rejection("DUPLICATE")
    if away(error):
        _log.error("dependency away", exc_info=error)
        return Rejection("UNAVAILABLE")
    if unstorable(error):
        _log.error("value out of range", exc_info=error)
        return invalid(
            Fault(
                "请求中有数值超出范围或格式不符的内容,无法处理。",
                "A value in the request has another form, or is larger, than can be reckoned with.",
                pointer="",
            )
        )
    _log.error("unhandled error", exc_info=error)
    return Rejection("INTERNAL")

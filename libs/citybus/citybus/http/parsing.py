"""Reading requests: media types, sizes and JSON guards before marshmallow sees anything; common parameters."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Final, TypeVar

import flask_smorest
import orjson
from flask import Flask, Request, current_app, request
from marshmallow import Schema, ValidationError, fields
from webargs import core
from webargs.flaskparser import FlaskParser

from citybus.clock import ZONE
from citybus.http.access import handler_of
from citybus.http.problems import Fault, Rejection, faults_of, invalid
from citybus.http.translations import Bilingual

MAX_BODY_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
JSON: Final = "application/json"
RECKONED_YEARS: Final = range(1900, 2200)
"""The years in which a day may lie that a request names: periods that begin in them end where a calendar still reaches."""

Handler = TypeVar("Handler", bound=Callable[..., Any])

_MARK: Final = "_city_accepts"
_USUAL: Final = (frozenset({JSON}), MAX_BODY_BYTES)


def accepts(*media_types: str, max_bytes: int = MAX_BODY_BYTES) -> Callable[[Handler], Handler]:
    """Declare that a route takes bodies of `media_types`, up to `max_bytes`. Without it: JSON up to 1 MiB."""

    def declare(handler: Handler) -> Handler:
        setattr(handler, _MARK, (frozenset(media_types), max_bytes))
        return handler

    return declare


def install(app: Flask) -> None:
    """Refuse what no route of `app` should have to look at: other media types, too much, NUL characters."""

    def guard() -> None:
        if request.url_rule is None:
            return
        if "%00" in request.environ.get("QUERY_STRING", "") or "\x00" in request.path:
            raise invalid(Fault(*_NUL, parameter="", place="query"))
        if "Transfer-Encoding" in request.headers:
            # Werkzeug cuts a body of unsaid length at the limit, without a word.
            raise Rejection("LENGTH_REQUIRED")
        if request.content_length:
            view = current_app.view_functions[request.url_rule.endpoint]
            media_types, size = getattr(handler_of(view, request.method), _MARK, _USUAL)
            request.max_content_length = size
            if request.mimetype not in media_types:
                raise Rejection("UNSUPPORTED_MEDIA_TYPE", accepted=sorted(media_types))
            if request.content_length > size:
                raise Rejection("TOO_LARGE", limit_bytes=size)

    app.before_request(guard)


def read_json(body: bytes) -> Any:
    """Return what the JSON in `body` says.

    Raises Refusal `VALIDATION`: no JSON, nested deeper than 32, or holding a NUL character, which no text column takes.
    """
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise invalid(Fault("请求体不是有效的 JSON。", "The body is no valid JSON.", pointer="")) from None
    # Counting brackets is much quicker than walking, and most bodies have fewer than the depth allows.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH or b"\\u0000" in body:
        _walk(read)
    return read


def fingerprint() -> bytes:
    """Return what makes the present request the same as another: method, path, query and content, hashed.

    JSON counts by its meaning, a form with files by its parts, since both may be written anew for a second attempt.
    The version in If-Match is left out: who repeats a command after reading again still means the same command.
    """
    digest = hashlib.sha256(f"{request.method}\n{request.full_path}\n".encode())
    if request.mimetype == JSON and (body := request.get_data(cache=True)):
        digest.update(orjson.dumps(read_json(body), option=orjson.OPT_SORT_KEYS))
    elif request.mimetype == "multipart/form-data":
        for name, value in sorted(request.form.items(multi=True)):
            digest.update(orjson.dumps([name, value]))
        for name, file in sorted(request.files.items(multi=True), key=lambda part: part[0]):
            content = hashlib.sha256()
            file.stream.seek(0)  # a handler may have read it already
            while chunk := file.stream.read(1 << 16):
                content.update(chunk)
            file.stream.seek(0)
            digest.update(orjson.dumps([name, file.filename, content.hexdigest()]))
    else:
        digest.update(request.get_data(cache=True))
    return digest.digest()


class Parser(FlaskParser):
    """Reads arguments for flask-smorest, and tells what is wrong with them as one problem."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: Any) -> Any:
        body = req.get_data(cache=True)
        return read_json(body) if body else core.missing

    def _load_location_data(self, *, schema: Schema, req: Request, location: str) -> Any:
        data = super()._load_location_data(schema=schema, req=req, location=location)
        if isinstance(data, Mapping) and (wrong := _beyond(schema, data)):
            raise ValidationError(wrong)
        return data

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> Any:
        messages = error.messages
        raise invalid(*faults_of(messages if isinstance(messages, Mapping) else {"json": messages})) from None


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no type hints
    """A flask-smorest blueprint whose arguments are read by our parser."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema: type[Schema] | Schema, **options: Any) -> Any:
        """Read arguments by `schema`. It is made once: webargs would make it anew for each request."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)


class AsOf(fields.DateTime):
    """The instant whose state is asked for (X14): a date, of which its end is meant, or an instant with its offset.

    A field for a query schema. Loads to an aware datetime in Asia/Shanghai.
    """

    default_error_messages = {  # noqa: RUF012  marshmallow declares it so
        "invalid": Bilingual(
            "应为日期（2026-03-01）或带时区的时间（2026-03-01T09:00:00+08:00）。",
            "A date (2026-03-01) or an instant with its offset (2026-03-01T09:00:00+08:00) is wanted.",
        )
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            return datetime.combine(date.fromisoformat(value), time.max, ZONE)
        except (TypeError, ValueError):
            return self._instant(value)

    def _instant(self, value: Any) -> datetime:
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None:
                return at.astimezone(ZONE)
        except (TypeError, ValueError, OverflowError):
            pass
        raise self.make_error("invalid")


def _beyond(schema: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message for each day, at any depth, that no rule can reckon with; what is no day at all is for the schema."""
    found = {name: _beyond_of(field, given[name]) for name, field in _named(schema).items() if name in given}
    return {name: messages for name, messages in found.items() if messages}


def _named(schema: Schema) -> dict[str, fields.Field[Any]]:
    return {field.data_key or name: field for name, field in schema.load_fields.items()}


def _beyond_of(field: fields.Field[Any], value: Any) -> Any:
    if isinstance(field, fields.Date | fields.DateTime) and isinstance(value, str):
        return _beyond_of_day(value[:10])
    if isinstance(field, fields.Nested):
        if isinstance(value, list):
            return _each(lambda each: isinstance(each, Mapping) and _beyond(field.schema, each), value)
        return isinstance(value, Mapping) and _beyond(field.schema, value)
    if isinstance(field, fields.List) and isinstance(value, list):
        return _each(lambda each: _beyond_of(field.inner, each), value)
    return None


def _beyond_of_day(value: str) -> list[Bilingual] | None:
    try:
        year = date.fromisoformat(value).year
    except ValueError:
        return None
    return None if year in RECKONED_YEARS else [_YEARS]


def _each(look: Callable[[Any], Any], values: list[Any]) -> dict[int, Any]:
    return {index: messages for index, value in enumerate(values) if (messages := look(value))}


_YEARS: Final = Bilingual(
    f"日期应在 {RECKONED_YEARS.start} 年至 {RECKONED_YEARS.stop - 1} 年之间。",
    f"A day in the years {RECKONED_YEARS.start} to {RECKONED_YEARS.stop - 1} is wanted.",
)
_NUL: Final = ("文本中不得有 NUL 字符。", "A text must not hold a NUL character.")


def _walk(root: Any) -> None:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise invalid(Fault("嵌套过深。", "Nested too deeply.", pointer=""))
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if "\x00" in value:
                    raise invalid(Fault(*_NUL, pointer=""))
            elif isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = below

"""Structured logs: one JSON object a line, with a correlation id, and with no personal data.

A field is written only if its name is on a list; the values of all others are withheld and their names told. Texts lose
what looks like an identity number, a telephone number or an address of electronic mail. The words of an error are
written only where they cannot come from a person's data.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from structlog.typing import EventDict, WrappedLogger

from citybus.errors import CityError

_FIELDS: Final = frozenset(
    {
        "actor",
        "age",
        "applied",
        "attempts",
        "bindings",
        "bytes",
        "caller",
        "causation_id",
        "check",
        "checkpoint",
        "code",
        "consumer",
        "correlation_id",
        "count",
        "delay",
        "duplicates",
        "error",
        "event",
        "event_id",
        "event_type",
        "exchange",
        "exit_code",
        "file",
        "host",
        "kind",
        "level",
        "limit",
        "logger",
        "method",
        "number",
        "outcome",
        "parked",
        "path",
        "pid",
        "port",
        "process",
        "queue",
        "queues",
        "reason",
        "ref",
        "released",
        "route",
        "routing_key",
        "rows",
        "seconds",
        "sequence",
        "service",
        "setting",
        "signal",
        "since",
        "state",
        "status",
        "subject",
        "superseded",
        "timestamp",
        "total",
        "url",
        "version",
        "waiting",
        "where",
        "withheld",
    }
)
_PATTERNS: Final = (
    (re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}(?:19|20)\d{9}[\dXx](?![0-9A-Za-z])"), "[id number]"),
    (
        re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?![0-9A-Za-z])"),
        "[id number]",
    ),
    (re.compile(r"(?<![0-9A-Za-z])1[3-9]\d{9}(?![0-9A-Za-z])"), "[telephone]"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), "[credentials]"),
)
# What the database or the system says when it is away names hosts and files, never a row.
_SPEAKING: Final = (CityError, OSError, OperationalError, InterfaceError)

_allowed = set(_FIELDS)


def allow(*names: str) -> None:
    """Let more fields be written. For names whose values are never about a person."""
    _allowed.update(names)


def mask(text: str) -> str:
    """Return `text` without identity numbers, telephone numbers, e-mail addresses and credentials in URLs."""
    for pattern, word in _PATTERNS:
        text = pattern.sub(word, text)
    return text


def describe(error: BaseException) -> str:
    """Return a line about an error that may be stored and logged: its class, where it rose, and safe words of it."""
    name = type(error).__name__
    place = _place(error.__traceback__)
    words = _words(error)
    return f"{name}{f' at {place}' if place else ''}{f': {words}' if words else ''}"


def _words(error: BaseException) -> str:
    if isinstance(error, DBAPIError):
        # SQLAlchemy's own text holds the statement and its parameters; the driver's text can hold a row's values.
        driver = error.orig
        code = getattr(driver, "pgcode", None)
        said = f"{driver}".strip().partition("\n")[0] if isinstance(error, _SPEAKING) else ""
        return mask(" ".join(part for part in (type(driver).__name__, code, said) if part))
    if isinstance(error, _SPEAKING):
        return mask(str(error))
    return ""


def _place(trace: TracebackType | None) -> str:
    # The line of ours that called a library says more than the line of the library that failed.
    frames = _frames(trace, libraries=False) or _frames(trace)
    return frames[-1] if frames else ""


def _frames(trace: TracebackType | None, *, libraries: bool = True) -> list[str]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if libraries or "site-packages" not in code.co_filename:
            folder, file = os.path.split(code.co_filename)
            frames.append(f"{os.path.basename(folder)}/{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames


def _withhold(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    """Drop fields that are not on the list and name them; mask the texts of the others."""
    withheld = sorted(name for name in entry if name not in _allowed and not name.startswith("_"))
    kept: EventDict = {name: _masked(value) for name, value in entry.items() if name not in withheld}
    if withheld:
        kept["withheld"] = withheld
    return kept


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask(value)
        case None | bool() | float():
            return value
        case int():
            # A number long enough to be a telephone's or a person's is looked at as text.
            return value if abs(value) < 10**10 else _masked(str(value))
        case list() | tuple() | set() | frozenset():
            return [_masked(item) for item in value]
        case MutableMapping():
            return {str(key): _masked(item) for key, item in value.items()}
        case _:
            return mask(str(value))


def _tell_error(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    """Replace exception information by the chain of errors and the frames of the outermost."""
    info = entry.pop("exc_info", None)
    if not info:
        return entry
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exception()
    if error is None:
        return entry
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 10:
        chain.append(describe(seen))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    entry["error"] = chain
    entry["where"] = _frames(error.__traceback__)[-30:]
    return entry


def _drop_record(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    entry.pop("_record", None)
    entry.pop("_from_structlog", None)
    return entry


def configure(service: str, process: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logging of this process, that of libraries included, to `stream` (default stdout) as JSON lines."""
    structlog.contextvars.clear_contextvars()

    def name_process(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
        return {"service": service, "process": process, "pid": os.getpid(), **entry}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: Iterable[structlog.typing.Processor] = [
        name_process,
        _tell_error,
        _drop_record,
        _withhold,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=list(last)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Below warnings these libraries tell the contents of messages and statements.
    for chatty in ("pika", "amqp", "kombu", "sqlalchemy.engine", "urllib3", "alembic.runtime.migration"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


bound = structlog.contextvars.bound_contextvars
"""Context manager: `with bound(correlation_id=…, event_id=…):` adds fields to every line logged within."""


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger called `name`. Call it with an event in plain words and fields that are on the list."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger

"""Correlation: one id goes with a request through logs, events and the response."""

import re
from dataclasses import dataclass
from typing import Final

import structlog
from flask import g, request

from citybus.ids import new_id

HEADER: Final = "X-Correlation-ID"

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Correlation:
    """What ties a request to what it caused: our id, and the W3C trace context that came with it.

    `named` says that the sender chose the id.
    """

    id: str
    traceparent: str | None
    named: bool = True


def begin() -> None:
    """Take the request's correlation id, or make one where it has none or one that could forge log lines."""
    sent = request.headers.get(HEADER, "")
    trace = request.headers.get("traceparent", "")
    g.correlation = Correlation(
        id=sent if _ID.fullmatch(sent) else new_id(),
        traceparent=trace if _TRACEPARENT.fullmatch(trace) else None,
        named=_ID.fullmatch(sent) is not None,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(correlation_id=g.correlation.id)


def correlation() -> Correlation:
    """Return the present request's correlation."""
    found: Correlation = g.correlation
    return found

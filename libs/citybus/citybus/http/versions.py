"""Versions: an object's ETag is its version, and a command says by If-Match which one it decided on."""

import re

from flask import request

from citybus.http.problems import Fault, Rejection, invalid

_STRONG = re.compile(r'"(\d{1,18})"')


def etag(version: int) -> str:
    """Return the ETag of `version`: strong, `"7"`."""
    return f'"{version}"'


def expected_version() -> int:
    """Return the version that the present command was decided on.

    Raises Refusal: `PRECONDITION_REQUIRED` (428) without If-Match; `VALIDATION` (400) where it is not one strong ETag
    of ours. `*` is refused as well: it would mean "whatever it has become meanwhile".
    """
    sent = request.headers.get("If-Match")
    if sent is None:
        raise Rejection("PRECONDITION_REQUIRED")
    match = _STRONG.fullmatch(sent.strip())
    if match is None:
        raise invalid(
            Fault(
                '应为所读对象的强 ETag，例如 "7"。',
                'The strong ETag of the object as it was read is wanted, such as "7".',
                parameter="If-Match",
                place="header",
            )
        )
    return int(match[1])


def check_version(expected: int, present: int) -> None:
    """Raise Refusal `STALE_VERSION` (412) with the present version unless it is the expected one."""
    if expected != present:
        raise Rejection("STALE_VERSION", expected=expected, current=present)


def unchanged(version: int) -> bool:
    """Say whether the reader already holds `version` (If-None-Match), so that 304 is answer enough."""
    return request.if_none_match.contains_weak(str(version))

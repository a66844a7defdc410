"""Eligibility (S16): from when until when, and for which purposes, a cadre is barred, and what that means on a day.

Intervals are `[start, until)`: the day `until` is free again. Nothing here says why a cadre is barred but by a code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final


class Purpose(StrEnum):
    """What a cadre is to be eligible for."""

    PROMOTE = "PROMOTE"
    TRANSFER = "TRANSFER"
    AWARD = "AWARD"
    EXCELLENT = "EXCELLENT"


class Code(StrEnum):
    """Why a cadre is barred."""

    EFFECT_PERIOD_ACTIVE = "EFFECT_PERIOD_ACTIVE"
    CASE_PENDING = "CASE_PENDING"
    RECALL_OPEN = "RECALL_OPEN"
    RECALL_RECENT = "RECALL_RECENT"
    AFFECTS_USE_AFTER_EXPIRY = "AFFECTS_USE_AFTER_EXPIRY"


class Verdict(StrEnum):
    """What a check comes to. PENDING: it cannot be told now, and so it is not passed."""

    PASS = "PASS"  # noqa: S105  # a verdict
    BLOCKED = "BLOCKED"
    PENDING = "PENDING"


ALL_PURPOSES: Final = frozenset(str(purpose) for purpose in Purpose)
STALE: Final = "DEPENDENCY_STALE"
EVENT: Final = "supervision.eligibility.changed.v1"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of one source: its code, the purposes that it bars, and `[start, until)`; `until` None: until lifted."""

    code: str
    purposes: frozenset[str]
    start: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a cadre is barred on a day, and the first day on which this reason is over (None: not known)."""

    code: str
    until: date | None


@dataclass(frozen=True, slots=True)
class Check:
    """The answer about one cadre."""

    cadre: str
    verdict: Verdict
    reasons: Sequence[Reason]


def merged(bars: Iterable[Bar], purpose: str) -> list[tuple[str, date, date | None]]:
    """Return the bars for `purpose` as `(code, start, until)`, those of one code that meet joined, in order."""
    by_code: dict[str, list[tuple[date, date | None]]] = {}
    for bar in bars:
        if purpose in bar.purposes and (bar.until is None or bar.start < bar.until):
            by_code.setdefault(bar.code, []).append((bar.start, bar.until))
    return [(code, *interval) for code in sorted(by_code) for interval in _joined(by_code[code])]


def _joined(intervals: Iterable[tuple[date, date | None]]) -> list[tuple[date, date | None]]:
    found: list[tuple[date, date | None]] = []
    for start, until in sorted(intervals, key=lambda interval: (interval[0], interval[1] or date.max)):
        if found and (found[-1][1] is None or start <= found[-1][1]):
            last = found[-1][1]
            found[-1] = found[-1][0], None if last is None or until is None else max(last, until)
        else:
            found.append((start, until))
    return found


def reasons_on(bars: Iterable[Bar], purpose: str, as_of: date) -> list[Reason]:
    """Return why `purpose` is barred on the day `as_of`; each code once, until its last bar in a row is over."""
    return [
        Reason(code, until)
        for code, start, until in merged(bars, purpose)
        if start <= as_of and (until is None or as_of < until)
    ]


def check(cadre: str, bars: Iterable[Bar], purpose: str, as_of: date, *, stale: bool) -> Check:
    """Return the verdict on one cadre.

    A bar that is known blocks. Where nothing is known and the facts are `stale`, or the cadre is on no roster, the
    verdict is PENDING with `DEPENDENCY_STALE`: what is not known passes nobody.
    """
    found = reasons_on(bars, purpose, as_of)
    if stale:
        found = [*found, Reason(STALE, None)]
    if all(reason.code == STALE for reason in found):
        return Check(cadre, Verdict.PENDING if stale else Verdict.PASS, found)
    return Check(cadre, Verdict.BLOCKED, found)


def eligibility_state(cadre: str, bars: Sequence[Bar]) -> Mapping[str, Any]:
    """Return the whole state of a cadre as it is published: for each purpose its intervals `[from, until)`."""
    return {
        "cadre": cadre,
        "purposes": {
            str(purpose): [
                {"code": code, "from": start.isoformat(), "until": until and until.isoformat()}
                for code, start, until in merged(bars, purpose)
            ]
            for purpose in Purpose
        },
    }

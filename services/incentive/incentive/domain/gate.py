"""The selection gate (I13): whether a cadre may be chosen for a purpose, as of a day. A pure function of what others told.

What is known of a cadre is a set of parts, each with the subject under which it was told and the number of its event: of
two of one subject the later counts, so that the gate comes out the same in whatever order, and however often, they come.
Nothing here says why a cadre is barred but by a code, and until when.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from citybus.calendar import Duration, add_months
from citybus.rulepack import Rules


class Purpose(StrEnum):
    """For what a cadre would be chosen."""

    PROMOTE = "PROMOTE"
    TRANSFER = "TRANSFER"
    AWARD = "AWARD"


class Verdict(StrEnum):
    """What the gate says. PENDING: it cannot be told now, and so nobody passes."""

    PASS = "PASS"  # noqa: S105  # a verdict
    BLOCKED = "BLOCKED"
    PENDING = "PENDING"


class Part(StrEnum):
    """What is told of a cadre: bars by supervision (S16), annual results (A8) and the roster (A1) by assessment."""

    BARS = "BARS"
    ANNUAL = "ANNUAL"
    ROSTER = "ROSTER"


CHECKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "EFFECT_PERIOD_ACTIVE": ("处分、组织处理或诫勉影响期未满", "an effect period is not over"),
        "CASE_PENDING": ("有未了结事项", "a matter is pending"),
        "LAST_YEAR_BELOW_COMPETENT": (
            "上一年度考核结果为基本称职以下，或结果未定",
            "last year's result is below competent, or open",
        ),
        "RECALL_OPEN": ("召回未结束", "a recall is open"),
        "RECALL_RECENT": ("召回恢复后未满期限", "a recall ended only recently"),
        "AFFECTS_USE_AFTER_EXPIRY": ("影响期已满但仍影响使用", "a period is over but still affects use"),
        "TENURE": ("任现职未满规定年限", "not long enough in the present post"),
        "AVOIDANCE": ("任职回避", "avoidance: relations in the line of the post"),
        "DEPENDENCY_STALE": ("所依据的数据不全或已过时", "what it is decided on is missing or out of date"),
    }
)
"""All that the gate can check, with labels; which of them it makes is the rule `gate.checks`."""
_TOLD: Final = frozenset(
    {"EFFECT_PERIOD_ACTIVE", "CASE_PENDING", "RECALL_OPEN", "RECALL_RECENT", "AFFECTS_USE_AFTER_EXPIRY"}
)
"""The codes of bars that supervision tells."""
_BELOW: Final = frozenset({"BASICALLY_COMPETENT", "INCOMPETENT"})
_WORST: Final = ("INCOMPETENT", "BASICALLY_COMPETENT", None, "COMPETENT", "EXCELLENT")


class Told(NamedTuple):
    """One part of what is known of a cadre: from which subject and event (its number), and the data itself."""

    subject: str
    sequence: int
    part: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its code, and the days `[start, until)`; `until` None: until it is lifted."""

    code: str
    start: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Annual:
    """The result of a year: `grade` None where there is none; `settled` is false while it may still be made up."""

    year: int
    grade: str | None
    settled: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a cadre: bars by purpose, one annual result a year, the unit and since when in the post.

    `unit` is None where the roster has no such cadre.
    """

    bars: Mapping[str, Sequence[Bar]]
    annuals: Mapping[int, Annual]
    unit: str | None = None
    post_since: date | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the gate does not open, and from when on this reason is over (None: not known)."""

    code: str
    until: date | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The gate's answer about one cadre, purpose and day."""

    purpose: str
    as_of: date
    verdict: Verdict
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: for which purpose, as of which day, and who is kept from the post by relations (`avoid`)."""

    cadre: str
    purpose: str
    as_of: date
    avoid: Collection[str] = ()


def keep(known: Mapping[str, Told], told: Told) -> dict[str, Told]:
    """Return what is known once `told` was heard: by subject, the part that was told last."""
    old = known.get(told.subject)
    return dict(known) if old is not None and old.sequence >= told.sequence else {**known, told.subject: told}


def standing(parts: Iterable[Told]) -> Standing:
    """Return what the parts of one cadre say. Of two results of one year the worse counts."""
    bars: dict[str, list[Bar]] = {}
    annuals: dict[int, Annual] = {}
    unit, post_since = None, None
    for told in sorted(parts, key=lambda part: part.subject):
        if told.part == Part.BARS:
            for purpose, intervals in told.data["purposes"].items():
                bars.setdefault(purpose, []).extend(_bar(interval) for interval in intervals)
        elif told.part == Part.ANNUAL:
            found = Annual(told.data["year"], told.data["grade"], told.data["settled"])
            annuals[found.year] = min(annuals.get(found.year, found), found, key=_weight)
        elif told.data["on_roster"]:
            unit, post_since = told.data["unit"], _day(told.data["post_since"])
    return Standing(bars, annuals, unit, post_since)


def _bar(interval: Mapping[str, Any]) -> Bar:
    start = _day(interval["from"])
    if start is None:
        raise ValueError("a bar without its first day")
    return Bar(interval["code"], start, _day(interval["until"]))


def _weight(annual: Annual) -> tuple[bool, bool, int]:
    return annual.grade not in _BELOW, annual.settled, _WORST.index(annual.grade) if annual.grade in _WORST else 0


def _day(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)


def evaluate(question: Question, known: Standing, rules: Rules, stale: Collection[str] = ()) -> Evaluation:
    """Return whether the gate opens. A reason that is known blocks, whatever else is not known.

    `stale` names the services whose facts are out of date. Where nothing blocks, and they are, or the roster lacks the
    cadre, or last year's result is due and not known, the verdict is PENDING: what is not known opens no gate.
    """
    checks = rules["gate.checks"]
    found = [
        reason
        for reason in (
            *_barred(question, known),
            *_last_year(question, known, rules),
            *_tenure(question, known, rules),
            *_avoidance(question),
            *_unknown(known, stale),
        )
        if reason.code in checks
    ]
    if not found:
        verdict = Verdict.PASS
    else:
        verdict = Verdict.PENDING if all(reason.pending for reason in found) else Verdict.BLOCKED
    ordered = sorted(found, key=lambda reason: (reason.pending, reason.code))
    return Evaluation(question.purpose, question.as_of, verdict, ordered)


def _barred(question: Question, known: Standing) -> Iterable[Reason]:
    """Return the bars of the day, each code once: until the last of those that follow each other is over."""
    bars = sorted(known.bars.get(question.purpose, ()), key=lambda bar: (bar.start, bar.until or date.max))
    for code in sorted({bar.code for bar in bars} & _TOLD):
        end: date | None = question.as_of
        active = False
        for bar in bars:
            if bar.code == code and end is not None and bar.start <= end and (bar.until is None or bar.until > end):
                end, active = bar.until, True
        if active:
            yield Reason(code, end)


def _last_year(question: Question, known: Standing, rules: Rules) -> Iterable[Reason]:
    """Last year's annual result must not be below competent (选拔任用条例 2019, article 24).

    Until the day by which it is due is over, the result of the year before stands in for one that is not there yet.
    """
    year = question.as_of.year - 1
    if year not in known.annuals and question.as_of <= _due(rules, question.as_of.year):
        year -= 1
    annual = known.annuals.get(year)
    if annual is None:
        if year >= rules["gate.annuals_since"]:
            yield Reason("LAST_YEAR_BELOW_COMPETENT", pending=True)
    elif annual.grade in _BELOW:
        yield Reason("LAST_YEAR_BELOW_COMPETENT", date(year + 2, 1, 1) if year == question.as_of.year - 1 else None)
    elif not annual.settled:
        yield Reason("LAST_YEAR_BELOW_COMPETENT", pending=True)


def _due(rules: Rules, year: int) -> date:
    due = rules["gate.annual_due"]
    return date(year, due["month"], due["day"])


def _tenure(question: Question, known: Standing, rules: Rules) -> Iterable[Reason]:
    least: Duration | None = rules["gate.tenure"].get(question.purpose)
    if least is None or known.post_since is None:
        return
    until = add_months(known.post_since, least.amount)
    if question.as_of < until:
        yield Reason("TENURE", until)


def _avoidance(question: Question) -> Iterable[Reason]:
    if question.cadre in question.avoid:
        yield Reason("AVOIDANCE")


def _unknown(known: Standing, stale: Collection[str]) -> Iterable[Reason]:
    if stale or known.unit is None:
        yield Reason("DEPENDENCY_STALE", pending=True)


def explain(evaluation: Evaluation) -> tuple[str, str]:
    """Return in Chinese and English why the gate answers so, with the day on which each reason is over."""
    if not evaluation.reasons:
        return "未发现限制情形。", "Nothing bars it."
    zh, en = [], []
    for reason in evaluation.reasons:
        named = CHECKS[reason.code]
        until = "" if reason.until is None else f"，至 {reason.until}"
        zh.append(f"{named[0]}{until}")
        en.append(f"{named[1]}{'' if reason.until is None else f', until {reason.until}'}")
    return "；".join(zh) + "。", "; ".join(en) + "."

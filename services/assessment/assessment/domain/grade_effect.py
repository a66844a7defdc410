"""What supervision's matters do to a grade (1.3, 3.4): sanctions, measures, adjustments, recalls and open cases.

Each function turns the newest state of a matter into what it wants of the grades, by the rules of the day on which the
matter was decided. An effect is data, `{years, kind, grade?, count?}`:

- `first`: the year of the decision;
- `following`: the `count` years after it, or the whole years of the period where no count is given;
- `touched`: every year that the period touches before the one in which it ends.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from assessment.domain.constraint import Kind, Wanted
from assessment.domain.deduction import Rules
from assessment.domain.grade import Grade

VOID: Final = frozenset({"CANCELLED", "DISMISSED", "REVERSED", "REVOKED", "TRANSFERRED", "WITHDRAWN"})
"""States of a matter that wants nothing any more: taken back, or handed to the discipline commission."""

PUT_OFF: Final = "constraint.put_off"

RulesOn = Callable[[date], Rules]


class UnknownKind(Exception):
    """The table of effects has no row for a kind: its grade effect must be decided, not guessed."""


@dataclass(frozen=True, slots=True)
class Period:
    """The effect period `[start, end)` of a matter, `months` long; `end` is None where none is set."""

    start: date
    end: date | None = None
    months: int | None = None


def of_sanction(state: Mapping[str, Any], rules_on: RulesOn) -> list[Wanted]:
    """Return what a sanction wants: by its regime and kind, the years that its period touches."""
    if state["state"] in VOID:
        return []
    start = state["effective_on"] or state["decided_on"]
    period = Period(start, state["end_on"], state["months"])
    key = f"constraint.effects.{state['regime'].lower()}"
    reason = "ADMONITION" if state["regime"] == "ADMONITION" else "SANCTION"
    return _effects(rules_on(start), key, state["kind"], period, reason)


def of_measure(state: Mapping[str, Any], rules_on: RulesOn) -> list[Wanted]:
    """Return what a reminder, inquiry or admonition wants once it is delivered."""
    if state["delivered_on"] is None or state["state"] in VOID:
        return []
    period = Period(state["delivered_on"], state["effect_until"])
    rules = rules_on(state["delivered_on"])
    return _effects(rules, "constraint.effects.measure", state["kind"], period, "ADMONITION", state["findings"])


def of_adjustment(state: Mapping[str, Any], rules_on: RulesOn) -> list[Wanted]:
    """Return what an adjustment wants once it is decided: of the year of the decision, then of that in which it took effect.

    The register of sanctions has it from its execution on and binds that year as well: one adjustment costs one year.
    """
    if state["decided_on"] is None or state["state"] in VOID:
        return []
    rules, period = rules_on(state["decided_on"]), Period(state.get("executed_on") or state["decided_on"])
    return _effects(rules, "constraint.effects.org", state["way"], period, "ADJUSTMENT", state["findings"])


def of_recall(state: Mapping[str, Any], rules_on: RulesOn) -> list[Wanted]:
    """Return what a recall wants: a cap from the year of approval to that of the outcome; a proposal if it failed."""
    approved, ended = state["approved_on"], state["outcome_on"]
    if approved is None or state["state"] in VOID:
        return []
    rules = rules_on(approved)
    findings = _texts(state["findings"])
    cap = Grade(rules["constraint.recall.cap"])
    packs = (rules.cite("constraint.recall.cap"),)
    last = max(approved.year, ended.year if ended else 0)
    wanted = [
        Wanted(year, Kind.CAP, "RECALL", cap, findings=findings, rule_packs=packs)
        for year in range(approved.year, last + 1)
    ]
    if ended is not None:
        rules = rules_on(ended)
        outcomes = rules["constraint.recall.forced"]
        if state["outcome"] in outcomes:
            wanted.append(
                Wanted(
                    ended.year,
                    Kind.FORCED,
                    "RECALL_OUTCOME",
                    Grade(outcomes[state["outcome"]]),
                    findings=findings,
                    proposal=True,
                    rule_packs=(rules.cite("constraint.recall.forced"),),
                )
            )
    return wanted


def of_case_hold(opened_on: date, rules_on: RulesOn, undecided: int | None = None) -> list[Wanted]:
    """Return what an open case wants: no grade for now, from the year whose assessment it still meets.

    `undecided` is the first year whose grade was not approved when it was opened, None where there is none.
    """
    rules = rules_on(opened_on)
    until: str = rules["constraint.case_hold.previous_year_until"]
    year = opened_on.year - (f"{opened_on:%m-%d}" <= until)
    year = year if undecided is None else min(year, undecided)
    packs = (rules.cite("constraint.case_hold.previous_year_until"),)
    return [Wanted(year, Kind.FLOOR_NONE, "CASE_PENDING", open_ended=True, hidden=True, rule_packs=packs)]


def of_put_off(scale: str, kind: str, decided_on: date, years: Iterable[int], rules_on: RulesOn) -> list[Wanted]:
    """Return what a sanction (`scale`: `sanction.party`, `sanction.gov`) wants of the years that its case put off.

    A year whose case ends with a warning is made up, but not as excellent; after a heavier one it stays without a grade.
    """
    rules = rules_on(decided_on)
    effect = rules[PUT_OFF].get(scale, {}).get(kind)
    if effect is None:
        return []
    grade = Grade(effect["grade"]) if "grade" in effect else None
    packs = (rules.cite(PUT_OFF),)
    return [Wanted(year, Kind(effect["kind"]), "SANCTION", grade, rule_packs=packs) for year in years]


def of_last_year(year: int, grade: Grade | None, decided_on: date, rules_on: RulesOn) -> list[Wanted]:
    """Return what the grade of `year` wants of the year after it."""
    rules = rules_on(decided_on)
    caps = rules["constraint.last_year"]
    if grade is None or grade.value not in caps:
        return []
    packs = (rules.cite("constraint.last_year"),)
    return [Wanted(year + 1, Kind.CAP, "LAST_YEAR", Grade(caps[grade.value]), rule_packs=packs)]


def _effects(
    rules: Rules, key: str, kind: str, period: Period, reason: str, findings: Iterable[Any] = ()
) -> list[Wanted]:
    table: Mapping[str, Sequence[Mapping[str, Any]]] = rules[key]
    if kind not in table:
        raise UnknownKind(f"{key}: {kind}")
    return [
        Wanted(
            year,
            Kind(effect["kind"]),
            reason,
            Grade(effect["grade"]) if "grade" in effect else None,
            findings=_texts(findings),
            rule_packs=(rules.cite(key),),
        )
        for effect in table[kind]
        for year in _years(effect, period)
    ]


def _years(effect: Mapping[str, Any], period: Period) -> Iterable[int]:
    first = period.start.year
    match effect["years"]:
        case "first":
            return (first,)
        case "following":
            count = effect["count"] if "count" in effect else (period.months or 0) // 12
            return range(first + 1, first + 1 + count)
        case "touched":
            # The end is the day after the last: a period until 1 January ends in the year before.
            return range(first, (period.end - timedelta(days=1)).year if period.end else first + 1)
    raise ValueError(f"unknown years {effect['years']}")


def _texts(findings: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(finding) for finding in findings))

"""Leave that keeps a year from being graded (1.2): recorded by one, confirmed by another, counted by days of the year."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol

from statemachine import State, StateMachine

from assessment.domain.constraint import Kind, Wanted
from assessment.domain.deduction import Rules
from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked

SHARE: Final = "absence.no_grade_above"


class Absence(Protocol):
    """What the rules read and change of a leave: from its first to its last day."""

    id: str
    state: str
    cadre: str
    unit: str
    kind: str
    begins: date
    ends: date


@dataclass(frozen=True, slots=True)
class AbsenceFacts:
    """What was looked up: the unit of the cadre who is named, None where the roster has no such cadre."""

    unit: str | None = None


class AbsenceMachine(StateMachine):
    """RECORDED → CONFIRMED, from either → WITHDRAWN where it was wrong."""

    RECORDED = State(initial=True)
    CONFIRMED = State()
    WITHDRAWN = State(final=True)

    confirm = RECORDED.to(CONFIRMED)
    withdraw = RECORDED.to(WITHDRAWN) | CONFIRMED.to(WITHDRAWN)


def scope(case: Absence) -> Scope:
    """Return whom a leave concerns: the cadre and the unit that it was taken from."""
    return Scope(units=frozenset({case.unit}), persons=frozenset({case.cadre}))


def plain(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where the reason bears a mark of a state secret."""
    reason = step.form.get("reason") or ""
    refuse_marked([reason], step.rules)


def record(step: Step) -> None:
    """Take over the leave. Raises 422 `UNKNOWN_CADRE`, `UNKNOWN_ABSENCE_KIND`, `DATE_RANGE`."""
    case: Absence = step.case
    facts: AbsenceFacts = step.facts
    form = step.form
    if facts.unit is None:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.")
    if form["kind"] not in step.rule("absence.kinds"):
        raise Refusal(
            "UNKNOWN_ABSENCE_KIND", zh="假别不在现行目录内。", en="The catalogue has no such kind.", kind=form["kind"]
        )
    if form["ends"] < form["begins"] or form["ends"] > step.at.date():
        raise Refusal(
            "DATE_RANGE",
            zh="止日不得早于起日，也不得晚于今天。",
            en="It ends not before it begins, and not after today: only leave that was taken is recorded.",
            begins=form["begins"].isoformat(),
            ends=form["ends"].isoformat(),
        )
    case.cadre, case.unit, case.kind = str(form["cadre"]), facts.unit, form["kind"]
    case.begins, case.ends = form["begins"], form["ends"]


def days_by_year(spans: Iterable[tuple[date, date]]) -> dict[int, int]:
    """Return how many days of each year lie in `spans` (first and last day); a day that two of them hold counts once."""
    days: set[date] = set()
    for first, last in spans:
        days.update(first + timedelta(days=number) for number in range((last - first).days + 1))
    counted: dict[int, int] = {}
    for day in days:
        counted[day.year] = counted.get(day.year, 0) + 1
    return counted


def wanted(spans: Iterable[tuple[date, date]], rules: Rules) -> list[Wanted]:
    """Return what leave wants: a year of which more than the share of the rules was leave has no grade."""
    share, packs = Decimal(rules[SHARE]), (rules.cite(SHARE),)
    return [
        Wanted(year, Kind.NO_GRADE, "ABSENCE", rule_packs=packs)
        for year, days in sorted(days_by_year(spans).items())
        if days > share * (date(year + 1, 1, 1) - date(year, 1, 1)).days
    ]


_ASSESSORS: Final[Mapping[str, Reach]] = MappingProxyType({"ORG.assess": Reach.OFFICE})

ABSENCE: Final = CaseType(
    service="assessment",
    kind="absence",
    collection="absences",
    zh="病事假",
    en="leave",
    machine=AbsenceMachine,
    states=MappingProxyType(
        {
            "RECORDED": ("已登记", "recorded"),
            "CONFIRMED": ("已确认", "confirmed"),
            "WITHDRAWN": ("已撤销", "withdrawn"),
        }
    ),
    create=Action(zh="登记", en="record", allow={"UNITHR": Reach.UNIT, **_ASSESSORS}, guards=(plain,), effect=record),
    actions=MappingProxyType(
        {
            "confirm": Action(zh="确认", en="confirm", allow=_ASSESSORS, guards=(plain,), not_after=("create",)),
            "withdraw": Action(zh="撤销", en="withdraw", allow=_ASSESSORS, guards=(plain,), reason=True),
        }
    ),
)

"""Indicators 指标库 (A5): what the province or the city sets for a year, with one unit that leads and others that help."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons


class Level(StrEnum):
    """Who sets an indicator: the province or the city."""

    PROV = "PROV"
    CITY = "CITY"


class Indicator(Protocol):
    """What the rules read and change of an indicator. `target` and `baseline` count in `unit_of_measure`."""

    id: str
    state: str
    year: int
    code: str
    title: str
    level: str
    unit_of_measure: str
    target: Decimal
    baseline: Decimal | None
    lead_unit: str
    co_units: list[str]


@dataclass(frozen=True, slots=True)
class IndicatorFacts:
    """What was looked up: the named units that are registered, and which of code and title another indicator of the year has."""

    units: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()


class IndicatorMachine(StateMachine):
    """DRAFT → ACTIVE → CLOSED."""

    DRAFT = State(initial=True)
    ACTIVE = State()
    CLOSED = State(final=True)

    revise = DRAFT.to(DRAFT)
    publish = DRAFT.to(ACTIVE)
    change = ACTIVE.to(ACTIVE)
    close = ACTIVE.to(CLOSED)


def scope(case: Indicator) -> Scope:
    """Return whom an indicator concerns: nobody in particular, since it holds no one to anything by itself."""
    return Scope()


def draft(step: Step) -> None:
    """Take over the whole indicator. Raises `YEAR_RANGE` and the refusals of `take_over`."""
    case: Indicator = step.case
    year = step.form["year"]
    first, last = step.at.year, step.at.year + step.rule("indicator.years_ahead")
    if not first <= year <= last:
        raise Refusal(
            "YEAR_RANGE",
            zh=f"指标年度应为 {first} 至 {last} 年。",
            en=f"An indicator is set for a year from {first} to {last}.",
            first=first,
            last=last,
        )
    case.year, case.code, case.level = year, step.form["code"], Level(step.form["level"])
    take_over(step)


def take_over(step: Step) -> None:
    """Take over what may change in the year: title, measure, target, baseline, units.

    Raises 422 `UNKNOWN_UNIT`, `LEAD_UNIT_TWICE`, 409 `DUPLICATE` (another indicator of the year has the code or the title),
    451 `SECRECY_LEVEL`.
    """
    case: Indicator = step.case
    facts: IndicatorFacts = step.facts
    form = step.form
    case.title, case.unit_of_measure = form["title"], form["unit_of_measure"]
    case.target, case.baseline = form["target"], form.get("baseline")
    case.lead_unit, case.co_units = form["lead_unit"], sorted(form.get("co_units") or ())
    refuse_marked((case.title, case.unit_of_measure), step.rules)
    if case.lead_unit in case.co_units:
        raise Refusal(
            "LEAD_UNIT_TWICE",
            zh="牵头单位只有一个,不得同时列为配合单位。",
            en="One unit leads; it is not among those that help.",
            unit=case.lead_unit,
        )
    unknown = sorted({case.lead_unit, *case.co_units} - facts.units)
    if unknown:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.", units=unknown)
    if facts.repeated:
        raise Refusal(
            "DUPLICATE",
            zh="同一年度的指标不得重复。",
            en="No indicator is repeated within a year.",
            status=409,
            fields=sorted(facts.repeated),
        )


_KEEPERS: Final[Mapping[str, Reach]] = {"ORG.assess": Reach.OFFICE, "SUPO": Reach.OFFICE}
_EVENT: Final = "assessment.indicator.{}.v1"

INDICATOR: Final = CaseType(
    service="assessment",
    kind="indicator",
    collection="indicators",
    zh="指标",
    en="indicator",
    machine=IndicatorMachine,
    dataclass="L2",
    states={"DRAFT": ("草稿", "draft"), "ACTIVE": ("执行中", "active"), "CLOSED": ("已关闭", "closed")},
    create=Action(zh="拟定指标", en="draft an indicator", allow=_KEEPERS, guards=(refuse_marked_reason,), effect=draft),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改草稿", en="revise the draft", allow=_KEEPERS, effect=draft),
            "publish": Action(
                zh="发布", en="publish", allow=_KEEPERS, event=_EVENT.format("published"), mandatory=False
            ),
            "change": Action(
                zh="调整",
                en="change",
                allow=_KEEPERS,
                effect=take_over,
                event=_EVENT.format("changed"),
                mandatory=False,
                reason=True,
            ),
            "close": Action(
                zh="关闭", en="close", allow=_KEEPERS, event=_EVENT.format("changed"), mandatory=False, reason=True
            ),
        }
    ),
)

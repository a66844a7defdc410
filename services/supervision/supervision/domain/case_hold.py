"""Investigation holds (S15): while a case is open, nothing good may befall the cadre; who knows of it is few.

That there is a hold is sensitive (L4). Events carry the hold and the cadre alone; gates read a code from eligibility.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.eligibility import ALL_PURPOSES, Bar, Code


class Result(StrEnum):
    """How an investigation ended. What was decided is in the register of sanctions."""

    NO_CASE = "NO_CASE"
    EXEMPT = "EXEMPT"
    SANCTIONED = "SANCTIONED"
    TRANSFERRED = "TRANSFERRED"


class CaseHold(Protocol):
    """What the rules read and change of a hold."""

    id: str
    state: str
    cadre: str
    unit: str
    organ: str
    case_no: str
    opened_on: date
    closed_on: date | None
    result: str | None


@dataclass(frozen=True, slots=True)
class CaseHoldFacts:
    """The unit of the cadre (None: on no roster), and whether the case is open here already."""

    unit: str | None = None
    duplicate: bool = False


class CaseHoldMachine(StateMachine):
    """OPEN → CLOSED."""

    OPEN = State(initial=True)
    CLOSED = State(final=True)

    close = OPEN.to(CLOSED)


def scope(case: CaseHold) -> Scope:
    """Return whom a hold concerns: they are never told of it here."""
    return Scope(units=frozenset({case.unit}), persons=frozenset({case.cadre}), disclosed=False)


def open_hold(step: Step) -> None:
    """Take over the case from the form. Raises 422 `UNKNOWN_CADRE`, `DATE_IN_FUTURE`, 409 `DUPLICATE`, 451."""
    case: CaseHold = step.case
    facts: CaseHoldFacts = step.facts
    form = step.form
    if facts.unit is None:
        raise Refusal(
            "UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=[form["cadre"]]
        )
    if facts.duplicate:
        raise Refusal("DUPLICATE", zh="该案已登记且未结。", en="The case is open here already.", status=409)
    refuse_marked([form["case_no"]], step.rules)
    case.cadre, case.unit = form["cadre"], facts.unit
    case.organ, case.case_no = form["organ"], form["case_no"]
    case.opened_on = form.get("opened_on", step.at.date())
    case.closed_on = case.result = None
    _not_ahead(case.opened_on, step)


def close(step: Step) -> None:
    """Note how and when the case ended. Raises 422 `DATE_IN_FUTURE`, `DATE_RANGE`."""
    case: CaseHold = step.case
    day = step.form.get("closed_on", step.at.date())
    _not_ahead(day, step)
    if day < case.opened_on:
        raise Refusal(
            "DATE_RANGE",
            zh="结案日期不得早于立案日期。",
            en="It cannot end before it began.",
            closed_on=day.isoformat(),
            earliest=case.opened_on.isoformat(),
        )
    case.closed_on, case.result = day, step.form["result"]


def _not_ahead(day: date, step: Step) -> None:
    if day > step.at.date():
        raise Refusal(
            "DATE_IN_FUTURE",
            zh="日期不得晚于今天。",
            en="The day cannot lie ahead.",
            day=day.isoformat(),
            latest=step.at.date().isoformat(),
        )


def bars(case: CaseHold) -> list[Bar]:
    """Return what the hold bars: all purposes, from its opening until it was closed."""
    return [Bar(Code.CASE_PENDING, ALL_PURPOSES, case.opened_on, case.closed_on)]


_COMMISSION: Final = {"DISC": Reach.OFFICE}

CASE_HOLD: Final = CaseType(
    service="supervision",
    kind="case-hold",
    collection="case-holds",
    zh="立案",
    en="investigation hold",
    machine=CaseHoldMachine,
    dataclass="L3",
    states={"OPEN": ("立案未结", "open"), "CLOSED": ("已结案", "closed")},
    create=Action(
        zh="登记立案",
        en="open a hold",
        allow=_COMMISSION,
        guards=(refuse_marked_reason,),
        effect=open_hold,
        event="supervision.case-hold.opened.v1",
    ),
    actions=with_plain_reasons(
        {
            "close": Action(
                zh="登记结案",
                en="close the hold",
                allow=_COMMISSION,
                effect=close,
                event="supervision.case-hold.closed.v1",
            )
        }
    ),
)

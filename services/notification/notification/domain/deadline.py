"""The clock that warns people of deadlines (N4): who has to act is told before, and one after the other when it is late.

Each service fires its own deadlines. Here people are warned: yellow before it is due, red when it passes; where
nothing acts by itself then, the head of the unit, the head of the supervision office, and at last a yellow card.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.actor import Actor
from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE


class Level(StrEnum):
    """Who is told by now; each level includes those before it."""

    NOBODY = "NOBODY"
    CONCERNED = "CONCERNED"
    UNIT_HEAD = "UNIT_HEAD"
    SUPERVISION_HEAD = "SUPERVISION_HEAD"
    YELLOW_CARD = "YELLOW_CARD"


class Light(StrEnum):
    """What is shown."""

    NONE = "NONE"
    YELLOW = "YELLOW"
    RED = "RED"


class Watched(Protocol):
    """What the rules read and change of a deadline that is watched.

    `kind` and `ref` are its owner's, `acts` says that the owner takes a step by itself when it passes; `units`, `persons`
    and `offices` are those who have to act, or whom it concerns, told only where it is `disclosed`; officers of the unit
    are not told of what is `confidential`.
    """

    id: str
    state: str
    service: str
    kind: str
    ref: str
    title_zh: str
    title_en: str
    due_at: datetime
    warn_at: datetime | None
    acts: bool
    units: list[str]
    persons: list[str]
    disclosed: bool
    confidential: bool
    offices: list[str]
    level: str
    light: str


class DeadlineMachine(StateMachine):
    """ARMED → WARNED → BREACHED → SATISFIED; CANCELLED. One that is moved begins anew."""

    ARMED = State(initial=True)
    WARNED = State()
    BREACHED = State()
    SATISFIED = State(final=True)
    CANCELLED = State(final=True)

    move = ARMED.to(ARMED) | WARNED.to(ARMED)
    warn = ARMED.to(WARNED)
    breach = ARMED.to(BREACHED) | WARNED.to(BREACHED)
    tell_head = BREACHED.to(BREACHED)
    tell_supervision = BREACHED.to(BREACHED)
    yellow_card = BREACHED.to(BREACHED)
    satisfy = ARMED.to(SATISFIED) | WARNED.to(SATISFIED) | BREACHED.to(SATISFIED)
    cancel = ARMED.to(CANCELLED) | WARNED.to(CANCELLED) | BREACHED.to(CANCELLED)


def scope(case: Watched) -> Scope:
    """Return whom it concerns."""
    return Scope(units=frozenset(case.units), persons=frozenset(case.persons), disclosed=case.disclosed)


def is_told(case: Watched, actor: Actor) -> bool:
    """Say whether `actor` is among those who are told of it by now."""
    if case.level == Level.NOBODY:
        return False
    in_scope = actor.units is None or set(case.units) <= actor.units
    of_unit = case.disclosed and not case.confidential and actor.unit in case.units
    party = case.disclosed and actor.has("CADRE") and actor.person in case.persons
    concerned = party or (of_unit and actor.has("UNITHR"))
    if concerned or (in_scope and any(actor.has(role) for role in case.offices)):
        return True
    if case.level == Level.CONCERNED:
        return False
    if of_unit and actor.has("UNITHEAD"):
        return True
    return case.level != Level.UNIT_HEAD and in_scope and any(actor.has(role) for role in SUPERVISION)


def arm(step: Step) -> None:
    """Take over the deadline as its owner has it."""
    case: Watched = step.case
    form = step.form
    case.service, case.kind, case.ref = form["service"], form["kind"], form["ref"]
    move(step)


def move(step: Step) -> None:
    """Begin anew with the time, and with those whom it concerns, as they are now."""
    for name, value in told(step.form).items():
        setattr(step.case, name, value)
    _tell(step, Level.NOBODY, Light.NONE)


def told(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what its owner says of a deadline each time, by the names that it has here."""
    return {
        "title_zh": form["zh"],
        "title_en": form["en"],
        "acts": form["acts"],
        "disclosed": form["disclosed"],
        "confidential": form["confidential"],
        "units": list(form["units"]),
        "persons": list(form["persons"]),
        "offices": list(form["offices"]),
        "due_at": form["due_at"],
        "warn_at": form["warn_at"],
    }


def warn(step: Step) -> None:
    """Show yellow, to who has to act."""
    _tell(step, Level.CONCERNED, Light.YELLOW)


def breach(step: Step) -> None:
    """Show red, to who had to act."""
    _tell(step, Level.CONCERNED, Light.RED)


def tell_head(step: Step) -> None:
    """Tell the head of the unit."""
    _tell(step, Level.UNIT_HEAD, Light.RED)


def tell_supervision(step: Step) -> None:
    """Tell the head of the supervision office."""
    _tell(step, Level.SUPERVISION_HEAD, Light.RED)


def give_card(step: Step) -> None:
    """Show the yellow card."""
    _tell(step, Level.YELLOW_CARD, Light.RED)


def put_out(step: Step) -> None:
    """Put the light out; nobody has to be told any more. What its owner said last is kept."""
    move(step)


def warning_time(step: Step) -> datetime | None:
    """Return when people are to be warned; None where that is not before it is due.

    On the day on which a deadline begins nobody is warned of it: they have only just been told of it.
    """
    case: Watched = step.case
    if case.warn_at is None:
        return None
    next_day = datetime.combine(step.at.astimezone(ZONE).date() + timedelta(days=1), time.min, ZONE)
    at = max(case.warn_at, next_day)
    return at if at < case.due_at else None


def due_time(step: Step) -> datetime:
    """Return when it passes."""
    case: Watched = step.case
    return case.due_at


def last_day(step: Step) -> datetime | None:
    """Return a moment of its last day, after which working days are counted; None where its owner acts by itself."""
    case: Watched = step.case
    return None if case.acts else case.due_at - timedelta.resolution


def _tell(step: Step, level: Level, light: Light) -> None:
    case: Watched = step.case
    case.level, case.light = level, light


SUPERVISION: Final = ("SUPO", "ORG.supervise")
"""Who is told as the head of the supervision office."""
READERS: Final[Mapping[str, Reach]] = {
    "CADRE": Reach.SELF,
    "UNITHR": Reach.UNIT,
    "UNITHEAD": Reach.UNIT,
    **dict.fromkeys(("ORG.*", "SUPO.*", "DISC", "COMM", "MEDIA", "TRAINER", "REVIEWER", "VISITOR"), Reach.OFFICE),
}
_WARNING, _PASSING = "clock.warning", "clock.passing"
_HEAD, _OFFICE, _CARD = "clock.head", "clock.supervision", "clock.yellow_card"
_ALL: Final = (_WARNING, _PASSING, _HEAD, _OFFICE, _CARD)
_AT_ONCE: Final = "clock.at_once"
_EVENT: Final = "notification.deadline.{}.v1"
_TOLD: Final[Mapping[str, Any]] = {"event": _EVENT.format("breached"), "mandatory": False}
_TIMES: Final = (
    Arm(kind=_WARNING, rule=_AT_ONCE, then="warn", start=warning_time),
    Arm(kind=_PASSING, rule=_AT_ONCE, then="breach", start=due_time),
)

DEADLINE: Final = CaseType(
    service="notification",
    kind="deadline",
    collection="deadlines",
    zh="期限",
    en="deadline",
    machine=DeadlineMachine,
    dataclass="L2",
    states={
        "ARMED": ("计时中", "armed"),
        "WARNED": ("已提醒", "warned"),
        "BREACHED": ("已逾期", "breached"),
        "SATISFIED": ("已办理", "satisfied"),
        "CANCELLED": ("已取消", "cancelled"),
    },
    create=Action(zh="起算", en="arm", effect=arm, arms=_TIMES),
    actions={
        "move": Action(zh="变更", en="move", effect=move, closes=_ALL, arms=_TIMES),
        "warn": Action(
            zh="提醒", en="warn", effect=warn, event=_EVENT.format("warned"), mandatory=False, closes=(_WARNING,)
        ),
        "breach": Action(
            zh="逾期",
            en="breach",
            effect=breach,
            closes=(_WARNING, _PASSING),
            arms=(
                Arm(kind=_HEAD, rule="clock.tell_head", then="tell_head", start=last_day),
                Arm(kind=_OFFICE, rule="clock.tell_supervision", then="tell_supervision", start=last_day),
                Arm(kind=_CARD, rule="clock.yellow_card", then="yellow_card", start=last_day),
            ),
            **_TOLD,
        ),
        "tell_head": Action(zh="告知单位负责人", en="tell the unit's head", effect=tell_head, closes=(_HEAD,), **_TOLD),
        "tell_supervision": Action(
            zh="告知督查室负责人",
            en="tell the head of the supervision office",
            effect=tell_supervision,
            closes=(_OFFICE,),
            **_TOLD,
        ),
        "yellow_card": Action(zh="黄牌警示", en="show the yellow card", effect=give_card, closes=(_CARD,), **_TOLD),
        "satisfy": Action(zh="办理", en="satisfy", effect=put_out, closes=_ALL),
        "cancel": Action(zh="取消", en="cancel", effect=put_out, closes=_ALL),
    },
)

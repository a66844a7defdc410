"""Training classes (S13): planned, opened for enrolment, running on their days, completed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.training import last_day


class TrainingClass(Protocol):
    """What the rules read and change of a class. `trainers` are subjects, who need not be on the roster."""

    id: str
    state: str
    title: str
    place: str
    starts: date
    ends: date
    capacity: int
    trainers: list[str]


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """What was looked up: how many seats are taken, and how many of those in training are neither passed nor failed."""

    taken: int = 0
    unsettled: int = 0


class TrainingClassMachine(StateMachine):
    """PLANNED → OPEN → RUNNING → COMPLETED; it begins and ends by its days."""

    PLANNED = State(initial=True)
    OPEN = State()
    RUNNING = State()
    COMPLETED = State(final=True)

    revise = PLANNED.to(PLANNED)
    open = PLANNED.to(OPEN)
    staff = OPEN.to(OPEN) | RUNNING.to(RUNNING)
    enlarge = OPEN.to(OPEN)
    start = OPEN.to(RUNNING)
    complete = RUNNING.to(COMPLETED)


def scope(case: TrainingClass) -> Scope:
    """Return whom a class concerns: no unit and nobody; who is in it is told by the recalls alone."""
    return Scope()


def plan(step: Step) -> None:
    """Take over the plan; the last day follows from the first. Raises 422 `CLASS_DATES`, 451 `SECRECY_LEVEL`."""
    case: TrainingClass = step.case
    form = step.form
    refuse_marked([form["title"], form["place"]], step.rules)
    case.title, case.place = form["title"], form["place"]
    case.starts, case.ends = form["starts"], last_day(form["starts"], step)
    case.capacity, case.trainers = form["capacity"], sorted(form["trainers"])
    lies_ahead(step)


def lies_ahead(step: Step) -> None:
    """Raise 422 `CLASS_DATES` where the class would begin today or earlier."""
    case: TrainingClass = step.case
    if case.starts <= step.at.date():
        raise Refusal(
            "CLASS_DATES",
            zh="开班日期须晚于今天。",
            en="A class begins after today.",
            starts=case.starts.isoformat(),
        )


def staff(step: Step) -> None:
    """Replace the trainers."""
    case: TrainingClass = step.case
    case.trainers = sorted(step.form["trainers"])


def enlarge(step: Step) -> None:
    """Change the number of seats. Raises 422 `CLASS_FULL` where more are taken already."""
    case: TrainingClass = step.case
    facts: ClassFacts = step.facts
    if step.form["capacity"] < facts.taken:
        raise Refusal(
            "CLASS_FULL",
            zh=f"已有 {facts.taken} 人入班,不得少于此数。",
            en=f"{facts.taken} seats are taken already.",
            capacity=step.form["capacity"],
            taken=facts.taken,
        )
    case.capacity = step.form["capacity"]


def all_settled(step: Step) -> None:
    """Raise 422 `TRAINING_UNSETTLED` where people would end a class before its end or with results missing."""
    case: TrainingClass = step.case
    facts: ClassFacts = step.facts
    if not step.actor.system and (step.at.date() < case.ends or facts.unsettled):
        raise Refusal(
            "TRAINING_UNSETTLED",
            zh=f"训导至 {case.ends},仍有 {facts.unsettled} 人未评定。",
            en=f"The class lasts until {case.ends}; {facts.unsettled} are neither passed nor failed.",
            ends=case.ends.isoformat(),
            unsettled=facts.unsettled,
        )


def first_day(step: Step) -> datetime:
    """Return the beginning of the first day."""
    case: TrainingClass = step.case
    return datetime.combine(case.starts, time.min, ZONE)


def end_of_class(step: Step) -> datetime:
    """Return the last day, after which results may still be entered for a while."""
    case: TrainingClass = step.case
    return datetime.combine(case.ends, time.min, ZONE)


_EDU: Final[Mapping[str, Reach]] = {"ORG.edu": Reach.OFFICE}
START: Final = "training-class.start"
COMPLETE: Final = "training-class.complete"
_BY_DATE: Final[Any] = (Arm(kind=START, rule="training.begins", then="start", start=first_day),)

TRAINING_CLASS: Final = CaseType(
    service="supervision",
    kind="training-class",
    collection="training-classes",
    zh="集中训导班",
    en="training class",
    machine=TrainingClassMachine,
    dataclass="L2",
    states={
        "PLANNED": ("已计划", "planned"),
        "OPEN": ("报名中", "open for enrolment"),
        "RUNNING": ("训导中", "running"),
        "COMPLETED": ("已结业", "completed"),
    },
    create=Action(zh="计划训导班", en="plan a class", allow=_EDU, guards=(refuse_marked_reason,), effect=plan),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改计划", en="revise the plan", allow=_EDU, effect=plan),
            "open": Action(zh="开放报名", en="open for enrolment", allow=_EDU, guards=(lies_ahead,), arms=_BY_DATE),
            "staff": Action(zh="调整教员", en="replace the trainers", allow=_EDU, effect=staff),
            "enlarge": Action(zh="调整名额", en="change the number of seats", allow=_EDU, effect=enlarge),
            "start": Action(
                zh="开班",
                en="begin",
                arms=(Arm(kind=COMPLETE, rule="training.closing_period", then="complete", start=end_of_class),),
            ),
            "complete": Action(zh="结业", en="complete", allow=_EDU, guards=(all_settled,), closes=(COMPLETE,)),
        }
    ),
)

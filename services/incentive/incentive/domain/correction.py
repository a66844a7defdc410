"""Correction plans (I6): what a tolerance that was granted asks of the unit, until when, and with what proof.

A plan is opened when the decision takes effect; the unit says what it will do and proves it, an officer accepts it. A plan
that is overdue may still be fulfilled; until then the tolerance may be revoked, with notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked
from incentive.domain.texts import plain_texts

OFFICERS: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "SUPO": Reach.OFFICE, "DISC": Reach.OFFICE}
OWNERS: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}
DUE: Final = "correction.due"
_EVENT: Final = "incentive.correction.{}.v1"


class Correction(Protocol):
    """What the rules read and change of a plan: `measures` and `note` are texts (L4), `proof` SHA-256 sums of evidence."""

    id: str
    state: str
    tolerance_id: str
    unit: str
    persons: list[str]
    owner: str
    measures: list[str]
    note: str | None
    proof: list[str]
    opened_on: date
    due_on: date
    planned_on: date | None
    done_on: date | None


@dataclass(frozen=True, slots=True)
class CorrectionFacts:
    """What was looked up: those sums of the form that the actor may name."""

    evidence: frozenset[str] = frozenset()


class CorrectionMachine(StateMachine):
    """OPEN → DONE, or OVERDUE, from which it may still become DONE."""

    OPEN = State(initial=True)
    OVERDUE = State()
    DONE = State(final=True)

    plan = OPEN.to(OPEN) | OVERDUE.to(OVERDUE)
    prove = OPEN.to(OPEN) | OVERDUE.to(OVERDUE)
    fall_due = OPEN.to(OVERDUE)
    accept = OPEN.to(DONE) | OVERDUE.to(DONE)


def scope(case: Correction) -> Scope:
    """Return whom a plan concerns: the unit that is to correct, and the cadres who were excused."""
    return Scope(units=frozenset({case.unit}), persons=frozenset(case.persons))


def open_plan(step: Step) -> None:
    """Open the plan of a tolerance that took effect; the form comes from the case."""
    case: Correction = step.case
    case.tolerance_id, case.unit = step.form["tolerance"], step.form["unit"]
    case.persons, case.owner = list(step.form["persons"]), step.form["unit"]
    case.measures, case.note, case.proof = [], None, []
    case.opened_on = step.at.date()
    case.due_on = step.rule("correction.period").last_day(case.opened_on).day
    case.planned_on = case.done_on = None


def plan(step: Step) -> None:
    """Note what the unit will do. Raises 451 `SECRECY_LEVEL`."""
    case: Correction = step.case
    measures = list(step.form["measures"])
    refuse_marked(measures, step.rules)
    case.measures, case.planned_on = measures, case.planned_on or step.at.date()


def prove(step: Step) -> None:
    """Note what was done, with its proof. Raises 422 `PLAN_MISSING`, `UNKNOWN_EVIDENCE`; 451 `SECRECY_LEVEL`."""
    case: Correction = step.case
    facts: CorrectionFacts = step.facts
    if not case.measures:
        raise Refusal("PLAN_MISSING", zh="请先提交纠错措施。", en="Say first what is to be done.")
    named = step.form["proof"]
    missing = sorted(set(named) - facts.evidence)
    if missing:
        raise Refusal(
            "UNKNOWN_EVIDENCE",
            zh="没有该证据文件，请先上传。",
            en="There is no such evidence; upload it first.",
            evidence=missing,
        )
    refuse_marked([step.form.get("note")], step.rules)
    case.proof, case.note = sorted({*case.proof, *named}), step.form.get("note", case.note)


def proven(step: Step) -> None:
    """Raise 422 `PROOF_MISSING` where nothing proves yet that the plan was carried out."""
    case: Correction = step.case
    if not case.measures or not case.proof:
        raise Refusal(
            "PROOF_MISSING",
            zh="单位尚未提交措施和证明材料。",
            en="The unit has not said and proven yet what was done.",
        )


def accept(step: Step) -> None:
    """Note the day on which the correction was found to be done."""
    case: Correction = step.case
    case.done_on = step.at.date()


CORRECTION: Final = CaseType(
    service="incentive",
    kind="correction",
    collection="corrections",
    zh="纠错计划",
    en="correction plan",
    machine=CorrectionMachine,
    dataclass="L2",
    states={
        "OPEN": ("待纠正", "open"),
        "OVERDUE": ("已逾期", "overdue"),
        "DONE": ("已完成", "done"),
    },
    create=Action(
        zh="要求纠错",
        en="ask for a correction",
        effect=open_plan,
        event=_EVENT.format("opened"),
        mandatory=False,
        arms=(Arm(DUE, "correction.period", then="fall_due", warn="deadline.warning"),),
    ),
    actions={
        "plan": Action(
            zh="提交纠错措施", en="say what is to be done", allow=OWNERS, guards=(plain_texts,), effect=plan
        ),
        "prove": Action(zh="提交证明材料", en="prove what was done", allow=OWNERS, guards=(plain_texts,), effect=prove),
        "fall_due": Action(
            zh="逾期", en="fall overdue", event=_EVENT.format("overdue"), mandatory=False, closes=(DUE,)
        ),
        "accept": Action(
            zh="认定完成",
            en="accept as done",
            allow=OFFICERS,
            guards=(plain_texts, proven),
            effect=accept,
            event=_EVENT.format("done"),
            mandatory=False,
            closes=(DUE,),
            reason=True,
        ),
    },
)

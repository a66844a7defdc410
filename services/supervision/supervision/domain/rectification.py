"""Rectifications (S7): what a unit does about a verified finding, whether it is accepted, and whether it lasts.

Rectified in time halves what the finding weighs; a relapse makes it heavier (3.5). The finding follows in its own states.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons


class Result(StrEnum):
    """What the recheck has found."""

    OK = "OK"
    RELAPSE = "RELAPSE"


BEGINS: Final = frozenset({"VERIFIED", "REOPENED"})
"""States of a finding in which a rectification may be planned."""


class Rectification(Protocol):
    """What the rules read and change of a rectification. `plan` and `report` are texts (L4), `proof` SHA-256 sums."""

    id: str
    state: str
    finding_id: str
    unit: str
    owner: str
    plan: str
    planned_on: date
    due: date
    extended: bool
    overdue: bool
    report: str | None
    proof: list[str]
    submitted_on: date | None
    accepted_on: date | None
    in_time: bool | None
    recheck_due: date | None
    rechecked_on: date | None
    result: str | None


@dataclass(frozen=True, slots=True)
class Rectified:
    """The finding that is to be rectified, as it is now."""

    state: str
    unit: str


@dataclass(frozen=True, slots=True)
class RectificationFacts:
    """What was looked up for a step: the finding, the unit of the owner and whether they left, and which of the proofs exist."""

    finding: Rectified | None = None
    owner_unit: str | None = None
    owner_left: bool = False
    evidence: frozenset[str] = field(default_factory=frozenset)


class RectificationMachine(StateMachine):
    """PLANNED → SUBMITTED → ACCEPTED or REJECTED (then submitted anew) → RECHECKED; CANCELLED with its finding."""

    PLANNED = State(initial=True)
    SUBMITTED = State()
    REJECTED = State()
    ACCEPTED = State()
    RECHECKED = State(final=True)
    CANCELLED = State(final=True)

    extend = PLANNED.to(PLANNED) | REJECTED.to(REJECTED)
    submit = PLANNED.to(SUBMITTED) | REJECTED.to(SUBMITTED)
    accept = SUBMITTED.to(ACCEPTED)
    reject = SUBMITTED.to(REJECTED)
    lapse = PLANNED.to(PLANNED) | REJECTED.to(REJECTED)
    recheck = ACCEPTED.to(RECHECKED)
    cancel = PLANNED.to(CANCELLED) | SUBMITTED.to(CANCELLED) | REJECTED.to(CANCELLED) | ACCEPTED.to(CANCELLED)


def scope(case: Rectification) -> Scope:
    """Return whom a rectification concerns: the unit that rectifies, and the cadre who answers for it."""
    return Scope(units=frozenset({case.unit}), persons=frozenset({case.owner}))


def plan(step: Step) -> None:
    """Take over the plan; from today the period runs.

    Raises 422 `UNKNOWN_FINDING`, `FINDING_NOT_VERIFIED`, `UNKNOWN_CADRE` (of another unit), `CADRE_LEFT`, 409 `DUPLICATE` (it is being
    rectified already), 451 `SECRECY_LEVEL`.
    """
    case: Rectification = step.case
    facts: RectificationFacts = step.facts
    form = step.form
    if facts.finding is None:
        raise Refusal(
            "UNKNOWN_FINDING", zh="没有这个问题。", en="There is no such finding.", findings=[str(form["finding"])]
        )
    case.finding_id, case.unit, case.owner = str(form["finding"]), facts.finding.unit, form["owner"]
    if facts.finding.state == "RECTIFYING":
        raise Refusal("DUPLICATE", zh="该问题已在整改中。", en="The finding is being rectified already.", status=409)
    if facts.finding.state not in BEGINS:
        raise Refusal(
            "FINDING_NOT_VERIFIED",
            zh="只有已认定的问题需要整改。",
            en="Only what was verified is rectified.",
            findings={case.finding_id: facts.finding.state},
        )
    if facts.owner_unit != case.unit:
        raise Refusal(
            "UNKNOWN_CADRE",
            zh="整改责任人须是本单位干部。",
            en="The unit has no such cadre who could answer for it.",
            cadres=[case.owner],
        )
    if facts.owner_left:
        raise Refusal(
            "CADRE_LEFT", zh="整改责任人已离任,请更换。", en="Who is to answer for it has left.", cadres=[case.owner]
        )
    refuse_marked([form["plan"]], step.rules)
    case.plan, case.planned_on = form["plan"], step.at.date()
    case.due = step.rule("rectification.period").last_day(case.planned_on).day
    case.extended = case.overdue = False
    case.report, case.proof, case.result = None, [], None
    case.submitted_on = case.accepted_on = case.recheck_due = case.rechecked_on = None
    case.in_time = None


def may_extend(step: Step) -> None:
    """Raise 422 `EXTENSION_LIMIT` after the first extension, `OUT_OF_TIME` where the period is over."""
    case: Rectification = step.case
    if case.extended:
        raise Refusal(
            "EXTENSION_LIMIT",
            zh=f"整改期限只能延长一次,已延至 {case.due}。",
            en=f"The period is extended once only; it lasts until {case.due}.",
            due=case.due.isoformat(),
        )
    if step.at.date() > case.due:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"整改期限已于 {case.due} 届满,不能延长。",
            en=f"The period ended on {case.due} and cannot be extended.",
            due=case.due.isoformat(),
        )


def extend(step: Step) -> None:
    """Move the end of the period, counted from where it was."""
    case: Rectification = step.case
    case.due, case.extended = step.rule("rectification.extension").last_day(case.due).day, True


def first_period(step: Step) -> datetime | None:
    """Return from when the period runs; None where it has been extended."""
    case: Rectification = step.case
    return None if case.extended else _midnight(case.planned_on)


def extension(step: Step) -> datetime | None:
    """Return from when the extension runs, the end of the first period; None where it has not been extended."""
    case: Rectification = step.case
    if not case.extended:
        return None
    return _midnight(step.rule("rectification.period").last_day(case.planned_on).day)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, ZONE)


def submit(step: Step) -> None:
    """Take over what was done, with its proof. Raises 422 `NO_EVIDENCE`, `UNKNOWN_EVIDENCE`, 451 `SECRECY_LEVEL`."""
    case: Rectification = step.case
    facts: RectificationFacts = step.facts
    proof = sorted(set(step.form["proof"]))
    if not proof:
        raise Refusal("NO_EVIDENCE", zh="整改须附佐证。", en="A rectification brings its proof.", evidence=0, least=1)
    missing = sorted(set(proof) - facts.evidence)
    if missing:
        raise Refusal(
            "UNKNOWN_EVIDENCE",
            zh="没有该证据文件,请先上传。",
            en="There is no such evidence; upload it first.",
            evidence=missing,
        )
    refuse_marked([step.form["report"]], step.rules)
    case.report, case.proof, case.submitted_on = step.form["report"], proof, step.at.date()
    case.in_time = case.submitted_on <= case.due


def accept(step: Step) -> None:
    """Note that it is done; whether it lasts is seen after the period for the recheck."""
    case: Rectification = step.case
    case.accepted_on = step.at.date()
    case.recheck_due = step.rule("rectification.recheck_after").last_day(case.accepted_on).day


def recheck_opens(step: Step) -> datetime | None:
    """Return from when the time for the recheck runs: the first day on which it can say that it lasts."""
    case: Rectification = step.case
    return None if case.recheck_due is None else _midnight(case.recheck_due)


def lapse(step: Step) -> None:
    """Note that the period is over and nothing satisfactory was submitted."""
    case: Rectification = step.case
    case.overdue = True


def recheck(step: Step) -> None:
    """Note what the recheck has found. Raises 422 `RECHECK_TOO_EARLY`: that it lasts shows when the period is over."""
    case: Rectification = step.case
    today = step.at.date()
    if step.form["result"] == Result.OK and case.recheck_due is not None and today < case.recheck_due:
        raise Refusal(
            "RECHECK_TOO_EARLY",
            zh=f"复查最早可于 {case.recheck_due} 认定整改巩固。",
            en=f"That it lasts can be said from {case.recheck_due} on.",
            recheck_due=case.recheck_due.isoformat(),
        )
    case.result, case.rechecked_on = step.form["result"], today


_OFFICE: Final[Mapping[str, Reach]] = {"SUPO": Reach.OFFICE}
_UNIT: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}
_EVENT: Final = "supervision.rectification.{}.v1"
DUE: Final = "rectification.due"
LAPSE: Final = "rectification.lapse"
RECHECK: Final = "rectification.recheck"
# Two deadlines at one time: that it lapsed is noted by the system, and people are told of it until they submit.
_PERIOD: Final = tuple(
    Arm(kind=kind, rule=rule, then=then, warn=warn, start=start)
    for rule, start in (("rectification.period", first_period), ("rectification.extension", extension))
    for kind, then, warn in ((DUE, None, "deadline.warning"), (LAPSE, "lapse", None))
)

RECTIFICATION: Final = CaseType(
    service="supervision",
    kind="rectification",
    collection="rectifications",
    zh="整改",
    en="rectification",
    machine=RectificationMachine,
    dataclass="L2",
    states={
        "PLANNED": ("整改中", "planned, under way"),
        "SUBMITTED": ("已报送", "submitted"),
        "REJECTED": ("退回整改", "rejected"),
        "ACCEPTED": ("已验收", "accepted"),
        "RECHECKED": ("已复查", "rechecked"),
        "CANCELLED": ("已取消", "cancelled"),
    },
    create=Action(
        zh="制定整改方案",
        en="plan a rectification",
        allow={**_UNIT, **_OFFICE},
        guards=(refuse_marked_reason,),
        effect=plan,
        event=_EVENT.format("planned"),
        mandatory=False,
        arms=_PERIOD,
    ),
    actions=with_plain_reasons(
        {
            "extend": Action(
                zh="延长期限",
                en="extend the period",
                allow=_OFFICE,
                guards=(may_extend,),
                effect=extend,
                event=_EVENT.format("extended"),
                mandatory=False,
                arms=_PERIOD,
                reason=True,
            ),
            "submit": Action(
                zh="报送整改结果",
                en="submit what was done",
                allow={**_UNIT, "CADRE": Reach.SELF},
                effect=submit,
                event=_EVENT.format("submitted"),
                mandatory=False,
                closes=(DUE, LAPSE),
            ),
            "accept": Action(
                zh="验收",
                en="accept",
                allow=_OFFICE,
                effect=accept,
                event=_EVENT.format("accepted"),
                mandatory=False,
                arms=(
                    Arm(
                        kind=RECHECK, rule="rectification.recheck_period", warn="deadline.warning", start=recheck_opens
                    ),
                ),
            ),
            "reject": Action(
                zh="退回",
                en="reject",
                allow=_OFFICE,
                event=_EVENT.format("rejected"),
                mandatory=False,
                arms=_PERIOD,
                reason=True,
            ),
            "lapse": Action(
                zh="逾期", en="let the period pass", effect=lapse, event=_EVENT.format("overdue"), mandatory=False
            ),
            "recheck": Action(
                zh="复查",
                en="recheck",
                allow=_OFFICE,
                effect=recheck,
                event=_EVENT.format("rechecked"),
                mandatory=False,
                closes=(RECHECK,),
                not_after=("accept",),
                reason=True,
            ),
            "cancel": Action(zh="取消", en="cancel with its finding", closes=(DUE, LAPSE, RECHECK)),
        }
    ),
)

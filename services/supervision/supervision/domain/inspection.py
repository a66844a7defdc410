"""Inspections (S2): planned by the supervision office, approved by its director, carried out, reported, closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons


class Kind(StrEnum):
    """The six forms of inspection (article sentences Z5, Z12)."""

    COVERT = "COVERT"
    KEY = "KEY"
    THEMATIC = "THEMATIC"
    RESEARCH = "RESEARCH"
    SPECIAL_PUSH = "SPECIAL_PUSH"
    KEY_SUPERVISE = "KEY_SUPERVISE"


KINDS: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        Kind.COVERT: ("明察暗访", "unannounced inspection"),
        Kind.KEY: ("重点检查", "key inspection"),
        Kind.THEMATIC: ("专项督查", "thematic inspection"),
        Kind.RESEARCH: ("专题调研", "topical research"),
        Kind.SPECIAL_PUSH: ("专项督办", "special push"),
        Kind.KEY_SUPERVISE: ("重点督查", "key supervision"),
    }
)
RUNNING: Final = frozenset({"IN_PROGRESS", "REPORTED"})
"""The states in which an inspection may bring findings."""


class Inspection(Protocol):
    """What the rules read and change of an inspection. `team` holds ids of cadres, `units` codes of units."""

    id: str
    state: str
    kind: str
    theme: str
    plan_date: date
    end_date: date
    team: list[str]
    units: list[str]
    notice_required: bool
    approved_on: date | None
    started_on: date | None
    ended_on: date | None
    reported_on: date | None
    report_late: bool | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class InspectionFacts:
    """What was looked up: the unit of each member of the team (absent: unknown) and who of them left, the units that are
    registered, and how many findings of the inspection are still drafts."""

    unit_of: Mapping[str, str]
    units: frozenset[str]
    left: frozenset[str] = frozenset()
    drafts: int = 0


class InspectionMachine(StateMachine):
    """PLANNED → APPROVED → IN_PROGRESS → REPORTED → CLOSED; CANCELLED before it has begun."""

    PLANNED = State(initial=True)
    APPROVED = State()
    IN_PROGRESS = State()
    REPORTED = State()
    CLOSED = State(final=True)
    CANCELLED = State(final=True)

    revise = PLANNED.to(PLANNED)
    approve = PLANNED.to(APPROVED)
    start = APPROVED.to(IN_PROGRESS)
    report = IN_PROGRESS.to(REPORTED)
    close = REPORTED.to(CLOSED)
    cancel = PLANNED.to(CANCELLED) | APPROVED.to(CANCELLED)


def scope(case: Inspection) -> Scope:
    """Return whom an inspection concerns: the inspected units, who learn of it when it is announced or has begun."""
    announced = case.notice_required and case.approved_on is not None
    return Scope(units=frozenset(case.units), disclosed=announced or case.started_on is not None)


def plan(step: Step) -> None:
    """Take over the plan from the form. Raises the refusals of `check_plan`, `UNKNOWN_THEME` and `PLAN_DATE_PAST`."""
    case: Inspection = step.case
    form = step.form
    kind = Kind(form["kind"])
    case.kind, case.theme = kind, form["theme"]
    case.plan_date = form["plan_date"]
    case.end_date = form.get("end_date") or form["plan_date"]
    case.team, case.units = list(form["team"]), list(form["units"])
    wanted = form.get("notice_required")
    case.notice_required = kind.value in step.rule("inspection.announced_kinds") if wanted is None else wanted
    if case.theme not in step.rule("inspection.themes"):
        raise Refusal(
            "UNKNOWN_THEME",
            zh="检查主题不在现行目录内。",
            en="The theme is not in the catalogue in force.",
            theme=case.theme,
        )
    if case.plan_date < step.at.date():
        raise Refusal(
            "PLAN_DATE_PAST", zh="计划日期已过。", en="The planned date is over.", plan_date=case.plan_date.isoformat()
        )
    check_plan(step)


def check_plan(step: Step) -> None:
    """Raise where the plan breaks a rule of S2.

    `COVERT_NOTICE` and `NOTICE_REQUIRED` (notice does not fit the kind), `TEAM_SIZE`, `UNKNOWN_UNIT`, `UNKNOWN_CADRE`,
    `CADRE_LEFT`, `AVOIDANCE` (a member belongs to an inspected unit; X7, civil servants law, article 76).
    """
    case: Inspection = step.case
    facts: InspectionFacts = step.facts
    if case.kind == Kind.COVERT and case.notice_required:
        raise Refusal(
            "COVERT_NOTICE",
            zh="明察暗访不得事先通知被检查单位。",
            en="An unannounced inspection must not be announced: notice_required is false.",
        )
    if case.kind in step.rule("inspection.announced_kinds") and not case.notice_required:
        raise Refusal(
            "NOTICE_REQUIRED",
            zh="重点检查、专项督查须事先通知被检查单位。",
            en="A key or thematic inspection is announced: notice_required is true.",
        )
    least = step.rule("inspection.team_least")
    if len(set(case.team)) < least:
        raise Refusal(
            "TEAM_SIZE",
            zh=f"检查组不得少于 {least} 人。",
            en=f"A team has at least {least} members.",
            members=len(set(case.team)),
            least=least,
        )
    unknown_units = sorted(set(case.units) - facts.units)
    if unknown_units:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.", units=unknown_units)
    unknown = sorted(set(case.team) - set(facts.unit_of))
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    left = sorted(set(case.team) & facts.left)
    if left:
        raise Refusal("CADRE_LEFT", zh="检查组成员已离任,请更换。", en="A member of the team has left.", cadres=left)
    own = sorted(member for member in set(case.team) if facts.unit_of[member] in case.units)
    if own:
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避:检查组成员属于被检查单位,请更换。",
            en="Avoidance: a member of the team belongs to an inspected unit; choose somebody else.",
            members=own,
        )


def notice_in_time(step: Step) -> None:
    """Raise `NOTICE_TOO_LATE` where units that are to be told beforehand are told less than T-3 WD beforehand."""
    case: Inspection = step.case
    if not case.notice_required:
        return
    told = case.approved_on or step.at.date()
    begins = step.at.date() if case.approved_on else case.plan_date
    earliest = step.rule("inspection.notice").last_day(told).day
    if begins < earliest:
        raise Refusal(
            "NOTICE_TOO_LATE",
            zh=f"须提前 {step.rule('inspection.notice').amount} 个工作日通知,最早可于 {earliest} 开始。",
            en=f"The units are told {step.rule('inspection.notice')} beforehand; {earliest} is the earliest day.",
            earliest=earliest.isoformat(),
        )


def approve(step: Step) -> None:
    """Note the day of approval, on which announced units are told. Raises `PLAN_DATE_PAST`."""
    case: Inspection = step.case
    if case.plan_date < step.at.date():
        raise Refusal(
            "PLAN_DATE_PAST", zh="计划日期已过。", en="The planned date is over.", plan_date=case.plan_date.isoformat()
        )
    case.approved_on = step.at.date()


def start(step: Step) -> None:
    """Note the day on which it began."""
    case: Inspection = step.case
    case.started_on = step.at.date()


def end_of_work(step: Step) -> datetime:
    """Return from when the time for the report runs: the end as planned, or the beginning where that was later."""
    case: Inspection = step.case
    return datetime.combine(max(case.end_date, step.at.date()), time.min, ZONE)


def report(step: Step) -> None:
    """Take over the report; one that comes later than the rule allows is taken and marked late.

    Raises `DATE_RANGE` where the end lies before the beginning or ahead, `SECRECY_LEVEL`.
    """
    case: Inspection = step.case
    today = step.at.date()
    ended = step.form.get("ended_on") or today
    began = case.started_on or today
    if not began <= ended <= today:
        raise Refusal(
            "DATE_RANGE",
            zh="检查结束日期须在开始日期与今天之间。",
            en="The inspection ended between its first day and today.",
            earliest=began.isoformat(),
            latest=today.isoformat(),
        )
    refuse_marked([step.form["summary"]], step.rules)
    case.summary = step.form["summary"]
    case.ended_on, case.reported_on = ended, today
    case.report_late = step.at >= step.due("inspection.report_period", datetime.combine(ended, time.min, ZONE))


def findings_settled(step: Step) -> None:
    """Raise `FINDINGS_IN_DRAFT` where a finding of the inspection has not been notified yet."""
    facts: InspectionFacts = step.facts
    if facts.drafts:
        raise Refusal(
            "FINDINGS_IN_DRAFT",
            zh=f"仍有 {facts.drafts} 个问题未告知,不能办结。",
            en=f"{facts.drafts} findings are still drafts; notify them first.",
            drafts=facts.drafts,
        )


_OFFICE: Final = {"SUPO": Reach.OFFICE}
_DIRECTOR: Final = {"SUPO.director": Reach.OFFICE}
_EVENT: Final = "supervision.inspection.{}.v1"

INSPECTION: Final = CaseType(
    service="supervision",
    kind="inspection",
    collection="inspections",
    zh="检查",
    en="inspection",
    machine=InspectionMachine,
    dataclass="L2",
    states={
        "PLANNED": ("已计划", "planned"),
        "APPROVED": ("已批准", "approved"),
        "IN_PROGRESS": ("检查中", "in progress"),
        "REPORTED": ("已报告", "reported"),
        "CLOSED": ("已办结", "closed"),
        "CANCELLED": ("已取消", "cancelled"),
    },
    create=Action(
        zh="制定检查计划", en="plan an inspection", allow=_OFFICE, guards=(refuse_marked_reason,), effect=plan
    ),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改计划", en="revise the plan", allow=_OFFICE, effect=plan),
            "approve": Action(
                zh="批准",
                en="approve",
                allow=_DIRECTOR,
                guards=(check_plan, notice_in_time),
                effect=approve,
                event=_EVENT.format("approved"),
                not_after=("create", "revise"),
            ),
            "start": Action(
                zh="开始检查",
                en="start",
                allow=_OFFICE,
                guards=(check_plan, notice_in_time),
                effect=start,
                event=_EVENT.format("started"),
                arms=(
                    Arm(
                        kind="inspection.report",
                        rule="inspection.report_period",
                        warn="deadline.warning",
                        start=end_of_work,
                    ),
                ),
            ),
            "report": Action(
                zh="提交报告",
                en="report",
                allow=_OFFICE,
                effect=report,
                event=_EVENT.format("reported"),
                closes=("inspection.report",),
            ),
            "close": Action(
                zh="办结", en="close", allow=_OFFICE, guards=(findings_settled,), event=_EVENT.format("closed")
            ),
            "cancel": Action(
                zh="取消", en="cancel", allow=_OFFICE | _DIRECTOR, event=_EVENT.format("cancelled"), reason=True
            ),
        }
    ),
)

"""Reminders, inquiries, admonitions and criticism (S9): approved, delivered, answered, followed up, closed.

They come before sanctions and are none. What a measure says is sensitive (L4); its events tell kind and days alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.finding import COUNTS


class Kind(StrEnum):
    """How a cadre is warned, from the lightest to the heaviest."""

    REMIND = "REMIND"
    INQUIRE = "INQUIRE"
    CRITICISE = "CRITICISE"
    ADMONISH = "ADMONISH"


class Result(StrEnum):
    """What the follow-up has found."""

    CORRECTED = "CORRECTED"
    NOT_CORRECTED = "NOT_CORRECTED"


class Cause(StrEnum):
    """What takes a measure back, or eases it."""

    APPEAL = "APPEAL"
    EXEMPT = "EXEMPT"
    MITIGATE = "MITIGATE"
    REVOKED = "REVOKED"


BEFORE_DELIVERY: Final = frozenset({"PROPOSED", "APPROVED"})
IN_HAND: Final = frozenset({"DELIVERED", "REPLIED", "OVERDUE", "SECOND_INQUIRY", "FOLLOW_UP", "CLOSED"})
"""States in which a measure was delivered and holds."""


class Measure(Protocol):
    """What the rules read and change of a measure. `cause` and `reply` are texts (L4)."""

    id: str
    state: str
    kind: str
    cadre: str
    unit: str
    findings: list[str]
    reason_codes: list[str]
    cause: str
    suggested: bool
    approved_on: date | None
    delivered_on: date | None
    effect_until: date | None
    eased: bool
    inquiries: int
    reply_due: date | None
    replied_on: date | None
    reply: str | None
    result: str | None
    closed_on: date | None
    revoked_for: str | None


@dataclass(frozen=True, slots=True)
class Ground:
    """A finding that a measure names: its state, who is responsible, and what effective fault tolerance decided."""

    state: str
    persons: frozenset[str]
    decisions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """What was looked up for a step: the unit of the cadre, and those of the findings that exist."""

    unit: str | None = None
    findings: Mapping[str, Ground] = field(default_factory=dict)


class MeasureMachine(StateMachine):
    """PROPOSED → APPROVED → DELIVERED → (REPLIED, OVERDUE, SECOND_INQUIRY) → FOLLOW_UP → CLOSED; WITHDRAWN, REVOKED."""

    PROPOSED = State(initial=True)
    APPROVED = State()
    DELIVERED = State()
    REPLIED = State()
    OVERDUE = State()
    SECOND_INQUIRY = State()
    FOLLOW_UP = State()
    CLOSED = State()
    WITHDRAWN = State(final=True)
    REVOKED = State(final=True)

    revise = PROPOSED.to(PROPOSED)
    approve = PROPOSED.to(APPROVED)
    withdraw = PROPOSED.to(WITHDRAWN) | APPROVED.to(WITHDRAWN)
    deliver = APPROVED.to(DELIVERED)
    reply = DELIVERED.to(REPLIED) | OVERDUE.to(REPLIED) | SECOND_INQUIRY.to(REPLIED)
    lapse = DELIVERED.to(OVERDUE) | SECOND_INQUIRY.to(OVERDUE)
    deliver_again = SECOND_INQUIRY.to(SECOND_INQUIRY)
    inquire_again = REPLIED.to(SECOND_INQUIRY) | OVERDUE.to(SECOND_INQUIRY)
    follow_up = DELIVERED.to(FOLLOW_UP) | REPLIED.to(FOLLOW_UP) | OVERDUE.to(FOLLOW_UP)
    close = FOLLOW_UP.to(CLOSED)
    ease = DELIVERED.to(DELIVERED)
    revoke = (
        DELIVERED.to(REVOKED)
        | REPLIED.to(REVOKED)
        | OVERDUE.to(REVOKED)
        | SECOND_INQUIRY.to(REVOKED)
        | FOLLOW_UP.to(REVOKED)
        | CLOSED.to(REVOKED)
    )


def scope(case: Measure) -> Scope:
    """Return whom a measure concerns: the cadre, who learns of it when it is delivered. The unit is not told."""
    return Scope(
        units=frozenset({case.unit}),
        persons=frozenset({case.cadre}),
        disclosed=case.state not in BEFORE_DELIVERY | {"WITHDRAWN"},
        confidential=True,
    )


def propose(step: Step) -> None:
    """Take over the proposal.

    Raises 422 `UNKNOWN_CADRE`, `UNKNOWN_FINDING`, `FINDING_NOT_VERIFIED`, `NOT_RESPONSIBLE`, `UNKNOWN_REASON_CODE`,
    451 `SECRECY_LEVEL`.
    """
    case: Measure = step.case
    facts: MeasureFacts = step.facts
    form = step.form
    if facts.unit is None:
        raise Refusal(
            "UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=[form["cadre"]]
        )
    case.kind, case.cadre, case.unit = form["kind"], form["cadre"], facts.unit
    case.findings = sorted(str(finding) for finding in form.get("findings", ()))
    case.reason_codes, case.cause = list(form["reason_codes"]), form["cause"]
    refuse_marked([case.cause], step.rules)
    unknown = sorted(set(case.reason_codes) - set(step.rule("finding.reason_codes")))
    if unknown:
        raise Refusal(
            "UNKNOWN_REASON_CODE", zh="情形代码不在现行目录内。", en="The catalogue has no such code.", codes=unknown
        )
    _check_grounds(case, facts)
    case.suggested = step.actor.system
    case.eased, case.inquiries = False, 0
    case.approved_on = case.delivered_on = case.effect_until = case.reply_due = case.replied_on = case.closed_on = None
    case.reply = case.result = case.revoked_for = None


def _check_grounds(case: Measure, facts: MeasureFacts) -> None:
    missing = sorted(set(case.findings) - set(facts.findings))
    if missing:
        raise Refusal("UNKNOWN_FINDING", zh="没有这个问题。", en="There is no such finding.", findings=missing)
    unfit = {each: facts.findings[each].state for each in case.findings if facts.findings[each].state not in COUNTS}
    if unfit:
        raise Refusal(
            "FINDING_NOT_VERIFIED",
            zh="只能以已认定的问题为依据。",
            en="Only what was verified is a ground.",
            findings=unfit,
        )
    others = [each for each in case.findings if case.cadre not in facts.findings[each].persons]
    if others:
        raise Refusal(
            "NOT_RESPONSIBLE",
            zh="该干部不是所列问题的责任人。",
            en="The cadre is not held responsible for these findings.",
            findings=others,
        )


def may_approve(step: Step) -> None:
    """Raise 403 `FORBIDDEN` unless the actor holds a role that the rules name for the kind of measure."""
    case: Measure = step.case
    roles = step.rule("measure.approvers")[case.kind]
    if not any(step.actor.has(role) for role in roles):
        raise Refusal(
            "FORBIDDEN",
            zh=f"此类措施须由下列角色之一批准:{'、'.join(roles)}。",
            en=f"A measure of this kind is approved by one of {', '.join(roles)}.",
            status=403,
            roles=list(roles),
        )


def grounds_hold(step: Step) -> None:
    """Raise 422 `FINDING_NOT_VERIFIED` or `TOLERANCE_GRANTED` where the grounds have fallen away since it was proposed."""
    case: Measure = step.case
    facts: MeasureFacts = step.facts
    _check_grounds(case, facts)
    if falls_away(case, facts, step.rule("measure.closed_by")):
        raise Refusal(
            "TOLERANCE_GRANTED",
            zh="所依据的问题均已容错免责。",
            en="Fault tolerance has excused all findings on which it rests.",
            findings=list(case.findings),
        )


def falls_away(case: Measure, facts: MeasureFacts, closing: Iterable[str]) -> bool:
    """Say whether nothing is left of what the measure rests on: each finding is revoked, or excused by one of `closing`."""
    return bool(case.findings) and all(
        ground.state == "REVOKED" or not ground.decisions.isdisjoint(closing)
        for ground in (facts.findings[finding] for finding in case.findings)
    )


def is_eased(case: Measure, facts: MeasureFacts) -> bool:
    """Say whether each finding on which the measure rests is revoked, excused, or at least mitigated."""
    return bool(case.findings) and all(
        ground.state == "REVOKED" or ground.decisions & {"EXEMPT", "MITIGATE"}
        for ground in (facts.findings[finding] for finding in case.findings)
    )


def approve(step: Step) -> None:
    """Note the day of approval."""
    case: Measure = step.case
    case.approved_on = step.at.date()


def deliver(step: Step) -> None:
    """Note the service: from that day the effect of an admonition and the time to answer an inquiry run."""
    case: Measure = step.case
    facts: MeasureFacts = step.facts
    case.delivered_on = step.form["served_on"]
    if case.kind == Kind.ADMONISH:
        case.eased = is_eased(case, facts)
        case.effect_until = _effect(step, case)
    if case.kind == Kind.INQUIRE:
        case.inquiries = 1
        case.reply_due = step.rule("measure.reply_period").last_day(case.delivered_on).day


def _effect(step: Step, case: Measure) -> date:
    """Return the day on which the effect ends and that is free again: an effect period is never rolled to a working day."""
    key = "measure.mitigated_effect" if case.eased else "measure.admonish_effect"
    day: date = step.rule(key).last_day(case.delivered_on).day
    return day


def _from(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, ZONE)


def full_effect(step: Step) -> datetime | None:
    """Return from when the effect of an admonition runs; None for other kinds and eased ones."""
    case: Measure = step.case
    return _from(case.delivered_on) if case.kind == Kind.ADMONISH and not case.eased else None


def eased_effect(step: Step) -> datetime | None:
    """Return from when the shorter effect of an eased admonition runs; None for others."""
    case: Measure = step.case
    return _from(case.delivered_on) if case.kind == Kind.ADMONISH and case.eased else None


def first_reply(step: Step) -> datetime | None:
    """Return from when the time to answer an inquiry runs; None for other kinds."""
    case: Measure = step.case
    return _from(case.delivered_on) if case.kind == Kind.INQUIRE else None


def is_inquiry(step: Step) -> None:
    """Raise 422 `NO_REPLY_WANTED` for a measure that asks nothing."""
    case: Measure = step.case
    if case.kind != Kind.INQUIRE:
        raise Refusal(
            "NO_REPLY_WANTED", zh="该措施不要求书面回复。", en="This measure asks for no reply.", kind=case.kind
        )


def reply(step: Step) -> None:
    """Take over the written reply; a late one is taken as well. Raises 451 `SECRECY_LEVEL`."""
    case: Measure = step.case
    refuse_marked([step.form["text"]], step.rules)
    case.reply, case.replied_on = step.form["text"], step.at.date()


def may_inquire_again(step: Step) -> None:
    """Raise 422 `INQUIRY_LIMIT` after so many inquiries as the rules allow."""
    case: Measure = step.case
    most = step.rule("measure.inquiries_most")
    if case.inquiries >= most:
        raise Refusal(
            "INQUIRY_LIMIT",
            zh=f"最多函询 {most} 次。",
            en=f"There are {most} inquiries at most.",
            inquiries=case.inquiries,
            most=most,
        )


def inquire_again(step: Step) -> None:
    """Ask once more; the time to answer runs anew when that is served."""
    case: Measure = step.case
    case.inquiries += 1
    case.reply_due = None


def deliver_again(step: Step) -> None:
    """Note the service of the second inquiry: the time to answer runs from that day."""
    case: Measure = step.case
    case.reply_due = step.rule("measure.reply_period").last_day(step.form["served_on"]).day


def second_reply(step: Step) -> datetime | None:
    """Return from when the time to answer the second inquiry runs."""
    return _from(step.form["served_on"])


def effect_over(step: Step) -> None:
    """Raise 422 `FOLLOW_UP_TOO_EARLY` while the effect of an admonition runs, `REPLY_PENDING` while a reply is awaited."""
    case: Measure = step.case
    if case.effect_until is not None and step.at.date() < case.effect_until:
        raise Refusal(
            "FOLLOW_UP_TOO_EARLY",
            zh=f"诫勉期至 {case.effect_until},届时回访。",
            en=f"It is followed up from {case.effect_until} on.",
            effect_until=case.effect_until.isoformat(),
        )
    if case.kind == Kind.INQUIRE and case.state == "DELIVERED":
        raise Refusal(
            "REPLY_PENDING",
            zh=f"函询尚未回复,回复期限至 {case.reply_due}。",
            en=f"The reply is awaited until {case.reply_due}.",
            reply_due=case.reply_due and case.reply_due.isoformat(),
        )


def close(step: Step) -> None:
    """Note what the follow-up has found."""
    case: Measure = step.case
    case.result, case.closed_on = step.form["result"], step.at.date()


def ease(step: Step) -> None:
    """Let the shorter effect period of a mitigated admonition apply."""
    case: Measure = step.case
    case.eased = True
    case.effect_until = _effect(step, case)


def revoke(step: Step) -> None:
    """Take the measure back: what it led to is lifted."""
    case: Measure = step.case
    case.revoked_for, case.closed_on = step.form["cause"], step.at.date()


_OFFICERS: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "DISC": Reach.OFFICE}
_EVENT: Final = "supervision.measure.{}.v1"
REPLY: Final = "measure.reply"
FOLLOW_UP: Final = "measure.follow_up"
_EFFECT: Final = (
    Arm(kind=FOLLOW_UP, rule="measure.admonish_effect", then="follow_up", warn="deadline.warning", start=full_effect),
    Arm(kind=FOLLOW_UP, rule="measure.mitigated_effect", then="follow_up", warn="deadline.warning", start=eased_effect),
)

MEASURE: Final = CaseType(
    service="supervision",
    kind="measure",
    collection="measures",
    zh="提醒函询诫勉",
    en="measure",
    machine=MeasureMachine,
    dataclass="L3",
    states={
        "PROPOSED": ("已提出", "proposed"),
        "APPROVED": ("已批准", "approved"),
        "DELIVERED": ("已送达", "delivered"),
        "REPLIED": ("已回复", "replied"),
        "OVERDUE": ("逾期未复", "overdue"),
        "SECOND_INQUIRY": ("再次函询", "second inquiry"),
        "FOLLOW_UP": ("回访中", "being followed up"),
        "CLOSED": ("已了结", "closed"),
        "WITHDRAWN": ("已撤回", "withdrawn before delivery"),
        "REVOKED": ("已撤销", "revoked"),
    },
    create=Action(
        zh="提出措施", en="propose a measure", allow=_OFFICERS, guards=(refuse_marked_reason,), effect=propose
    ),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改", en="revise the proposal", allow=_OFFICERS, effect=propose),
            "approve": Action(
                zh="批准",
                en="approve",
                allow={**_OFFICERS, "COMM": Reach.OFFICE},
                guards=(may_approve, grounds_hold),
                effect=approve,
                event=_EVENT.format("approved"),
                not_after=("create", "revise"),
                reason=True,
            ),
            "withdraw": Action(
                zh="撤回", en="withdraw", allow=_OFFICERS, event=_EVENT.format("withdrawn"), reason=True
            ),
            "deliver": Action(
                zh="送达",
                en="deliver",
                effect=deliver,
                event=_EVENT.format("delivered"),
                arms=(
                    *_EFFECT,
                    Arm(
                        kind=REPLY,
                        rule="measure.reply_period",
                        then="lapse",
                        warn="deadline.warning",
                        start=first_reply,
                    ),
                ),
            ),
            "reply": Action(
                zh="书面回复",
                en="reply in writing",
                allow={"CADRE": Reach.SELF},
                guards=(is_inquiry,),
                effect=reply,
                event=_EVENT.format("replied"),
                closes=(REPLY,),
            ),
            "lapse": Action(zh="逾期未复", en="let the time to answer pass", event=_EVENT.format("overdue")),
            "inquire_again": Action(
                zh="再次函询",
                en="inquire again",
                allow=_OFFICERS,
                guards=(may_inquire_again,),
                effect=inquire_again,
                event=_EVENT.format("approved"),
                reason=True,
            ),
            "deliver_again": Action(
                zh="再次送达",
                en="deliver the second inquiry",
                effect=deliver_again,
                event=_EVENT.format("delivered"),
                arms=(
                    Arm(
                        kind=REPLY,
                        rule="measure.reply_period",
                        then="lapse",
                        warn="deadline.warning",
                        start=second_reply,
                    ),
                ),
            ),
            "follow_up": Action(
                zh="回访",
                en="follow up",
                allow=_OFFICERS,
                guards=(effect_over,),
                closes=(FOLLOW_UP, REPLY),
            ),
            "close": Action(
                zh="了结",
                en="close",
                allow=_OFFICERS,
                effect=close,
                event=_EVENT.format("closed"),
                reason=True,
            ),
            "ease": Action(zh="减轻", en="ease", effect=ease, event=_EVENT.format("delivered"), arms=_EFFECT),
            "revoke": Action(
                zh="撤销",
                en="revoke",
                effect=revoke,
                event=_EVENT.format("closed"),
                closes=(FOLLOW_UP, REPLY),
            ),
        }
    ),
)

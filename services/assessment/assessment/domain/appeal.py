"""Reviews and appeals (A16, M3): filed in time, examined by people who did not decide, never to the person's harm.

A review goes to the organ that decided, an appeal to the one above it: after a review, or directly. What is appealed
against stays in force meanwhile. Law: 公务员法 articles 95 and 96.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from assessment.domain.grading import EXCELLENT
from assessment.domain.quota import Use, refuse_exceeding
from citybus.calendar import Duration
from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked


class Type(StrEnum):
    """复核, 申诉 after a review, or 申诉 at once."""

    REVIEW = "REVIEW"
    APPEAL = "APPEAL"
    DIRECT_APPEAL = "DIRECT_APPEAL"


class Decision(StrEnum):
    """维持, 变更, 撤销."""

    UPHELD = "UPHELD"
    AMENDED = "AMENDED"
    REVOKED = "REVOKED"


class Ground(StrEnum):
    """Why an appeal is not taken."""

    OUT_OF_TIME = "OUT_OF_TIME"
    NOT_APPEALABLE = "NOT_APPEALABLE"


class Appeal(Protocol):
    """What the rules read and change of an appeal. `grounds` is sensitive (L4) and enters no event.

    `scale` says what the matter is measured by (`annual`, `sanction.gov`), `original` what was decided on that scale;
    `service_on` is the day from which the time to file ran, `review` the review that an appeal follows.
    """

    id: str
    state: str
    type: str
    subject_ref: str
    scale: str
    original: str | None
    cadre: str
    unit: str | None
    grounds: str
    review: str | None
    service_on: date | None
    file_until: date | None
    filed_on: date
    accepted_on: date | None
    due_on: date | None
    extended: bool
    examiner: str | None
    decision: str | None
    amended_to: str | None
    decided_on: date | None
    executed_on: date | None
    rejected_for: str | None


@dataclass(frozen=True, slots=True)
class Matter:
    """What may be appealed against: a decision on a cadre, as far as it is known here.

    `ref` is its subject; `decided` is false where nothing is decided yet, or no longer; `what` was decided on `scale`,
    on `decided_on` (None: not known); `served_on` starts the time to file (None: it has not begun); `deciders` took the
    decision.
    """

    ref: str
    scale: str
    cadre: str
    decided: bool
    what: str | None
    served_on: date | None
    deciders: frozenset[str]
    decided_on: date | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """An appeal of a cadre on the same matter; `handlers` are the people who took a step of it.

    `original` is what it was filed against, `amended_to` what its decision put in place of that; `ended_on` is the day of
    the decision, or on which it was carried out. `decision_served_on` is the day on which the decision was served, None
    where it was not yet. `review` is the review that an appeal follows.
    """

    id: str
    cadre: str
    type: str
    state: str
    filed_on: date
    decision_served_on: date | None
    handlers: frozenset[str]
    original: str | None
    amended_to: str | None = None
    ended_on: date | None = None
    review: str | None = None

    def outdated(self, matter: Matter) -> bool:
        """Say whether this one is done, and the matter was decided otherwise, or anew, since."""
        if self.state not in DONE:
            return False
        if matter.what not in (self.original, self.amended_to or self.original):
            return True
        return matter.decided_on is not None and self.ended_on is not None and matter.decided_on > self.ended_on


def _no_use() -> Use | None:
    return None


@dataclass(frozen=True, slots=True)
class AppealFacts:
    """What was looked up for a step: the matter as it concerns each cadre, and the appeals that stand against it, as filed.

    `quota` tells the use of the quota of excellent grades to which an annual assessment belongs, under its lock.
    """

    matters: Sequence[Matter] = ()
    appeals: Sequence[Earlier] = ()
    quota: Callable[[], Use | None] = _no_use

    def of(self, cadre: str | None) -> Matter | None:
        """Return the matter as it concerns `cadre`."""
        return next((matter for matter in self.matters if matter.cadre == cadre), None)

    def earlier(self, matter: Matter, but: str) -> list[Earlier]:
        """Return the appeals of the cadre against the matter as it was last served, without the one called `but`."""
        since = matter.served_on or date.min
        return [each for each in self._own(matter, but) if each.filed_on >= since and not each.outdated(matter)]

    def review(self, matter: Matter, but: str) -> Earlier | None:
        """Return the last review of the decision as it stands, or that led to it, whenever that was served."""
        done = (each for each in self._own(matter, but) if each.type == Type.REVIEW and each.state in DONE)
        return next((each for each in reversed(list(done)) if not each.outdated(matter)), None)

    def following(self, review: Earlier, but: str) -> list[Earlier]:
        """Return the appeals that follow a review, without the one called `but`."""
        return [each for each in self.appeals if each.review == review.id and each.id != but]

    def _own(self, matter: Matter, but: str) -> list[Earlier]:
        return [each for each in self.appeals if each.cadre == matter.cadre and each.id != but]


class AppealMachine(StateMachine):
    """M3. WITHDRAWN until it is decided."""

    FILED = State(initial=True)
    ACCEPTED = State()
    UNDER_EXAMINATION = State()
    DECIDED = State()
    EXECUTED = State(final=True)
    REJECTED = State(final=True)
    WITHDRAWN = State(final=True)

    accept = FILED.to(ACCEPTED)
    reject = FILED.to(REJECTED)
    examine = ACCEPTED.to(UNDER_EXAMINATION)
    extend = UNDER_EXAMINATION.to(UNDER_EXAMINATION)
    decide = UNDER_EXAMINATION.to(DECIDED)
    execute = DECIDED.to(EXECUTED)
    withdraw = FILED.to(WITHDRAWN) | ACCEPTED.to(WITHDRAWN) | UNDER_EXAMINATION.to(WITHDRAWN)


ENDED: Final = frozenset({"REJECTED", "WITHDRAWN"})
"""States of an appeal that leave the matter as if nobody had appealed."""
DONE: Final = frozenset({"DECIDED", "EXECUTED"})


def scope(case: Appeal) -> Scope:
    """Return whom an appeal concerns: the person alone; the unit's officers keep away from it."""
    unit = case.unit if case.unit is not None else "?"
    return Scope(units=frozenset({unit}), persons=frozenset({case.cadre}), confidential=True)


def plain(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where the reason bears a mark of a state secret."""
    _refuse_marked(step, step.form.get("reason"))


def _refuse_marked(step: Step, text: str | None) -> None:
    refuse_marked([text or ""], step.rules)


# ---- filing


def file(step: Step) -> None:
    """Take the appeal in, if it may be filed, and in time.

    Raises 422 `UNKNOWN_MATTER`, `NOT_APPEALABLE`, `REVIEW_MISSING`, `OUT_OF_TIME`, 409 `DUPLICATE`, 403 `DATA_SCOPE`,
    451 `SECRECY_LEVEL`.
    """
    case: Appeal = step.case
    form, matter = step.form, _matter(step)
    _refuse_marked(step, form["grounds"])
    case.type, case.subject_ref, case.grounds = form["type"], form["subject_ref"], form["grounds"]
    case.cadre, case.scale, case.original = matter.cadre, matter.scale, matter.what
    _refuse_not_appealable(step, matter)
    review = _place(step, matter)
    case.review = review.id if review else None
    key = _FILING[Type(case.type)]
    case.service_on = review.decision_served_on if review else matter.served_on
    case.filed_on, case.extended = step.at.date(), False
    period: Duration = step.rule(key)
    case.file_until = period.last_day(case.service_on).day if case.service_on else None
    if case.file_until is not None and case.filed_on > case.file_until:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"自 {case.service_on} 送达起算，期限已于 {case.file_until} 届满。",
            en=f"Served on {case.service_on}, it was to be filed by {case.file_until}.",
            service_on=str(case.service_on),
            until=case.file_until.isoformat(),
            filed_on=case.filed_on.isoformat(),
            period=str(period),
        )


def _matter(step: Step) -> Matter:
    facts: AppealFacts = step.facts
    matter = facts.of(step.actor.person)
    if matter is not None:
        return matter
    if facts.matters:
        raise Refusal(
            "DATA_SCOPE", zh="只能对涉及本人的处理提出。", en="Appeal against what concerns yourself.", status=403
        )
    raise Refusal("UNKNOWN_MATTER", zh="没有该处理事项。", en="There is no such matter.")


def _refuse_not_appealable(step: Step, matter: Matter) -> None:
    scales: Mapping[str, Sequence[str] | None] = step.rule("appeal.matters")
    allowed = scales.get(matter.scale)
    listed = matter.scale in scales and (allowed is None or matter.what in allowed)
    if not matter.decided or not listed:
        raise Refusal(
            "NOT_APPEALABLE",
            zh="该事项不在复核、申诉范围内，或尚未作出决定。",
            en="This is not among what may be appealed against, or it is not decided.",
            subject_ref=matter.ref,
            decided=matter.decided,
            result=matter.what,
        )


def _place(step: Step, matter: Matter) -> Earlier | None:
    """Return the review that the appeal follows; refuse a second one of a kind, and what comes out of turn.

    An appeal follows a review whatever that came to, also where what it came to has been served meanwhile (公务员法
    article 95).
    """
    case: Appeal = step.case
    facts: AppealFacts = step.facts
    review = facts.review(matter, case.id) if case.type == Type.APPEAL else None
    others = [each for each in facts.earlier(matter, case.id) if each is not review]
    if review is not None:
        others += [each for each in facts.following(review, case.id) if each not in others]
    if others:
        raise Refusal(
            "DUPLICATE",
            zh="对该事项已提出过复核或申诉。",
            en="There is a review or an appeal on this matter already.",
            status=409,
            earlier=[each.type for each in others],
        )
    if review is None and case.type == Type.APPEAL:
        raise Refusal(
            "REVIEW_MISSING",
            zh="该处理尚未经过复核；可以直接申诉（DIRECT_APPEAL）。",
            en="There was no review of this decision; appeal directly (DIRECT_APPEAL).",
        )
    return review


_FILING: Final[Mapping[Type, str]] = MappingProxyType(
    {
        Type.REVIEW: "appeal.filing",
        Type.DIRECT_APPEAL: "appeal.filing",
        Type.APPEAL: "appeal.filing_after_review",
    }
)


# ---- examining


def competent(step: Step) -> None:
    """Raise 403 `FORBIDDEN` where the actor does not belong to the body that handles appeals of the type."""
    case: Appeal = step.case
    bodies = step.rule("appeal.bodies")[case.type]
    if not any(step.actor.has(role) for role in bodies):
        raise Refusal(
            "FORBIDDEN",
            zh=f"此类事项由下列机构办理:{'、'.join(bodies)}。",
            en=f"Appeals of this type are handled by {', '.join(bodies)}.",
            status=403,
            roles=list(bodies),
        )


def no_original_decider(step: Step) -> None:
    """Raise 422 `AVOIDANCE` where the actor took part in the decision, or handled the review of it."""
    case: Appeal = step.case
    facts: AppealFacts = step.facts
    deciders = {decider for matter in facts.matters for decider in matter.deciders}
    handlers = {actor for each in facts.appeals if each.id != case.id for actor in each.handlers}
    if step.actor.subject in deciders | handlers:
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避:您参与过原处理或复核，请由他人办理。",
            en="Avoidance: you took part in the decision or its review; somebody else must take this step.",
        )


def accept(step: Step) -> None:
    """Take the appeal up; a review is decided in time after it was filed, an appeal after it was accepted."""
    case: Appeal = step.case
    case.accepted_on = step.at.date()
    period: Duration = step.rule(_DECIDING[Type(case.type)])
    case.due_on = period.last_day(case.filed_on if case.type == Type.REVIEW else case.accepted_on).day


def reject(step: Step) -> None:
    """Note why the appeal is not taken: filed out of time, or against what cannot be appealed against."""
    case: Appeal = step.case
    case.rejected_for = step.form["code"]


def examine(step: Step) -> None:
    """Note who examines."""
    case: Appeal = step.case
    case.examiner = step.actor.subject


def extendable(step: Step) -> None:
    """Raise 422 `EXTENSION_NOT_ALLOWED` for a review, `EXTENSION_LIMIT` for a second one, `OUT_OF_TIME` after its time."""
    case: Appeal = step.case
    if case.type == Type.REVIEW:
        raise Refusal("EXTENSION_NOT_ALLOWED", zh="复核不得延期。", en="A review is not extended.")
    if case.extended:
        raise Refusal("EXTENSION_LIMIT", zh="只能延期一次。", en="It is extended once only.", extended=1, limit=1)
    if case.due_on is not None and step.at.date() > case.due_on:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"办理期限已于 {case.due_on} 届满，不得延期。",
            en=f"The time to decide ended on {case.due_on}; it is not extended any more.",
            until=case.due_on.isoformat(),
        )


def extend(step: Step) -> None:
    """Move the day by which it is to be decided."""
    case: Appeal = step.case
    period: Duration = step.rule("appeal.extension")
    if case.due_on is None:
        raise ValueError("an appeal under examination has a day by which it is decided")
    case.due_on, case.extended = period.last_day(case.due_on).day, True


# ---- deciding


def decide(step: Step) -> None:
    """Decide: leave it as it is, amend it to something lighter, or revoke it.

    Raises 422 `AMENDMENT_MISSING`, `AMENDMENT_UNKNOWN`, `NOT_AMENDED`, `NO_REFORMATIO_IN_PEIUS`; for an excellent grade
    `QUOTA_EXCEEDED` with the figures, `QUOTA_NOT_LOCKED`.
    """
    case: Appeal = step.case
    facts: AppealFacts = step.facts
    decision, wanted = Decision(step.form["decision"]), step.form.get("amended_to")
    replaced = case.scale in step.rule("appeal.replaced")
    if decision is Decision.AMENDED or (decision is Decision.REVOKED and replaced):
        _refuse_not_lighter(step, wanted)
        if case.scale == "annual" and wanted == EXCELLENT:
            refuse_exceeding(facts.quota)
    elif wanted is not None:
        raise Refusal(
            "AMENDMENT_UNKNOWN",
            zh="该决定不应写明变更结果。",
            en="This decision does not amend anything.",
            given=wanted,
        )
    case.decision, case.amended_to, case.decided_on = decision.value, wanted, step.at.date()


def _refuse_not_lighter(step: Step, wanted: str | None) -> None:
    case: Appeal = step.case
    scale: Sequence[str] = step.rule("appeal.burdens").get(case.scale, ())
    if wanted is None:
        raise Refusal("AMENDMENT_MISSING", zh="请写明变更为何结果。", en="Say what it is amended to (`amended_to`).")
    if wanted not in scale or case.original not in scale:
        raise Refusal(
            "AMENDMENT_UNKNOWN",
            zh="没有该处理结果。",
            en="It cannot be amended to this.",
            given=wanted,
            original=case.original,
            possible=list(scale),
        )
    new, old = scale.index(wanted), scale.index(case.original)
    if new > old:
        raise Refusal(
            "NO_REFORMATIO_IN_PEIUS",
            zh="不得因复核、申诉加重处理。",
            en="Nothing is made heavier because of an appeal.",
            original=case.original,
            given=wanted,
        )
    if new == old:
        raise Refusal("NOT_AMENDED", zh="结果未变，应为维持。", en="That is what was decided: uphold it.", given=wanted)


def must_be_executed(step: Step) -> None:
    """Raise 422 `NOTHING_TO_EXECUTE` where the decision leaves everything as it was."""
    case: Appeal = step.case
    if case.decision == Decision.UPHELD:
        raise Refusal("NOTHING_TO_EXECUTE", zh="维持原处理，无需执行。", en="It was upheld; nothing is to be done.")


def execute(step: Step) -> None:
    """Note the day on which the decision was carried out."""
    case: Appeal = step.case
    case.executed_on = step.at.date()


def review_filed(step: Step) -> datetime | None:
    """Return from when the time to decide a review runs."""
    case: Appeal = step.case
    return _midnight(case.filed_on) if case.type == Type.REVIEW else None


def appeal_accepted(step: Step) -> datetime | None:
    """Return from when the time to decide an appeal runs."""
    case: Appeal = step.case
    return None if case.type == Type.REVIEW else step.at


def from_due_day(step: Step) -> datetime | None:
    """Return from when the extension runs: the day that was moved."""
    case: Appeal = step.case
    period: Duration = step.rule(_DECIDING[Type(case.type)])
    # The effect has moved the day already; the period before it began on the day of acceptance.
    return None if case.accepted_on is None else _midnight(period.last_day(case.accepted_on).day)


def if_something_changes(step: Step) -> datetime | None:
    """Return from when the time to carry it out runs; never, where it was upheld."""
    case: Appeal = step.case
    return None if case.decision == Decision.UPHELD else step.at


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, ZONE)


_DECIDING: Final[Mapping[Type, str]] = MappingProxyType(
    {
        Type.REVIEW: "appeal.decide_review",
        Type.APPEAL: "appeal.decide_appeal",
        Type.DIRECT_APPEAL: "appeal.decide_appeal",
    }
)
ACCEPT, DECIDE, EXECUTE = "appeal.accept", "appeal.decide", "appeal.execute"
_WARN: Final = "appeal.warning"
_EVENT: Final = "assessment.appeal.{}.v1"
_BODIES: Final[Mapping[str, Reach]] = MappingProxyType({"ORG.appeal": Reach.OFFICE, "FAIRCOMM": Reach.OFFICE})
_PARTY: Final[Mapping[str, Reach]] = MappingProxyType({"CADRE": Reach.SELF})
CONSUMED: Final = frozenset({"filed", "accepted", "decided", "executed", "rejected", "withdrawn"})
"""The steps whose event some queue is bound to."""


def _event(name: str) -> dict[str, Any]:
    return {"event": _EVENT.format(name), "mandatory": name in CONSUMED}


APPEAL: Final = CaseType(
    service="assessment",
    kind="appeal",
    collection="appeals",
    zh="复核申诉",
    en="review or appeal",
    machine=AppealMachine,
    states=MappingProxyType(
        {
            "FILED": ("已提出", "filed"),
            "ACCEPTED": ("已受理", "accepted"),
            "UNDER_EXAMINATION": ("审查中", "under examination"),
            "DECIDED": ("已决定", "decided"),
            "EXECUTED": ("已执行", "executed"),
            "REJECTED": ("不予受理", "rejected"),
            "WITHDRAWN": ("已撤回", "withdrawn"),
        }
    ),
    create=Action(
        zh="提出复核或申诉",
        en="file",
        allow=_PARTY,
        effect=file,
        arms=(Arm(ACCEPT, "appeal.accept_within", warn=_WARN),),
        **_event("filed"),
    ),
    actions=MappingProxyType(
        {
            "accept": Action(
                zh="受理",
                en="accept",
                allow=_BODIES,
                guards=(plain, competent, no_original_decider),
                effect=accept,
                closes=(ACCEPT,),
                arms=(
                    Arm(DECIDE, "appeal.decide_review", warn=_WARN, start=review_filed),
                    Arm(DECIDE, "appeal.decide_appeal", warn=_WARN, start=appeal_accepted),
                ),
                **_event("accepted"),
            ),
            "reject": Action(
                zh="不予受理",
                en="reject",
                allow=_BODIES,
                guards=(plain, competent, no_original_decider),
                effect=reject,
                closes=(ACCEPT,),
                reason=True,
                **_event("rejected"),
            ),
            "examine": Action(
                zh="审查",
                en="examine",
                allow=_BODIES,
                guards=(plain, competent, no_original_decider),
                effect=examine,
                **_event("examined"),
            ),
            "extend": Action(
                zh="延期",
                en="extend",
                allow=_BODIES,
                guards=(plain, competent, no_original_decider, extendable),
                effect=extend,
                arms=(Arm(DECIDE, "appeal.extension", warn=_WARN, start=from_due_day),),
                reason=True,
                **_event("extended"),
            ),
            "decide": Action(
                zh="决定",
                en="decide",
                allow=_BODIES,
                guards=(plain, competent, no_original_decider),
                effect=decide,
                closes=(DECIDE,),
                arms=(Arm(EXECUTE, "appeal.execute_within", warn=_WARN, start=if_something_changes),),
                eyes=2,
                reason=True,
                **_event("decided"),
            ),
            "execute": Action(
                zh="执行",
                en="execute",
                allow=_BODIES,
                guards=(plain, must_be_executed),
                effect=execute,
                closes=(EXECUTE,),
                **_event("executed"),
            ),
            "withdraw": Action(
                zh="撤回",
                en="withdraw",
                allow=_PARTY,
                guards=(plain,),
                closes=(ACCEPT, DECIDE),
                **_event("withdrawn"),
            ),
        }
    ),
)

"""Asking for tolerance (I3): who may ask, about what, and until when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from citybus.actor import Actor
from citybus.cases.declare import Reach, Step
from citybus.errors import Refusal

OFFICES: Final[Mapping[str, Reach]] = MappingProxyType(
    {"ORG.supervise": Reach.OFFICE, "SUPO": Reach.OFFICE, "DISC": Reach.OFFICE}
)
"""The organs that hold people accountable; each may ask for tolerance ex officio (1.8)."""

ENDED: Final = frozenset({"REJECTED", "REVOKED"})
"""States of a finding in which nobody is held accountable any more."""


class Applicant(StrEnum):
    """Who asks: the person, the unit, or the accountability organ of its own accord."""

    CADRE = "CADRE"
    UNIT = "UNIT"
    ORGAN = "ORGAN"


class Tolerance(Protocol):
    """What the rules read and change of a case.

    `applicant_id` is the id of a cadre, or the code of the unit or organ; `unit` is the unit that the finding concerns,
    `persons` the cadres whom the case is to help. `verifiers` holds `{subject, cadre}` each, `panel` `{subject, cadre,
    vote}`; `factors` a score of 0 to 2 by factor. The texts (`statement`, `late_cause`, `new_facts`, `deviation`,
    `review_grounds`, `answer`) are sensitive (L4). `first_decision` is what a review took the place of. `evidence` holds SHA-256 sums.
    `notices` holds `{kind, id, served_on, answered_on}` of each cadre or unit that is served the notice of a revocation.
    """

    id: str
    state: str
    finding_id: str
    applicant_kind: str
    applicant_id: str
    unit: str
    persons: list[str]
    circumstance: int
    statement: str
    late_cause: str | None
    new_facts: str | None
    evidence: list[str]
    account_stage: str | None
    late: bool
    filed_on: date | None
    not_accepted_on: date | None
    refusal_served_on: date | None
    refiled: bool
    assigned_on: date | None
    verify_by: date | None
    extended_until: date | None
    verifiers: list[dict[str, str]]
    factors: dict[str, int] | None
    exclusions: list[str]
    advice: str | None
    advice_grounds: dict[str, Any] | None
    panel: list[dict[str, str]]
    decision: str | None
    factor: Any
    deviation: str | None
    decided_on: date | None
    served_on: date | None
    review_until: date | None
    effective_on: date | None
    review_asked_on: date | None
    review_grounds: str | None
    reviewed_on: date | None
    first_decision: str | None
    revocation_ground: str | None
    noticed_on: date | None
    notices: list[dict[str, Any]]
    answer_until: date | None
    answer: str | None
    revoked_on: date | None


@dataclass(frozen=True, slots=True)
class AboutFinding:
    """What is known of the finding: `handlers` are the subjects who took a step on it."""

    state: str
    unit: str
    responsible: frozenset[str]
    handlers: frozenset[str] = frozenset()
    served_on: date | None = None
    verified_on: date | None = None


@dataclass(frozen=True, slots=True)
class AboutMeasure:
    """Whom a measure is taken against, and the findings on which it rests."""

    cadre: str | None
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up for a step.

    `finding` is None where no accountability is known, `finding_id` its id in a new application; `measure` is that which
    the application names in its place, None where there is none; `others` are the (kind, id) of those who have asked about the
    finding in other cases that were not withdrawn; `evidence` those sums asked for that the asker may name; `unit_of` the
    unit of each cadre who is named (absent: unknown), `left` are those of them who left; `correction_overdue` whether the correction plan is overdue.
    """

    finding: AboutFinding | None = None
    finding_id: str | None = None
    measure: AboutMeasure | None = None
    others: frozenset[tuple[str, str]] = frozenset()
    evidence: frozenset[str] = frozenset()
    unit_of: Mapping[str, str] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    correction_overdue: bool = False


def ask(step: Step) -> None:
    """Take over a new application from the form.

    Raises 422 `UNKNOWN_MEASURE`, `WITHOUT_FINDING`, `SEVERAL_FINDINGS`, `STAGE_TOO_EARLY`, `STAGE_TOO_LATE` (nothing could mend
    it until the draft is filed), `NOT_CONCERNED` (the finding does not concern who asks), `AVOIDANCE`, `UNKNOWN_CIRCUMSTANCE`, `UNKNOWN_EVIDENCE`; 409 `DUPLICATE`; 403 `FORBIDDEN` (not in a
    position to ask as that).
    """
    case: Tolerance = step.case
    facts: Facts = step.facts
    if step.form.get("measure") is not None:
        _rests_on_one(step)
    finding = _started(facts)
    kind = Applicant(step.form["applicant"])
    case.finding_id, case.unit = str(facts.finding_id), finding.unit
    case.applicant_kind, case.applicant_id = kind.value, _applicant(step, kind, finding)
    time_to_ask(step, finding)
    case.persons = [case.applicant_id] if kind is Applicant.CADRE else sorted(finding.responsible)
    if (kind.value, case.applicant_id) in facts.others:
        raise Refusal(
            "DUPLICATE",
            zh="您已就该问题提出过容错申请。",
            en="You have asked for tolerance about this finding before.",
            status=409,
        )
    case.new_facts = case.account_stage = case.advice = case.advice_grounds = case.factors = None
    case.decision = case.factor = case.deviation = None
    case.review_asked_on = case.review_grounds = case.reviewed_on = case.first_decision = None
    case.revocation_ground = case.noticed_on = case.answer_until = case.answer = case.revoked_on = None
    case.late = case.refiled = False
    case.verifiers, case.panel, case.exclusions, case.notices = [], [], [], []
    revise(step)


def revise(step: Step) -> None:
    """Take over what a draft says. Raises 422 `UNKNOWN_CIRCUMSTANCE`, `UNKNOWN_EVIDENCE`."""
    case: Tolerance = step.case
    known = step.rule("tolerance.circumstances")
    case.circumstance = step.form["circumstance"]
    if case.circumstance not in known:
        raise Refusal(
            "UNKNOWN_CIRCUMSTANCE",
            zh="容错情形不在现行目录内。",
            en="The catalogue has no such circumstance.",
            circumstance=case.circumstance,
            known=sorted(known),
        )
    case.statement, case.late_cause = step.form["statement"], step.form.get("late_cause")
    case.evidence = []
    add_evidence(step)


def add_evidence(step: Step) -> None:
    """Add evidence by its hash. Raises 422 `UNKNOWN_EVIDENCE`: a file that is not there, or of somebody else."""
    case: Tolerance = step.case
    facts: Facts = step.facts
    named = step.form.get("evidence") or ()
    missing = sorted(set(named) - facts.evidence)
    if missing:
        raise Refusal(
            "UNKNOWN_EVIDENCE",
            zh="没有该证据文件，请先上传。",
            en="There is no such evidence; upload it first.",
            evidence=missing,
        )
    case.evidence = sorted({*case.evidence, *named})


def _rests_on_one(step: Step) -> None:
    """Refuse a measure that is not there for who asks, or that does not rest on one finding."""
    facts: Facts = step.facts
    measure, actor = facts.measure, step.actor
    theirs = measure is not None and measure.cadre == actor.person
    if measure is None or not (theirs or any(actor.has(role) for role in OFFICES)):
        raise Refusal("UNKNOWN_MEASURE", zh="没有这项措施。", en="There is no such measure.")
    if not measure.findings:
        raise Refusal(
            "WITHOUT_FINDING",
            zh="该措施不以问题为依据,无可容错;对措施不服的,可申请复核或申诉。",
            en="The measure rests on no finding that could be excused; against the measure itself file an appeal.",
        )
    if len(measure.findings) > 1:
        raise Refusal(
            "SEVERAL_FINDINGS",
            zh="该措施依据多个问题,请逐一就问题(finding)提出申请。",
            en="The measure rests on several findings; ask about each `finding` on its own.",
            findings=list(measure.findings),
        )


def _started(facts: Facts) -> AboutFinding:
    if facts.finding is None:
        raise Refusal(
            "STAGE_TOO_EARLY",
            zh="问责程序尚未启动，告知后方可申请容错。",
            en="Accountability has not begun; tolerance can be asked for once the finding is notified.",
        )
    return facts.finding


def _applicant(step: Step, kind: Applicant, finding: AboutFinding) -> str:
    """Return the id under which the actor may ask as `kind`."""
    actor = step.actor
    match kind:
        case Applicant.CADRE:
            holds, own = actor.has("CADRE"), actor.person
            concerned = own in finding.responsible
        case Applicant.UNIT:
            holds, own = actor.has("UNITHEAD"), actor.unit
            concerned = own == finding.unit
        case Applicant.ORGAN:
            holds, own = any(actor.has(role) for role in OFFICES), actor.unit
            concerned = True
    if not holds or own is None:
        raise Refusal(
            "FORBIDDEN",
            zh="您不能以该身份提出申请。",
            en="You cannot ask in that capacity.",
            status=403,
            applicant=kind.value,
        )
    if not concerned:
        raise Refusal(
            "NOT_CONCERNED",
            zh="该问题与申请人无关。",
            en="The finding does not concern the applicant.",
            applicant=kind.value,
        )
    if kind is Applicant.ORGAN and (own == finding.unit or actor.person in finding.responsible):
        raise refuse_involved([actor.subject])
    return own


def refuse_involved(subjects: Iterable[str]) -> Refusal:
    """Return the refusal 422 `AVOIDANCE` that names who must keep away (X7)."""
    named = sorted(subjects)
    return Refusal(
        "AVOIDANCE",
        zh=f"应当回避：{'、'.join(named)} 与本案有关，或已办理过前一环节。",
        en=f"Avoidance: {', '.join(named)} must keep away, being concerned or having handled an earlier step.",
        avoid=named,
    )


def asked_by(case: Tolerance, actor: Actor) -> bool:
    """Say whether `actor` acts for who asked: the person, a head of the unit, an officer of the organ."""
    match Applicant(case.applicant_kind):
        case Applicant.CADRE:
            return actor.has("CADRE") and actor.person == case.applicant_id
        case Applicant.UNIT:
            return actor.has("UNITHEAD") and actor.unit == case.applicant_id
        case Applicant.ORGAN:
            return any(actor.has(role) for role in OFFICES) and actor.unit == case.applicant_id


def by_applicant(step: Step) -> None:
    """Raise 403 `NOT_APPLICANT` where somebody else than the applicant would take the step."""
    if not asked_by(step.case, step.actor):
        raise Refusal(
            "NOT_APPLICANT", zh="只有申请人可以执行此操作。", en="Only the applicant takes this step.", status=403
        )


def in_stage(step: Step) -> None:
    """Raise 422 where it is not the time to ask: `STAGE_TOO_EARLY`, or `STAGE_TOO_LATE`, which says what is left.

    In time is who asks before being served, or within the window after it. Later a cause must be given; once the
    finding is verified that too ends, and an appeal is what is left. Source: 1.8, application after accountability
    starts and before the decision; I3.
    """
    case: Tolerance = step.case
    facts: Facts = step.facts
    finding = _started(facts)
    until, last = time_to_ask(step, finding)
    if until is not None and step.at.date() > until and not case.late_cause:
        raise Refusal(
            "STAGE_TOO_LATE",
            zh=f"申请期已于 {until} 届满；有正当理由的，请在申请中说明逾期原因(late_cause)。",
            en=f"The time to ask ended on {until}; where there is a good cause, give it (`late_cause`).",
            stage=finding.state,
            until=until.isoformat(),
            with_cause_until=None if last is None else last.isoformat(),
            remedy="LATE_CAUSE",
        )


def time_to_ask(step: Step, finding: AboutFinding) -> tuple[date | None, date | None]:
    """Return the last day to ask without a cause, and with one; None where the time has not begun.

    Raises 422 `STAGE_TOO_LATE` where both are over, or the finding ended.
    """
    _not_ended(finding)
    until, last, today = window_until(step, finding), None, step.at.date()
    if finding.verified_on is not None:
        last = step.rule("tolerance.late_window").last_day(finding.verified_on).day
        if until is not None and today > until and today > last:
            raise Refusal(
                "STAGE_TOO_LATE",
                zh=f"申请期已于 {last} 届满，请依申诉程序办理。",
                en=f"The time to ask ended on {last}; what is left is an appeal.",
                stage=finding.state,
                until=last.isoformat(),
                remedy="APPEAL",
            )
    return until, last


def _not_ended(finding: AboutFinding) -> None:
    if finding.state in ENDED:
        raise Refusal(
            "STAGE_TOO_LATE",
            zh="该问题已不予认定或撤销，无需容错。",
            en="The finding was rejected or revoked; there is nothing to tolerate.",
            stage=finding.state,
        )


def window_until(step: Step, finding: AboutFinding) -> date | None:
    """Return the last day to ask without a cause; None while the window has not begun."""
    start = finding.served_on or finding.verified_on
    if start is None:
        return None
    last: date = step.rule("tolerance.window").last_day(start).day
    return last


def file(step: Step) -> None:
    """Note the day, the stage of the accountability, and whether the application is late."""
    case: Tolerance = step.case
    facts: Facts = step.facts
    finding, today = _started(facts), step.at.date()
    until = window_until(step, finding)
    case.filed_on, case.account_stage = today, finding.state
    case.late = until is not None and today > until


def decline(step: Step) -> None:
    """Note the day on which the application was not accepted."""
    case: Tolerance = step.case
    case.not_accepted_on = step.at.date()
    # An organ knows what was decided; who is outside is told by a document.
    case.refusal_served_on = case.not_accepted_on if case.applicant_kind == Applicant.ORGAN else None


def serve_refusal(step: Step) -> None:
    """Note when it was served that the application is not accepted; the time to file again runs from then."""
    case: Tolerance = step.case
    case.refusal_served_on = step.form["served_on"]


def may_ask_again(step: Step) -> None:
    """Raise 422 `REFILED_ALREADY` where it was asked again before, `STAGE_TOO_LATE` where the time for it is over (M8).

    The time runs from the service of the refusal: before it, it is not over. Of a finding that ended nothing is left to excuse.
    """
    case: Tolerance = step.case
    _not_ended(_started(step.facts))
    if case.refiled:
        raise Refusal(
            "REFILED_ALREADY",
            zh="不予受理后只能重新申请一次。",
            en="An application that was not accepted is filed again once.",
        )
    if case.refusal_served_on is None:
        return
    until = step.rule("tolerance.refile_window").last_day(case.refusal_served_on).day
    if step.at.date() > until:
        raise Refusal(
            "STAGE_TOO_LATE",
            zh=f"重新申请期已于 {until} 届满，请依申诉程序办理。",
            en=f"The time to file again ended on {until}; what is left is an appeal.",
            until=until.isoformat(),
            remedy="APPEAL",
        )


def file_again(step: Step) -> None:
    """Take over the new facts. Raises 422 `NO_NEW_FACTS` where they are what was said already, `UNKNOWN_EVIDENCE`."""
    case: Tolerance = step.case
    facts: str = step.form["new_facts"]
    if facts.strip() == case.statement.strip():
        raise Refusal(
            "NO_NEW_FACTS", zh="重新申请须有新的事实。", en="Filing again wants new facts, not the same statement."
        )
    add_evidence(step)
    case.new_facts, case.refiled, case.refusal_served_on = facts, True, None

"""Findings (S5, M4): recorded, notified, answered by those held responsible, verified by two or rejected, rectified, revoked.

What is found weighs points. Fault tolerance excuses and does not erase: it changes the effective weight alone, and so
does a rectification in time. A relapse makes the finding itself heavier. What was revoked weighs nothing and stays visible.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.rulepack import Rule
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.inspection import RUNNING


class Role(StrEnum):
    """How a cadre is held responsible (3.5)."""

    LEAD = "LEAD"
    DIRECT = "DIRECT"
    SUBORDINATE = "SUBORDINATE"


class Source(StrEnum):
    """Where a finding comes from (S1)."""

    INSPECTION = "INSPECTION"
    AUDIT = "AUDIT"
    PETITION = "PETITION"
    MEDIA = "MEDIA"
    TALK = "TALK"
    ASSESSMENT = "ASSESSMENT"
    OTHER_DEPT = "OTHER_DEPT"


class Basis(StrEnum):
    """Why a verified finding is revoked (M4)."""

    APPEAL = "APPEAL"
    CLARIFICATION = "CLARIFICATION"


_LEAST: Final = Decimal("0.0001")
SEVERITIES: Final = range(1, 6)
COUNTS: Final = frozenset({"VERIFIED", "RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED"})
"""States in which a finding is held against those responsible."""


class Finding(Protocol):
    """What the rules read and change of a finding.

    `responsible` holds `{cadre, role, served_on, pleaded_on}` each, days as ISO text or None; it is replaced, never
    changed in place. `evidence` holds SHA-256 sums. `facts` is sensitive (L4) and enters no event.
    """

    id: str
    state: str
    inspection_id: str | None
    source: str
    unit: str
    type: str
    reason_codes: list[str]
    facts: str
    severity: int
    occurred_on: date
    responsible: list[dict[str, Any]]
    evidence: list[str]
    base_weight: Decimal
    effective_weight: Decimal
    weight_pack: str
    notified_on: date | None
    served_on: date | None
    plea_until: date | None
    signed_by: str | None
    verified_on: date | None
    year: int | None
    tolerance_case: str | None
    tolerance_factor: Decimal | None
    rectified_factor: Decimal | None
    relapses: int
    revoked_on: date | None
    revocation: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a finding needs to know of its inspection."""

    state: str
    units: frozenset[str]


@dataclass(frozen=True, slots=True)
class FindingFacts:
    """What was looked up for a step.

    `cadres` and `evidence` are those asked for that exist; `weight` is the rule for the weight of the finding's
    severity, or of the one that it is amended to (None: no rule was in force at the conduct).
    """

    unit_known: bool = False
    cadres: frozenset[str] = frozenset()
    inspection: Inspected | None = None
    evidence: frozenset[str] = field(default_factory=frozenset)
    weight: Rule | None = None


class FindingMachine(StateMachine):
    """DRAFT → NOTIFIED → (PLEA_RECEIVED) → VERIFIED or REJECTED; VERIFIED → RECTIFYING → RECTIFIED → CLOSED or REOPENED.

    Tolerance may come in any state but DRAFT, revocation in any after VERIFIED.
    """

    DRAFT = State(initial=True)
    NOTIFIED = State()
    PLEA_RECEIVED = State()
    VERIFIED = State()
    REJECTED = State()
    RECTIFYING = State()
    RECTIFIED = State()
    REOPENED = State()
    CLOSED = State()
    REVOKED = State()

    revise = DRAFT.to(DRAFT)
    notify = DRAFT.to(NOTIFIED)
    attach = DRAFT.to(DRAFT) | NOTIFIED.to(NOTIFIED) | PLEA_RECEIVED.to(PLEA_RECEIVED)
    serve = NOTIFIED.to(NOTIFIED) | PLEA_RECEIVED.to(PLEA_RECEIVED)
    plea = NOTIFIED.to(PLEA_RECEIVED) | PLEA_RECEIVED.to(PLEA_RECEIVED)
    sign = NOTIFIED.to(NOTIFIED) | PLEA_RECEIVED.to(PLEA_RECEIVED)
    verify = NOTIFIED.to(VERIFIED) | PLEA_RECEIVED.to(VERIFIED)
    reject = NOTIFIED.to(REJECTED) | PLEA_RECEIVED.to(REJECTED)
    rectify = VERIFIED.to(RECTIFYING) | REOPENED.to(RECTIFYING)
    rectified = RECTIFYING.to(RECTIFIED)
    close = RECTIFIED.to(CLOSED)
    reopen = RECTIFIED.to(REOPENED)
    reweigh = RECTIFIED.to(RECTIFIED) | REOPENED.to(REOPENED)
    revoke = (
        VERIFIED.to(REVOKED)
        | RECTIFYING.to(REVOKED)
        | RECTIFIED.to(REVOKED)
        | REOPENED.to(REVOKED)
        | CLOSED.to(REVOKED)
    )
    amend = (
        VERIFIED.to(VERIFIED)
        | RECTIFYING.to(RECTIFYING)
        | RECTIFIED.to(RECTIFIED)
        | REOPENED.to(REOPENED)
        | CLOSED.to(CLOSED)
    )
    apply_tolerance = (
        NOTIFIED.to(NOTIFIED)
        | PLEA_RECEIVED.to(PLEA_RECEIVED)
        | VERIFIED.to(VERIFIED)
        | REJECTED.to(REJECTED)
        | RECTIFYING.to(RECTIFYING)
        | RECTIFIED.to(RECTIFIED)
        | REOPENED.to(REOPENED)
        | CLOSED.to(CLOSED)
        | REVOKED.to(REVOKED)
    )
    undo_tolerance = (
        NOTIFIED.to(NOTIFIED)
        | PLEA_RECEIVED.to(PLEA_RECEIVED)
        | VERIFIED.to(VERIFIED)
        | REJECTED.to(REJECTED)
        | RECTIFYING.to(RECTIFYING)
        | RECTIFIED.to(RECTIFIED)
        | REOPENED.to(REOPENED)
        | CLOSED.to(CLOSED)
        | REVOKED.to(REVOKED)
    )


def scope(case: Finding) -> Scope:
    """Return whom a finding concerns: its unit and those held responsible, who learn of it when it is notified."""
    return Scope(
        units=frozenset({case.unit}),
        persons=frozenset(entry["cadre"] for entry in case.responsible),
        disclosed=case.state != "DRAFT",
    )


def weight_key(severity: int) -> str:
    """Return the key of the rule that says how many points a finding of `severity` (1 to 5) weighs."""
    return f"finding.weight.severity_{severity}"


def record(step: Step) -> None:
    """Take over the draft from the form and weigh it.

    Raises 422 `UNKNOWN_INSPECTION`, `INSPECTION_NOT_RUNNING`, `UNIT_NOT_INSPECTED`, `UNKNOWN_UNIT`, `UNKNOWN_CADRE`,
    `UNKNOWN_EVIDENCE`, `UNKNOWN_FINDING_TYPE`, `UNKNOWN_REASON_CODE`, `SEVERITY_TOO_LOW`, `DATE_IN_FUTURE`,
    `NO_RULE_AT_CONDUCT`, and 451 `SECRECY_LEVEL`.
    """
    case: Finding = step.case
    form = step.form
    case.inspection_id = str(form["inspection"]) if form.get("inspection") else None
    case.source = Source.INSPECTION if case.inspection_id else Source(form["source"])
    case.unit, case.type, case.facts = form["unit"], form["type"], form["facts"]
    case.reason_codes, case.severity = list(form["reason_codes"]), form["severity"]
    case.occurred_on = form["occurred_on"]
    case.responsible = [
        {"cadre": entry["cadre"], "role": entry["role"], "served_on": None, "pleaded_on": None}
        for entry in form["responsible"]
    ]
    case.evidence = list(form.get("evidence") or ())
    case.rectified_factor = case.revoked_on = case.revocation = None
    case.relapses = 0
    refuse_marked([case.facts], step.rules)
    _check_origin(step)
    _check_catalogue(step)
    _check_known(step)
    weigh(step)


def _check_origin(step: Step) -> None:
    case: Finding = step.case
    facts: FindingFacts = step.facts
    if case.inspection_id is None:
        return
    if facts.inspection is None:
        raise Refusal(
            "UNKNOWN_INSPECTION", zh="没有这次检查。", en="There is no such inspection.", inspection=case.inspection_id
        )
    if facts.inspection.state not in RUNNING:
        raise Refusal(
            "INSPECTION_NOT_RUNNING",
            zh="只有检查中或已报告的检查可以提出问题。",
            en="Findings come from an inspection that is in progress or reported.",
            state=facts.inspection.state,
        )
    if case.unit not in facts.inspection.units:
        raise Refusal(
            "UNIT_NOT_INSPECTED",
            zh="该单位不在本次检查范围内。",
            en="The unit is not among those inspected.",
            unit=case.unit,
        )


def _check_catalogue(step: Step) -> None:
    case: Finding = step.case
    types = step.rule("finding.types")
    if case.type not in types:
        raise Refusal(
            "UNKNOWN_FINDING_TYPE",
            zh="问题类型不在现行目录内。",
            en="The type is not in the catalogue.",
            type=case.type,
        )
    unknown = sorted(set(case.reason_codes) - set(step.rule("finding.reason_codes")))
    if unknown:
        raise Refusal(
            "UNKNOWN_REASON_CODE", zh="情形代码不在现行目录内。", en="The catalogue has no such code.", codes=unknown
        )
    least = types[case.type].get("least_severity", SEVERITIES.start)
    if case.severity < least:
        raise Refusal(
            "SEVERITY_TOO_LOW",
            zh=f"该类问题的严重程度不得低于 {least} 级。",
            en=f"A finding of this type has severity {least} or more.",
            least=least,
        )
    if case.occurred_on > step.at.date():
        raise Refusal(
            "DATE_IN_FUTURE",
            zh="行为日期不得晚于今天。",
            en="The conduct cannot lie ahead.",
            occurred_on=case.occurred_on.isoformat(),
            latest=step.at.date().isoformat(),
        )


def _check_known(step: Step) -> None:
    case: Finding = step.case
    facts: FindingFacts = step.facts
    if not facts.unit_known:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.", units=[case.unit])
    unknown = sorted({entry["cadre"] for entry in case.responsible} - facts.cadres)
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    _check_evidence(case.evidence, facts)


def _check_evidence(asked: list[str], facts: FindingFacts) -> None:
    missing = sorted(set(asked) - facts.evidence)
    if missing:
        raise Refusal(
            "UNKNOWN_EVIDENCE",
            zh="没有该证据文件,请先上传。",
            en="There is no such evidence; upload it first.",
            evidence=missing,
        )


def weigh(step: Step) -> None:
    """Give the finding the points of its severity: by the rules at the conduct, or today's where they are lighter.

    Raises 422 `NO_RULE_AT_CONDUCT`: nobody is held to a rule that was made later (从旧兼从轻).
    """
    case: Finding = step.case
    facts: FindingFacts = step.facts
    if facts.weight is None:
        raise Refusal(
            "NO_RULE_AT_CONDUCT",
            zh="行为发生时尚无扣分规则,不得据此追究。",
            en="No rule on points was in force at the conduct; nobody is held to a later one.",
            occurred_on=case.occurred_on.isoformat(),
        )
    case.base_weight = Decimal(facts.weight.value)
    case.weight_pack = facts.weight.pack.cite
    step.cited.add(facts.weight.pack.cite)
    _combine(case)


def _combine(case: Finding) -> None:
    """Weigh tolerance and rectification into the effective weight (3.5); a relapse is in the base weight already."""
    weight = Decimal(0) if case.revoked_on is not None else case.base_weight
    for factor in (case.tolerance_factor, case.rectified_factor):
        weight *= 1 if factor is None else factor
    case.effective_weight = _rounded(weight)


def _rounded(weight: Decimal) -> Decimal:
    """Return `weight` with no more digits than are kept."""
    kept = weight.quantize(_LEAST)
    return weight if kept == weight else kept


def below_discipline_threshold(step: Step) -> None:
    """Raise `DISCIPLINE_THRESHOLD`, which DISC must hear of, where the finding is a matter of discipline or crime.

    Supervision must not replace or mix with discipline (1.7). Types and reason codes above the threshold are rules.
    """
    case: Finding = step.case
    over = [code for code in case.reason_codes if code in step.rule("finding.discipline_threshold.reason_codes")]
    if case.type in step.rule("finding.discipline_threshold.types") or over:
        raise Refusal(
            "DISCIPLINE_THRESHOLD",
            zh="该问题达到纪律处分界限,应由纪委监委办理,线索已移送。",
            en="The matter is one of discipline; the discipline commission deals with it and has been told.",
            committed=True,
            type=case.type,
            reason_codes=over,
        )


def notify(step: Step) -> None:
    """Note the day on which those responsible are told."""
    case: Finding = step.case
    case.notified_on = step.at.date()


def attach(step: Step) -> None:
    """Add evidence by its hash. Raises `UNKNOWN_EVIDENCE`."""
    case: Finding = step.case
    _check_evidence(list(step.form["evidence"]), step.facts)
    case.evidence = sorted({*case.evidence, *step.form["evidence"]})


def serve(step: Step) -> None:
    """Note that a responsible cadre was served; once all are, the plea window runs from the last service (N4)."""
    case: Finding = step.case
    cadre, day = step.form["cadre"], step.form["served_on"]
    case.responsible = [
        {**entry, "served_on": day.isoformat()} if entry["cadre"] == cadre else entry for entry in case.responsible
    ]
    days = [entry["served_on"] for entry in case.responsible]
    if all(days):
        case.served_on = date.fromisoformat(max(days))
        case.plea_until = step.rule("finding.plea_window").last_day(case.served_on).day


def last_service(step: Step) -> datetime | None:
    """Return from when the plea window runs; None while somebody has not been served."""
    case: Finding = step.case
    return None if case.served_on is None else datetime.combine(case.served_on, time.min, ZONE)


def plea_in_time(step: Step) -> None:
    """Raise 422 `OUT_OF_TIME` where the plea window is over."""
    case: Finding = step.case
    if case.plea_until is not None and step.at.date() > case.plea_until:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"陈述申辩期已于 {case.plea_until} 届满。",
            en=f"The time to answer ended on {case.plea_until}.",
            plea_until=case.plea_until.isoformat(),
        )


def plea(step: Step) -> None:
    """Note that the cadre has answered; the text (L4) is kept beside the case. Raises `SECRECY_LEVEL`."""
    case: Finding = step.case
    refuse_marked([step.form["text"]], step.rules)
    today = step.at.date().isoformat()
    case.responsible = [
        {**entry, "pleaded_on": today} if entry["cadre"] == step.actor.person else entry for entry in case.responsible
    ]


def needs_signature(step: Step) -> bool:
    """Say whether the finding is so severe that the organisation department must sign before it is verified."""
    case: Finding = step.case
    return bool(case.severity >= step.rule("finding.sign_from_severity"))


def signature_wanted(step: Step) -> None:
    """Raise 422 `SIGN_NOT_NEEDED` for a light finding, 409 `DUPLICATE` for a finding that is signed."""
    case: Finding = step.case
    if not needs_signature(step):
        raise Refusal(
            "SIGN_NOT_NEEDED",
            zh="该问题无需组织部门签批。",
            en="This finding needs no signature.",
            severity=case.severity,
            from_severity=step.rule("finding.sign_from_severity"),
        )
    if case.signed_by is not None:
        raise Refusal("DUPLICATE", zh="组织部门已签批。", en="The finding is signed already.", status=409)


def sign(step: Step) -> None:
    """Note who signed for the organisation department."""
    case: Finding = step.case
    case.signed_by = step.actor.subject


def has_evidence(step: Step) -> None:
    """Raise 422 `NO_EVIDENCE` where no evidence is attached."""
    case: Finding = step.case
    if not case.evidence:
        raise Refusal(
            "NO_EVIDENCE", zh="没有证据,不得认定。", en="Nothing is verified without evidence.", evidence=0, least=1
        )


def plea_window_over(step: Step) -> None:
    """Raise 422 `PLEA_WINDOW_OPEN` until everybody responsible has answered or had the time to."""
    case: Finding = step.case
    if all(entry["pleaded_on"] for entry in case.responsible):
        return
    if case.plea_until is None or step.at.date() <= case.plea_until:
        until = case.plea_until.isoformat() if case.plea_until else None
        raise Refusal(
            "PLEA_WINDOW_OPEN",
            zh=f"陈述申辩期至 {until},期满前不得认定。" if until else "告知书尚未全部送达,陈述申辩期未开始。",
            en=f"The time to answer runs until {until}." if until else "Not everybody has been served yet.",
            plea_until=until,
            served=sum(1 for entry in case.responsible if entry["served_on"]),
            responsible=len(case.responsible),
        )


def is_signed(step: Step) -> None:
    """Raise 422 `SIGN_MISSING` where a severe finding lacks the organisation department's signature."""
    case: Finding = step.case
    if needs_signature(step) and case.signed_by is None:
        raise Refusal(
            "SIGN_MISSING",
            zh="严重问题须先经组织部门签批。",
            en="A finding this severe is signed by the organisation department before it is verified.",
            severity=case.severity,
            from_severity=step.rule("finding.sign_from_severity"),
        )


def verify(step: Step) -> None:
    """Note the verification; it counts in its year, weighed anew should today's rule be lighter."""
    case: Finding = step.case
    weigh(step)
    case.verified_on = step.at.date()
    case.year = case.verified_on.year


def is_lighter(case: Finding, factor: Decimal) -> bool:
    """Say whether a decision of `factor` eases the finding more than what was decided before."""
    return case.tolerance_factor is None or factor < case.tolerance_factor


def apply_tolerance(step: Step) -> None:
    """Ease the effective weight by the factor of a tolerance case (I5); none: it was revoked, and the weight is whole again."""
    case: Finding = step.case
    case.tolerance_case, case.tolerance_factor = step.form["case"], step.form["factor"]
    _combine(case)


def reopen(step: Step) -> None:
    """Note the relapse: the finding is more severe by as much as the rules say, and to be rectified anew."""
    case: Finding = step.case
    case.relapses += 1
    case.severity = min(case.severity + int(step.rule("rectification.relapse_severity")), SEVERITIES.stop - 1)


def reweigh(step: Step) -> None:
    """Weigh a rectification in time, or a relapse, into the finding.

    In time eases the effective weight. A relapse takes that back, and makes the finding itself heavier: once, however
    often it relapses, and by its factor alone, not by the points of the higher severity as well.
    """
    case: Finding = step.case
    if step.form["in_time"]:
        case.rectified_factor = Decimal(step.rule("rectification.in_time_factor"))
    else:
        case.rectified_factor = None
        if case.relapses == 1:
            _add_relapse(step)
    _combine(case)


def _add_relapse(step: Step) -> None:
    case: Finding = step.case
    case.base_weight = _rounded(case.base_weight * Decimal(step.rule("rectification.relapse_factor")))


def amend(step: Step) -> None:
    """Let the finding be as severe as an appeal left it (A16): it weighs the points of that, with a relapse that it had.

    Raises 422 `NO_REFORMATIO_IN_PEIUS`, `NO_RULE_AT_CONDUCT`.
    """
    case: Finding = step.case
    wanted: int = step.form["severity"]
    if wanted >= case.severity:
        raise Refusal(
            "NO_REFORMATIO_IN_PEIUS",
            zh="不得因复核、申诉加重。",
            en="Nothing is made heavier because of an appeal.",
            severity=case.severity,
            given=wanted,
        )
    case.severity = wanted
    weigh(step)
    if case.relapses:
        _add_relapse(step)
    _combine(case)


def revoke(step: Step) -> None:
    """Take back the finding: it weighs nothing from now on. What it rested on stays visible to those who may see it."""
    case: Finding = step.case
    case.revoked_on = step.at.date()
    case.revocation = {"basis": step.form["basis"], "reference": step.form["reference"]}
    refuse_marked([step.form["reference"]], step.rules)
    _combine(case)


_RECORDERS: Final[Mapping[str, Reach]] = {"SUPO": Reach.OFFICE, "ORG.supervise": Reach.OFFICE}
_EVENT: Final = "supervision.finding.{}.v1"
PLEA_WINDOW: Final = "finding.plea"
PLAN_PERIOD: Final = "finding.rectification_plan"
_PLAN: Final = Arm(kind=PLAN_PERIOD, rule="rectification.plan_period", warn="deadline.warning")

FINDING: Final = CaseType(
    service="supervision",
    kind="finding",
    collection="findings",
    zh="问题",
    en="finding",
    machine=FindingMachine,
    dataclass="L3",
    states={
        "DRAFT": ("草稿", "draft"),
        "NOTIFIED": ("已告知", "notified"),
        "PLEA_RECEIVED": ("已申辩", "plea received"),
        "VERIFIED": ("已认定", "verified"),
        "REJECTED": ("不予认定", "rejected"),
        "RECTIFYING": ("整改中", "being rectified"),
        "RECTIFIED": ("已整改", "rectified"),
        "REOPENED": ("整改反弹", "reopened after a relapse"),
        "CLOSED": ("已销号", "closed"),
        "REVOKED": ("已撤销", "revoked"),
    },
    create=Action(
        zh="登记问题", en="record a finding", allow=_RECORDERS, guards=(refuse_marked_reason,), effect=record
    ),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改", en="revise the draft", allow=_RECORDERS, effect=record),
            "notify": Action(
                zh="告知",
                en="notify those responsible",
                allow=_RECORDERS,
                guards=(below_discipline_threshold,),
                effect=notify,
                event=_EVENT.format("notified"),
            ),
            "attach": Action(zh="补充证据", en="attach evidence", allow=_RECORDERS, effect=attach),
            "serve": Action(
                zh="送达",
                en="serve",
                effect=serve,
                event=_EVENT.format("served"),
                arms=(Arm(kind=PLEA_WINDOW, rule="finding.plea_window", start=last_service),),
            ),
            "plea": Action(
                zh="陈述申辩",
                en="answer",
                allow={"CADRE": Reach.SELF},
                guards=(plea_in_time,),
                effect=plea,
                event=_EVENT.format("plea-received"),
            ),
            "sign": Action(
                zh="组织部门签批",
                en="sign for the organisation department",
                allow={"ORG.supervise": Reach.OFFICE},
                guards=(signature_wanted,),
                effect=sign,
                not_after=("create", "revise"),
            ),
            "verify": Action(
                zh="认定",
                en="verify",
                allow=_RECORDERS,
                guards=(below_discipline_threshold, has_evidence, plea_window_over, is_signed),
                effect=verify,
                event=_EVENT.format("verified"),
                arms=(_PLAN,),
                closes=(PLEA_WINDOW,),
                not_after=("create", "revise"),
                eyes=2,
                same_code="SAME_VERIFIER",
                reason=True,
            ),
            "reject": Action(
                zh="不予认定",
                en="reject",
                allow=_RECORDERS,
                event=_EVENT.format("rejected"),
                closes=(PLEA_WINDOW,),
                reason=True,
            ),
            "rectify": Action(
                zh="进入整改", en="begin to rectify", event=_EVENT.format("rectifying"), closes=(PLAN_PERIOD,)
            ),
            "rectified": Action(zh="整改验收", en="note that it is rectified", event=_EVENT.format("rectified")),
            "close": Action(zh="销号", en="close", event=_EVENT.format("closed")),
            "reopen": Action(
                zh="整改反弹",
                en="reopen after a relapse",
                effect=reopen,
                event=_EVENT.format("reopened"),
                arms=(_PLAN,),
            ),
            "reweigh": Action(
                zh="重新计分",
                en="weigh the rectification or the relapse",
                effect=reweigh,
                event=_EVENT.format("weight-changed"),
            ),
            "revoke": Action(
                zh="撤销",
                en="revoke",
                allow={"ORG.supervise": Reach.OFFICE, "DISC": Reach.OFFICE},
                effect=revoke,
                event=_EVENT.format("revoked"),
                closes=(PLAN_PERIOD,),
                not_after=("create", "revise", "verify"),
                eyes=2,
                reason=True,
            ),
            "amend": Action(
                zh="因申诉变更", en="amend upon appeal", effect=amend, event=_EVENT.format("weight-changed")
            ),
            "undo_tolerance": Action(
                zh="撤销容错后恢复",
                en="undo tolerance",
                effect=apply_tolerance,
                event=_EVENT.format("weight-changed"),
            ),
            "apply_tolerance": Action(
                zh="适用容错", en="apply tolerance", effect=apply_tolerance, event=_EVENT.format("weight-changed")
            ),
        }
    ),
)

"""Adjustments (S11, 能上能下 and organisational handling): verified, recommended, decided by a committee, told, executed.

Who is unfit for a post goes to another or down by reasons that the rules of the day list. Nothing of it replaces
discipline, nothing stands against fault tolerance that was granted on every ground, and no appeal suspends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.proposal import refuse_proposal
from supervision.domain.sanction import Basis


class Way(StrEnum):
    """What becomes of the cadre."""

    TRANSFER = "TRANSFER"
    RANK_CHANGE = "RANK_CHANGE"
    REMOVE = "REMOVE"
    DEMOTE = "DEMOTE"
    RESIGN_ORDERED = "RESIGN_ORDERED"
    SUSPEND_CHECK = "SUSPEND_CHECK"


class Adjustment(Protocol):
    """What the rules read and change of an adjustment. `opinion` and `talk_summary` are sensitive (L4): in no event.

    `told_codes` are those of the reasons that are told to others: health and family are not.
    """

    id: str
    state: str
    cadre: str
    unit: str
    basis: str
    way: str
    reason_codes: list[str]
    told_codes: list[str]
    findings: list[str]
    recall: str | None
    measure: str | None
    opinion: str | None
    months: int | None
    decision_no: str | None
    decided_on: date | None
    members: int | None
    present: int | None
    in_favour: int | None
    served_on: date | None
    talkers: list[str]
    talked_on: date | None
    talk_summary: str | None
    executed_on: date | None
    executed_late: bool | None
    sanction: str | None
    appeal: str | None
    appealed_on: date | None


@dataclass(frozen=True, slots=True)
class Ground:
    """What an adjustment needs to know of a finding."""

    id: str
    state: str
    unit: str
    cadres: frozenset[str]
    type: str
    reason_codes: tuple[str, ...]
    tolerated: bool


@dataclass(frozen=True, slots=True)
class AdjustmentFacts:
    """What was looked up for a step.

    `unit` is that of the cadre (None: on no roster); `warned` says whether an earlier reminder, inquiry or admonition
    brought no correction; `held` whether a case is open; `duplicate` whether the same is under way already. `members` are
    those of the talkers who are on the roster, `left` those of them who left.
    """

    unit: str | None = None
    grounds: Sequence[Ground] = ()
    unknown: Sequence[str] = ()
    warned: bool = False
    held: bool = False
    duplicate: bool = False
    members: frozenset[str] = field(default_factory=frozenset)
    left: frozenset[str] = frozenset()


class AdjustmentMachine(StateMachine):
    """PROPOSED → VERIFYING → RECOMMENDED → DECIDED → TALKED → EXECUTED → CLOSED; undone, it is REVERSED."""

    PROPOSED = State(initial=True)
    VERIFYING = State()
    RECOMMENDED = State()
    DECIDED = State()
    TALKED = State()
    EXECUTED = State()
    APPEALED = State()
    CLOSED = State()
    DISMISSED = State(final=True)
    WITHDRAWN = State(final=True)
    REVERSED = State(final=True)

    start_verification = PROPOSED.to(VERIFYING)
    recommend = VERIFYING.to(RECOMMENDED)
    send_back = RECOMMENDED.to(VERIFYING)
    decide = RECOMMENDED.to(DECIDED)
    serve = DECIDED.to(DECIDED) | TALKED.to(TALKED) | EXECUTED.to(EXECUTED) | APPEALED.to(APPEALED) | CLOSED.to(CLOSED)
    talk = DECIDED.to(TALKED)
    execute = TALKED.to(EXECUTED)
    close = EXECUTED.to(CLOSED)
    # Not suspended: before the execution an appeal is only noted, and execution goes on.
    note_appeal = DECIDED.to(DECIDED) | TALKED.to(TALKED) | EXECUTED.to(APPEALED) | CLOSED.to(APPEALED)
    settle_appeal = DECIDED.to(DECIDED) | TALKED.to(TALKED) | EXECUTED.to(EXECUTED) | APPEALED.to(EXECUTED)
    dismiss = PROPOSED.to(DISMISSED) | VERIFYING.to(DISMISSED) | RECOMMENDED.to(DISMISSED)
    withdraw = PROPOSED.to(WITHDRAWN) | VERIFYING.to(WITHDRAWN) | RECOMMENDED.to(WITHDRAWN)
    reverse = (
        DECIDED.to(REVERSED) | TALKED.to(REVERSED) | EXECUTED.to(REVERSED) | APPEALED.to(REVERSED) | CLOSED.to(REVERSED)
    )


UNDECIDED: Final = ("PROPOSED", "VERIFYING", "RECOMMENDED")
STANDING: Final = ("DECIDED", "TALKED", "EXECUTED", "APPEALED", "CLOSED")
_OF_A_DECISION: Final = (*STANDING, "REVERSED")


def scope(case: Adjustment) -> Scope:
    """Return whom an adjustment concerns: the cadre and the unit, who are told when it is decided."""
    return Scope(units=frozenset({case.unit}), persons=frozenset({case.cadre}), disclosed=case.state in _OF_A_DECISION)


# ---- guards


def _named(step: Step, name: str) -> Any:
    """Return what the form of a proposal names, or what the case holds already."""
    return step.form[name] if name in step.form else getattr(step.case, name, None)


def known_and_in_reach(step: Step) -> None:
    """Raise 422 `UNKNOWN_CADRE`, `AVOIDANCE`, 403 `DATA_SCOPE`.

    It comes before everything else, so that nobody learns, or has handed over, what is not theirs to see.
    """
    facts: AdjustmentFacts = step.facts
    refuse_proposal(step.actor, step.form["cadre"], facts.unit, (ground.unit for ground in facts.grounds))


def grounds_are_the_cadres(step: Step) -> None:
    """Raise 422 `UNKNOWN_FINDING`, `NOT_RESPONSIBLE` where a ground is none of the cadre's."""
    facts: AdjustmentFacts = step.facts
    if facts.unknown:
        raise Refusal(
            "UNKNOWN_FINDING", zh="没有该问题。", en="There is no such finding.", findings=list(facts.unknown)
        )
    cadre = _named(step, "cadre")
    others = [ground.id for ground in facts.grounds if cadre not in ground.cadres]
    if others:
        raise Refusal(
            "NOT_RESPONSIBLE", zh="该干部不是责任人。", en="The cadre is not held responsible for it.", findings=others
        )


def grounds_verified(step: Step) -> None:
    """Raise 422 `NO_VERIFIED_FINDING` where a ground is not verified."""
    facts: AdjustmentFacts = step.facts
    unverified = [ground.id for ground in facts.grounds if ground.state in _NOT_VERIFIED]
    if unverified:
        raise Refusal(
            "NO_VERIFIED_FINDING",
            zh="只有已认定的问题可以作为调整依据。",
            en="Only a verified finding is a ground.",
            findings=unverified,
        )


_NOT_VERIFIED: Final = ("DRAFT", "NOTIFIED", "PLEA_RECEIVED", "REJECTED", "REVOKED")


def no_matter_of_discipline(step: Step) -> None:
    """Raise `DISCIPLINE_THRESHOLD`, which DISC must hear of, where a ground is a matter of discipline (1.7)."""
    facts: AdjustmentFacts = step.facts
    types = step.rule("finding.discipline_threshold.types")
    codes = step.rule("finding.discipline_threshold.reason_codes")
    over = [ground.id for ground in facts.grounds if ground.type in types or set(ground.reason_codes) & set(codes)]
    if over:
        raise Refusal(
            "DISCIPLINE_THRESHOLD",
            zh="该问题达到纪律处分界限,应由纪委监委办理,线索已移送。",
            en="The matter is one of discipline; the discipline commission deals with it and has been told.",
            committed=True,
            findings=over,
        )


def no_case_pending(step: Step) -> None:
    """Raise 422 `CASE_PENDING` while a case is open: the discipline commission comes first."""
    facts: AdjustmentFacts = step.facts
    if facts.held:
        raise Refusal("CASE_PENDING", zh="有未办结事项,暂不得调整。", en="A pending case comes first.")


def not_tolerated(step: Step) -> None:
    """Raise 422 `TOLERANCE_GRANTED` where fault tolerance was granted on every ground."""
    facts: AdjustmentFacts = step.facts
    if facts.grounds and all(ground.tolerated for ground in facts.grounds):
        raise Refusal(
            "TOLERANCE_GRANTED",
            zh="所依据的问题均已认定容错,不得据此调整。",
            en="Fault tolerance was granted on every ground; nothing is adjusted for it.",
            findings=[ground.id for ground in facts.grounds],
        )


def warned_before(step: Step) -> None:
    """Raise 422 `PRIOR_WARNING_REQUIRED` where the rules of the day want an earlier warning without correction."""
    facts: AdjustmentFacts = step.facts
    if _named(step, "basis") != Basis.UNFIT or facts.warned:
        return
    if step.rule("adjustment.prior_warning_required"):
        raise Refusal(
            "PRIOR_WARNING_REQUIRED",
            zh="须先经提醒、教育或者函询、诫勉没有改正,方可调整。",
            en="Under these rules a reminder, inquiry or admonition without correction comes first.",
            rules=step.rules.cite("adjustment.prior_warning_required"),
        )


# ---- effects


def propose(step: Step) -> None:
    """Take over the proposal.

    Raises 422 `WAY_NOT_ALLOWED`, `UNKNOWN_REASON_CODE`, `MONTHS_MISMATCH`, 409 `DUPLICATE`, 451.
    """
    case: Adjustment = step.case
    facts: AdjustmentFacts = step.facts
    form = step.form
    case.cadre, case.unit, case.basis = form["cadre"], str(facts.unit), form["basis"]
    case.findings = sorted(str(finding) for finding in form.get("findings", ()))
    case.recall = str(form["recall"]) if form.get("recall") else None
    case.measure = str(form["measure"]) if form.get("measure") else None
    case.decision_no = case.decided_on = case.members = case.present = case.in_favour = None
    case.served_on = case.talked_on = case.talk_summary = case.executed_on = case.executed_late = None
    case.sanction = case.appeal = case.appealed_on = None
    case.talkers = []
    if facts.duplicate:
        raise Refusal("DUPLICATE", zh="同一事由的调整正在办理。", en="The same is under way already.", status=409)
    _choose(step, form)


def _choose(step: Step, form: Mapping[str, Any]) -> None:
    """Take over way, reasons and opinion, as far as the rules of the day have them."""
    case: Adjustment = step.case
    case.way, case.reason_codes = form["way"], list(form["reason_codes"])
    case.opinion = form.get("opinion")
    refuse_marked([case.opinion], step.rules)
    key = f"adjustment.ways.{case.basis.lower()}"
    ways = step.rule(key) if key in step.rules else ()
    if case.way not in ways:
        raise Refusal(
            "WAY_NOT_ALLOWED",
            zh="现行规定在该依据下没有这种方式。",
            en="The rules of the day have no such way on this basis.",
            ways=list(ways),
        )
    catalogue = step.rule(f"adjustment.reasons.{case.basis.lower()}")
    unknown = sorted(set(case.reason_codes) - set(catalogue))
    if unknown:
        raise Refusal(
            "UNKNOWN_REASON_CODE", zh="情形代码不在现行目录内。", en="The catalogue has no such code.", codes=unknown
        )
    case.told_codes = [code for code in case.reason_codes if not catalogue[code].get("sensitive")]
    case.months = form.get("months")
    _check_suspension(step)


def _check_suspension(step: Step) -> None:
    case: Adjustment = step.case
    if case.way != Way.SUSPEND_CHECK:
        wrong = case.months is not None
        allowed: list[int] = []
    else:
        span = step.rule("sanction.months.org_handling.suspend_check")
        allowed = list(range(span["least"], span["most"] + 1))
        wrong = case.months not in allowed
    if wrong:
        raise Refusal(
            "MONTHS_MISMATCH",
            zh="停职检查须注明月数且不得超限,其他方式的期限由规定确定。",
            en="A suspension names its months, within the limit; for other ways the rules say how long.",
            allowed=allowed,
            given=case.months,
        )


def recommend(step: Step) -> None:
    """Recommend way and reasons as they were verified. Raises what `propose` raises of them."""
    _choose(step, step.form)


def decide(step: Step) -> None:
    """Take over the decision of the committee. Raises 422 `ATTENDANCE`, `MAJORITY_MISSING`, `DATE_RANGE`, 451."""
    case: Adjustment = step.case
    form = step.form
    refuse_marked([form["decision_no"]], step.rules)
    members, present, in_favour = form["members"], form["present"], form["in_favour"]
    least, most = step.rule("adjustment.attendance"), step.rule("adjustment.majority")
    if present > members or present * least["of"] < members * least["parts"]:
        raise Refusal(
            "ATTENDANCE",
            zh=f"到会成员须达到应到的 {least['parts']}/{least['of']}。",
            en=f"{least['parts']}/{least['of']} of the members must be present.",
            members=members,
            present=present,
            least=-(-members * least["parts"] // least["of"]),
        )
    if in_favour > present or in_favour * most["of"] <= members * most["parts"]:
        raise Refusal(
            "MAJORITY_MISSING",
            zh="须经应到会成员过半数同意。",
            en="More than half of the members must be in favour.",
            members=members,
            present=present,
            in_favour=in_favour,
            least=members * most["parts"] // most["of"] + 1,
        )
    case.decided_on = _not_ahead(form.get("decided_on", step.at.date()), step)
    case.decision_no = form["decision_no"]
    case.members, case.present, case.in_favour = members, present, in_favour


def _not_ahead(day: date, step: Step, since: date | None = None) -> date:
    if day > step.at.date() or (since is not None and day < since):
        raise Refusal(
            "DATE_RANGE",
            zh="日期不在允许范围内。",
            en="The day is out of its range.",
            day=day.isoformat(),
            earliest=since and since.isoformat(),
            latest=step.at.date().isoformat(),
        )
    return day


def decided(step: Step) -> datetime | None:
    """Return from when the time for the execution runs."""
    case: Adjustment = step.case
    return None if case.decided_on is None else datetime.combine(case.decided_on, time.min, ZONE)


def serve(step: Step) -> None:
    """Note when the cadre was served with the decision."""
    case: Adjustment = step.case
    case.served_on = step.form["served_on"]


def talk(step: Step) -> None:
    """Note the talk.

    Raises 422 `TWO_TALKERS`, `AVOIDANCE`, `UNKNOWN_CADRE`, `CADRE_LEFT`, `DATE_RANGE`, 451 `SECRECY_LEVEL`.
    """
    case: Adjustment = step.case
    facts: AdjustmentFacts = step.facts
    talkers = sorted(set(step.form["talkers"]))
    least = step.rule("adjustment.talkers_least")
    if len(talkers) < least:
        raise Refusal(
            "TWO_TALKERS", zh=f"谈话人不得少于 {least} 人。", en=f"At least {least} people talk.", least=least
        )
    if case.cadre in talkers:
        raise Refusal("AVOIDANCE", zh="本人不得作为谈话人。", en="Nobody talks with themselves.", cadres=[case.cadre])
    unknown = sorted(set(talkers) - facts.members)
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    left = sorted(set(talkers) & facts.left)
    if left:
        raise Refusal("CADRE_LEFT", zh="谈话人已离任,请更换。", en="One of those who talk has left.", cadres=left)
    refuse_marked([step.form.get("summary")], step.rules)
    case.talkers = talkers
    case.talked_on = _not_ahead(step.form.get("talked_on", step.at.date()), step, case.decided_on)
    case.talk_summary = step.form.get("summary")


def execute(step: Step) -> None:
    """Note that it was carried out; too late is marked, not refused."""
    case: Adjustment = step.case
    case.executed_on = _not_ahead(step.form.get("executed_on", step.at.date()), step, case.decided_on)
    if case.decided_on is not None:
        case.executed_late = case.executed_on > step.rule("adjustment.execution").last_day(case.decided_on).day


def no_appeal_open(step: Step) -> None:
    """Raise 422 `APPEAL_PENDING` while an appeal is not settled."""
    case: Adjustment = step.case
    if case.appeal is not None:
        raise Refusal("APPEAL_PENDING", zh="申诉尚未办结。", en="An appeal is not settled.", appeal=case.appeal)


def note_appeal(step: Step) -> None:
    """Note that the cadre appealed: what was decided goes on."""
    case: Adjustment = step.case
    case.appeal, case.appealed_on = step.form["appeal"], step.at.date()


def settle_appeal(step: Step) -> None:
    """Note that the appeal is settled and the decision stands."""
    case: Adjustment = step.case
    case.appeal = None


_PROPOSES: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "ORG.cadre": Reach.OFFICE}
_DECIDES: Final[Mapping[str, Reach]] = {"COMM": Reach.OFFICE}
_EVENT: Final = "supervision.adjustment.{}.v1"
_STILL_GROUNDED: Final = (no_matter_of_discipline, no_case_pending, not_tolerated)
# What reaches the discipline threshold is never verified, so that comes first.
_GROUNDED: Final = (
    known_and_in_reach,
    grounds_are_the_cadres,
    no_matter_of_discipline,
    grounds_verified,
    no_case_pending,
    not_tolerated,
)
EXECUTION: Final = "adjustment.execution"

ADJUSTMENT: Final = CaseType(
    service="supervision",
    kind="adjustment",
    collection="adjustments",
    zh="干部调整",
    en="adjustment",
    machine=AdjustmentMachine,
    dataclass="L3",
    states={
        "PROPOSED": ("已提出", "proposed"),
        "VERIFYING": ("核实认定中", "being verified"),
        "RECOMMENDED": ("已提出调整建议", "recommended"),
        "DECIDED": ("已决定", "decided"),
        "TALKED": ("已谈话", "talked"),
        "EXECUTED": ("已执行", "executed"),
        "APPEALED": ("申诉中(不停止执行)", "appealed, not suspended"),
        "CLOSED": ("已办结", "closed"),
        "DISMISSED": ("不予调整", "dismissed"),
        "WITHDRAWN": ("已撤回", "withdrawn"),
        "REVERSED": ("已撤销", "reversed"),
    },
    create=Action(
        zh="提出调整",
        en="propose an adjustment",
        allow=_PROPOSES,
        guards=(refuse_marked_reason, *_GROUNDED, warned_before),
        effect=propose,
        event=_EVENT.format("proposed"),
    ),
    actions=with_plain_reasons(
        {
            "start_verification": Action(zh="核实认定", en="verify", allow=_PROPOSES),
            "recommend": Action(
                zh="提出调整建议",
                en="recommend",
                allow=_PROPOSES,
                guards=_STILL_GROUNDED,
                effect=recommend,
            ),
            "send_back": Action(
                zh="退回重新核实", en="send back to be verified", allow={**_DECIDES, **_PROPOSES}, reason=True
            ),
            "decide": Action(
                zh="集体决定",
                en="decide",
                allow=_DECIDES,
                guards=_STILL_GROUNDED,
                effect=decide,
                event=_EVENT.format("decided"),
                arms=(Arm(kind=EXECUTION, rule="adjustment.execution", warn="deadline.warning", start=decided),),
                not_after=("create", "start_verification", "recommend"),
                eyes=2,
                reason=True,
            ),
            "serve": Action(zh="送达", en="serve", effect=serve),
            "talk": Action(zh="谈话", en="talk", allow=_PROPOSES, effect=talk),
            "execute": Action(
                zh="履行任免程序",
                en="execute",
                allow=_PROPOSES,
                effect=execute,
                event=_EVENT.format("executed"),
                closes=(EXECUTION,),
            ),
            "close": Action(zh="办结", en="close", allow=_PROPOSES, guards=(no_appeal_open,)),
            "note_appeal": Action(zh="记录申诉", en="note an appeal", effect=note_appeal),
            "settle_appeal": Action(zh="申诉办结、维持原决定", en="settle the appeal", effect=settle_appeal),
            "dismiss": Action(
                zh="不予调整",
                en="dismiss",
                allow={**_DECIDES, **_PROPOSES},
                event=_EVENT.format("withdrawn"),
                reason=True,
            ),
            "withdraw": Action(
                zh="撤回", en="withdraw", allow=_PROPOSES, event=_EVENT.format("withdrawn"), reason=True
            ),
            "reverse": Action(
                zh="撤销调整",
                en="reverse",
                allow=_DECIDES,
                event=_EVENT.format("reversed"),
                closes=(EXECUTION,),
                eyes=2,
                reason=True,
            ),
        }
    ),
)

"""Signals (S1): clues that any department posts, triaged by cadre supervision, and linked, handed over or dismissed.

A clue accuses somebody before anybody has looked into it. So whom it is about, and their unit, never see it here, events
tell neither who nor what, and who posted it learns how far it is and nothing of what others posted. A signal that a refused
finding sends is handed over to the discipline commission in the step that opens it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.finding import Source

TO_DISCIPLINE: Final = "DISC"
MERGES_INTO: Final = ("RECEIVED", "TRIAGED", "LINKED", "TRANSFERRED")
"""States of a signal into which a duplicate is merged: what was dismissed takes nothing in, or nobody would look at it."""
FALLEN: Final = frozenset({"REJECTED", "REVOKED"})
"""States of a finding to which nothing is linked any more."""


class Signal(Protocol):
    """What the rules read and change of a signal.

    `text` is sensitive (L4). `finding_id` is the refused finding that sent it, None where somebody posted it;
    `linked_finding` the one to which a posted signal led; `merged` counts the duplicates that went into it.
    `cadre_unit` is where the cadre was when it was posted.
    """

    id: str
    state: str
    unit: str
    cadre: str | None
    cadre_unit: str | None
    source: str
    type: str
    reason_codes: list[str]
    severity: int
    text: str | None
    posted_by: str | None
    posted_unit: str | None
    has_informant: bool
    received_on: date
    triaged_on: date | None
    in_time: bool | None
    settled_on: date | None
    finding_id: str | None
    linked_finding: str | None
    transferred_to: str | None
    transferred_at: datetime | None
    merged_into: str | None
    merged: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """The last signal before about the same unit and subject that may take another in."""

    id: str
    received_on: date


@dataclass(frozen=True, slots=True)
class Linkable:
    """What is asked of a finding to which a signal is linked."""

    state: str
    unit: str
    cadres: frozenset[str]


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """What was looked up: whether the unit is registered, the unit of the cadre (None: on no roster), the earlier signal, the
    finding that is named (None: there is none), and who posted the duplicates."""

    unit_known: bool = False
    cadre_unit: str | None = None
    earlier: Earlier | None = None
    finding: Linkable | None = None
    posters: frozenset[str] = frozenset()


class SignalMachine(StateMachine):
    """RECEIVED → TRIAGED → LINKED, TRANSFERRED or DISMISSED; a duplicate is MERGED when it is received."""

    # What is linked or handed over is settled, and may still take duplicates in.
    validate_final_reachability = False

    RECEIVED = State(initial=True)
    TRIAGED = State()
    LINKED = State()
    TRANSFERRED = State()
    DISMISSED = State(final=True)
    MERGED = State(final=True)

    triage = RECEIVED.to(TRIAGED)
    link = TRIAGED.to(LINKED)
    transfer = TRIAGED.to(TRANSFERRED)
    dismiss = TRIAGED.to(DISMISSED)
    hand_over = RECEIVED.to(TRANSFERRED)
    merge = RECEIVED.to(MERGED)
    absorb = RECEIVED.to(RECEIVED) | TRIAGED.to(TRIAGED) | LINKED.to(LINKED) | TRANSFERRED.to(TRANSFERRED)


def scope(case: Signal) -> Scope:
    """Return whom a signal concerns, wherever they are by now: they are never told of it here."""
    units = {unit for unit in (case.unit, case.cadre_unit) if unit is not None}
    persons = {case.cadre} if case.cadre is not None else set()
    return Scope(units=frozenset(units), persons=frozenset(persons), disclosed=False)


def triage_key(source: str) -> str:
    """Return the key of the time for triage of signals from `source`."""
    return f"signal.triage.{source.lower()}"


def runs_for(source: Source) -> Callable[[Step], datetime | None]:
    """Return from when the time for triage runs where a signal comes from `source` and waits for people."""

    def start(step: Step) -> datetime | None:
        case: Signal = step.case
        waits = case.finding_id is None and case.merged_into is None
        return step.at if waits and case.source == source else None

    return start


def receive(step: Step) -> None:
    """Take over what is posted, or what a refused finding sends.

    Raises 422 `UNKNOWN_UNIT`, `UNKNOWN_CADRE`, `UNKNOWN_FINDING_TYPE`, 451 `SECRECY_LEVEL`.
    """
    case: Signal = step.case
    facts: SignalFacts = step.facts
    form = step.form
    case.unit, case.source, case.type, case.severity = form["unit"], form["source"], form["type"], form["severity"]
    case.cadre, case.text, case.finding_id = form.get("cadre"), form.get("text"), form.get("refused")
    case.reason_codes = list(form.get("reason_codes", ()))
    case.cadre_unit = facts.cadre_unit
    case.received_on = step.at.date()
    case.posted_by = case.posted_unit = case.merged_into = None
    case.triaged_on = case.in_time = case.settled_on = case.linked_finding = None
    case.transferred_to = case.transferred_at = None
    case.has_informant, case.merged = False, 0
    if step.actor.system:
        return
    case.posted_by, case.posted_unit = step.actor.subject, step.actor.unit
    refuse_marked([case.text], step.rules)
    if not facts.unit_known:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.", units=[case.unit])
    if case.cadre is not None and facts.cadre_unit is None:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=[case.cadre])
    _check_type(step)
    case.merged_into = first_of(step)


def first_of(step: Step) -> str | None:
    """Return the signal whose duplicate this one is: the same unit, cadre (or none) and type, within the merging window."""
    facts: SignalFacts = step.facts
    earlier = facts.earlier
    if earlier is None:
        return None
    window = step.rule("signal.merge_window")
    return earlier.id if step.at.date() <= window.last_day(earlier.received_on).day else None


def triage(step: Step) -> None:
    """Look into a signal: type and severity may be corrected; one that comes late is marked. Raises `UNKNOWN_FINDING_TYPE`."""
    case: Signal = step.case
    case.type = step.form.get("type", case.type)
    case.severity = step.form.get("severity", case.severity)
    _check_type(step)
    received = datetime.combine(case.received_on, time.min, ZONE)
    case.triaged_on, case.in_time = step.at.date(), step.at < step.due(triage_key(case.source), received)


def no_matter_of_discipline(step: Step) -> None:
    """Raise 422 `DISCIPLINE_MATTER` where the type is one of discipline or crime: it goes to the commission alone (1.7)."""
    case: Signal = step.case
    if case.type in step.rule("finding.discipline_threshold.types"):
        raise Refusal(
            "DISCIPLINE_MATTER",
            zh="该线索涉嫌违纪违法,须移送纪委监委,不得自行挂接或不予采用。",
            en="It is a matter of discipline: it is handed over to the commission, neither linked nor dismissed.",
            type=case.type,
        )


def link(step: Step) -> None:
    """Link to a finding that stands, about the same unit and the cadre who is named.

    Raises 422 `UNKNOWN_FINDING`, `FINDING_FALLEN`, `UNIT_DIFFERS`, `NOT_RESPONSIBLE`.
    """
    case: Signal = step.case
    facts: SignalFacts = step.facts
    finding = facts.finding
    if finding is None:
        raise Refusal("UNKNOWN_FINDING", zh="没有这个问题。", en="There is no such finding.")
    if finding.unit != case.unit:
        raise Refusal(
            "UNIT_DIFFERS", zh="该问题与线索不属同一单位。", en="The finding is about another unit.", unit=case.unit
        )
    if finding.state in FALLEN:
        raise Refusal(
            "FINDING_FALLEN",
            zh="该问题未予认定或已撤销,不能挂接。",
            en="The finding was rejected or revoked; nothing is linked to it.",
            state=finding.state,
        )
    if case.cadre is not None and case.cadre not in finding.cadres:
        raise Refusal(
            "NOT_RESPONSIBLE",
            zh="线索涉及的干部不是该问题的责任人。",
            en="The cadre of the signal is not held responsible for the finding.",
        )
    case.linked_finding = str(step.form["finding"])
    case.settled_on = step.at.date()


def transfer(step: Step) -> None:
    """Hand the signal over to the discipline commission, which reads it here."""
    case: Signal = step.case
    case.transferred_to, case.transferred_at = TO_DISCIPLINE, step.at
    case.settled_on = step.at.date()


def hand_over(step: Step) -> None:
    """Hand over what a refused finding sent, under the rule that had it refused."""
    step.rule("finding.discipline_threshold.types")
    transfer(step)


def not_by_a_poster(step: Step) -> None:
    """Raise 422 `AVOIDANCE` where one of its duplicates came from who takes the step."""
    facts: SignalFacts = step.facts
    if step.actor.subject in facts.posters:
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避:您报送过同一线索,请由他人办理。",
            en="Avoidance: you posted the same clue; somebody else must take this step.",
        )


def dismiss(step: Step) -> None:
    """Note the day; the reason is in the history."""
    case: Signal = step.case
    case.settled_on = step.at.date()


def merge(step: Step) -> None:
    """Note the day on which it went into the first one; its text stays."""
    case: Signal = step.case
    case.settled_on = step.at.date()


def absorb(step: Step) -> None:
    """Count a duplicate; the signal is as severe as the most severe of them."""
    case: Signal = step.case
    case.merged += 1
    case.severity = max(case.severity, step.form["severity"])


def _check_type(step: Step) -> None:
    case: Signal = step.case
    if case.type not in step.rule("finding.types"):
        raise Refusal(
            "UNKNOWN_FINDING_TYPE", zh="问题类型不在现行目录内。", en="The catalogue has no such type.", type=case.type
        )


POSTERS: Final[Mapping[str, Reach]] = dict.fromkeys(
    (*("ORG.*", "SUPO.*", "DISC", "COMM", "MEDIA", "REVIEWER", "TRAINER"), *("UNITHEAD", "UNITHR", "SUBSYS")),
    Reach.ANYWHERE,
)
"""Who may post: officers of every department, those who act for a unit, and departments' systems."""
_SUPERVISION: Final = {"ORG.supervise": Reach.OFFICE}
_EVENT: Final = "supervision.signal.{}"
HANDED_OVER: Final = _EVENT.format("transferred.v1")
"""What is told of a refused finding; of posted signals tells version 2."""
_TRIAGE: Final = "signal.triage"

SIGNAL: Final = CaseType(
    service="supervision",
    kind="signal",
    collection="signals",
    zh="线索",
    en="signal",
    machine=SignalMachine,
    dataclass="L3",
    states={
        "RECEIVED": ("已收到", "received"),
        "TRIAGED": ("已研判", "triaged"),
        "LINKED": ("已挂接问题", "linked to a finding"),
        "TRANSFERRED": ("已移送", "handed over"),
        "DISMISSED": ("不予采用", "dismissed"),
        "MERGED": ("已并入", "merged"),
    },
    create=Action(
        zh="报送线索",
        en="post a clue",
        allow=POSTERS,
        guards=(refuse_marked_reason,),
        effect=receive,
        arms=tuple(
            Arm(kind=_TRIAGE, rule=triage_key(source), warn="deadline.warning", start=runs_for(source))
            for source in Source
        ),
    ),
    actions=with_plain_reasons(
        {
            "triage": Action(
                zh="研判",
                en="triage",
                allow=_SUPERVISION,
                effect=triage,
                event=_EVENT.format("triaged.v1"),
                mandatory=False,
                closes=(_TRIAGE,),
            ),
            "link": Action(
                zh="挂接问题",
                en="link to a finding",
                allow=_SUPERVISION,
                guards=(no_matter_of_discipline,),
                effect=link,
                event=_EVENT.format("linked.v1"),
                mandatory=False,
            ),
            "transfer": Action(
                zh="移送纪委监委",
                en="hand over to the discipline commission",
                allow=_SUPERVISION,
                effect=transfer,
                event=_EVENT.format("transferred.v2"),
                mandatory=False,
            ),
            "dismiss": Action(
                zh="不予采用",
                en="dismiss",
                allow=_SUPERVISION,
                guards=(no_matter_of_discipline, not_by_a_poster),
                effect=dismiss,
                event=_EVENT.format("dismissed.v1"),
                mandatory=False,
                not_after=("create",),
                reason=True,
            ),
            "hand_over": Action(
                zh="移送被拒问题的线索",
                en="hand over what a refused finding sends",
                effect=hand_over,
                event=HANDED_OVER,
                mandatory=False,
            ),
            "merge": Action(zh="并入", en="merge into the first one", effect=merge),
            "absorb": Action(zh="收入重复线索", en="take a duplicate in", effect=absorb),
        }
    ),
)

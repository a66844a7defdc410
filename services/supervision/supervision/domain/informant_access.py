"""Access to an informant's identity (S1, X8): asked for with a purpose, granted by a custodian, for a few days.

Who reads signals asks; the custodian, who reads none, grants or refuses. Identities are sealed, apart from the signals.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons

SIGNAL_READERS: Final = ("ORG.supervise", "DISC")


class InformantAccess(Protocol):
    """What the rules read and change of an access. `purpose` is sensitive (L4); `units` and `persons` are the signal's."""

    id: str
    state: str
    signal_id: str
    units: list[str]
    persons: list[str]
    purpose: str
    asked_by: str
    granted_on: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class Concerned:
    """The signal about which is asked: whom it concerns, and whether there is an informant."""

    scope: Scope
    has_informant: bool


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """What was looked up: the signal (None: there is none), and who asks or reads already."""

    signal: Concerned | None = None
    asking: frozenset[str] = frozenset()


class InformantAccessMachine(StateMachine):
    """REQUESTED → GRANTED or REFUSED; after some days EXPIRED."""

    REQUESTED = State(initial=True)
    GRANTED = State()
    REFUSED = State(final=True)
    EXPIRED = State(final=True)

    grant = REQUESTED.to(GRANTED)
    refuse = REQUESTED.to(REFUSED)
    expire = GRANTED.to(EXPIRED)


def scope(case: InformantAccess) -> Scope:
    """Return whom an access concerns: those of the signal, who never see it."""
    return Scope(units=frozenset(case.units), persons=frozenset(case.persons), disclosed=False)


def ask(step: Step) -> None:
    """Take over what is asked for. Raises 422 `UNKNOWN_SIGNAL`, `NO_INFORMANT`, 409 `DUPLICATE`, 451 `SECRECY_LEVEL`."""
    case: InformantAccess = step.case
    facts: AccessFacts = step.facts
    signal, actor = facts.signal, step.actor
    if signal is None or not (actor.units is None or signal.scope.units <= actor.units):
        raise Refusal("UNKNOWN_SIGNAL", zh="没有这件线索。", en="There is no such signal.")
    case.signal_id = str(step.form["signal"])
    case.units, case.persons = sorted(signal.scope.units), sorted(signal.scope.persons)
    case.purpose, case.asked_by = step.form["purpose"], actor.subject
    case.granted_on = case.until = None
    refuse_marked([case.purpose], step.rules)
    if not signal.has_informant:
        raise Refusal("NO_INFORMANT", zh="该线索没有登记举报人。", en="No informant is on record for the signal.")
    if actor.subject in facts.asking:
        raise Refusal(
            "DUPLICATE", zh="您已申请或正在查阅。", en="You have asked already, or may read it now.", status=409
        )


def custodian_apart(step: Step) -> None:
    """Raise 422 `CUSTODIAN_APART` where the custodian could read the signals too: nobody holds both ends."""
    if any(step.actor.has(role) for role in SIGNAL_READERS):
        raise Refusal(
            "CUSTODIAN_APART",
            zh="保管员不得兼有查阅线索的角色。",
            en="A custodian holds no role that reads signals.",
            roles=list(SIGNAL_READERS),
        )


def grant(step: Step) -> None:
    """Note from when until when the identity may be read."""
    case: InformantAccess = step.case
    case.granted_on = step.at.date()
    case.until = step.rule("signal.informant_access").last_day(step.at).day


def may_read(case: InformantAccess, subject: str, today: date) -> None:
    """Raise 403 `FORBIDDEN` for another than who asked, 422 `ACCESS_NOT_GRANTED`, or `ACCESS_OVER` once its days are over."""
    if case.asked_by != subject:
        raise Refusal("FORBIDDEN", zh="仅申请人可以查阅。", en="Only who asked may read it.", status=403)
    if case.state == "EXPIRED" or (case.until is not None and today > case.until):
        raise Refusal("ACCESS_OVER", zh="查阅期限已过。", en="The time to read it is over.")
    if case.state != "GRANTED":
        raise Refusal("ACCESS_NOT_GRANTED", zh="尚未获准查阅。", en="The access is not granted.", state=case.state)


_READERS: Final = dict.fromkeys(SIGNAL_READERS, Reach.OFFICE)
_CUSTODIAN: Final = {"CUSTODIAN": Reach.OFFICE}

INFORMANT_ACCESS: Final = CaseType(
    service="supervision",
    kind="informant-access",
    collection="informant-accesses",
    zh="举报人身份查阅",
    en="access to an informant's identity",
    machine=InformantAccessMachine,
    dataclass="L3",
    states={
        "REQUESTED": ("已申请", "requested"),
        "GRANTED": ("已准许", "granted"),
        "REFUSED": ("未准许", "refused"),
        "EXPIRED": ("已失效", "expired"),
    },
    create=Action(
        zh="申请查阅举报人身份",
        en="ask for an informant's identity",
        allow=_READERS,
        guards=(refuse_marked_reason,),
        effect=ask,
    ),
    actions=with_plain_reasons(
        {
            "grant": Action(
                zh="准许",
                en="grant",
                allow=_CUSTODIAN,
                guards=(custodian_apart,),
                effect=grant,
                arms=(Arm(kind="informant-access.expiry", rule="signal.informant_access", then="expire"),),
                not_after=("create",),
            ),
            "refuse": Action(
                zh="不予准许",
                en="refuse",
                allow=_CUSTODIAN,
                guards=(custodian_apart,),
                not_after=("create",),
                reason=True,
            ),
            "expire": Action(zh="失效", en="expire"),
        }
    ),
)

"""Subscriptions of other departments (N2): requested, approved, activated by another person, suspended, expired.

Agreed are the event types, the fields of each, the highest data class, the purpose with its legal basis and agreement, and
the last day. Who approves answers for the purpose, who activates for the account; nothing is sent before both have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.rulepack import Rules
from notification.domain.sharing import SHAREABLE, above, kind_of, subject_classes
from notification.domain.texts import plain_texts, with_plain_texts


class Subscription(Protocol):
    """What the rules read and change of a subscription.

    `department` is its name on the bus, `unit` the code of the unit that asked; `fields` the names of fields that may be
    sent, for each event type.
    """

    id: str
    state: str
    department: str
    unit: str
    event_types: list[str]
    fields: dict[str, list[str]]
    max_class: str
    purpose: str
    legal_basis: str | None
    agreement_no: str
    valid_to: date
    activated_on: date | None


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """What was looked up: the departments that have a queue, and the class of each field of each event type."""

    departments: frozenset[str]
    classes: Mapping[str, Mapping[str, str]]


class SubscriptionMachine(StateMachine):
    """REQUESTED → APPROVED → ACTIVE ⇄ SUSPENDED; EXPIRED after its last day, whatever the state."""

    REQUESTED = State(initial=True)
    APPROVED = State()
    ACTIVE = State()
    SUSPENDED = State()
    EXPIRED = State(final=True)

    approve = REQUESTED.to(APPROVED)
    activate = APPROVED.to(ACTIVE)
    suspend = ACTIVE.to(SUSPENDED)
    resume = SUSPENDED.to(ACTIVE)
    expire = REQUESTED.to(EXPIRED) | APPROVED.to(EXPIRED) | ACTIVE.to(EXPIRED) | SUSPENDED.to(EXPIRED)


def scope(case: Subscription) -> Scope:
    """Return whom a subscription concerns: the unit that asked."""
    return Scope(units=frozenset({case.unit} if case.unit else ()))


def in_force(case: Subscription, rules: Rules, today: date) -> bool:
    """Say whether events are sent under the subscription on `today`."""
    return case.state == "ACTIVE" and today <= rules[_GRACE].last_day(case.valid_to).day


def request(step: Step) -> None:
    """Take over what is asked for. Raises the refusals of `agreeable`, `VALIDITY_OVER` and `VALIDITY_TOO_LONG`."""
    case: Subscription = step.case
    form = step.form
    case.unit = step.actor.unit or ""
    case.department, case.max_class = form["department"], form["max_class"]
    case.event_types = sorted(form["event_types"])
    case.fields = {name: sorted(form["fields"][name]) for name in case.event_types}
    case.purpose, case.agreement_no = form["purpose"], form["agreement_no"]
    case.legal_basis, case.valid_to = form.get("legal_basis"), form["valid_to"]
    agreeable(step)
    today = step.at.date()
    longest = step.rule("subscription.longest").last_day(today).day
    if case.valid_to < today:
        raise Refusal("VALIDITY_OVER", zh="有效期已过。", en="The last day is over.", today=today.isoformat())
    if case.valid_to > longest:
        raise Refusal(
            "VALIDITY_TOO_LONG",
            zh=f"有效期最长至 {longest}。",
            en=f"It lasts until {longest} at most.",
            valid_to=case.valid_to.isoformat(),
            longest=longest.isoformat(),
        )


def agreeable(step: Step) -> None:
    """Raise where what is asked for may not be shared, by today's contracts and rules.

    422 `UNKNOWN_DEPARTMENT`, `LEGAL_BASIS_MISSING`, `UNKNOWN_EVENT_TYPE`, `FIELD_NOT_IN_CONTRACT`, `CLASS_EXCEEDED`.
    """
    case: Subscription = step.case
    facts: SubscriptionFacts = step.facts
    if case.department not in facts.departments:
        raise Refusal(
            "UNKNOWN_DEPARTMENT",
            zh="总线上没有该部门的队列。",
            en="No such department has a queue on the bus.",
            department=case.department,
        )
    if not (case.legal_basis or "").strip():
        raise Refusal("LEGAL_BASIS_MISSING", zh="须写明法律依据。", en="The legal basis must be named.")
    for event_type in case.event_types:
        _check_type(step, event_type)


def _check_type(step: Step, event_type: str) -> None:
    case: Subscription = step.case
    facts: SubscriptionFacts = step.facts
    shareable = step.rule(SHAREABLE)
    classes = facts.classes.get(event_type)
    if classes is None or kind_of(event_type) not in shareable:
        raise Refusal(
            "UNKNOWN_EVENT_TYPE",
            zh="没有可供共享的该类事件。",
            en="There is no such event type that may be shared.",
            event_type=event_type,
        )
    wanted = case.fields[event_type]
    missing = sorted(set(wanted) - set(classes))
    if missing:
        raise Refusal(
            "FIELD_NOT_IN_CONTRACT",
            zh="该类事件没有这些字段。",
            en="The event type has no such fields.",
            event_type=event_type,
            fields=missing,
        )
    subject = subject_classes(event_type, classes, shareable)
    exceeding = above(classes, wanted, case.max_class) | above(subject, subject, case.max_class)
    if exceeding:
        raise Refusal(
            "CLASS_EXCEEDED",
            zh=f"字段的数据级别高于 {case.max_class}。",
            en=f"Fields are of a data class above {case.max_class}.",
            event_type=event_type,
            fields=exceeding,
            max_class=case.max_class,
        )


def activate(step: Step) -> None:
    """Note the first day."""
    case: Subscription = step.case
    case.activated_on = step.at.date()


def last_day(step: Step) -> datetime:
    """Return the beginning of the last day, from which the grace runs."""
    case: Subscription = step.case
    return datetime.combine(case.valid_to, time.min, ZONE)


_APPROVERS: Final[Mapping[str, Reach]] = {"ORG": Reach.OFFICE}
_SECURITY: Final[Mapping[str, Reach]] = {"SECADM": Reach.OFFICE}
_DEPARTMENT: Final[Mapping[str, Reach]] = {"SUBSYS": Reach.UNIT}
READERS: Final[Mapping[str, Reach]] = {**_APPROVERS, **_SECURITY, **_DEPARTMENT}
_EVENT: Final = "notification.subscription.{}.v1"
_VALIDITY: Final = "subscription.validity"
_GRACE: Final = "subscription.grace"

SUBSCRIPTION: Final = CaseType(
    service="notification",
    kind="subscription",
    collection="subscriptions",
    zh="订阅",
    en="subscription",
    machine=SubscriptionMachine,
    dataclass="L2",
    states={
        "REQUESTED": ("已申请", "requested"),
        "APPROVED": ("已批准", "approved"),
        "ACTIVE": ("生效中", "active"),
        "SUSPENDED": ("已中止", "suspended"),
        "EXPIRED": ("已到期", "expired"),
    },
    create=Action(
        zh="申请订阅",
        en="request a subscription",
        allow=_DEPARTMENT,
        guards=(plain_texts,),
        effect=request,
        event=_EVENT.format("requested"),
        mandatory=False,
        arms=(Arm(kind=_VALIDITY, rule=_GRACE, then="expire", warn="subscription.warning", start=last_day),),
    ),
    actions=with_plain_texts(
        {
            "approve": Action(
                zh="批准",
                en="approve",
                allow=_APPROVERS,
                guards=(agreeable,),
                event=_EVENT.format("approved"),
                mandatory=False,
                not_after=("create",),
            ),
            "activate": Action(
                zh="启用",
                en="activate",
                allow=_SECURITY,
                guards=(agreeable,),
                effect=activate,
                event=_EVENT.format("activated"),
                mandatory=False,
                not_after=("create", "approve"),
            ),
            "suspend": Action(
                zh="中止",
                en="suspend",
                allow={**_APPROVERS, **_SECURITY},
                event=_EVENT.format("suspended"),
                mandatory=False,
                reason=True,
            ),
            "resume": Action(
                zh="恢复",
                en="resume",
                allow=_SECURITY,
                guards=(agreeable,),
                event=_EVENT.format("resumed"),
                mandatory=False,
                not_after=("create", "approve"),
                reason=True,
            ),
            "expire": Action(
                zh="到期", en="expire", event=_EVENT.format("expired"), mandatory=False, closes=(_VALIDITY,)
            ),
        }
    ),
)

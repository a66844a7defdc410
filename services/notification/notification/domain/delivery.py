"""Deliveries (N3 送达回证): a document is sent to its recipient, opened, and signed for; else it is served on paper.

A document counts as served when it is signed for, when it is refused before a witness, or when the personnel officer of
the recipient's unit has handed over the paper before a witness: periods of plea and review run from that day (N4).
Nobody can put service off: what is not opened, or opened and not signed for, is due to be served on paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.actor import Actor
from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.errors import Invalid, Refusal
from notification.domain.document import LABELS, TOLD_ON, Document, fingerprint, render, template_key
from notification.domain.texts import with_plain_texts


class Recipient(StrEnum):
    """Who a document is for: a cadre, or a unit, for which its head receives it."""

    CADRE = "CADRE"
    UNIT = "UNIT"


class Delivery(Protocol):
    """What the rules read and change of a delivery.

    `particulars` is what the template names of the matter; `unit` the code of the recipient's unit, None while the roster
    does not know the recipient; `content` the text as it was sent, in UTF-8 of the sum `sha256`.
    """

    id: str
    state: str
    document: str
    ref: str
    occasion: str
    recipient_kind: str
    recipient_id: str
    unit: str | None
    particulars: dict[str, Any]
    content: str | None
    sha256: str | None
    sent_on: date | None
    opened_on: date | None
    paper_due_on: date | None
    served_on: date | None
    witness: str | None


@dataclass(frozen=True, slots=True)
class Addressee:
    """A recipient as the roster knows it now."""

    name: str
    unit: str
    unit_name: str


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What was looked up for a step: the recipient (None: not in the roster), whether the witness is in it, and left."""

    addressee: Addressee | None = None
    witness_known: bool = False
    witness_left: bool = False


class DeliveryMachine(StateMachine):
    """QUEUED → SENT → OPENED → SIGNED or REFUSED; what is not taken in time → PAPER_DUE → SUBSTITUTED.

    QUEUED: the roster does not know the recipient yet. Who opens and signs while the paper is due is served by that.
    """

    QUEUED = State(initial=True)
    SENT = State()
    OPENED = State()
    PAPER_DUE = State()
    SIGNED = State(final=True)
    REFUSED = State(final=True)
    SUBSTITUTED = State(final=True)

    dispatch = QUEUED.to(SENT)
    open = SENT.to(OPENED) | PAPER_DUE.to(PAPER_DUE)
    sign = OPENED.to(SIGNED) | PAPER_DUE.to(SIGNED)
    refuse = OPENED.to(REFUSED) | PAPER_DUE.to(REFUSED)
    paper_due = SENT.to(PAPER_DUE) | OPENED.to(PAPER_DUE)
    substitute = PAPER_DUE.to(SUBSTITUTED)


def scope(case: Delivery) -> Scope:
    """Return whom a delivery concerns: its recipient, and once it is due on paper the unit that must serve it."""
    by_unit = case.recipient_kind == Recipient.UNIT or case.paper_due_on is not None
    return Scope(
        units=frozenset({case.unit} if case.unit and by_unit else ()),
        persons=frozenset({case.recipient_id} if case.recipient_kind == Recipient.CADRE else ()),
        disclosed=case.state != "QUEUED",
    )


def event_type(case: Delivery, declared: str) -> str:
    """Return the type in which a step of `case` is told: each document in exactly one version of the declared type."""
    return declared if case.document in FIRST_DOCUMENTS else f"{declared.removesuffix('.v1')}.v2"


def is_recipient(case: Delivery, actor: Actor) -> bool:
    """Say whether the document is for `actor`: the cadre, or the head of the unit."""
    if case.recipient_kind == Recipient.CADRE:
        return actor.has("CADRE") and actor.person == case.recipient_id
    return actor.has("UNITHEAD") and actor.unit == case.recipient_id


def serves_paper(case: Delivery, actor: Actor) -> bool:
    """Say whether `actor` is the personnel officer who must serve, or had to serve, the document on paper."""
    return case.paper_due_on is not None and actor.has("UNITHR") and actor.unit == case.unit


def may_read(case: Delivery, actor: Actor) -> bool:
    """Say whether `actor` may see the record of service. The text is for the recipient alone."""
    return case.state != "QUEUED" and (is_recipient(case, actor) or serves_paper(case, actor))


def out_of_scope() -> Refusal:
    """Return the refusal 403 `DATA_SCOPE`."""
    return Refusal(
        "DATA_SCOPE", zh="该文书不是发给您的。", en="The document is addressed to somebody else.", status=403
    )


def queue(step: Step) -> None:
    """Take over for whom the document is, and what it is about."""
    case: Delivery = step.case
    form = step.form
    case.document, case.ref, case.occasion = Document(form["document"]), form["ref"], form.get("occasion", "")
    case.recipient_kind, case.recipient_id = Recipient(form["recipient_kind"]), form["recipient_id"]
    case.particulars = dict(form["particulars"])


def dispatch(step: Step) -> None:
    """Write the document by the template in force and send it.

    Raises Invalid: `UNKNOWN_RECIPIENT` (not in the roster), `TEMPLATE`.
    """
    case: Delivery = step.case
    facts: DeliveryFacts = step.facts
    if facts.addressee is None:
        raise Invalid("UNKNOWN_RECIPIENT")
    document = Document(case.document)
    told_on = {TOLD_ON: step.at.date().isoformat()}
    values = {**told_on, **case.particulars, "name": facts.addressee.name, "unit": facts.addressee.unit_name}
    case.content = render(document, step.rule(template_key(document)), values, step.rule(LABELS))
    case.sha256 = fingerprint(case.content)
    case.unit = facts.addressee.unit
    case.sent_on = step.at.date()


def by_recipient(step: Step) -> None:
    """Raise 403 `DATA_SCOPE` where somebody else than the recipient acts."""
    if not is_recipient(step.case, step.actor):
        raise out_of_scope()


def by_recipient_or_server(step: Step) -> None:
    """Raise 403 `DATA_SCOPE` where neither the recipient nor who must serve the paper acts."""
    if not is_recipient(step.case, step.actor) and not serves_paper(step.case, step.actor):
        raise out_of_scope()


def by_server(step: Step) -> None:
    """Raise 403 `DATA_SCOPE` where it is not the serving officer, 422 `AVOIDANCE` where that one is the recipient."""
    case: Delivery = step.case
    actor = step.actor
    if not serves_paper(case, actor):
        raise out_of_scope()
    if is_recipient(case, actor) or (actor.person is not None and actor.person == case.recipient_id):
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避：您是受送达人，请由他人送达。",
            en="Avoidance: you are the recipient; somebody else must serve the document.",
        )


def not_opened(step: Step) -> None:
    """Raise 409 `DUPLICATE` where the document was opened before."""
    case: Delivery = step.case
    if case.opened_on is not None:
        raise Refusal("DUPLICATE", zh="文书已打开。", en="The document was opened before.", status=409)


def was_opened(step: Step) -> None:
    """Raise 422 `NOT_OPENED` where the document was not opened: nobody signs for what they have not seen."""
    require_opened(step.case)


def require_opened(case: Delivery) -> None:
    """Raise 422 `NOT_OPENED` where the document was not opened."""
    if case.opened_on is None:
        raise Refusal("NOT_OPENED", zh="请先打开文书。", en="Open the document first.")


def open_document(step: Step) -> None:
    """Note the day on which the recipient opened the document."""
    case: Delivery = step.case
    case.opened_on = step.at.date()


def unless_paper_due(step: Step) -> datetime | None:
    """Return from when the time to sign runs; None once the paper is due."""
    case: Delivery = step.case
    return None if case.paper_due_on is not None else step.at


def sign(step: Step) -> None:
    """Note the day of service."""
    case: Delivery = step.case
    case.served_on = step.at.date()


def before_witness(step: Step) -> None:
    """Note the service and its witness.

    Raises 422 `UNKNOWN_CADRE` (the roster has no such witness), `CADRE_LEFT`, `WITNESS_NOT_INDEPENDENT` (the recipient,
    or who serves).
    """
    case: Delivery = step.case
    facts: DeliveryFacts = step.facts
    witness = step.form["witness"]
    if witness in (case.recipient_id, step.actor.person, step.actor.subject):
        raise Refusal(
            "WITNESS_NOT_INDEPENDENT",
            zh="见证人不得是受送达人或送达人。",
            en="The witness is neither the recipient nor who serves the document.",
        )
    if not facts.witness_known:
        raise Refusal(
            "UNKNOWN_CADRE", zh="名册中没有该见证人。", en="The roster has no such witness.", cadres=[witness]
        )
    if facts.witness_left:
        raise Refusal("CADRE_LEFT", zh="见证人已离任,请更换。", en="The witness has left.", cadres=[witness])
    case.witness = witness
    sign(step)


def fall_due_on_paper(step: Step) -> None:
    """Note that the paper is due, in the unit to which the recipient belongs by now."""
    case: Delivery = step.case
    facts: DeliveryFacts = step.facts
    case.paper_due_on = step.at.date()
    if facts.addressee is not None:
        case.unit = facts.addressee.unit


_RECIPIENT: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF, "UNITHEAD": Reach.UNIT}
_SERVER: Final[Mapping[str, Reach]] = {"UNITHR": Reach.UNIT}
READERS: Final[Mapping[str, Reach]] = {**_RECIPIENT, **_SERVER}
_EVENT: Final = "notification.delivery.{}.v1"
FIRST_DOCUMENTS: Final = frozenset({Document.FINDING_NOTICE, Document.TOLERANCE_DECISION})
"""The documents that the first version of the events lists; those of all others are told in the second."""
_UNOPENED, _UNSIGNED, _PAPER = "delivery.unopened", "delivery.unsigned", "delivery.paper"
_WARN: Final = "deadline.warning"

DELIVERY: Final = CaseType(
    service="notification",
    kind="delivery",
    collection="deliveries",
    zh="送达",
    en="delivery",
    machine=DeliveryMachine,
    dataclass="L3",
    states={
        "QUEUED": ("待发出", "queued"),
        "SENT": ("已发出", "sent"),
        "OPENED": ("已打开", "opened"),
        "PAPER_DUE": ("待书面送达", "due on paper"),
        "SIGNED": ("已签收", "signed for"),
        "REFUSED": ("拒收(有见证)", "refused before a witness"),
        "SUBSTITUTED": ("已书面送达", "served on paper"),
    },
    create=Action(zh="备文", en="queue a document", effect=queue),
    actions=with_plain_texts(
        {
            "dispatch": Action(
                zh="发出",
                en="send",
                effect=dispatch,
                event=_EVENT.format("sent"),
                mandatory=False,
                arms=(Arm(kind=_UNOPENED, rule="delivery.open_window", then="paper_due", warn=_WARN),),
            ),
            "open": Action(
                zh="打开",
                en="open",
                allow=_RECIPIENT,
                guards=(by_recipient, not_opened),
                effect=open_document,
                event=_EVENT.format("opened"),
                mandatory=False,
                closes=(_UNOPENED,),
                arms=(
                    Arm(
                        kind=_UNSIGNED,
                        rule="delivery.sign_window",
                        then="paper_due",
                        warn=_WARN,
                        start=unless_paper_due,
                    ),
                ),
            ),
            "sign": Action(
                zh="签收",
                en="sign for it",
                allow=_RECIPIENT,
                guards=(by_recipient, was_opened),
                effect=sign,
                event=_EVENT.format("signed"),
                closes=(_UNSIGNED, _PAPER),
            ),
            "refuse": Action(
                zh="拒收",
                en="refuse before a witness",
                allow=READERS,
                guards=(by_recipient_or_server,),
                effect=before_witness,
                event=_EVENT.format("refused"),
                closes=(_UNSIGNED, _PAPER),
                reason=True,
            ),
            "paper_due": Action(
                zh="转书面送达",
                en="fall due on paper",
                effect=fall_due_on_paper,
                event=_EVENT.format("paper-due"),
                mandatory=False,
                closes=(_UNOPENED, _UNSIGNED),
                arms=(Arm(kind=_PAPER, rule="delivery.paper_window", warn=_WARN),),
            ),
            "substitute": Action(
                zh="书面送达",
                en="serve on paper before a witness",
                allow=_SERVER,
                guards=(by_server,),
                effect=before_witness,
                event=_EVENT.format("substituted"),
                closes=(_PAPER,),
            ),
        }
    ),
)

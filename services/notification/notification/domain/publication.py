"""Publications (N5, N6): what becomes of a bulletin on each channel, from the first attempt to the proof, and back.

A publication is sent by the job process alone, never by a request. What is sent bears an id of our own: where an answer
did not come, the channel is asked for it before anything is sent again. Newspaper and television are given a document
ready for print; the publicity department (MEDIA) confirms with proof what they brought. Withdrawal takes the bulletin
from the channel and has the correction text told there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from notification.domain.texts import with_plain_texts


class Channel(StrEnum):
    """Where a bulletin appears."""

    NEWSPAPER = "NEWSPAPER"
    TV = "TV"
    WECHAT = "WECHAT"
    INTERNAL = "INTERNAL"


PRESS: Final = frozenset({Channel.NEWSPAPER, Channel.TV})
"""The channels that are given a document, and cannot be asked what they made of it."""
PUBLIC_CHANNELS: Final = frozenset({Channel.NEWSPAPER, Channel.TV, Channel.WECHAT})
"""The channels that anybody can see."""


class Task(StrEnum):
    """What is to be sent."""

    BULLETIN = "BULLETIN"
    CORRECTION = "CORRECTION"
    WITHDRAWAL = "WITHDRAWAL"


class Publication(Protocol):
    """What the rules read and change of a publication.

    `title` and `content` are what the present `task` sends, empty once the publication is over; `round` counts the
    postings: the bulletin, then each correction. `waiting`: something is to be sent or asked for; `attempts` counts the
    attempts at the present task, `tried` whether there was any at all that may have posted something, `asked` that a
    person made sure that nothing was received. `unknown`: the last attempt may have posted, and the channel was not asked yet.
    """

    id: str
    state: str
    bulletin: str
    channel: str
    task: str
    round: int
    title: str
    content: str
    waiting: bool
    attempts: int
    tried: bool
    asked: bool
    unknown: bool
    external_id: str | None
    url: str | None
    posted_on: date | None
    confirmed_on: date | None
    withdrawn_on: date | None
    proof_sha256: str | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class PublicationFacts:
    """What was looked up for a step: whether the proof that the form names was stored."""

    proof_known: bool = False


class PublicationMachine(StateMachine):
    """PENDING → POSTED → CONFIRMED → WITHDRAWING → WITHDRAWN; a correction is posted anew; what fails waits for a replay."""

    PENDING = State(initial=True)
    POSTED = State()
    CONFIRMED = State()
    FAILED = State()
    WITHDRAWING = State()
    WITHDRAWAL_FAILED = State()
    WITHDRAWN = State(final=True)
    EXPIRED = State()

    post = PENDING.to(POSTED)
    confirm = POSTED.to(CONFIRMED) | FAILED.to(CONFIRMED)
    correct = PENDING.to(PENDING) | POSTED.to(PENDING) | CONFIRMED.to(PENDING) | FAILED.to(PENDING)
    fail = PENDING.to(FAILED) | POSTED.to(FAILED) | WITHDRAWING.to(WITHDRAWAL_FAILED)
    replay = FAILED.to(PENDING) | WITHDRAWAL_FAILED.to(WITHDRAWING)
    withdraw = (
        PENDING.to(WITHDRAWING)
        | POSTED.to(WITHDRAWING)
        | CONFIRMED.to(WITHDRAWING)
        | FAILED.to(WITHDRAWING)
        | EXPIRED.to(WITHDRAWING)
    )
    issue = WITHDRAWING.to(WITHDRAWING)
    retract = WITHDRAWING.to(WITHDRAWN) | WITHDRAWAL_FAILED.to(WITHDRAWN)
    expire = PENDING.to(EXPIRED) | POSTED.to(EXPIRED) | CONFIRMED.to(EXPIRED) | FAILED.to(EXPIRED)


def scope(case: Publication) -> Scope:
    """Return whom a publication concerns: nobody in particular, what it says was approved for everybody."""
    return Scope()


def client_id(case_id: str, round_: int) -> str:
    """Return our own id of a posting, by which the channel finds it."""
    return f"{case_id}-{round_}"


def notice_id(case_id: str) -> str:
    """Return our own id of the notice that a bulletin is withdrawn."""
    return f"{case_id}-w"


def open_publication(step: Step) -> None:
    """Take over what is to be posted where."""
    case: Publication = step.case
    case.bulletin, case.channel = str(step.form["bulletin"]), Channel(step.form["channel"])
    case.round, case.tried, case.asked, case.unknown = 1, False, False, False
    _give(case, Task.BULLETIN, step.form["title"], step.form["text"])


def note_posted(step: Step) -> None:
    """Note what the channel says of the posting; a channel that confirms by itself is asked on."""
    case: Publication = step.case
    case.external_id, case.url = step.form["external_id"], step.form.get("url")
    case.posted_on = case.posted_on or step.at.date()
    case.attempts, case.unknown, case.failure = 0, False, None
    case.waiting = case.channel not in PRESS


def press_alone(step: Step) -> None:
    """Raise 422 `CHANNEL_CONFIRMS_ITSELF` where a person confirms what the channel itself can be asked for."""
    case: Publication = step.case
    if not step.actor.system and case.channel not in PRESS:
        raise Refusal(
            "CHANNEL_CONFIRMS_ITSELF",
            zh="该渠道由系统核实，无须人工确认。",
            en="The system asks this channel itself; nobody confirms for it.",
            channel=case.channel,
        )


def confirm(step: Step) -> None:
    """Note the proof: its SHA-256 sum. Raises 422 `PROOF_MISSING` where a person gives none that was stored."""
    case: Publication = step.case
    _note_proof(step)
    case.posted_on = case.posted_on or step.at.date()
    case.confirmed_on = step.at.date()
    case.external_id = step.form.get("external_id") or case.external_id
    case.url = step.form.get("url") or case.url
    case.waiting, case.attempts, case.unknown, case.failure = False, 0, False, None


def correct(step: Step) -> None:
    """Have the correction posted beside the bulletin."""
    case: Publication = step.case
    case.round += 1
    _give(case, Task.CORRECTION, step.form["title"], step.form["text"])


def note_failure(step: Step) -> None:
    """Keep why the channel was given up."""
    case: Publication = step.case
    case.failure, case.waiting = step.form["failure"], False


def replay(step: Step) -> None:
    """Begin anew. What may have been posted is asked for first; the press, which cannot be asked, somebody asked."""
    case: Publication = step.case
    case.waiting, case.attempts, case.failure = True, 0, None
    case.asked = case.channel in PRESS


def withdraw(step: Step) -> None:
    """Have the bulletin taken from the channel, and the correction text told there."""
    case: Publication = step.case
    _give(case, Task.WITHDRAWAL, step.form["title"], step.form.get("text") or "")


def note_issued(step: Step) -> None:
    """Note that the press was given the notice; somebody confirms what it brought."""
    case: Publication = step.case
    case.external_id = step.form["external_id"]
    case.waiting, case.attempts, case.failure = False, 0, None


def notice_given(step: Step) -> None:
    """Raise 422 `NOTICE_NOT_GIVEN` where the press was not given yet what is to be proven: the correction would be lost."""
    case: Publication = step.case
    if not step.actor.system and case.waiting:
        raise Refusal(
            "NOTICE_NOT_GIVEN",
            zh="更正文本尚未送达该渠道，请送达后再确认撤回。",
            en="The channel was not given the correction yet; confirm the withdrawal after that.",
            channel=case.channel,
        )


def retract(step: Step) -> None:
    """Note that nothing of it stands there any more, and keep its text no longer.

    Raises 422 `PROOF_MISSING` where a person gives no proof that was stored.
    """
    case: Publication = step.case
    _note_proof(step)
    case.url = step.form.get("url")
    case.withdrawn_on = step.at.date()
    _end(case)


def expire(step: Step) -> None:
    """Keep the text no longer. What was printed stays printed: a correction may still have to be printed beside it."""
    _end(step.case)


def press_deadline(step: Step) -> datetime | None:
    """Return from when the press's proof is awaited; None where the channel itself is asked."""
    case: Publication = step.case
    return step.at if case.channel in PRESS else None


def _give(case: Publication, task: Task, title: str, text: str) -> None:
    case.task, case.title, case.content = task, title, text
    case.waiting, case.attempts, case.asked, case.failure = True, 0, False, None


def _end(case: Publication) -> None:
    case.title, case.content = "", ""
    case.waiting, case.attempts, case.unknown, case.failure = False, 0, False, None


def _note_proof(step: Step) -> None:
    case: Publication = step.case
    facts: PublicationFacts | None = step.facts
    proof = step.form.get("proof_sha256")
    if not step.actor.system and not (proof and facts and facts.proof_known):
        raise Refusal(
            "PROOF_MISSING",
            zh="须先上传版面截图或播出证明。",
            en="Store the proof first: the page as printed, or a record of the broadcast.",
        )
    case.proof_sha256 = proof or case.proof_sha256


_MEDIA: Final[Mapping[str, Reach]] = {"MEDIA": Reach.OFFICE}
READERS: Final[Mapping[str, Reach]] = {
    **_MEDIA,
    "ORG.supervise": Reach.OFFICE,
    "SUPO.*": Reach.OFFICE,
    "DISC": Reach.OFFICE,
}
_EVENT: Final = "notification.publication.{}.v1"
_CONFIRMATION, _WITHDRAWAL = "publication.confirmation", "publication.withdrawal"
_WARN: Final = "publication.warning"

PUBLICATION: Final = CaseType(
    service="notification",
    kind="publication",
    collection="publications",
    zh="发布",
    en="publication",
    machine=PublicationMachine,
    dataclass="L1",
    states={
        "PENDING": ("待发布", "to be posted"),
        "POSTED": ("已提交", "posted"),
        "CONFIRMED": ("已核实", "confirmed"),
        "FAILED": ("发布失败", "failed"),
        "WITHDRAWING": ("撤回中", "being withdrawn"),
        "WITHDRAWAL_FAILED": ("撤回失败", "withdrawal failed"),
        "WITHDRAWN": ("已撤回", "withdrawn"),
        "EXPIRED": ("已到期", "expired"),
    },
    create=Action(zh="备发", en="queue a publication", effect=open_publication),
    actions=with_plain_texts(
        {
            "post": Action(
                zh="提交渠道",
                en="post to the channel",
                effect=note_posted,
                event=_EVENT.format("posted"),
                arms=(
                    Arm(
                        kind=_CONFIRMATION,
                        rule="publication.confirm_window",
                        warn=_WARN,
                        start=press_deadline,
                    ),
                ),
            ),
            "confirm": Action(
                zh="核实",
                en="confirm with proof",
                allow=_MEDIA,
                guards=(press_alone,),
                effect=confirm,
                event=_EVENT.format("confirmed"),
                closes=(_CONFIRMATION,),
            ),
            "correct": Action(zh="更正", en="post a correction", effect=correct, closes=(_CONFIRMATION,)),
            "fail": Action(
                zh="转失败",
                en="give up",
                effect=note_failure,
                event=_EVENT.format("failed"),
                closes=(_CONFIRMATION,),
            ),
            "replay": Action(zh="重新提交", en="begin anew", allow=_MEDIA, effect=replay, reason=True),
            "withdraw": Action(
                zh="撤回",
                en="withdraw from the channel",
                effect=withdraw,
                closes=(_CONFIRMATION,),
                arms=(
                    Arm(kind=_WITHDRAWAL, rule="publication.withdrawal_window", warn="publication.withdrawal_warning"),
                ),
            ),
            "issue": Action(zh="送出撤回通知", en="give the notice to the press", effect=note_issued),
            "retract": Action(
                zh="撤回完成",
                en="confirm the withdrawal with proof",
                allow=_MEDIA,
                guards=(press_alone, notice_given),
                effect=retract,
                event=_EVENT.format("withdrawn"),
                closes=(_WITHDRAWAL,),
            ),
            "expire": Action(zh="到期", en="expire", effect=expire, closes=(_CONFIRMATION,)),
        }
    ),
)

"""Bulletins (S8, M5): findings made public, with three offices' approval, and taken back wherever they were posted.

The text is public once it is published; until then it is known to officers alone. A person is named for twelve months at
most; after that the text without names takes its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.finding import COUNTS
from supervision.domain.personal import refuse_personal


class Channel(StrEnum):
    """Where a bulletin is posted."""

    NEWSPAPER = "NEWSPAPER"
    TV = "TV"
    WECHAT = "WECHAT"
    INTERNAL = "INTERNAL"


class Office(StrEnum):
    """Whose approvals a public text needs."""

    DISC = "DISC"
    ORG = "ORG"
    MEDIA = "MEDIA"


PENDING_TOLERANCE: Final = frozenset(
    {"FILED", "ACCEPTED", "VERIFYING", "DELIBERATING", "DECIDED", "SERVED", "REVIEWED"}
)
"""States in which a fault-tolerance case may still change what a finding weighs."""

EASING: Final = frozenset({"EFFECTIVE", "CORRECTING", "CLOSED"})
"""States in which the decision of a fault-tolerance case holds."""

PENDING_APPEAL: Final = frozenset({"FILED", "ACCEPTED", "UNDER_EXAMINATION"})
"""States in which an appeal may still change what it is about."""

OUT: Final = frozenset({"PUBLISHING", "PUBLISHED", "CORRECTED", "EXPIRED"})
"""States in which channels show a bulletin, or are about to."""

PLANNED: Final = frozenset({"DRAFT", "REVIEWING", "APPROVED", "SCHEDULED"})
"""States in which nobody but officers knows of a bulletin."""

HOLDING: Final = frozenset(
    {"TOLERANCE_PENDING", "APPEAL_PENDING", "FINDING_NOT_VERIFIED", "PLEA_WINDOW_OPEN", "TOLERANCE_GRANTED"}
)
"""Refusals for which a bulletin that is due is held back."""


class Bulletin(Protocol):
    """What the rules read and change of a bulletin.

    `approvals` holds `{office, by, on}`; `channel_states` channel → `{state, publication, sequence, external_id, url}`;
    `correction` is a corrected text that waits for its approvals: `{title, text, unnamed_title, unnamed_text,
    correction_text}`. All three are replaced, never changed in place.
    """

    id: str
    state: str
    findings: list[str]
    units: list[str]
    persons: list[str]
    named: bool
    channels: list[str]
    title: str
    text: str
    unnamed_title: str | None
    unnamed_text: str | None
    legal_basis: str
    approvals: list[dict[str, str]]
    publish_at: datetime | None
    published_on: date | None
    expire_at: datetime | None
    channel_states: dict[str, dict[str, Any]]
    correction: dict[str, Any] | None
    correction_text: str | None
    reason_code: str | None
    held_for: str | None


@dataclass(frozen=True, slots=True)
class Exposed:
    """A finding as far as its exposure depends on it. `eased` are the decisions of effective fault-tolerance cases."""

    id: str
    state: str
    unit: str
    persons: frozenset[str]
    plea_over: bool
    pending_tolerance: Sequence[str] = ()
    pending_appeals: Sequence[str] = ()
    eased: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BulletinFacts:
    """What was looked up for a step: those of its findings that exist."""

    findings: Mapping[str, Exposed]


class BulletinMachine(StateMachine):
    """DRAFT → REVIEWING → APPROVED → SCHEDULED → PUBLISHING → PUBLISHED; corrected, withdrawn or expired from there."""

    DRAFT = State(initial=True)
    REVIEWING = State()
    APPROVED = State()
    SCHEDULED = State()
    PUBLISHING = State()
    PUBLISHED = State()
    CORRECTED = State()
    WITHDRAWING = State()
    WITHDRAWN = State(final=True)
    EXPIRED = State()
    REJECTED = State(final=True)

    revise = DRAFT.to(DRAFT)
    submit = DRAFT.to(REVIEWING)
    approve_discipline = REVIEWING.to(REVIEWING) | PUBLISHED.to(PUBLISHED)
    approve_organisation = REVIEWING.to(REVIEWING) | PUBLISHED.to(PUBLISHED)
    approve_media = REVIEWING.to(REVIEWING) | PUBLISHED.to(PUBLISHED)
    send_back = REVIEWING.to(DRAFT)
    approve = REVIEWING.to(APPROVED)
    schedule = APPROVED.to(SCHEDULED)
    hold = SCHEDULED.to(APPROVED)
    publish = SCHEDULED.to(PUBLISHING)
    report_channel = (
        PUBLISHING.to(PUBLISHING)
        | PUBLISHED.to(PUBLISHED)
        | CORRECTED.to(CORRECTED)
        | WITHDRAWING.to(WITHDRAWING)
        | EXPIRED.to(EXPIRED)
    )
    confirm = PUBLISHING.to(PUBLISHED)
    propose_correction = PUBLISHED.to(PUBLISHED)
    correct = PUBLISHED.to(CORRECTED)
    confirm_correction = CORRECTED.to(PUBLISHED)
    withdraw = (
        PUBLISHING.to(WITHDRAWING) | PUBLISHED.to(WITHDRAWING) | CORRECTED.to(WITHDRAWING) | EXPIRED.to(WITHDRAWING)
    )
    confirm_withdrawal = WITHDRAWING.to(WITHDRAWN)
    expire = PUBLISHING.to(EXPIRED) | PUBLISHED.to(EXPIRED) | CORRECTED.to(EXPIRED)
    reject = DRAFT.to(REJECTED) | REVIEWING.to(REJECTED) | APPROVED.to(REJECTED) | SCHEDULED.to(REJECTED)


def scope(case: Bulletin) -> Scope:
    """Return whom a bulletin concerns: units and those responsible; they learn of it when it is published."""
    return Scope(
        units=frozenset(case.units),
        persons=frozenset(case.persons),
        disclosed=case.state not in PLANNED | {"REJECTED"},
    )


def draft(step: Step) -> None:
    """Take over the draft from the form. What three offices shall approve is checked before they see it.

    Raises, in this order, 422 `UNKNOWN_FINDING`, 451 `SECRECY_LEVEL`, 422 `PII_FORBIDDEN`, `LEGAL_BASIS_MISSING`,
    `UNNAMED_TEXT_MISSING`: what must not be kept is said before what is missing.
    """
    case: Bulletin = step.case
    facts: BulletinFacts = step.facts
    form = step.form
    case.findings = sorted(str(finding) for finding in form["findings"])
    unknown = sorted(set(case.findings) - set(facts.findings))
    if unknown:
        raise Refusal("UNKNOWN_FINDING", zh="没有这个问题。", en="There is no such finding.", findings=unknown)
    case.units = sorted({finding.unit for finding in facts.findings.values()})
    case.persons = sorted(set().union(*(finding.persons for finding in facts.findings.values())))
    case.named, case.channels = form["named"], sorted(form["channels"])
    _refuse_words(step, form)
    case.legal_basis = (form.get("legal_basis") or "").strip()
    if not case.legal_basis:
        raise Refusal(
            "LEGAL_BASIS_MISSING",
            zh="公开通报须写明法律依据。",
            en="Nothing is made public without its legal basis.",
        )
    _want_unnamed(form, case.named)
    case.approvals, case.channel_states = [], {}
    case.correction = case.correction_text = case.reason_code = case.held_for = None
    case.title, case.text = form["title"], form["text"]
    case.unnamed_title, case.unnamed_text = form.get("unnamed_title"), form.get("unnamed_text")


def _want_unnamed(form: Mapping[str, Any], named: bool) -> None:
    if named and not (form.get("unnamed_title") and form.get("unnamed_text")):
        raise Refusal(
            "UNNAMED_TEXT_MISSING",
            zh="点名通报须同时提交不点名文本,到期后以其替换。",
            en="A bulletin that names people brings a text without names, which takes its place when it expires.",
        )


def _refuse_words(step: Step, form: Mapping[str, Any]) -> None:
    # The legal basis is published with the text.
    names = ("title", "text", "unnamed_title", "unnamed_text", "correction_text", "legal_basis")
    texts = [form.get(name) for name in names]
    refuse_marked(texts, step.rules)
    step.cited.add(step.rules.cite("bulletin.forbidden"))
    refuse_personal(texts, step.rules, step.at.date())


def findings_verified(step: Step) -> None:
    """Raise 422 `FINDING_NOT_VERIFIED` or `PLEA_WINDOW_OPEN` unless each finding is verified and its time to answer over."""
    facts: BulletinFacts = step.facts
    case: Bulletin = step.case
    found = [facts.findings[finding] for finding in case.findings]
    unfit = {finding.id: finding.state for finding in found if finding.state not in COUNTS}
    if unfit:
        raise Refusal(
            "FINDING_NOT_VERIFIED",
            zh="只有已认定的问题可以公开通报。",
            en="Only what was verified may be made public.",
            findings=unfit,
        )
    still_open = [finding.id for finding in found if not finding.plea_over]
    if still_open:
        raise Refusal(
            "PLEA_WINDOW_OPEN",
            zh="陈述申辩期未满,不得公开通报。",
            en="The time to answer is not over; nothing is made public.",
            findings=still_open,
        )


def nothing_pending(step: Step) -> None:
    """Raise 422 `TOLERANCE_PENDING` or `APPEAL_PENDING` while a case is open that may excuse or revoke a finding."""
    facts: BulletinFacts = step.facts
    case: Bulletin = step.case
    found = [facts.findings[finding] for finding in case.findings]
    waiting = {finding.id: list(finding.pending_tolerance) for finding in found if finding.pending_tolerance}
    if waiting:
        raise Refusal(
            "TOLERANCE_PENDING",
            zh="所涉问题的容错申请尚未办结,不得公开通报。",
            en="A fault-tolerance case on a finding is open; nothing is made public before it is decided.",
            findings=waiting,
        )
    appealed = {finding.id: list(finding.pending_appeals) for finding in found if finding.pending_appeals}
    if appealed:
        raise Refusal(
            "APPEAL_PENDING",
            zh="所涉问题的复核或申诉尚未办结,不得公开通报。",
            en="A review or an appeal on a finding is open; nothing is made public before it is decided.",
            findings=appealed,
        )


def not_excused(step: Step) -> None:
    """Raise 422 `TOLERANCE_GRANTED` where a finding was excused so far that such a bulletin would be withdrawn at once."""
    facts: BulletinFacts = step.facts
    case: Bulletin = step.case
    found = [facts.findings[finding] for finding in case.findings]
    takes_back = step.rule("bulletin.withdrawn_by")
    excused = {finding.id: sorted(finding.eased) for finding in found if must_go(takes_back, finding.eased, case.named)}
    if excused:
        raise Refusal(
            "TOLERANCE_GRANTED",
            zh="所涉问题已容错,不得以此形式公开通报。",
            en="A finding was excused; it is not made public in this form.",
            findings=excused,
        )


def must_go(takes_back: Mapping[str, str], causes: Iterable[str], named: bool) -> bool:
    """Say whether one of `causes` (such as `MITIGATE`) takes back a bulletin that names people, or one that does not.

    `takes_back` is the value of the rule: cause → `ALL`, or `NAMED` where a text without names may stay.
    """
    return any(takes_back.get(cause) == "ALL" or (named and takes_back.get(cause) == "NAMED") for cause in causes)


def approval_wanted(office: Office) -> Any:
    """Return the guard that refuses a second approval of `office`, or one of a correction that nobody proposed."""

    def guard(step: Step) -> None:
        """Raise 409 `DUPLICATE` or 422 `CORRECTION_MISSING` where the office's approval is not wanted now."""
        case: Bulletin = step.case
        if case.state == "PUBLISHED" and case.correction is None:
            raise Refusal("CORRECTION_MISSING", zh="没有待批准的更正。", en="No correction waits for approval.")
        if any(approval["office"] == office for approval in case.approvals):
            raise Refusal("DUPLICATE", zh="该部门已批准。", en="This office has approved already.", status=409)

    return guard


def approve_for(office: Office) -> Any:
    """Return the effect that notes the approval of `office`. It changes nothing of the text: MEDIA cannot change facts."""

    def effect(step: Step) -> None:
        """Note who approved for the office, and when."""
        case: Bulletin = step.case
        entry = {"office": office.value, "by": step.actor.subject, "on": step.at.date().isoformat()}
        case.approvals = [*case.approvals, entry]

    return effect


def is_approved(case: Bulletin) -> bool:
    """Say whether all three offices have approved the text that waits for them."""
    return {approval["office"] for approval in case.approvals} == set(Office)


def send_back(step: Step) -> None:
    """Make all approvals void: what comes next is another text."""
    case: Bulletin = step.case
    case.approvals = []


def schedule(step: Step) -> None:
    """Note when it is to be published; without a time, at once. Raises 422 `PUBLISH_AT_PAST`."""
    case: Bulletin = step.case
    publish_at: datetime = step.form.get("publish_at") or step.at
    if publish_at < step.at:
        raise Refusal(
            "PUBLISH_AT_PAST",
            zh="发布时间不得早于现在。",
            en="It cannot be published in the past.",
            publish_at=publish_at.isoformat(),
        )
    case.publish_at, case.held_for = publish_at.astimezone(ZONE), None


def time_of_publication(step: Step) -> datetime | None:
    """Return the instant at which it is to be published."""
    case: Bulletin = step.case
    return case.publish_at


def hold(step: Step) -> None:
    """Note why it is held back; somebody schedules it anew when that is over."""
    case: Bulletin = step.case
    case.publish_at, case.held_for = None, step.form.get("code") or "BY_HAND"


def publish(step: Step) -> None:
    """Let every channel post it. From now on it has a life of so many months."""
    case: Bulletin = step.case
    case.published_on = step.at.date()
    case.expire_at = step.due("bulletin.life")
    case.channel_states = {channel: {"state": "PENDING"} for channel in case.channels}


def report_channel(step: Step) -> None:
    """Note what a channel says of its post."""
    case: Bulletin = step.case
    case.channel_states = {**case.channel_states, step.form["channel"]: dict(step.form["status"])}


def is_newer(case: Bulletin, channel: str, publication: str, sequence: int) -> bool:
    """Say whether a report of `publication` tells something later than what is known of the channel."""
    known = case.channel_states.get(channel, {})
    return known.get("publication") != publication or int(known["sequence"]) < sequence


def all_channels(case: Bulletin, state: str) -> bool:
    """Say whether every channel is in `state`."""
    return all(case.channel_states.get(channel, {}).get("state") == state for channel in case.channels)


def propose_correction(step: Step) -> None:
    """Keep a corrected text until all three offices have approved it. Raises as `draft` does."""
    case: Bulletin = step.case
    _refuse_words(step, step.form)
    _want_unnamed(step.form, case.named)
    names = ("title", "text", "unnamed_title", "unnamed_text", "correction_text")
    case.correction = {name: step.form.get(name) for name in names}
    case.approvals = []


def correct(step: Step) -> None:
    """Put the corrected text in the place of the old one; every channel is to post it with the correction."""
    case: Bulletin = step.case
    pending = case.correction or {}
    case.title, case.text = pending["title"], pending["text"]
    case.unnamed_title, case.unnamed_text = pending["unnamed_title"], pending["unnamed_text"]
    case.correction_text, case.correction = pending["correction_text"], None
    _await_channels(case)


def _await_channels(case: Bulletin) -> None:
    case.channel_states = {
        channel: {**case.channel_states.get(channel, {}), "state": "PENDING"} for channel in case.channels
    }


def withdraw(step: Step) -> None:
    """Note why it is taken back, and what every channel is to say. Raises `UNKNOWN_REASON_CODE`, `PII_FORBIDDEN`.

    Without a text of its own the correction is the one that the rules have for the reason. It has the title without
    names: the named one may name who is cleared.
    """
    case: Bulletin = step.case
    reasons = step.rule("bulletin.withdrawal_reasons")
    code = step.form["reason_code"]
    if code not in reasons:
        raise Refusal(
            "UNKNOWN_REASON_CODE", zh="情形代码不在现行目录内。", en="The catalogue has no such code.", codes=[code]
        )
    text = step.form.get("correction_text")
    refuse_marked([text], step.rules)
    refuse_personal([text], step.rules, step.at.date())
    case.reason_code = code
    title = case.unnamed_title if case.named else case.title
    case.correction_text = text or str(reasons[code]["correction"]).format(title=title)


def expire(step: Step) -> None:
    """Take the names away: from now on there is only the text without them."""
    case: Bulletin = step.case
    if case.named:
        case.title, case.text = case.unnamed_title or "", case.unnamed_text or ""
    case.named, case.correction = False, None


_DRAFTERS: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE}
_BOTH: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "DISC": Reach.OFFICE}
_EVENT: Final = "supervision.bulletin.{}.v1"
PUBLISH: Final = "bulletin.publish"
EXPIRY: Final = "bulletin.expiry"
WITHDRAWAL: Final = "bulletin.withdrawal"
_EARLIER: Final = ("create", "revise", "submit", "propose_correction")


def _approval(office: Office, zh: str, en: str, role: str) -> Action:
    names = {Office.DISC: "approve_discipline", Office.ORG: "approve_organisation", Office.MEDIA: "approve_media"}
    others = tuple(name for other, name in names.items() if other is not office)
    return Action(
        zh=zh,
        en=en,
        allow={role: Reach.OFFICE},
        guards=(approval_wanted(office), findings_verified),
        effect=approve_for(office),
        not_after=(*_EARLIER, *others),
    )


BULLETIN: Final = CaseType(
    service="supervision",
    kind="bulletin",
    collection="bulletins",
    zh="通报",
    en="bulletin",
    machine=BulletinMachine,
    dataclass="L2",
    states={
        "DRAFT": ("草稿", "draft"),
        "REVIEWING": ("会签中", "under review"),
        "APPROVED": ("已批准", "approved"),
        "SCHEDULED": ("待发布", "scheduled"),
        "PUBLISHING": ("发布中", "being published"),
        "PUBLISHED": ("已发布", "published"),
        "CORRECTED": ("更正发布中", "corrected, being published anew"),
        "WITHDRAWING": ("撤回中", "being withdrawn"),
        "WITHDRAWN": ("已撤回", "withdrawn"),
        "EXPIRED": ("已到期", "expired"),
        "REJECTED": ("不予通报", "rejected"),
    },
    create=Action(zh="起草通报", en="draft a bulletin", allow=_DRAFTERS, guards=(refuse_marked_reason,), effect=draft),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改", en="revise the draft", allow=_DRAFTERS, effect=draft),
            "submit": Action(
                zh="送会签", en="submit for approval", allow=_DRAFTERS, guards=(findings_verified, not_excused)
            ),
            "approve_discipline": _approval(
                Office.DISC, "纪委监委会签", "approve for the discipline commission", "DISC"
            ),
            "approve_organisation": _approval(
                Office.ORG, "组织部门会签", "approve for the organisation department", "ORG.supervise"
            ),
            "approve_media": _approval(Office.MEDIA, "宣传媒体会签", "approve for the media", "MEDIA"),
            "send_back": Action(
                zh="退回修改",
                en="send back for revision",
                allow={**_BOTH, "MEDIA": Reach.OFFICE},
                effect=send_back,
                reason=True,
            ),
            "approve": Action(zh="批准", en="approve: all three offices did", event=_EVENT.format("approved")),
            "schedule": Action(
                zh="排期发布",
                en="schedule",
                allow=_DRAFTERS,
                guards=(findings_verified, nothing_pending, not_excused),
                effect=schedule,
                event=_EVENT.format("scheduled"),
                arms=(Arm(kind=PUBLISH, rule="bulletin.publish_delay", then="publish", start=time_of_publication),),
            ),
            "hold": Action(zh="暂缓发布", en="hold back", allow=_BOTH, effect=hold, closes=(PUBLISH,), reason=True),
            "publish": Action(
                zh="发布",
                en="publish",
                guards=(findings_verified, nothing_pending, not_excused),
                effect=publish,
                event=_EVENT.format("publishing"),
                closes=(PUBLISH,),
                arms=(Arm(kind=EXPIRY, rule="bulletin.life", then="expire"),),
            ),
            "report_channel": Action(zh="渠道回执", en="note what a channel reports", effect=report_channel),
            "confirm": Action(
                zh="各渠道已确认",
                en="note that every channel has confirmed",
                event=_EVENT.format("published"),
            ),
            "propose_correction": Action(
                zh="提出更正", en="propose a correction", allow=_DRAFTERS, effect=propose_correction, reason=True
            ),
            "correct": Action(
                zh="更正",
                en="correct: all three offices approved it",
                effect=correct,
                event=_EVENT.format("corrected"),
            ),
            "confirm_correction": Action(
                zh="各渠道已更正",
                en="note that every channel shows the correction",
                event=_EVENT.format("published"),
            ),
            "withdraw": Action(
                zh="撤回",
                en="withdraw",
                allow=_BOTH,
                effect=withdraw,
                event=_EVENT.format("withdrawing"),
                closes=(EXPIRY,),
                arms=(Arm(kind=WITHDRAWAL, rule="bulletin.withdrawal_period", warn="bulletin.withdrawal_warning"),),
                reason=True,
            ),
            "confirm_withdrawal": Action(
                zh="各渠道已撤回",
                en="note that every channel has withdrawn it",
                event=_EVENT.format("withdrawn"),
                closes=(WITHDRAWAL,),
            ),
            "expire": Action(
                zh="到期去标识",
                en="expire and take the names away",
                effect=expire,
                event=_EVENT.format("expired"),
                closes=(EXPIRY,),
            ),
            "reject": Action(zh="不予通报", en="reject", allow=_BOTH, closes=(PUBLISH,), reason=True),
        }
    ),
)

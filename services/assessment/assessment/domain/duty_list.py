"""Duty lists (A2, M1): what an owner is to do in a year; drafted, reviewed jointly, locked, amended at most so often.

What comes of the joint review is decided there (`joint_review.py`); the list only takes the step that follows from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from assessment.domain.joint_review import check_members, members_of
from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons


class OwnerKind(StrEnum):
    """Whose list it is: a cadre's or a unit's."""

    CADRE = "CADRE"
    UNIT = "UNIT"


class ListKind(StrEnum):
    """The three duty lists 三个清单 (article sentence Z11)."""

    POLITICAL = "POLITICAL"
    ORGANIZATIONAL = "ORGANIZATIONAL"
    DUTY = "DUTY"


class Source(StrEnum):
    """The three orientations 三个导向 from which an item comes."""

    GOAL = "GOAL"
    FUNCTION = "FUNCTION"
    PROBLEM = "PROBLEM"


class DutyList(Protocol):
    """What the rules read and change of a duty list.

    `items` holds `{id, title, source, measure, target, due, weight, key_project, indicator}` each, `due` as ISO text,
    `weight` as a decimal text, what is missing as None; it is replaced, never changed in place. `amendment` is what was proposed after
    the lock: `{items, reason, proposed_on, cosigned_by, review}`. `list_version` is 0 until the lock.
    """

    id: str
    state: str
    owner_kind: str
    owner: str
    unit: str
    year: int
    kind: str
    items: list[dict[str, Any]]
    round: int
    list_version: int
    cosigned_by: str | None
    submitted_on: date | None
    late: bool
    approved_on: date | None
    locked_on: date | None
    closed_on: date | None
    review: str | None
    amendments: int
    amendment: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class DutyFacts:
    """What was looked up for a step.

    `unit` is the owner's unit in the roster (None: the owner is unknown or has left); `duplicate` says that the owner has a
    list of this kind and year; `unit_of` tells the units of those named as members, as far as they are known;
    `annual_final` that the annual assessment of the owner is final; `indicators` are those of the list's year that the
    form names and that are active (A5).
    """

    unit: str | None = None
    duplicate: bool = False
    unit_of: Mapping[str, str] = field(default_factory=dict)
    annual_final: bool = False
    indicators: frozenset[str] = frozenset()


class DutyListMachine(StateMachine):
    """DRAFT → SUBMITTED → UNDER_REVIEW → APPROVED → LOCKED → CLOSED, or back by RETURNED; amendments while LOCKED."""

    DRAFT = State(initial=True)
    SUBMITTED = State()
    UNDER_REVIEW = State()
    RETURNED = State()
    APPROVED = State()
    LOCKED = State()
    CLOSED = State(final=True)

    revise = DRAFT.to(DRAFT) | RETURNED.to(DRAFT)
    cosign = DRAFT.to(DRAFT) | LOCKED.to(LOCKED)
    submit = DRAFT.to(SUBMITTED)
    open_review = SUBMITTED.to(UNDER_REVIEW)
    send_back = UNDER_REVIEW.to(RETURNED)
    approve = UNDER_REVIEW.to(APPROVED)
    decide = RETURNED.to(APPROVED)
    lock = APPROVED.to(LOCKED)
    amend = LOCKED.to(LOCKED)
    withdraw_amendment = LOCKED.to(LOCKED)
    review_amendment = LOCKED.to(LOCKED)
    adopt_amendment = LOCKED.to(LOCKED)
    refuse_amendment = LOCKED.to(LOCKED)
    close = LOCKED.to(CLOSED)


def scope(case: DutyList) -> Scope:
    """Return whom a list concerns: its unit, and its owner where that is a cadre."""
    persons = frozenset({case.owner}) if case.owner_kind == OwnerKind.CADRE else frozenset[str]()
    return Scope(units=frozenset({case.unit}), persons=persons)


def last_day(step: Step, period: str) -> date:
    """Return the last day of the period `period`, which runs from the beginning of the list's year."""
    case: DutyList = step.case
    day: date = step.rule(period).last_day(eve_of(case.year)).day
    return day


def eve_of(year: int) -> date:
    """Return the day before `year` begins: the periods of a year run from it."""
    return date(year - 1, 12, 31)


def beginning(step: Step) -> datetime:
    """Return from when the periods of the list's year run."""
    case: DutyList = step.case
    return datetime.combine(eve_of(case.year), time.min, ZONE)


def while_in_time(step: Step) -> datetime | None:
    """Return from when the time to submit runs; None where it is over: the list is late, and nobody need be warned."""
    return None if step.at.date() > last_day(step, "duty_list.submit_period") else beginning(step)


# ---- drafting


def draft(step: Step) -> None:
    """Take over owner, year, kind and items. Raises `YEAR_RANGE`, `UNKNOWN_OWNER`, `DUPLICATE` (409), `SECRECY_LEVEL`."""
    case: DutyList = step.case
    facts: DutyFacts = step.facts
    form = step.form
    case.owner_kind, case.owner = OwnerKind(form["owner_kind"]), form["owner"]
    case.year, case.kind = form["year"], ListKind(form["kind"])
    case.items, case.round, case.list_version = [], 1, 0
    case.late, case.amendments, case.amendment = False, 0, None
    first, last = step.at.year, step.at.year + step.rule("duty_list.years_ahead")
    if not first <= case.year <= last:
        raise Refusal(
            "YEAR_RANGE",
            zh=f"清单年度应为 {first} 至 {last} 年。",
            en=f"A list is drawn up for a year from {first} to {last}.",
            first=first,
            last=last,
        )
    if facts.unit is None:
        raise Refusal("UNKNOWN_OWNER", zh="名册中没有该干部或单位。", en="The roster has no such cadre or unit.")
    case.unit = facts.unit
    if facts.duplicate:
        raise Refusal(
            "DUPLICATE",
            zh="该主体本年度已有同类清单。",
            en="The owner has a list of this kind for the year.",
            status=409,
            year=case.year,
            kind=case.kind,
        )
    case.items = items_from(step, ())


def revise(step: Step) -> None:
    """Replace the items; after a return a new round begins. The co-signature was for what stood before."""
    case: DutyList = step.case
    facts: DutyFacts = step.facts
    case.items = items_from(step, case.items)
    case.cosigned_by = None
    if facts.unit is not None:
        case.unit = facts.unit
    if case.state == "RETURNED":
        case.round += 1


def items_from(step: Step, before: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the items of the form. One that names the id of an item of `before` goes on with it.

    Raises 451 `SECRECY_LEVEL`, 422 `UNKNOWN_ITEM`, `UNKNOWN_INDICATOR`.
    """
    facts: DutyFacts = step.facts
    known = {item["id"] for item in before}
    found = [_item(entry) for entry in step.form["items"]]
    strange = sorted(
        str(entry["id"]) for entry in step.form["items"] if entry.get("id") and str(entry["id"]) not in known
    )
    if strange:
        raise Refusal("UNKNOWN_ITEM", zh="清单中没有该项目。", en="The list has no such item.", items=strange)
    foreign = sorted({item["indicator"] for item in found if item["indicator"]} - facts.indicators)
    if foreign:
        raise Refusal(
            "UNKNOWN_INDICATOR",
            zh="本年度没有该执行中的指标。",
            en="The year has no such active indicator.",
            indicators=foreign,
        )
    refuse_marked((item[name] for item in found for name in ("title", "measure", "target")), step.rules)
    return found


def _item(entry: Mapping[str, Any]) -> dict[str, Any]:
    due, weight = entry.get("due"), entry.get("weight")
    return {
        "id": str(entry.get("id") or new_id()),
        "title": entry["title"],
        "source": Source(entry["source"]).value,
        "measure": entry.get("measure"),
        "target": entry.get("target"),
        "due": None if due is None else due.isoformat(),
        "weight": None if weight is None else str(weight),
        "key_project": entry.get("key_project"),
        "indicator": str(entry["indicator"]) if entry.get("indicator") else None,
    }


def rounds_left(step: Step) -> None:
    """Raise 422 `ROUND_LIMIT` where a list came back from its last round of review: the committee decides then."""
    case: DutyList = step.case
    most = step.rule("duty_list.review.rounds")
    if case.state == "RETURNED" and case.round >= most:
        raise Refusal(
            "ROUND_LIMIT",
            zh=f"已经 {most} 轮会审退回,由市委研究决定。",
            en=f"The list came back from {most} rounds of review; the committee decides now.",
            round=case.round,
            most=most,
            decider="COMM",
        )


# ---- what a complete list is


def complete(step: Step) -> None:
    """Raise `WEIGHT_SUM`, `SOURCE_MISSING` or `NOT_MEASURABLE` where the list is not complete (A2)."""
    case: DutyList = step.case
    check_items(step, case.items)


def check_items(step: Step, items: Sequence[Mapping[str, Any]]) -> None:
    """Raise 422 where `items` are no complete list.

    `WEIGHT_SUM`: the weights do not total 100, within a hundredth; `SOURCE_MISSING`: one of the three orientations has no
    item; `NOT_MEASURABLE`: an item lacks its measure or target, or is not due within the year.
    """
    case: DutyList = step.case
    if case.kind in step.rule("duty_list.weighed_kinds"):
        _check_weights(step, items)
    missing = sorted(set(step.rule("duty_list.required_sources")) - {item["source"] for item in items})
    if missing:
        raise Refusal(
            "SOURCE_MISSING",
            zh="目标、职能职责、问题三个导向须各有至少一项。",
            en="Each of the orientations goal, function and problem needs an item.",
            missing=missing,
        )
    vague = [number for number, item in enumerate(items, start=1) if not (item["measure"] and item["target"])]
    undated = [
        number
        for number, item in enumerate(items, start=1)
        if item["due"] is None or date.fromisoformat(item["due"]).year != case.year
    ]
    if vague or undated:
        raise Refusal(
            "NOT_MEASURABLE",
            zh="每项须有衡量办法、目标值和本年度内的完成时限。",
            en="Every item has a measure, a target, and a day within the year by which it is done.",
            vague=vague,
            undated=undated,
        )


def _check_weights(step: Step, items: Iterable[Mapping[str, Any]]) -> None:
    total = sum((Decimal(item["weight"] or 0) for item in items), Decimal(0))
    wanted, tolerance = Decimal(step.rule("duty_list.weight_total")), step.rule("duty_list.weight_tolerance")
    if abs(total - wanted) > tolerance:
        raise Refusal(
            "WEIGHT_SUM",
            zh=f"各项权重合计应为 {wanted},现为 {total}。",
            en=f"The weights must total {wanted}; they total {total}.",
            total=str(total),
            wanted=str(wanted),
            tolerance=str(tolerance),
        )


# ---- submission


def cosigned(step: Step) -> None:
    """Raise 422 `COSIGN_MISSING` unless the unit's head has signed what is submitted, or submits it."""
    case: DutyList = step.case
    if case.cosigned_by is None and not step.actor.has("UNITHEAD"):
        raise Refusal(
            "COSIGN_MISSING", zh="须先由单位主要负责人签署。", en="The head of the unit signs the list first."
        )


def something_to_cosign(step: Step) -> None:
    """Raise 422 `NO_AMENDMENT` where a locked list has no amendment that waits for its review."""
    case: DutyList = step.case
    if case.state == "LOCKED":
        amendment_waiting(step)


def cosign(step: Step) -> None:
    """Note who signed for the unit: the draft, or the amendment proposed."""
    case: DutyList = step.case
    if case.amendment is None:
        case.cosigned_by = step.actor.subject
    else:
        case.amendment = {**case.amendment, "cosigned_by": step.actor.subject}


def submit(step: Step) -> None:
    """Note the day. Raises 422 `LATE_SUBMISSION` where the deadline is over and no reason is given; late is marked.

    The deadline is for the first submission: the rounds of review take their own time.
    """
    case: DutyList = step.case
    until = last_day(step, "duty_list.submit_period")
    if case.submitted_on is None and step.at.date() > until:
        if not step.form.get("reason"):
            raise Refusal(
                "LATE_SUBMISSION",
                zh=f"报送期限为 {until},逾期报送须说明理由。",
                en=f"Lists were due on {until}; a late one gives its reason.",
                due=until.isoformat(),
            )
        case.late = True
    case.submitted_on = case.submitted_on or step.at.date()
    if case.cosigned_by is None:
        case.cosigned_by = step.actor.subject


# ---- review and lock


def open_review(step: Step) -> None:
    """Check who is to review (A3). Raises `MEMBER_MISSING`, `AVOIDANCE`, `UNKNOWN_CADRE`."""
    facts: DutyFacts = step.facts
    check_members(step, members_of(step.form["members"], facts.unit_of), scope(step.case))


def approve(step: Step) -> None:
    """Note the day of approval."""
    case: DutyList = step.case
    case.approved_on = step.at.date()


def rounds_over(step: Step) -> None:
    """Raise 422 `ROUND_OPEN` while the owner may still revise: the committee decides after the last round."""
    case: DutyList = step.case
    most = step.rule("duty_list.review.rounds")
    if case.round < most:
        raise Refusal(
            "ROUND_OPEN",
            zh=f"会审未满 {most} 轮,应由报送人修改后再次会审。",
            en=f"The committee decides after {most} rounds; the owner revises the list first.",
            round=case.round,
            most=most,
        )


def decide(step: Step) -> None:
    """Take over what the committee decides: the list as it is, or with the items that it orders, which must be complete."""
    case: DutyList = step.case
    if step.form.get("items"):
        case.items = items_from(step, case.items)
    complete(step)
    approve(step)


def lock(step: Step) -> None:
    """Lock the list: its first version stands."""
    case: DutyList = step.case
    case.locked_on = step.at.date()
    case.list_version = 1


# ---- amendments


def may_be_amended(step: Step) -> None:
    """Raise 422 `AMEND_LIMIT` after two amendments in the year or after 10-31, 409 `AMENDMENT_PENDING` while one is open."""
    case: DutyList = step.case
    no_amendment_open(step)
    most, until = step.rule("duty_list.amendments"), last_day(step, "duty_list.amend_period")
    if case.amendments >= most or step.at.date() > until:
        raise Refusal(
            "AMEND_LIMIT",
            zh=f"清单锁定后每年最多调整 {most} 次,且不晚于 {until}。",
            en=f"A locked list is amended at most {most} times, and not after {until}.",
            amendments=case.amendments,
            most=most,
            until=until.isoformat(),
        )


def amend(step: Step) -> None:
    """Propose an amendment: all items as they are to be. Raises the refusals of `check_items` and `items_from`."""
    case: DutyList = step.case
    items = items_from(step, case.items)
    check_items(step, items)
    signed = step.actor.subject if step.actor.has("UNITHEAD") else None
    case.amendment = {
        "items": items,
        "reason": step.form["reason"],
        "proposed_on": step.at.date().isoformat(),
        "cosigned_by": signed,
        "review": None,
    }


def no_amendment_open(step: Step) -> None:
    """Raise 409 `AMENDMENT_PENDING` while an amendment is proposed or under review."""
    case: DutyList = step.case
    if case.amendment is not None:
        raise Refusal(
            "AMENDMENT_PENDING",
            zh="已有一项调整尚未办结。",
            en="An amendment is pending.",
            status=409,
            proposed_on=case.amendment["proposed_on"],
        )


def amendment_waiting(step: Step) -> None:
    """Raise 422 `NO_AMENDMENT` unless an amendment waits for its review."""
    case: DutyList = step.case
    if case.amendment is None or case.amendment["review"] is not None:
        raise Refusal("NO_AMENDMENT", zh="没有待会审的调整。", en="No amendment waits for its review.")


def amendment_cosigned(step: Step) -> None:
    """Raise 422 `COSIGN_MISSING` unless the unit's head has signed the amendment."""
    case: DutyList = step.case
    if case.amendment is not None and case.amendment["cosigned_by"] is None:
        raise Refusal(
            "COSIGN_MISSING", zh="须先由单位主要负责人签署。", en="The head of the unit signs the amendment first."
        )


def adopt_amendment(step: Step) -> None:
    """Put the amendment in force as the next version."""
    case: DutyList = step.case
    if case.amendment is None:
        raise ValueError("there is no amendment to adopt")
    case.items, case.review = case.amendment["items"], case.amendment["review"]
    case.amendment = None
    case.amendments += 1
    case.list_version += 1


def drop_amendment(step: Step) -> None:
    """Drop the amendment: the locked list stays as it is."""
    case: DutyList = step.case
    case.amendment = None


def annual_final(step: Step) -> None:
    """Raise 422 `ANNUAL_OPEN` until the annual assessment of the list's owner and year is final."""
    facts: DutyFacts = step.facts
    case: DutyList = step.case
    if not facts.annual_final:
        raise Refusal(
            "ANNUAL_OPEN",
            zh=f"{case.year} 年度考核尚未办结,清单不得关闭。",
            en=f"The annual assessment of {case.year} is not final; the list stays open.",
            year=case.year,
        )


def close(step: Step) -> None:
    """Note the day."""
    case: DutyList = step.case
    case.closed_on = step.at.date()


_OWNERS: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF, "UNITHR": Reach.UNIT, "UNITHEAD": Reach.UNIT}
_OFFICE: Final[Mapping[str, Reach]] = {"ORG.assess": Reach.OFFICE, "COMM": Reach.OFFICE}
_EVENT: Final = "assessment.duty-list.{}.v1"
SUBMISSION: Final = "duty-list.submission"
LOCK: Final = "duty-list.lock"
_LOCKING: Final = Arm(kind=LOCK, rule="duty_list.lock_period", then="lock", start=beginning)

DUTY_LIST: Final = CaseType(
    service="assessment",
    kind="duty-list",
    collection="duty-lists",
    zh="履职清单",
    en="duty list",
    machine=DutyListMachine,
    dataclass="L2",
    states={
        "DRAFT": ("草稿", "draft"),
        "SUBMITTED": ("已报送", "submitted"),
        "UNDER_REVIEW": ("会审中", "under review"),
        "RETURNED": ("已退回", "returned"),
        "APPROVED": ("已通过", "approved"),
        "LOCKED": ("已锁定", "locked"),
        "CLOSED": ("已关闭", "closed"),
    },
    create=Action(
        zh="起草清单",
        en="draw up a list",
        allow=_OWNERS,
        guards=(refuse_marked_reason,),
        effect=draft,
        arms=(
            Arm(kind=SUBMISSION, rule="duty_list.submit_period", warn="duty_list.submit_reminder", start=while_in_time),
        ),
    ),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改", en="revise", allow=_OWNERS, guards=(rounds_left,), effect=revise),
            "cosign": Action(
                zh="签署",
                en="co-sign for the unit",
                allow={"UNITHEAD": Reach.UNIT},
                guards=(something_to_cosign,),
                effect=cosign,
            ),
            "submit": Action(
                zh="报送",
                en="submit",
                allow=_OWNERS,
                guards=(complete, cosigned),
                effect=submit,
                event=_EVENT.format("submitted"),
                mandatory=False,
                closes=(SUBMISSION,),
            ),
            "open_review": Action(zh="启动会审", en="open the joint review", allow=_OFFICE, effect=open_review),
            "send_back": Action(zh="退回", en="return", event=_EVENT.format("returned"), mandatory=False),
            "approve": Action(
                zh="通过",
                en="approve",
                effect=approve,
                event=_EVENT.format("approved"),
                mandatory=False,
                arms=(_LOCKING,),
            ),
            "decide": Action(
                zh="市委决定",
                en="decide after the last round",
                allow={"COMM": Reach.OFFICE},
                guards=(rounds_over,),
                effect=decide,
                event=_EVENT.format("approved"),
                mandatory=False,
                arms=(_LOCKING,),
                reason=True,
            ),
            "lock": Action(
                zh="锁定",
                en="lock",
                allow=_OFFICE,
                effect=lock,
                event=_EVENT.format("locked"),
                mandatory=False,
                closes=(LOCK,),
            ),
            "amend": Action(
                zh="申请调整",
                en="propose an amendment",
                allow=_OWNERS,
                guards=(may_be_amended,),
                effect=amend,
                reason=True,
            ),
            "withdraw_amendment": Action(
                zh="撤回调整",
                en="withdraw the amendment",
                allow=_OWNERS,
                guards=(amendment_waiting,),
                effect=drop_amendment,
            ),
            "review_amendment": Action(
                zh="启动调整会审",
                en="open the review of the amendment",
                allow=_OFFICE,
                guards=(amendment_waiting, amendment_cosigned),
                effect=open_review,
            ),
            "adopt_amendment": Action(
                zh="调整生效",
                en="put the amendment in force",
                effect=adopt_amendment,
                event=_EVENT.format("amended"),
                mandatory=False,
            ),
            "refuse_amendment": Action(
                zh="调整未通过",
                en="refuse the amendment",
                effect=drop_amendment,
                event=_EVENT.format("returned"),
                mandatory=False,
            ),
            "close": Action(
                zh="关闭",
                en="close",
                allow=_OFFICE,
                guards=(no_amendment_open, annual_final),
                effect=close,
                event=_EVENT.format("closed"),
                mandatory=False,
            ),
        }
    ),
)

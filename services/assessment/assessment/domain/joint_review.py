"""Joint review 立体式会审 (A3): offices look at a duty list together; each gives an opinion, the chair concludes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, with_plain_reasons


class Capacity(StrEnum):
    """For whom a member of a review speaks."""

    ORG = "ORG"
    DISC = "DISC"
    SUPO = "SUPO"
    SECTOR = "SECTOR"
    OTHER = "OTHER"


class Verdict(StrEnum):
    """What a member thinks. ABSENT is counted where a member did not answer in time; nobody gives it."""

    AGREE = "AGREE"
    AGREE_WITH_EDITS = "AGREE_WITH_EDITS"
    RETURN = "RETURN"
    ABSENT = "ABSENT"


class Conclusion(StrEnum):
    """What comes of a review."""

    APPROVE = "APPROVE"
    RETURN = "RETURN"


GIVEN: Final = (Verdict.AGREE, Verdict.AGREE_WITH_EDITS, Verdict.RETURN)


class JointReview(Protocol):
    """What the rules read and change of a joint review.

    `members` holds `{cadre, unit, capacity, mandatory, verdict, given_on, late}` each; it is replaced, never changed in
    place. `unit`, `owner_kind` and `owner` are those of the duty list; `amendment` says that what is reviewed is an
    amendment of a locked list.
    """

    id: str
    state: str
    duty_list_id: str
    round: int
    amendment: bool
    unit: str
    owner_kind: str
    owner: str
    members: list[dict[str, Any]]
    due_on: date
    conclusion: str | None
    concluded_on: date | None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is to review, and the member's unit in the roster (None: the roster has no such cadre)."""

    cadre: str
    capacity: Capacity
    unit: str | None


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What was looked up for a step: units of those named as members, and the ids of the items under review."""

    unit_of: Mapping[str, str] = field(default_factory=dict)
    items: frozenset[str] = frozenset()


class JointReviewMachine(StateMachine):
    """OPEN → COLLECTING → CONCLUDED. The next round is another review."""

    OPEN = State(initial=True)
    COLLECTING = State()
    CONCLUDED = State(final=True)

    give_opinion = OPEN.to(COLLECTING) | COLLECTING.to(COLLECTING)
    count_absent = OPEN.to(COLLECTING) | COLLECTING.to(COLLECTING)
    replace_member = OPEN.to(OPEN) | COLLECTING.to(COLLECTING)
    conclude = COLLECTING.to(CONCLUDED)


def scope(case: JointReview) -> Scope:
    """Return whom a review concerns: the list's unit and owner, who learn of it when it is concluded."""
    persons = frozenset({case.owner}) if case.owner_kind == "CADRE" else frozenset[str]()
    return Scope(units=frozenset({case.unit}), persons=persons, disclosed=case.state == "CONCLUDED")


def members_of(named: Iterable[Mapping[str, Any]], unit_of: Mapping[str, str]) -> list[Member]:
    """Return the members that a form names, each with the unit that the roster tells."""
    return [
        Member(str(entry["cadre"]), Capacity(entry["capacity"]), unit_of.get(str(entry["cadre"]))) for entry in named
    ]


def check_members(step: Step, members: Sequence[Member], concerned: Scope) -> None:
    """Raise 422 where `members` must not review a list that concerns `concerned`.

    `UNKNOWN_CADRE`: not in the roster; `AVOIDANCE`: the owner, or somebody of the list's own unit (X7); `MEMBER_MISSING`:
    an office that must take part has no member.
    """
    unknown = sorted(member.cadre for member in members if member.unit is None)
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    own = sorted(
        member.cadre for member in members if member.unit in concerned.units or member.cadre in concerned.persons
    )
    if own:
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避:不得会审本人或本单位的清单。",
            en="Avoidance: nobody reviews the list of their own or of their unit.",
            cadres=own,
        )
    missing = sorted(set(step.rule("duty_list.review.mandatory")) - {member.capacity for member in members})
    if missing:
        raise Refusal(
            "MEMBER_MISSING",
            zh="会审缺少必须参加的部门。",
            en="An office that must take part has no member.",
            missing=missing,
        )


def convene(step: Step) -> None:
    """Take over the list and its members; note the last day for opinions."""
    case: JointReview = step.case
    facts: ReviewFacts = step.facts
    form = step.form
    case.duty_list_id, case.round, case.amendment = form["duty_list"], form["round"], form["amendment"]
    case.unit, case.owner_kind, case.owner = form["unit"], form["owner_kind"], form["owner"]
    mandatory = step.rule("duty_list.review.mandatory")
    case.members = [
        {
            "cadre": member.cadre,
            "unit": member.unit,
            "capacity": member.capacity.value,
            "mandatory": member.capacity in mandatory,
            "verdict": None,
            "given_on": None,
            "late": False,
        }
        for member in members_of(form["members"], facts.unit_of)
    ]
    case.due_on = step.rule("duty_list.review.due").last_day(step.at).day


def is_member(step: Step) -> None:
    """Raise 403 `NOT_MEMBER` where the reviewer was not named for this review."""
    case: JointReview = step.case
    if not any(member["cadre"] == step.actor.person for member in case.members):
        raise Refusal("NOT_MEMBER", zh="您不是本次会审的成员。", en="You are no member of this review.", status=403)


def give_opinion(step: Step) -> None:
    """Note the member's verdict; until the conclusion a later one replaces it.

    Raises 422 `COMMENT_REQUIRED` (a return, or edits, without a comment on an item), `UNKNOWN_ITEM`, 451 `SECRECY_LEVEL`.
    """
    case: JointReview = step.case
    facts: ReviewFacts = step.facts
    verdict, comments = Verdict(step.form["verdict"]), step.form.get("item_comments") or ()
    if verdict is not Verdict.AGREE and not comments:
        raise Refusal(
            "COMMENT_REQUIRED",
            zh="退回或提出修改意见,须逐项说明。",
            en="A return, or edits, need comments on the items they mean.",
            verdict=verdict.value,
        )
    strange = sorted({str(comment["item"]) for comment in comments} - facts.items)
    if strange:
        raise Refusal("UNKNOWN_ITEM", zh="清单中没有该项目。", en="The list has no such item.", items=strange)
    refuse_marked((comment["text"] for comment in comments), step.rules)
    today = step.at.date()
    given = {"verdict": verdict.value, "given_on": today.isoformat(), "late": today > case.due_on}
    case.members = [{**member, **given} if member["cadre"] == step.actor.person else member for member in case.members]


def count_absent(step: Step) -> None:
    """Count as absent who has not answered in time: silence is no agreement."""
    case: JointReview = step.case
    case.members = [
        member if member["verdict"] else {**member, "verdict": Verdict.ABSENT.value} for member in case.members
    ]


def replace_member(step: Step) -> None:
    """Put another cadre in the place of a member who has not answered.

    Raises 422 `NOT_MEMBER`, `OPINION_GIVEN`, `ALREADY_MEMBER` and the refusals of `check_members`.
    """
    case: JointReview = step.case
    facts: ReviewFacts = step.facts
    leaving, coming = str(step.form["member"]), str(step.form["by"])
    place = next((member for member in case.members if member["cadre"] == leaving), None)
    if place is None:
        raise Refusal("NOT_MEMBER", zh="该干部不是本次会审的成员。", en="The cadre is no member of this review.")
    if place["verdict"] in GIVEN:
        raise Refusal("OPINION_GIVEN", zh="该成员已提交意见。", en="The member has given an opinion.")
    if any(member["cadre"] == coming for member in case.members):
        raise Refusal("ALREADY_MEMBER", zh="该干部已是会审成员。", en="The cadre is a member already.")
    successor = Member(coming, Capacity(place["capacity"]), facts.unit_of.get(coming))
    others = [member for member in case.members if member is not place]
    check_members(step, [*(_as_member(member) for member in others), successor], scope(case))
    case.members = [
        {**place, "cadre": coming, "unit": successor.unit, "verdict": None} if member is place else member
        for member in case.members
    ]


def _as_member(entry: Mapping[str, Any]) -> Member:
    return Member(entry["cadre"], Capacity(entry["capacity"]), entry["unit"])


def conclude(step: Step) -> None:
    """Conclude the review.

    APPROVE needs AGREE or AGREE_WITH_EDITS of every mandatory member (422 `OPINION_MISSING`) and no RETURN of anybody
    (422 `RETURN_GIVEN`); RETURN needs a member who returns the list (422 `RETURN_MISSING`) and the chair's summary of the
    comments as the reason (422 `COMMENT_REQUIRED`).
    """
    case: JointReview = step.case
    wanted = Conclusion(step.form["conclusion"])
    returning = [member["capacity"] for member in case.members if member["verdict"] == Verdict.RETURN]
    if wanted is Conclusion.APPROVE:
        _check_approval(case, returning)
    else:
        _check_return(step, returning)
    case.conclusion = wanted
    case.concluded_on = step.at.date()


def _check_approval(case: JointReview, returning: Sequence[str]) -> None:
    if returning:
        raise Refusal(
            "RETURN_GIVEN",
            zh="有成员提出退回,不得通过。",
            en="A member returns the list; it cannot be approved.",
            members=list(returning),
        )
    missing = [
        member["capacity"]
        for member in case.members
        if member["mandatory"] and member["verdict"] not in (Verdict.AGREE, Verdict.AGREE_WITH_EDITS)
    ]
    if missing:
        raise Refusal(
            "OPINION_MISSING",
            zh="必须参加的部门尚未同意,缺席不视为同意。",
            en="A mandatory member has not agreed; absence is no agreement.",
            missing=missing,
        )


def _check_return(step: Step, returning: Sequence[str]) -> None:
    if not returning:
        raise Refusal("RETURN_MISSING", zh="没有成员提出退回。", en="No member returns the list.")
    if not step.form.get("reason"):
        raise Refusal(
            "COMMENT_REQUIRED",
            zh="退回须说明综合意见(reason)。",
            en="A return comes with the summary of the comments (`reason`).",
        )


_CHAIR: Final[Mapping[str, Reach]] = {"ORG.assess": Reach.OFFICE, "COMM": Reach.OFFICE}
_EVENT: Final = "assessment.joint-review.{}.v1"
DUE: Final = "joint-review.due"

JOINT_REVIEW: Final = CaseType(
    service="assessment",
    kind="joint-review",
    collection="joint-reviews",
    zh="会审",
    en="joint review",
    machine=JointReviewMachine,
    dataclass="L2",
    states={
        "OPEN": ("已启动", "open"),
        "COLLECTING": ("征集意见中", "collecting opinions"),
        "CONCLUDED": ("已有结论", "concluded"),
    },
    create=Action(
        zh="启动",
        en="open",
        effect=convene,
        event=_EVENT.format("opened"),
        mandatory=False,
        arms=(Arm(kind=DUE, rule="duty_list.review.due", then="count_absent", warn="duty_list.review.reminder"),),
    ),
    actions=with_plain_reasons(
        {
            "give_opinion": Action(
                zh="提交意见",
                en="give an opinion",
                allow={"REVIEWER": Reach.OFFICE},
                guards=(is_member,),
                effect=give_opinion,
                event=_EVENT.format("opinion-given"),
                mandatory=False,
            ),
            "count_absent": Action(zh="计为缺席", en="count as absent", effect=count_absent),
            "replace_member": Action(
                zh="更换成员", en="replace a member", allow=_CHAIR, effect=replace_member, reason=True
            ),
            "conclude": Action(
                zh="作出结论",
                en="conclude",
                allow=_CHAIR,
                effect=conclude,
                event=_EVENT.format("concluded"),
                mandatory=False,
                closes=(DUE,),
            ),
        }
    ),
)

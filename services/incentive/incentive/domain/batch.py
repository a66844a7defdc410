"""The six-batch programme (I12, M10): planned, approved, open, selecting, publicized, decided, implemented, reviewed.

Everybody selected goes through the gate once more when the committee decides. Is one of them stopped then, the decision
is refused and the batch returns to selecting: a refusal with a duty, that is committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked
from incentive.domain.candidate import COMMITTEE, SELECTORS, age_on, mean_age, refuse_stopped, told
from incentive.domain.gate import Evaluation, Verdict
from incentive.domain.texts import plain_texts

OBJECTORS: Final[Mapping[str, Reach]] = {**SELECTORS, "DISC": Reach.OFFICE}
_EVENT: Final = "incentive.batch.{}.v1"
_REVIEW: Final = "batch.review"
_TRACKED: Final = "f"
"""The kind whose people are followed longer (3.6: a two-year review)."""


class Batch(Protocol):
    """What the rules read and change of a batch.

    `positions` holds `{key, unit, post, level, slots, avoid[], members_born[], place, months, public_institution}` each.
    """

    id: str
    state: str
    kind: str
    year: int
    title: str
    positions: list[dict[str, Any]]
    units: list[str]
    publicized_on: date | None
    publicity_until: date | None
    decided_on: date | None
    implemented_on: date | None
    reviewed_on: date | None


@dataclass(frozen=True, slots=True)
class Selected:
    """A selected candidate, and what the gate says of them today."""

    candidate: str
    position: str
    evaluation: Evaluation | None


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What was looked up: who is selected, and how many the committee still has to drop."""

    selected: Sequence[Selected] = ()
    unconfirmed: int = 0


class BatchMachine(StateMachine):
    """PLANNED → APPROVED → OPEN → SELECTING → PUBLICITY → DECIDED → IMPLEMENTED → REVIEWED; an objection leads back."""

    PLANNED = State(initial=True)
    APPROVED = State()
    OPEN = State()
    SELECTING = State()
    PUBLICITY = State()
    DECIDED = State()
    IMPLEMENTED = State()
    REVIEWED = State(final=True)

    revise = PLANNED.to(PLANNED)
    approve = PLANNED.to(APPROVED)
    open = APPROVED.to(OPEN)
    select = OPEN.to(SELECTING)
    publicize = SELECTING.to(PUBLICITY)
    object = PUBLICITY.to(SELECTING)
    send_back = PUBLICITY.to(SELECTING)
    decide = PUBLICITY.to(DECIDED)
    implement = DECIDED.to(IMPLEMENTED)
    review = IMPLEMENTED.to(REVIEWED)


def scope(case: Batch) -> Scope:
    """Return whom a batch concerns: the units whose posts are to be filled; it is a matter of the offices alone."""
    return Scope(units=frozenset(position["unit"] for position in case.positions), disclosed=False)


def plan(step: Step) -> None:
    """Take over a plan.

    Raises 422 `UNKNOWN_KIND`, `POSITION_INCOMPLETE` (what its kind wants is not said), `GROUP_NOT_AGED` (kind c),
    `SECONDMENT_RANGE` (kind e); 451 `SECRECY_LEVEL`.
    """
    case: Batch = step.case
    case.kind, case.year, case.title = step.form["kind"], step.form["year"], step.form["title"]
    known = step.rule("batch.kinds")
    if case.kind not in known:
        raise Refusal("UNKNOWN_KIND", zh="没有该批次类型。", en="There is no such kind of batch.", known=sorted(known))
    positions = step.form["positions"]
    refuse_marked([case.title, *(position["post"] for position in positions)], step.rules)
    for position in positions:
        _complete(step, position)
    case.positions = [_plain(position) for position in positions]
    case.units = sorted({position["unit"] for position in positions})
    case.publicized_on = case.publicity_until = case.decided_on = case.implemented_on = case.reviewed_on = None


def _plain(position: Mapping[str, Any]) -> dict[str, Any]:
    born = [day.isoformat() for day in position.get("members_born", ())]
    made: dict[str, Any] = {"level": None, "place": None, "months": None, "public_institution": False, "avoid": []}
    return {**made, **position, "members_born": born}


def _complete(step: Step, position: Mapping[str, Any]) -> None:
    match step.form["kind"]:
        case "a":
            levels = sorted(step.rule("batch.a.max_age"))
            _wanted(position, "level", position.get("level") in levels, levels)
        case "b":
            _wanted(position, "public_institution", bool(position.get("public_institution")), [True])
        case "c":
            _wanted(position, "members_born", bool(position.get("members_born")), [])
            _aged(step, position)
        case "e":
            places = list(step.rule("batch.e.places"))
            _wanted(position, "place", position.get("place") in places, places)
            _wanted(position, "months", position.get("months") is not None, [])
            _range(step, position)


def _wanted(position: Mapping[str, Any], name: str, given: bool, allowed: Sequence[Any]) -> None:
    if not given:
        raise Refusal(
            "POSITION_INCOMPLETE",
            zh=f"岗位“{position['key']}”须填写 {name}。",
            en=f"Position “{position['key']}” wants `{name}`.",
            position=position["key"],
            field=name,
            allowed=allowed,
        )


def _aged(step: Step, position: Mapping[str, Any]) -> None:
    """A group takes part where its mean age is high, or none of it is young (3.6 c)."""
    today = step.at.date()
    ages = [age_on(day, today) for day in position["members_born"]]
    mean, youngest = (Decimal(sum(ages)) / len(ages)).quantize(Decimal("0.01")), min(ages)
    young, old = step.rule("batch.c.young_age"), step.rule("batch.c.mean_age")
    # Compared as it is: what is rounded to the limit has not reached it.
    if sum(ages) < old * len(ages) and youngest < young:
        raise Refusal(
            "GROUP_NOT_AGED",
            zh=f"班子平均年龄 {mean} 岁、最年轻 {youngest} 岁，不属于定向选用范围。",
            en=f"The group's mean age is {mean}, its youngest is {youngest}: it is not due for younger members.",
            position=position["key"],
            mean=str(mean),
            mean_from=old,
            youngest=youngest,
            young_below=young,
        )


def _range(step: Step, position: Mapping[str, Any]) -> None:
    allowed = step.rule("batch.e.months")
    if not allowed["least"] <= position["months"] <= allowed["most"]:
        raise Refusal(
            "SECONDMENT_RANGE",
            zh=f"挂职时间应为 {allowed['least']} 至 {allowed['most']} 个月。",
            en=f"A secondment is {allowed['least']} to {allowed['most']} months.",
            months=position["months"],
            **allowed,
        )


def age_structure(case: Batch, born: Mapping[str, Sequence[date]], day: date) -> list[dict[str, Any]]:
    """Return of each position the group's ages before, and after with those selected (`born` by position's key)."""
    return [
        {
            "position": position["key"],
            "unit": position["unit"],
            "before": _structure([date.fromisoformat(each) for each in position["members_born"]], day),
            "after": _structure(
                [*(date.fromisoformat(each) for each in position["members_born"]), *born.get(position["key"], ())], day
            ),
        }
        for position in case.positions
    ]


def _structure(born: Sequence[date], day: date) -> dict[str, Any]:
    ages = sorted(age_on(each, day) for each in born)
    mean: Decimal | None = mean_age([each.isoformat() for each in born], day)
    return {"members": len(ages), "mean": mean, "youngest": ages[0] if ages else None, "ages": ages}


def somebody_selected(step: Step) -> None:
    """Raise 422 `NOBODY_SELECTED`, or `DROP_UNCONFIRMED` where the committee has to confirm that somebody is dropped."""
    facts: BatchFacts = step.facts
    if facts.unconfirmed:
        raise Refusal(
            "DROP_UNCONFIRMED",
            zh="有复核未通过的人选尚未经市委常委会(部务会)确认取消。",
            en="The committee has not yet confirmed that those who were stopped are dropped.",
            candidates=facts.unconfirmed,
        )
    if not facts.selected:
        raise Refusal("NOBODY_SELECTED", zh="尚未确定拟任人选。", en="Nobody is selected yet.")


def publicize(step: Step) -> None:
    """Note from when until when objections may be raised."""
    case: Batch = step.case
    case.publicized_on = step.at.date()
    case.publicity_until = step.rule("batch.publicity").last_day(case.publicized_on).day


def publicity_over(step: Step) -> None:
    """Raise 422 `PUBLICITY_OPEN` before the publicity is over."""
    case: Batch = step.case
    if case.publicity_until is not None and step.at.date() <= case.publicity_until:
        raise Refusal(
            "PUBLICITY_OPEN",
            zh=f"公示期至 {case.publicity_until}，期满后方可决定。",
            en=f"The publicity lasts until {case.publicity_until}; the decision comes after it.",
            until=case.publicity_until.isoformat(),
        )


def all_pass(step: Step) -> None:
    """Raise 422 `GATE_BLOCKED`, with a duty, where the gate stops somebody selected today; `GATE_PENDING` where it cannot tell."""
    facts: BatchFacts = step.facts
    asked = [(found, found.evaluation) for found in facts.selected if found.evaluation is not None]
    for verdict in (Verdict.BLOCKED, Verdict.PENDING):
        stopped = [(found, evaluation) for found, evaluation in asked if evaluation.verdict == verdict]
        if stopped:
            refuse_stopped(
                stopped[0][1],
                committed=verdict is Verdict.BLOCKED,
                candidates=[found.candidate for found, _ in stopped],
                stopped=[
                    {"candidate": found.candidate, "reasons": told(evaluation.reasons)} for found, evaluation in stopped
                ],
            )


def decide(step: Step) -> None:
    """Note the day of the decision."""
    case: Batch = step.case
    case.decided_on = step.at.date()


def back_to_selecting(step: Step) -> None:
    """Forget the publicity: whoever is selected then is publicized anew."""
    case: Batch = step.case
    case.publicized_on = case.publicity_until = None


def implement(step: Step) -> None:
    """Note from when the posts are held. Raises 422 `OUT_OF_RANGE` for a day before the decision."""
    case: Batch = step.case
    day = step.form["appointed_on"]
    if case.decided_on is not None and not case.decided_on <= day <= step.at.date():
        raise Refusal(
            "OUT_OF_RANGE",
            zh=f"任职日期应在决定日 {case.decided_on} 至今日之间。",
            en=f"The day must not be before the decision of {case.decided_on}, nor later than today.",
            decided_on=case.decided_on.isoformat(),
        )
    case.implemented_on = day


def review_from(step: Step) -> datetime | None:
    """Return from when the time to the ordinary review runs; None for the kind that is followed longer."""
    case: Batch = step.case
    return None if case.kind == _TRACKED else _start(case)


def tracked_from(step: Step) -> datetime | None:
    """Return from when the time to the longer review runs."""
    case: Batch = step.case
    return _start(case) if case.kind == _TRACKED else None


def _start(case: Batch) -> datetime | None:
    return None if case.implemented_on is None else datetime.combine(case.implemented_on, time.min, ZONE)


def review_due(step: Step) -> None:
    """Raise 422 `REVIEW_TOO_EARLY` before the time after which a batch is reviewed (M10: 12 months)."""
    case: Batch = step.case
    if case.implemented_on is None:
        return
    period = step.rule("batch.review_period.tracked" if case.kind == _TRACKED else "batch.review_period")
    due = period.last_day(case.implemented_on).day
    if step.at.date() < due:
        raise Refusal(
            "REVIEW_TOO_EARLY",
            zh=f"任职满期限({due})后方可评估。",
            en=f"The batch is reviewed from {due} on.",
            due=due.isoformat(),
        )


def review(step: Step) -> None:
    """Note the day of the review."""
    case: Batch = step.case
    case.reviewed_on = step.at.date()


BATCH: Final = CaseType(
    service="incentive",
    kind="batch",
    collection="batches",
    zh="“六个一批”批次",
    en="batch of the six-batch programme",
    machine=BatchMachine,
    dataclass="L2",
    states={
        "PLANNED": ("计划中", "planned"),
        "APPROVED": ("已批准", "approved"),
        "OPEN": ("已启动", "open"),
        "SELECTING": ("遴选中", "selecting"),
        "PUBLICITY": ("公示中", "publicized"),
        "DECIDED": ("已决定", "decided"),
        "IMPLEMENTED": ("已实施", "implemented"),
        "REVIEWED": ("已评估", "reviewed"),
    },
    create=Action(zh="制定计划", en="plan", allow=SELECTORS, guards=(plain_texts,), effect=plan),
    actions={
        "revise": Action(zh="修改计划", en="revise the plan", allow=SELECTORS, guards=(plain_texts,), effect=plan),
        "approve": Action(
            zh="批准",
            en="approve",
            allow=COMMITTEE,
            guards=(plain_texts,),
            event=_EVENT.format("approved"),
            mandatory=False,
            not_after=("create", "revise"),
        ),
        "open": Action(
            zh="启动",
            en="open",
            allow=SELECTORS,
            guards=(plain_texts,),
            event=_EVENT.format("opened"),
            mandatory=False,
        ),
        "select": Action(zh="开始遴选", en="begin to select", allow=SELECTORS, guards=(plain_texts,)),
        "publicize": Action(
            zh="公示",
            en="publicize",
            allow=SELECTORS,
            guards=(plain_texts, somebody_selected),
            effect=publicize,
            event=_EVENT.format("publicized"),
            mandatory=False,
        ),
        "object": Action(
            zh="异议成立，退回遴选",
            en="return it for an objection",
            allow=OBJECTORS,
            guards=(plain_texts,),
            effect=back_to_selecting,
            event=_EVENT.format("returned"),
            mandatory=False,
            reason=True,
        ),
        "send_back": Action(
            zh="复核未通过，退回遴选",
            en="return it for the gate",
            effect=back_to_selecting,
            event=_EVENT.format("returned"),
            mandatory=False,
        ),
        "decide": Action(
            zh="决定",
            en="decide",
            allow=COMMITTEE,
            guards=(plain_texts, publicity_over, somebody_selected, all_pass),
            effect=decide,
            event=_EVENT.format("decided"),
            mandatory=False,
            not_after=("create", "revise", "publicize"),
            reason=True,
        ),
        "implement": Action(
            zh="实施任用",
            en="implement the appointments",
            allow=SELECTORS,
            guards=(plain_texts,),
            effect=implement,
            event=_EVENT.format("implemented"),
            mandatory=False,
            arms=(
                Arm(_REVIEW, "batch.review_limit", warn="deadline.warning", start=review_from),
                Arm(_REVIEW, "batch.review_limit.tracked", warn="deadline.warning", start=tracked_from),
            ),
        ),
        "review": Action(
            zh="评估",
            en="review",
            allow=SELECTORS,
            guards=(plain_texts, review_due),
            effect=review,
            event=_EVENT.format("reviewed"),
            mandatory=False,
            closes=(_REVIEW,),
            reason=True,
        ),
    },
)

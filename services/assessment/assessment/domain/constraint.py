"""Caps and bars on a grade (A14): what sources ask for, how it combines, and what a person confirms.

    FORCED > FLOOR_NONE > NO_GRADE > the lowest CAP

FLOOR_NONE is an open case: neither comment nor grade for now, a make-up grade later. A constraint that rests on findings
falls with the last of them; one that only proposes counts for nothing until a person has confirmed it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from assessment.domain.grade import Grade, GradeStatus, heavier
from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal

REASONS: Final = "constraint.reasons"
GONE: Final = frozenset({"REJECTED", "REVOKED"})
"""States of a finding on which nothing rests any more."""


class Kind(StrEnum):
    """What a constraint does to the grade: the heaviest comes first."""

    FORCED = "FORCED"
    FLOOR_NONE = "FLOOR_NONE"
    NO_GRADE = "NO_GRADE"
    CAP = "CAP"


_ORDER: Final = tuple(Kind)
_GRADED: Final = frozenset({Kind.CAP, Kind.FORCED})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a source wants of a year's grade.

    - `grade`: the best that a CAP allows, the one that FORCED gives; None for the other kinds.
    - `findings`: what it rests on alone; empty where it rests on something else.
    - `open_ended`: it holds for the later years too, until it is lifted.
    - `proposal`: a person must confirm it first.
    - `hidden`: the person concerned is not to learn of it (an open case).
    """

    year: int
    kind: Kind
    reason_code: str
    grade: Grade | None = None
    findings: tuple[str, ...] = ()
    open_ended: bool = False
    proposal: bool = False
    hidden: bool = False
    rule_packs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.grade is not None) != (self.kind in _GRADED):
            raise ValueError(f"{self.kind} does not go with grade {self.grade}")

    @property
    def key(self) -> tuple[int, str, str | None, str]:
        """What makes it the same as another of its source."""
        return self.year, self.kind.value, self.grade and self.grade.value, self.reason_code


class Held(Protocol):
    """A constraint as it is kept; `findings` and `rule_packs` are replaced, never changed in place."""

    id: str
    state: str
    cadre: str
    unit: str | None
    year: int
    kind: str
    grade: str | None
    reason_code: str
    source: str
    findings: list[str]
    open_ended: bool
    hidden: bool
    rule_packs: list[str]
    active_at: datetime | None
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Part:
    """One constraint in the explanation of a result; `decisive` where the result would differ without its like."""

    constraint: str
    year: int
    kind: Kind
    grade: Grade | None
    reason_code: str
    source: str
    findings: tuple[str, ...]
    decisive: bool
    rule_packs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Combined:
    """What all constraints of a year come to.

    `status` says whether the year is graded; `forced` is the grade that it then has, `cap` the best that it may have;
    `parts` are all constraints, the heaviest first.
    """

    status: GradeStatus = GradeStatus.GRADED
    forced: Grade | None = None
    cap: Grade | None = None
    parts: tuple[Part, ...] = ()

    def applied(self, proposed: Grade | None) -> Grade | None:
        """Return the grade that `proposed` comes to; None where the year has none."""
        if self.forced is not None:
            return self.forced
        if self.status is not GradeStatus.GRADED or proposed is None:
            return None
        return proposed if self.cap is None else heavier(proposed, self.cap)


def combine(constraints: Iterable[Held]) -> Combined:
    """Return what the constraints of one year come to; their order and number make no difference."""
    held = sorted(constraints, key=_rank)
    if not held:
        return Combined()
    kind = Kind(held[0].kind)
    forced = cap = None
    status = GradeStatus.GRADED
    if kind is Kind.FORCED:
        forced = _worst(held, Kind.FORCED)
    elif kind is Kind.FLOOR_NONE:
        status = GradeStatus.PENDING_MAKEUP
    elif kind is Kind.NO_GRADE:
        status = GradeStatus.NO_GRADE
    cap = _worst(held, Kind.CAP)
    return Combined(status, forced, cap, tuple(_part(each, kind, forced or cap) for each in held))


def _rank(each: Held) -> tuple[int, int, str, str, str]:
    burden = Grade(each.grade).burden if each.grade else 0
    return _ORDER.index(Kind(each.kind)), -burden, each.reason_code, each.source, each.id


def _worst(held: Iterable[Held], kind: Kind) -> Grade | None:
    grades = [Grade(each.grade) for each in held if each.kind == kind and each.grade]
    return max(grades, key=lambda grade: grade.burden, default=None)


def _part(each: Held, deciding: Kind, grade: Grade | None) -> Part:
    own = Grade(each.grade) if each.grade else None
    return Part(
        constraint=each.id,
        year=each.year,
        kind=Kind(each.kind),
        grade=own,
        reason_code=each.reason_code,
        source=each.source,
        findings=tuple(each.findings),
        decisive=each.kind == deciding and (own is None or own is grade),
        rule_packs=tuple(each.rule_packs),
    )


def in_force(wanted: Iterable[Wanted], excused: Collection[str]) -> list[Wanted]:
    """Return what still stands of `wanted` when the findings `excused` count for nothing."""
    return [each for each in wanted if not each.findings or set(each.findings) - set(excused)]


def explain(found: Combined, reasons: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Return why a year's grade is bound, in Chinese and English. `reasons` are the labels of the codes."""
    if not found.parts:
        return "本年度无等次限制。", "Nothing binds the grade of this year."
    deciding = [part for part in found.parts if part.decisive]
    zh = "、".join(dict.fromkeys(reasons[part.reason_code]["zh"] for part in deciding))
    en = ", ".join(dict.fromkeys(reasons[part.reason_code]["en"] for part in deciding))
    if found.forced is not None:
        what = f"等次定为{_ZH[found.forced]}", f"the grade is {found.forced.value}"
    elif found.status is GradeStatus.PENDING_MAKEUP:
        what = "暂不写评语、不定等次，结案后补定", "neither comment nor grade for now; a make-up grade follows"
    elif found.status is GradeStatus.NO_GRADE:
        what = "只写评语，不定等次", "comment only, no grade"
    elif found.cap is not None:
        what = f"等次不高于{_ZH[found.cap]}", f"no better than {found.cap.value}"
    else:
        raise ValueError("constraints that come to nothing")
    return f"{what[0]}：{zh}。", f"{what[1]}: {en}."


_ZH: Final = {
    Grade.EXCELLENT: "优秀",
    Grade.COMPETENT: "称职",
    Grade.BASICALLY_COMPETENT: "基本称职",
    Grade.INCOMPETENT: "不称职",
}


class ConstraintMachine(StateMachine):
    """PROPOSED → ACTIVE → LIFTED, or PROPOSED → DECLINED. What needs no person begins as ACTIVE."""

    PROPOSED = State(initial=True)
    ACTIVE = State()
    DECLINED = State(final=True)
    LIFTED = State(final=True)

    confirm = PROPOSED.to(ACTIVE)
    decline = PROPOSED.to(DECLINED)
    lift = ACTIVE.to(LIFTED) | PROPOSED.to(LIFTED)


def scope(case: Held) -> Scope:
    """Return whom a constraint concerns: the cadre, who learns of it once it counts and is not of an open case."""
    # A cadre who is not in the roster is in nobody's part of the city, only in the whole.
    unit = case.unit if case.unit is not None else "?"
    shown = not case.hidden and case.state in ("ACTIVE", "LIFTED") and case.active_at is not None
    return Scope(units=frozenset({unit}), persons=frozenset({case.cadre}), disclosed=shown)


def opened_by_sources(step: Step) -> None:
    """Raise 403 `FORBIDDEN`: constraints follow from their sources, nobody opens one by hand."""
    raise Refusal(
        "FORBIDDEN",
        zh="等次约束由来源事项产生，不能手工新建。",
        en="Constraints follow from their sources; nobody opens one by hand.",
        status=403,
    )


def confirm(step: Step) -> None:
    """Let the proposal count from now on."""
    case: Held = step.case
    case.active_at = step.at


def lift(step: Step) -> None:
    """Note when it stopped to count."""
    case: Held = step.case
    case.lifted_at = step.at


ADDED: Final = "assessment.constraint.added.v1"
LIFTED: Final = "assessment.constraint.lifted.v1"
_DECIDERS: Final[Mapping[str, Reach]] = MappingProxyType({"COMM": Reach.OFFICE})

CONSTRAINT: Final = CaseType(
    service="assessment",
    kind="constraint",
    collection="constraints",
    zh="等次约束",
    en="constraint on a grade",
    machine=ConstraintMachine,
    states=MappingProxyType(
        {
            "PROPOSED": ("待确认", "proposed"),
            "ACTIVE": ("生效", "active"),
            "DECLINED": ("未采纳", "declined"),
            "LIFTED": ("已解除", "lifted"),
        }
    ),
    create=Action(zh="产生", en="follow from a source", guards=(opened_by_sources,)),
    actions=MappingProxyType(
        {
            "confirm": Action(zh="确认", en="confirm", allow=_DECIDERS, effect=confirm, event=ADDED, reason=True),
            "decline": Action(zh="不采纳", en="decline", allow=_DECIDERS, reason=True),
            "lift": Action(zh="解除", en="lift", effect=lift, event=LIFTED),
        }
    ),
)


def wanted_of(content: Mapping[str, Any]) -> Wanted:
    """Return what a source wanted, from how it is kept."""
    return Wanted(
        year=content["year"],
        kind=Kind(content["kind"]),
        reason_code=content["reason_code"],
        grade=Grade(content["grade"]) if content["grade"] else None,
        findings=tuple(content["findings"]),
        open_ended=content["open_ended"],
        proposal=content["proposal"],
        hidden=content["hidden"],
        rule_packs=tuple(content["rule_packs"]),
    )

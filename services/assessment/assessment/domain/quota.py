"""How many may be excellent (A13): a share of those assessed, rounded as the rules say, fixed before grades are approved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from assessment.domain.deduction import decimal_text
from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal


class Category(StrEnum):
    """Whose share it is: leading groups, leading cadres, or the other civil servants."""

    GROUP = "GROUP"
    CADRE = "CADRE"
    CIVIL_SERVANT = "CIVIL_SERVANT"


ROUNDINGS: Final[Mapping[str, str]] = {"HALF_UP": ROUND_HALF_UP, "FLOOR": ROUND_FLOOR}


class Quota(Protocol):
    """What the rules read and change of a quota. `unit` is None where the whole city is one pool."""

    id: str
    state: str
    year: int
    category: str
    unit: str | None
    group_grade: str | None
    approved_higher: bool
    ratio: Decimal
    rounding: str
    counts_no_grade: bool
    base: int
    most: int


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a quota is used."""

    quota: str
    state: str
    used: int
    most: int
    base: int
    ratio: Decimal
    rounding: str

    @property
    def figures(self) -> dict[str, Any]:
        """The figures behind a refusal, and in an explanation."""
        return {
            "used": self.used,
            "limit": self.most,
            "base": self.base,
            "ratio": decimal_text(self.ratio),
            "rounding": self.rounding,
        }


@dataclass(frozen=True, slots=True)
class QuotaFacts:
    """What was looked up: who is due to take part, whether the pool has a quota already, the group's grade."""

    base: int = 0
    duplicate: bool = False
    unit_known: bool = True
    group_grade: str | None = None


class QuotaMachine(StateMachine):
    """COMPUTED → LOCKED → USED once the first excellent grade is approved."""

    COMPUTED = State(initial=True)
    LOCKED = State()
    USED = State(final=True)

    recompute = COMPUTED.to(COMPUTED)
    lock = COMPUTED.to(LOCKED)
    use = LOCKED.to(USED)


def most(base: int, ratio: Decimal, rounding: str) -> int:
    """Return how many of `base` may be excellent: `ratio` per cent, rounded HALF_UP or FLOOR."""
    return int((base * ratio / 100).to_integral_value(ROUNDINGS[rounding]))


def pool_unit(category: str, linked: bool, unit: str) -> str | None:
    """Return the unit that is a pool of its own, None where the city is one: only cadres' quotas follow a group's grade."""
    return unit if linked and category == Category.CADRE else None


def category_of(kind: str, categories: list[str], leading: tuple[str, ...]) -> str:
    """Return whose quota a subject falls under; `leading` are the roster's categories of leading cadres."""
    if kind == "GROUP":
        return Category.GROUP
    if "CIVIL_SERVANT" in categories and not set(leading) & set(categories):
        return Category.CIVIL_SERVANT
    return Category.CADRE


def compute(step: Step) -> None:
    """Take the form over and reckon the quota. Raises 409 `DUPLICATE`, 422 `UNKNOWN_UNIT`, `POOL_UNIT`, `GROUP_FIRST`."""
    case: Quota = step.case
    facts: QuotaFacts = step.facts
    form = step.form
    if step.action == "create":
        case.year, case.category, case.unit = form["year"], form["category"], form.get("unit")
        case.approved_higher = bool(form.get("approved_higher", False))
    if facts.duplicate:
        raise Refusal("DUPLICATE", zh="该范围已有指标。", en="There is a quota for this pool already.", status=409)
    linked = bool(step.rule("quota.linked")) and case.category == Category.CADRE
    if linked != (case.unit is not None):
        raise Refusal(
            "POOL_UNIT",
            zh="比例与班子等次挂钩时须按单位核定，否则按全市核定。",
            en="Where shares follow the group's grade the pool is a unit, else the city.",
            linked=linked,
        )
    if not facts.unit_known:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.")
    if linked and facts.group_grade is None:
        raise _group_first()
    case.group_grade = facts.group_grade if linked else None
    case.ratio = _ratio(step)
    case.rounding = step.rule("quota.rounding")
    case.counts_no_grade = bool(step.rule("quota.counts_no_grade"))
    case.base = facts.base
    case.most = most(case.base, case.ratio, case.rounding)


def still_fits(step: Step) -> None:
    """Raise 422 `QUOTA_STALE`, with the figures, where others take part by now, or the group's grade has changed."""
    case: Quota = step.case
    facts: QuotaFacts = step.facts
    figures: dict[str, Any] = {}
    if facts.base != case.base:
        figures = {"base": case.base, "now": facts.base}
    elif case.group_grade is not None and facts.group_grade != case.group_grade:
        figures = {"group_grade": case.group_grade, "now": facts.group_grade}
    if figures:
        raise Refusal(
            "QUOTA_STALE",
            zh="测算后应参加人数或班子等次已变化，请重新测算再锁定。",
            en="Those who take part, or the grade of the group, changed since it was computed; compute it anew, then lock it.",
            **figures,
        )


def _ratio(step: Step) -> Decimal:
    case: Quota = step.case
    if case.group_grade is not None:
        return Decimal(step.rule("quota.ratio.by_group")[case.group_grade])
    key = case.category.lower()
    if case.category == Category.CIVIL_SERVANT and case.approved_higher:
        key += "_approved"
    return Decimal(step.rule(f"quota.ratio.{key}"))


def _group_first() -> Refusal:
    return Refusal(
        "GROUP_FIRST",
        zh="班子等次尚未审定，请先审定班子。",
        en="The grade of the group is not approved yet; it comes first.",
    )


def refuse_exceeding(use: Callable[[], Use | None]) -> Use:
    """Return the use of the quota, with room for one more.

    Raises 422 `QUOTA_NOT_LOCKED` where none is fixed, `QUOTA_EXCEEDED` with the figures where it is used up.
    """
    found = use()
    if found is None or found.state == "COMPUTED":
        raise Refusal(
            "QUOTA_NOT_LOCKED",
            zh="优秀指标尚未核定锁定。",
            en="The quota of excellent grades is not locked yet.",
        )
    if found.used >= found.most:
        raise Refusal(
            "QUOTA_EXCEEDED",
            zh=f"优秀名额已用 {found.used} 个，上限 {found.most} 个。",
            en=f"{found.used} of {found.most} excellent grades are used.",
            **found.figures,
        )
    return found


def scope(case: Quota) -> Scope:
    """Return whom a quota concerns: the unit whose pool it is, or nobody in particular."""
    return Scope(units=frozenset({case.unit} if case.unit else ()))


_KEEPERS: Final[Mapping[str, Reach]] = {"ORG.assess": Reach.OFFICE}

QUOTA: Final = CaseType(
    service="assessment",
    kind="quota",
    collection="quotas",
    zh="优秀指标",
    en="quota",
    machine=QuotaMachine,
    dataclass="L2",
    states={
        "COMPUTED": ("已测算", "computed"),
        "LOCKED": ("已锁定", "locked"),
        "USED": ("已使用", "used"),
    },
    create=Action(zh="测算指标", en="compute a quota", allow=_KEEPERS, effect=compute),
    actions={
        "recompute": Action(zh="重新测算", en="compute it anew", allow=_KEEPERS, effect=compute),
        "lock": Action(
            zh="锁定",
            en="lock",
            allow=_KEEPERS,
            guards=(still_fits,),
            event="assessment.quota.locked.v1",
            mandatory=False,
            eyes=2,
        ),
        "use": Action(zh="启用", en="take into use"),
    },
)

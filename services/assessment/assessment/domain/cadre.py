"""Cadres in the roster as cases (A1): registered by an import; then posts change, some are suspended, some leave.

Nobody is ever deleted: who left stays readable, with all posts held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, with_plain_reasons


class Registered(Protocol):
    """What the rules read and change of a registered cadre; `effective_on` is the first day of what holds now."""

    id: str
    state: str
    name: str
    birth: date
    unit: str
    post: str
    post_since: date
    rank: str
    manage_level: str
    categories: list[str]
    effective_on: date


@dataclass(frozen=True, slots=True)
class CadreFacts:
    """What was looked up: whether the unit that the form names is registered."""

    unit_known: bool = False


class CadreMachine(StateMachine):
    """ACTIVE → SUSPENDED → LEFT, or back to ACTIVE; who has left does not come back under the same entry."""

    ACTIVE = State(initial=True)
    SUSPENDED = State()
    LEFT = State(final=True)

    change_post = ACTIVE.to(ACTIVE) | SUSPENDED.to(SUSPENDED)
    suspend = ACTIVE.to(SUSPENDED)
    reinstate = SUSPENDED.to(ACTIVE)
    leave = ACTIVE.to(LEFT) | SUSPENDED.to(LEFT)


def scope(case: Registered) -> Scope:
    """Return whom an entry concerns: the person, and the unit of the post."""
    return Scope(units=frozenset({case.unit}), persons=frozenset({case.id}))


def change_post(step: Step) -> None:
    """Take over post, unit, rank and the like.

    Raises 422 `UNKNOWN_UNIT`, `UNKNOWN_VALUE` (not in the catalogue in force), `POST_BEFORE_ADULT`, `NOTHING_CHANGED`, 403
    `DATA_SCOPE` (the new unit is outside the officer's), 451 `SECRECY_LEVEL`, and the refusals of `from_day`.
    """
    case: Registered = step.case
    facts: CadreFacts = step.facts
    form = step.form
    unit = form["unit"]
    if not facts.unit_known:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.", units=[unit])
    if step.actor.units is not None and unit not in step.actor.units:
        raise Refusal(
            "DATA_SCOPE",
            zh="调入单位不在您的数据权限范围内。",
            en="The new unit is outside your data scope.",
            status=403,
            unit=unit,
        )
    refuse_marked((form["post"], form.get("document")), step.rules)
    _check_catalogues(step)
    day: date = form["post_since"]
    least = step.rule("roster.least_age")
    if day < _birthday(case.birth, least.amount):
        raise Refusal(
            "POST_BEFORE_ADULT",
            zh=f"任职时间早于年满 {least.amount} 周岁。",
            en=f"The post begins before the age of {least.amount}.",
            age=least.amount,
        )
    categories = sorted(set(form["categories"])) if "categories" in form else list(case.categories)
    new = (unit, form["post"], form["rank"], form["manage_level"], categories)
    if new == (case.unit, case.post, case.rank, case.manage_level, sorted(case.categories)):
        raise Refusal("NOTHING_CHANGED", zh="任职信息没有变化。", en="Nothing about the post changes.")
    from_day(step, day)
    case.unit, case.post, case.rank, case.manage_level, case.categories = new
    case.post_since = day


def _check_catalogues(step: Step) -> None:
    form = step.form
    for field, key, values in (
        ("rank", "roster.ranks", [form["rank"]]),
        ("manage_level", "roster.manage_levels", [form["manage_level"]]),
        ("categories", "roster.categories", form.get("categories") or []),
    ):
        unknown = sorted(set(values) - set(step.rule(key)))
        if unknown:
            raise Refusal(
                "UNKNOWN_VALUE",
                zh="不在现行目录内。",
                en="The catalogue in force has no such value.",
                field=field,
                values=unknown,
            )


def _birthday(birth: date, age: int) -> date:
    try:
        return birth.replace(year=birth.year + age)
    except ValueError:
        return date(birth.year + age, 3, 1)


def from_day(step: Step, day: date) -> None:
    """Let what changes hold from `day`. Raises 422 `DATE_IN_FUTURE`, and `DATE_RANGE` where an earlier change is later."""
    case: Registered = step.case
    if day > step.at.date():
        raise Refusal("DATE_IN_FUTURE", zh="日期不得晚于今天。", en="The day lies ahead.")
    if day < case.effective_on:
        raise Refusal(
            "DATE_RANGE",
            zh=f"不得早于上一次变动的日期 {case.effective_on}。",
            en=f"It cannot be earlier than the change before, of {case.effective_on}.",
            earliest=case.effective_on.isoformat(),
        )
    case.effective_on = day


def change_state(step: Step) -> None:
    """Let the new state hold from the day that the form gives, today where it gives none. Raises as `from_day`."""
    refuse_marked((step.form.get("document"),), step.rules)
    from_day(step, step.form.get("effective_on") or step.at.date())


def leave(step: Step) -> None:
    """Note that the cadre left, and how. Raises 422 `UNKNOWN_VALUE`, and as `change_state`."""
    if step.form["how"] not in step.rule("roster.leavings"):
        raise Refusal(
            "UNKNOWN_VALUE",
            zh="不在现行目录内。",
            en="The catalogue in force has no such value.",
            field="how",
            values=[step.form["how"]],
        )
    change_state(step)


_KEEPERS: Final[Mapping[str, Reach]] = {"ORG.cadre": Reach.OFFICE, "COMM": Reach.OFFICE}
_EVENT: Final = "assessment.cadre.{}.v1"


def _step(zh: str, en: str, past: str, effect: Any) -> Action:
    return Action(zh=zh, en=en, allow=_KEEPERS, effect=effect, event=_EVENT.format(past), reason=True)


CADRE: Final = CaseType(
    service="assessment",
    kind="cadre",
    collection="cadres",
    zh="干部",
    en="cadre",
    machine=CadreMachine,
    dataclass="L3",
    states={"ACTIVE": ("在职", "in office"), "SUSPENDED": ("停职", "suspended"), "LEFT": ("已离开", "left")},
    create=Action(zh="登记", en="register by an import", event=_EVENT.format("registered")),
    actions=with_plain_reasons(
        {
            "change_post": _step("职务变动", "change the post", "post-changed", change_post),
            "suspend": _step("停职", "suspend", "suspended", change_state),
            "reinstate": _step("复职", "reinstate", "reinstated", change_state),
            "leave": _step("离开", "leave", "left", leave),
        }
    ),
)

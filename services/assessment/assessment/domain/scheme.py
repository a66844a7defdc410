"""The scheme of a year's assessment (A6): dimensions with weights that total 100, and the points of each grade."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from assessment.domain.deduction import decimal_text
from assessment.domain.grading import GRADES, HUNDRED
from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal


class Scheme(Protocol):
    """What the rules read and change of a scheme. Weights and bands are decimal texts by code."""

    id: str
    state: str
    year: int
    target_kind: str
    weights: dict[str, str]
    bands: dict[str, str]


@dataclass(frozen=True, slots=True)
class SchemeFacts:
    """What was looked up: whether the year has a scheme for that kind already."""

    duplicate: bool = field(default=False)


class SchemeMachine(StateMachine):
    """DRAFT → PUBLISHED → FROZEN by the first assessment that is opened under it. A frozen one refuses to be revised."""

    DRAFT = State(initial=True)
    PUBLISHED = State()
    FROZEN = State()

    revise = DRAFT.to(DRAFT) | PUBLISHED.to(DRAFT) | FROZEN.to(FROZEN)
    publish = DRAFT.to(PUBLISHED)
    freeze = PUBLISHED.to(FROZEN)


def not_frozen(step: Step) -> None:
    """Raise 422 `SCHEME_FROZEN` where somebody has been assessed under the scheme."""
    if step.case.state == "FROZEN":
        raise Refusal(
            "SCHEME_FROZEN",
            zh="已有考核记录，方案不得再修改。",
            en="An assessment has been opened under the scheme; it is not changed any more.",
        )


def draft(step: Step) -> None:
    """Take over year, kind, weights and bands; without them the city's defaults hold.

    Raises 409 `DUPLICATE`, 422 `UNKNOWN_DIMENSION`, `WEIGHT_SUM`, `BANDS_ORDER`.
    """
    case: Scheme = step.case
    facts: SchemeFacts = step.facts
    form = step.form
    if step.action == "create":
        case.year, case.target_kind = form["year"], form["target_kind"]
    if facts.duplicate:
        raise Refusal(
            "DUPLICATE", zh="该年度已有此类方案。", en="The year has a scheme of this kind already.", status=409
        )
    kind = case.target_kind.lower()
    weights = form.get("weights") or step.rule(f"annual.weights.{kind}")
    bands = form.get("bands") or step.rule(f"annual.bands.{kind}")
    unknown = sorted(set(weights) - set(step.rule(f"annual.dimensions.{kind}")))
    if unknown:
        raise Refusal(
            "UNKNOWN_DIMENSION",
            zh="考核维度不在目录内。",
            en="The catalogue has no such dimension.",
            dimensions=unknown,
        )
    total = sum((Decimal(weight) for weight in weights.values()), Decimal(0))
    if total != HUNDRED:
        raise Refusal(
            "WEIGHT_SUM",
            zh=f"权重合计应为 100，现为 {decimal_text(total)}。",
            en=f"The weights total {decimal_text(total)}, not 100.",
            total=decimal_text(total),
            wanted="100",
        )
    _check_bands(case.target_kind, bands)
    case.weights = {code: decimal_text(Decimal(weight)) for code, weight in sorted(weights.items())}
    case.bands = {grade: decimal_text(Decimal(bands[grade])) for grade in GRADES[case.target_kind][:-1]}


def _check_bands(kind: str, bands: Mapping[str, Any]) -> None:
    wanted = GRADES[kind][:-1]
    least = [Decimal(bands[grade]) for grade in wanted if grade in bands]
    if set(bands) != set(wanted) or any(lower >= upper for upper, lower in pairwise(least)):
        raise Refusal(
            "BANDS_ORDER",
            zh="各等次分数线应齐全且由高到低。",
            en="Every grade but the worst has its least points, and a better grade wants more.",
            grades=list(wanted),
        )


def scope(case: Scheme) -> Scope:
    """Return whom a scheme concerns: nobody in particular."""
    return Scope()


_KEEPERS: Final[Mapping[str, Reach]] = {"ORG.assess": Reach.OFFICE}

SCHEME: Final = CaseType(
    service="assessment",
    kind="scheme",
    collection="schemes",
    zh="考核方案",
    en="scheme",
    machine=SchemeMachine,
    dataclass="L2",
    states={
        "DRAFT": ("草稿", "draft"),
        "PUBLISHED": ("已发布", "published"),
        "FROZEN": ("已冻结", "frozen"),
    },
    create=Action(zh="拟定方案", en="draft a scheme", allow=_KEEPERS, effect=draft),
    actions={
        "revise": Action(zh="修改", en="revise", allow=_KEEPERS, guards=(not_frozen,), effect=draft),
        "publish": Action(
            zh="发布", en="publish", allow=_KEEPERS, event="assessment.scheme.published.v1", mandatory=False
        ),
        "freeze": Action(zh="冻结", en="freeze"),
    },
)

"""How a grade comes about: dimensions are weighed, findings deduct, bands give a grade, limits hold it down (A8, A14, A18)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final

from assessment.domain.deduction import decimal_text
from assessment.domain.grade import GradeStatus
from citybus.errors import Refusal

HUNDRED: Final = Decimal(100)


class SubjectKind(StrEnum):
    """Who is assessed: a cadre, or the leading group of a unit (班子)."""

    CADRE = "CADRE"
    GROUP = "GROUP"


class LimitKind(StrEnum):
    """What a limit does to a grade: fix it, put it off (an open case), forbid any, or hold it at a highest one."""

    FORCED = "FORCED"
    FLOOR_NONE = "FLOOR_NONE"
    NO_GRADE = "NO_GRADE"
    CAP = "CAP"


EXCELLENT: Final = "EXCELLENT"
GRADES: Final[Mapping[str, tuple[str, ...]]] = {
    SubjectKind.CADRE: (EXCELLENT, "COMPETENT", "BASICALLY_COMPETENT", "INCOMPETENT"),
    SubjectKind.GROUP: (EXCELLENT, "GOOD", "ORDINARY", "POOR"),
}
"""The grades of each kind of subject, the best first."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One constraint on the grade of a year, with the reason and the subject that it comes from (`recall/<id>`)."""

    kind: str
    grade: str | None
    reason_code: str
    source: str
    rule_packs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one dimension contributes: `points` = `weight` × `score` / 100."""

    dimension: str
    weight: Decimal
    score: Decimal
    points: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rules make of a year. `band` is the grade by points alone, `grade` the one within all limits."""

    composite: Decimal
    band: str
    grade: str | None
    status: str


def rank(kind: str, grade: str) -> int:
    """Return how good a grade is: a greater number is a better grade."""
    return -GRADES[kind].index(grade)


def parts(weights: Mapping[str, Any], scores: Mapping[str, Any]) -> list[Part]:
    """Return what each weighed dimension contributes."""
    found = []
    for dimension, weight in weights.items():
        score = Decimal(scores[dimension])
        found.append(Part(dimension, Decimal(weight), score, Decimal(weight) * score / HUNDRED))
    return found


def composite(weights: Mapping[str, Any], scores: Mapping[str, Any], deduction: Decimal) -> Decimal:
    """Return Σ weight × score − deduction in points, never below 0 (A8)."""
    total = sum((part.points for part in parts(weights, scores)), Decimal(0))
    return max(Decimal(0), total - deduction)


def band(kind: str, bands: Mapping[str, Any], points: Decimal) -> str:
    """Return the grade of a number of points: the best whose least points are reached, else the worst."""
    for grade in GRADES[kind]:
        if grade in bands and points >= Decimal(bands[grade]):
            return grade
    return GRADES[kind][-1]


def limited(kind: str, grade: str, limits: Iterable[Limit]) -> tuple[str | None, str]:
    """Return the grade within `limits` and its status: FORCED > open case > NO_GRADE > the lowest CAP (A14)."""
    limits = list(limits)
    forced = [limit.grade for limit in limits if limit.kind == LimitKind.FORCED and limit.grade]
    if forced:
        return min(forced, key=lambda each: rank(kind, each)), GradeStatus.GRADED
    if any(limit.kind == LimitKind.FLOOR_NONE for limit in limits):
        return None, GradeStatus.PENDING_MAKEUP
    if any(limit.kind == LimitKind.NO_GRADE for limit in limits):
        return None, GradeStatus.NO_GRADE
    caps = [limit.grade for limit in limits if limit.kind == LimitKind.CAP and limit.grade]
    return min([grade, *caps], key=lambda each: rank(kind, each)), GradeStatus.GRADED


def assess(
    kind: str,
    weights: Mapping[str, Any],
    scores: Mapping[str, Any],
    deduction: Decimal,
    bands: Mapping[str, Any],
    limits: Sequence[Limit],
) -> Outcome:
    """Return what the rules make of a year: composite, band, then limits."""
    points = composite(weights, scores, deduction)
    by_points = band(kind, bands, points)
    grade, status = limited(kind, by_points, limits)
    return Outcome(points, by_points, grade, status)


def refuse_above_limits(kind: str, grade: str, limits: Sequence[Limit]) -> None:
    """Raise 409 `CAP_VIOLATION`, with the constraints, where `grade` is better than they leave."""
    best, status = limited(kind, grade, limits)
    if status == GradeStatus.GRADED and best is not None and rank(kind, best) >= rank(kind, grade):
        return
    raise Refusal(
        "CAP_VIOLATION",
        zh="等次超出约束，请按约束清单确定等次。",
        en="The grade is better than the constraints on it allow; see their list.",
        status=409,
        grade=grade,
        allowed=best,
        constraints=[limit_data(limit) for limit in limits],
    )


def limit_data(limit: Limit) -> dict[str, Any]:
    """Return a limit as plain data: what is stored and shown."""
    return {
        "kind": str(limit.kind),
        "grade": limit.grade,
        "reason_code": limit.reason_code,
        "source": limit.source,
        "rule_packs": list(limit.rule_packs),
    }


def two_places(value: Decimal) -> Decimal:
    """Return a score rounded half-up to two places."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def score_text(value: Any) -> str:
    """Return a score as exact decimal text."""
    return decimal_text(Decimal(value))


def pending(limits: Iterable[Limit]) -> bool:
    """Say whether an open case puts the grade off: neither comment nor grade for now (1.3), unless one is forced anyway."""
    kinds = {limit.kind for limit in limits}
    return LimitKind.FLOOR_NONE in kinds and LimitKind.FORCED not in kinds


def without_grade(limits: Iterable[Limit]) -> bool:
    """Say whether the year has a comment and no grade."""
    kinds = {limit.kind for limit in limits}
    return LimitKind.NO_GRADE in kinds and LimitKind.FORCED not in kinds


def burden(kind: str, grade: str | None) -> Decimal:
    """Return how much a result burdens: no grade lies between the worst grade and the one above it."""
    worst = len(GRADES[kind]) - 1
    return worst - Decimal("0.5") if grade is None else Decimal(-rank(kind, grade))

"""Facts that an assessment rests on: ballots by class of voters (A11), grades of quarters (A7), talks by two (A12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from assessment.domain.grading import GRADES, two_places
from citybus.errors import Refusal


class Rules(Protocol):
    """The rules of a day."""

    def __getitem__(self, key: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class VoterClass:
    """What one class of voters gave: how many were expected, and the ballots for each grade."""

    name: str
    expected: int
    counts: Mapping[str, int]

    @property
    def ballots(self) -> int:
        """How many valid ballots there are."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class BallotCount:
    """A counted session: `score` of 100, `turnout` as a part of 1, and what that means by the rules."""

    turnout: Decimal
    valid: bool
    score: Decimal
    flagged: bool


def count_ballots(kind: str, classes: Sequence[VoterClass], rules: Rules) -> BallotCount:
    """Count a session.

    Each class has the mean of its ballots' points; classes weigh as the rules say, renormalised over those that have a
    valid ballot. Valid is a session in which enough of those expected took part. It is flagged where many judged badly.
    Raises 422 `UNKNOWN_CLASS`, `UNKNOWN_GRADE`, `MORE_THAN_EXPECTED`.
    """
    weights: Mapping[str, Any] = rules["ballot.class_weights"]
    points: Mapping[str, Any] = rules[f"ballot.points.{kind.lower()}"]
    for each in classes:
        _check_class(kind, each, weights)
    expected = sum(each.expected for each in classes)
    ballots = sum(each.ballots for each in classes)
    least = rules["ballot.turnout"]
    valid = ballots > 0 and ballots * least["of"] >= expected * least["least"]
    counted = [each for each in classes if each.ballots]
    score = Decimal(0)
    if counted:
        whole = sum((Decimal(weights[each.name]) for each in counted), Decimal(0))
        for each in counted:
            mean = sum((Decimal(points[grade]) * count for grade, count in each.counts.items()), Decimal(0))
            score += Decimal(weights[each.name]) / whole * mean / each.ballots
    bad = sum(each.counts.get(grade, 0) for each in classes for grade in GRADES[kind][2:])
    flag = rules["ballot.flag"]
    return BallotCount(
        turnout=Decimal(ballots) / Decimal(expected) if expected else Decimal(0),
        valid=valid,
        score=two_places(score),
        flagged=ballots > 0 and bad * flag["of"] >= ballots * flag["least"],
    )


def _check_class(kind: str, each: VoterClass, weights: Mapping[str, Any]) -> None:
    if each.name not in weights:
        raise Refusal("UNKNOWN_CLASS", zh="没有该类投票人。", en="There is no such class of voters.", name=each.name)
    unknown = sorted(set(each.counts) - set(GRADES[kind]))
    if unknown:
        raise Refusal("UNKNOWN_GRADE", zh="没有该等次。", en="There is no such grade.", grades=unknown)
    if each.ballots > each.expected:
        raise Refusal(
            "MORE_THAN_EXPECTED",
            zh="有效票数多于应参加人数。",
            en="There are more ballots than voters.",
            name=each.name,
            expected=each.expected,
            ballots=each.ballots,
        )


def shown_classes(classes: Sequence[Mapping[str, Any]], hide_below: int) -> list[dict[str, Any]]:
    """Return the classes as they may be shown: the detail of one with few ballots would tell who voted how."""
    return [
        {**each, "counts": each["counts"] if sum(each["counts"].values()) >= hide_below else None} for each in classes
    ]


def check_routine(grade: str, basis: Collection[str], rules: Rules) -> Decimal:
    """Return the score of a routine grade. Raises 422 `UNKNOWN_GRADE`, `UNKNOWN_BASIS`, `BASIS_MISSING`."""
    grades: Mapping[str, Any] = rules["routine.points"]
    if grade not in grades:
        raise Refusal("UNKNOWN_GRADE", zh="没有该等次。", en="There is no such grade.", grades=[grade])
    if not basis:
        raise Refusal("BASIS_MISSING", zh="请注明评定依据。", en="A routine grade cites what it rests on.", least=1)
    unknown = sorted(set(basis) - set(rules["routine.basis"]))
    if unknown:
        raise Refusal("UNKNOWN_BASIS", zh="评定依据不在目录内。", en="The catalogue has no such basis.", basis=unknown)
    return Decimal(grades[grade])


def check_interviewers(
    interviewers: Sequence[str], subject: str | None, colleagues: Collection[str], rules: Rules
) -> None:
    """Raise 422 `TWO_INTERVIEWERS` for fewer than two people, `AVOIDANCE` for the subject or people of the same unit."""
    given, wanted = len(set(interviewers)), rules["talk.interviewers"]
    if given < wanted:
        raise Refusal(
            "TWO_INTERVIEWERS",
            zh=f"谈话须由 {wanted} 人进行。",
            en=f"At least {wanted} people hold a talk.",
            given=given,
            wanted=wanted,
        )
    if (subject is not None and subject in interviewers) or set(interviewers) & set(colleagues):
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避：谈话人不得是本人或同单位人员。",
            en="Avoidance: nobody of the subject's own unit holds the talk.",
        )


def check_day(day: date, year: int, today: date) -> None:
    """Raise 422 `DATE_IN_FUTURE`, or `DATE_RANGE` where `day` cannot belong to the assessment of `year`."""
    if day > today:
        raise Refusal("DATE_IN_FUTURE", zh="日期不得晚于今天。", en="The date lies ahead.")
    if not date(year, 1, 1) <= day <= date(year + 1, 12, 31):
        raise Refusal("DATE_RANGE", zh="日期不属于该考核年度。", en="The date has no part in that year's assessment.")

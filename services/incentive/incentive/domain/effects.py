"""What an effective tolerance must lead to elsewhere (I5), and when that has happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

FINDING_WEIGHT: Final = "FINDING_WEIGHT"
DEDUCTION: Final = "DEDUCTION"
COUNTS: Final = frozenset({"VERIFIED", "RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED"})
"""States in which a finding weighs on the annual records of those responsible (3.5)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One consequence: the finding, or the year's deduction of `cadre`, must weigh `at_most` that many points."""

    step: str
    cadre: str | None
    at_most: Decimal


def expected(state: str, responsible: Iterable[str], base_weight: Decimal, factor: Decimal) -> list[Expected]:
    """Return what a tolerance of `factor` must lead to, for a finding in `state`.

    A finding that does not count yet is in no annual record: if it is verified later, its weight is eased already.
    """
    at_most = base_weight * factor
    steps = [Expected(FINDING_WEIGHT, None, at_most)]
    if state in COUNTS:
        steps += [Expected(f"{DEDUCTION}:{cadre}", cadre, at_most) for cadre in sorted(responsible)]
    return steps

"""What the rules of recall read and change of a case (S12 to S14), what is looked up for them, and whom a case concerns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Protocol

from citybus.cases.declare import Scope

OUTCOMES: Final = ("RESTORED", "ADJUSTED", "REMOVED", "DEMOTED")
CLOSED: Final = frozenset({*OUTCOMES, "CANCELLED", "TRANSFERRED"})
"""The states in which a recall is over."""

STANDING: Final = frozenset({"VERIFIED", "RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED"})
"""The states of a finding that was verified and still stands."""


class Recall(Protocol):
    """What the rules read and change of a recall.

    `phases` holds `{attempt, phase, score, attendance, passed, why, on}` of each result that was entered, `reports`
    `{month, due, submitted_on, missed}` of each month that is to be reported; both are replaced, never changed in
    place. `trainers` are those of the class, as subjects. Texts (L4) are kept beside the case.
    """

    id: str
    state: str
    cadre: str
    unit: str
    findings: list[str]
    circumstances: list[int]
    proposed_on: date
    notified_on: date | None
    served_on: date | None
    plea_until: date | None
    pleaded_on: date | None
    approved_on: date | None
    class_id: str | None
    trainers: list[str]
    attempt: int
    phases: list[dict[str, Any]]
    reflected: int
    failed_on: date | None
    observe_from: date | None
    observe_until: date | None
    observe_months: int | None
    extensions: int
    reports: list[dict[str, Any]]
    unit_warned_on: date | None
    mid_score: Decimal | None
    mid_review_on: date | None
    unit_score: Decimal | None
    final_score: Decimal | None
    evaluated_on: date | None
    proposal: str | None
    outcome: str | None
    outcome_on: date | None
    cancel_reason: str | None
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class Ground:
    """A finding that a recall names, as it stands now.

    `over` are its type and codes above the discipline threshold; `circumstances` the numbers of its recall codes.
    """

    id: str
    state: str
    unit: str
    cadres: frozenset[str]
    over: tuple[str, ...] = ()
    circumstances: frozenset[int] = frozenset()
    tolerated: bool = False
    tolerance_open: bool = False
    recalled_by: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it was verified and is neither revoked nor excused by fault tolerance."""
        return self.state in STANDING and not self.tolerated


@dataclass(frozen=True, slots=True)
class Seats:
    """What an enrolment needs to know of the class: its dates, its seats, and who trains."""

    id: str
    state: str
    starts: date
    capacity: int
    taken: int
    trainers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecallFacts:
    """What was looked up for a step: the cadre's unit (None: unknown), the findings named, an open recall, a class."""

    unit: str | None = None
    grounds: Sequence[Ground] = ()
    unknown: Sequence[str] = ()
    held: bool = False
    open_recall: str | None = None
    seats: Seats | None = None


def scope(case: Recall) -> Scope:
    """Return whom a recall concerns: the cadre and the cadre's unit, who learn of it when the cadre is notified."""
    return Scope(units=frozenset({case.unit}), persons=frozenset({case.cadre}), disclosed=case.state != "PROPOSED")

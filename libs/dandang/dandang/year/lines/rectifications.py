"""Rectifications (S7) as the year needs them: planned and submitted by a unit, accepted and rechecked by the supervision office."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from dandang.slice import cast
from dandang.slice.cast import Person
from dandang.year.people import Member
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

PLAN: Final = "整改方案(虚构):明确责任人,倒排工期,逐项销号。"
REPORT: Final = "整改报告(虚构):所列事项已逐项完成,附佐证。"
ACCEPTED: Final = "现场核验,整改到位(虚构)。"
LASTING: Final = "九十日后复查,未见反弹(虚构)。"


@dataclass(frozen=True, slots=True)
class Rectification:
    """What a unit does about a finding: `head` plans and submits, `owner` answers for it."""

    line: Line
    finding: Case
    owner: Member
    head: Person

    def plan(self) -> Case:
        """Have the unit plan it, within five working days after the finding is verified or reopened."""
        form = {"finding": self.finding.id, "owner": self.owner.cadre, "plan": PLAN}
        return self.line.open(self.head, "supervision", "rectifications", **form)

    def submit(self, case: Case) -> None:
        """Have the unit submit what was done, with its proof."""
        proof = self.line.evidence(self.head, "supervision", f"{self.line.name} rectified")
        self.line.take(self.head, case, "submit", report=REPORT, proof=[proof])

    def accept(self, case: Case) -> None:
        """Have the supervision office accept it."""
        self.line.take(cast.INSPECTOR, case, "accept", reason=ACCEPTED)

    def recheck(self, case: Case, result: str = "OK", reason: str = LASTING) -> None:
        """Have somebody else look whether it lasts."""
        self.line.take(cast.FIRST, case, "recheck", result=result, reason=reason)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The days of units that rectify together: in time, and rechecked when the ninety days are over."""

    planned: date
    submitted: date
    rechecked: date


SCHEDULES: Final[Mapping[date, Schedule]] = {
    date(2024, 3, 4): Schedule(date(2024, 3, 6), date(2024, 3, 25), date(2024, 7, 1)),
    date(2024, 7, 1): Schedule(date(2024, 7, 3), date(2024, 7, 29), date(2024, 11, 5)),
}
"""The days by the day on which the findings are notified."""


def beside(
    stage: Stage, name: str, owner: Member, head: Person, noticed: date, story: Callable[[list[Case]], Days]
) -> list[tuple[str, Days]]:
    """Return a line, and beside it that of the unit that rectifies what is found: `story` puts the finding in its list."""
    found: list[Case] = []
    rectifying = f"{name}-rectified"
    return [
        (name, story(found)),
        (rectifying, in_time(stage, rectifying, owner, head, found, SCHEDULES[noticed])),
    ]


def in_time(stage: Stage, name: str, owner: Member, head: Person, found: Sequence[Case], days: Schedule) -> Days:
    """Have a unit rectify what another line has found: `found` has the finding when the day of the plan has come."""
    line = Line(stage, name)
    yield at(days.planned, 14)
    task = Rectification(line, found[0], owner, head)
    case = task.plan()
    yield at(days.submitted, 14)
    task.submit(case)
    task.accept(case)
    yield at(days.rechecked, 14)
    task.recheck(case)

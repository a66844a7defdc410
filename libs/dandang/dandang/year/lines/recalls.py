"""Recalls (S12–S14): 19 cadres of county level in the spring class, 37 of section level in the autumn class."""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.lines import findings
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

SELF_CRITICISM: Final = "对照岗位职责深刻反思存在的问题(虚构)。" * 60
REPORT: Final = "本月履职情况正常(虚构)。"
PHASES: Final = ("78", "82", "75", "88")


@dataclass
class Course:
    """A training class and the days of those who go through it."""

    title: str
    noticed: date
    proposed: date
    approved: date
    opened: date
    starts: date
    ends: date
    passed: date
    reviewed: date
    evaluated: date
    decided: date
    seats: int
    cases: list[Case] = field(default_factory=list, init=False)


SPRING: Final = (
    *("第一期召回干部训导班(虚构)", date(2024, 3, 4), date(2024, 3, 15), date(2024, 3, 25), date(2024, 3, 26)),
    *(date(2024, 4, 8), date(2024, 4, 14), date(2024, 4, 15), date(2024, 7, 8), date(2024, 7, 16), date(2024, 7, 29)),
)
AUTUMN: Final = (
    *("第二期召回干部训导班(虚构)", date(2024, 7, 1), date(2024, 7, 12), date(2024, 7, 22), date(2024, 7, 23)),
    *(
        date(2024, 8, 5),
        date(2024, 8, 11),
        date(2024, 8, 12),
        date(2024, 11, 5),
        date(2024, 11, 13),
        date(2024, 11, 26),
    ),
)


def course(stage: Stage, made: Course) -> Days:
    """Open the class."""
    line = Line(stage, f"class-{made.starts}")
    yield at(made.opened)
    case = line.open(
        people.EDUCATION,
        "supervision",
        "training-classes",
        title=made.title,
        place="黄石市委党校",
        starts=made.starts.isoformat(),
        capacity=made.seats,
        trainers=[people.TRAINER.subject],
    )
    line.take(people.EDUCATION, case, "open")
    made.cases.append(case)


def approved(line: Line, who: Member, made: Course) -> Generator[datetime, None, tuple[Case, Case]]:
    """Have a cadre recalled: a finding verified, the recall proposed, served and answered, approved, and enrolled."""
    finding = yield from findings.verified(line, who, made.noticed)
    yield at(made.proposed)
    recall = line.open(
        people.SUPERVISE,
        "supervision",
        "recalls",
        cadre=who.cadre,
        findings=[finding.id],
        text="连续执行不力,建议召回(虚构)。",
    )
    line.take(people.SUPERVISE, recall, "notify")
    line.sign(who.who, recall, "RECALL_NOTICE")
    line.until(people.SUPERVISE, recall, lambda found: found["served_on"], "served")
    yield at(made.approved)
    line.take(people.COMMITTEE, recall, "approve")
    yield at(made.opened, 14)
    line.take(people.EDUCATION, recall, "enrol", **{"class": made.cases[0].id})
    return finding, recall


def restored(stage: Stage, name: str, who: Member, head: Person, made: Course, final: str = "81") -> Days:
    """Lead a recall to its good end: trained, observed for three months, restored."""
    line = Line(stage, name)
    finding, recall = yield from approved(line, who, made)
    yield at(made.ends, 10)
    line.reaches(people.TRAINER, recall, "IN_TRAINING")
    for phase, score in enumerate(PHASES, 1):
        if phase == 3:
            line.take(who.who, recall, "reflect", text=SELF_CRITICISM)
        line.take(people.TRAINER, recall, "pass_phase", phase=phase, score=score, attendance="100")
    line.take(people.TRAINER, recall, "complete")
    yield at(made.passed)
    observed = line.take(people.SUPERVISE, recall, "observe")
    yield at(made.reviewed)
    for entry in observed["reports"]:
        line.take(head, recall, "report_month", month=entry["month"], text=REPORT)
    line.take(people.SUPERVISE, recall, "review", score="75", text="中期评估(虚构)")
    line.take(head, recall, "unit_opinion", score="85", text="单位意见(虚构)")
    yield at(made.evaluated)
    line.take(people.SUPERVISE, recall, "evaluate", score=final, text="期满评估(虚构)")
    yield at(made.decided)
    line.take(people.COMMITTEE, recall, "restore", reason="考察合格(虚构)")
    line.sign(who.who, recall, "RECALL_OUTCOME")
    line.tell(
        "被召回后恢复:训导合格、观察期满,恢复履职",
        "recalled and restored",
        (finding, people.SUPERVISE),
        (recall, people.SUPERVISE),
    )


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of all recalls."""
    found: list[tuple[str, Days]] = []
    for season, days, count, county_level in (("spring", SPRING, 19, True), ("autumn", AUTUMN, 37, False)):
        count = max(1, round(count * share))
        made = Course(*days, seats=count + 5)
        found.append((f"class-{season}", course(stage, made)))
        for number, who in enumerate(everybody.call(count, county_level=county_level), start=1):
            name = f"recall-{season}-{number:02}"
            found.append((name, restored(stage, name, who, everybody.head(who.unit), made)))
    return found

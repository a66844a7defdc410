"""Recalls (S12–S14): 19 cadres of county level in spring, 37 below in autumn; 53 restored, one moved, one demoted, one removed."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from dandang.slice import cast
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.lines import adjustments, findings
from dandang.year.lines.adjustments import Fate, Round
from dandang.year.lines.rectifications import Rectification
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

TEXT: Final = "连续执行不力,建议召回(虚构)。"
SELF_CRITICISM: Final = "对照岗位职责深刻反思存在的问题(虚构)。" * 60
REPORT: Final = "本月履职情况正常(虚构)。"
PHASES: Final = ("78", "82", "75", "88")

Acting = Generator[datetime, None, None]


@dataclass
class Course:
    """A training class and the days of those who go through it; `reported`: when each month of observation is."""

    title: str
    noticed: date
    rectifying: date
    proposed: date
    approved: date
    opened: date
    starts: date
    ends: date
    passed: date
    reported: tuple[date, ...]
    reviewed: date
    evaluated: date
    decided: date
    seats: int
    cases: list[Case] = field(default_factory=list, init=False)


def spring(seats: int) -> Course:
    """Return the class of April."""
    return Course(
        title="第一期召回干部训导班(虚构)",
        noticed=date(2024, 3, 4),
        rectifying=date(2024, 3, 11),
        proposed=date(2024, 3, 15),
        approved=date(2024, 3, 25),
        opened=date(2024, 3, 26),
        starts=date(2024, 4, 8),
        ends=date(2024, 4, 14),
        passed=date(2024, 4, 15),
        reported=(date(2024, 4, 26), date(2024, 6, 3), date(2024, 7, 1)),
        reviewed=date(2024, 7, 8),
        evaluated=date(2024, 7, 16),
        decided=date(2024, 7, 29),
        seats=seats,
    )


def autumn(seats: int) -> Course:
    """Return the class of August."""
    return Course(
        title="第二期召回干部训导班(虚构)",
        noticed=date(2024, 7, 1),
        rectifying=date(2024, 7, 8),
        proposed=date(2024, 7, 12),
        approved=date(2024, 7, 22),
        opened=date(2024, 7, 23),
        starts=date(2024, 8, 5),
        ends=date(2024, 8, 11),
        passed=date(2024, 8, 12),
        reported=(date(2024, 8, 26), date(2024, 9, 30), date(2024, 11, 5)),
        reviewed=date(2024, 11, 5),
        evaluated=date(2024, 11, 13),
        decided=date(2024, 11, 26),
        seats=seats,
    )


@dataclass
class Repeated:
    """The class of those who are trained once more, and its days."""

    opened: date = date(2024, 4, 15)
    enrolled: date = date(2024, 4, 22)
    starts: date = date(2024, 5, 13)
    failed: date = date(2024, 5, 20)
    decided: date = date(2024, 5, 27)
    cases: list[Case] = field(default_factory=list, init=False)


MOVED: Final = Fate("TRANSFER", ("DUTY_WEAK",), "调离原岗位(虚构)")
DEMOTED: Final = Fate("DEMOTE", ("DUTY_WEAK",), "科长(降职,虚构)", rank="SECTION_CHIEF")
REMOVED: Final = Fate("REMOVE", ("DUTY_WEAK",), "免职待安排(虚构)")

AFTER_FAILING: Final = Round(
    *(date(2024, 3, 4), date(2024, 5, 27), date(2024, 6, 3), date(2024, 6, 3), date(2024, 6, 12), date(2024, 7, 1))
)
AFTER_SPRING: Final = Round(
    *(date(2024, 3, 4), date(2024, 7, 29), date(2024, 8, 5), date(2024, 8, 5), date(2024, 8, 12), date(2024, 11, 5))
)
AFTER_AUTUMN: Final = Round(
    *(date(2024, 7, 1), date(2024, 11, 29), date(2024, 12, 9), date(2024, 12, 9), date(2024, 12, 16)),
    date(2025, 3, 17),
)
"""The days of the adjustments to which outcomes lead."""


@dataclass
class Recalled:
    """Somebody in a class: the line, who heads the unit, and the cases as they come about."""

    line: Line
    who: Member
    head: Person
    made: Course
    cases: dict[str, Case] = field(default_factory=dict, init=False)

    @property
    def recall(self) -> Case:
        """The recall."""
        return self.cases["recall"]

    def tell(self, zh: str, en: str, *cases: tuple[Case, Person]) -> None:
        """Have the year of this cadre told."""
        of_all = ((self.cases["finding"], people.SUPERVISE), (self.recall, people.SUPERVISE))
        self.line.tell(zh, en, *of_all, *cases)


def course(stage: Stage, made: Course | Repeated, title: str, seats: int) -> Days:
    """Open a class."""
    line = Line(stage, f"class-{made.starts}")
    yield at(made.opened)
    case = line.open(
        people.EDUCATION,
        "supervision",
        "training-classes",
        title=title,
        place="黄石市委党校",
        starts=made.starts.isoformat(),
        capacity=seats,
        trainers=[people.TRAINER.subject],
    )
    line.take(people.EDUCATION, case, "open")
    made.cases.append(case)


def rectified(stage: Stage, name: str, of: Recalled) -> Days:
    """Have the unit rectify what was found while the recall goes on."""
    line, made = Line(stage, name), of.made
    yield at(made.rectifying)
    work = Rectification(line, of.cases["finding"], of.who, of.head)
    case = work.plan()
    yield at(made.starts)
    work.submit(case)
    yield at(made.passed)
    work.accept(case)
    yield at(made.evaluated)
    work.recheck(case)


def noticed(of: Recalled) -> Acting:
    """Have a finding verified and a recall proposed on it; the cadre is given notice."""
    line = of.line
    of.cases["finding"] = yield from findings.verified(line, of.who, of.made.noticed)
    yield at(of.made.proposed)
    of.cases["recall"] = propose(of)
    line.take(people.SUPERVISE, of.recall, "notify")
    line.sign(of.who.who, of.recall, "RECALL_NOTICE")
    line.until(people.SUPERVISE, of.recall, lambda found: found["served_on"], "served")


def propose(of: Recalled) -> Case:
    """Propose a recall."""
    grounds = [of.cases["finding"].id]
    return of.line.open(people.SUPERVISE, "supervision", "recalls", cadre=of.who.cadre, findings=grounds, text=TEXT)


def enrolled(of: Recalled) -> Acting:
    """Have a cadre recalled and enrolled, and wait until the last day of the class."""
    yield from noticed(of)
    yield at(of.made.approved)
    of.line.take(people.COMMITTEE, of.recall, "approve")
    yield at(of.made.opened, 14)
    of.line.take(people.EDUCATION, of.recall, "enrol", **{"class": of.made.cases[0].id})
    yield at(of.made.ends, 10)
    of.line.reaches(people.TRAINER, of.recall, "IN_TRAINING")


def trained(of: Recalled) -> Acting:
    """Lead a cadre through the class: all four phases are passed, and the observation begins."""
    yield from enrolled(of)
    for phase, score in enumerate(PHASES, 1):
        if phase == 3:
            of.line.take(of.who.who, of.recall, "reflect", text=SELF_CRITICISM)
        enter(of, phase, score)
    of.line.take(people.TRAINER, of.recall, "complete")
    yield at(of.made.passed)
    of.line.take(people.SUPERVISE, of.recall, "observe")


def enter(of: Recalled, phase: int, score: str) -> Any:
    """Have the trainer enter the result of a phase."""
    return of.line.take(people.TRAINER, of.recall, "pass_phase", phase=phase, score=score, attendance="100")


def report(of: Recalled, *months: str) -> None:
    """Have the head of the unit report on months."""
    for month in months:
        of.line.take(of.head, of.recall, "report_month", month=month, text=REPORT)


def observed(of: Recalled, *, late: bool = False) -> Acting:
    """Have the unit report each month in time (`late`: all at the end), and the review held in the middle."""
    months = [f"{day:%Y-%m}" for day in _months(of.made)]
    for day, month in zip(of.made.reported, months, strict=True):
        if not late:
            yield at(day)
            report(of, month)
    if late:
        yield at(of.made.reported[-1])
        of.line.until(people.SUPERVISE, of.recall, lambda found: found["unit_warned_on"], "the unit is warned")
        report(of, *months)
    yield at(of.made.reviewed)
    of.line.take(people.SUPERVISE, of.recall, "review", score="75", text="中期评估(虚构)")


def _months(made: Course) -> list[date]:
    """Return a day of each month that is reported on."""
    return [date(made.passed.year, made.passed.month + number, 1) for number in range(len(made.reported))]


def evaluated(of: Recalled, score: str, day: date) -> Acting:
    """Have the unit give its opinion and the recall evaluated."""
    of.line.take(of.head, of.recall, "unit_opinion", score=score, text="单位意见(虚构)")
    yield at(day)
    of.line.take(people.SUPERVISE, of.recall, "evaluate", score=score, text="期满评估(虚构)")


def decide(of: Recalled, outcome: str, reason: str) -> None:
    """Have the committee decide; the cadre is told in writing."""
    of.line.take(people.COMMITTEE, of.recall, outcome, reason=reason)
    of.line.sign(of.who.who, of.recall, "RECALL_OUTCOME")


def restored(of: Recalled) -> Acting:
    """Lead a recall to its good end: trained, observed for three months, restored."""
    yield from trained(of)
    yield from observed(of)
    yield from evaluated(of, "81", of.made.evaluated)
    yield at(of.made.decided)
    decide(of, "restore", "考察合格(虚构)")


def restored_first(of: Recalled) -> Acting:
    """Lead a recall to its good end, and have it told."""
    yield from restored(of)
    of.tell("被召回后恢复:训导合格、观察期满,恢复履职", "recalled and restored")


def warned(of: Recalled) -> Acting:
    """Have the unit miss two monthly reports: its head is warned, and gives them all; the cadre is restored."""
    yield from trained(of)
    yield from observed(of, late=True)
    yield from evaluated(of, "76", of.made.evaluated)
    yield at(of.made.decided)
    decide(of, "restore", "考察合格(虚构)")
    of.tell("所在单位两次未报月度报告,被提醒后补报", "the unit is warned for the monthly reports that it missed")


def prolonged(of: Recalled) -> Acting:
    """Have the observation prolonged by a month; then the cadre is restored."""
    yield from trained(of)
    yield from observed(of)
    of.line.take(people.SUPERVISE, of.recall, "extend", months=4, reason="中期评估起色不明显(虚构)")
    longest = {"months": 5, "reason": "再次延长(虚构)"}
    of.line.refused("EXTEND_LIMIT", lambda: of.line.take(people.SUPERVISE, of.recall, "extend", **longest))
    yield at(of.made.decided)
    report(of, "2024-07")
    yield from evaluated(of, "73", date(2024, 8, 19))
    yield at(date(2024, 8, 26))
    decide(of, "restore", "延长考察后合格(虚构)")
    of.tell("考察期延长一次后恢复履职", "observed for a month longer, and restored")


def adjusted(talking: Sequence[Member], again: Repeated) -> Callable[[Recalled], Acting]:
    """Return what has a cadre fail the training twice: moved to another post, by people's decision."""

    def play(of: Recalled) -> Acting:
        line = of.line
        yield from enrolled(of)
        enter(of, 1, "78")
        line.refused("PHASE_ORDER", lambda: enter(of, 3, "90"))
        enter(of, 2, "55")
        line.take(people.TRAINER, of.recall, "fail", reason="第二阶段不合格(虚构)")
        yield at(again.enrolled)
        line.take(people.EDUCATION, of.recall, "retrain", **{"class": again.cases[0].id})
        yield at(again.failed)
        line.reaches(people.TRAINER, of.recall, "IN_TRAINING")
        enter(of, 1, "62")
        enter(of, 2, "50")
        line.take(people.TRAINER, of.recall, "fail", reason="补训仍不合格(虚构)")
        line.reaches(people.SUPERVISE, of.recall, "EVALUATED")
        yield at(again.decided)
        line.refused("SCORE_RULE", lambda: decide(of, "restore", "(虚构)"))
        decide(of, "adjust", "两次训导不合格(虚构)")
        adjustment = yield from carried(of, MOVED, AFTER_FAILING, talking)
        of.tell(
            "训导两次不合格:调整岗位",
            "failed the training twice, and moved to another post",
            (adjustment, people.SUPERVISE),
        )

    return play


def failing(
    outcome: str, fate: Fate, days: Round, talking: Sequence[Member], told: tuple[str, str]
) -> Callable[[Recalled], Acting]:
    """Return what has a cadre not stand the observation; the committee decides on `outcome`, and it is carried out."""

    def play(of: Recalled) -> Acting:
        yield from trained(of)
        yield from observed(of)
        yield from evaluated(of, "58", of.made.evaluated)
        yield at(of.made.decided)
        decide(of, outcome, "考察不合格(虚构)")
        adjustment = yield from carried(of, fate, days, talking)
        of.tell(*told, (adjustment, people.SUPERVISE))

    return play


def carried(of: Recalled, fate: Fate, days: Round, talking: Sequence[Member]) -> Generator[datetime, None, Case]:
    """Lead the adjustment that the city proposed upon the outcome (S11) through, and return it."""
    proposed = of.line.listed(
        people.SUPERVISE,
        "supervision",
        "/adjustments",
        lambda each: each["recall"] == of.recall.id,
        cadre=of.who.cadre,
    )
    adjustment = Case("supervision", "adjustments", str(proposed["id"]))
    yield from adjustments.carried(of.line, of.who, adjustment, fate, days, talking)
    return adjustment


def transferred(of: Recalled) -> Acting:
    """Have the discipline commission take a recall over; while its case is open nobody is recalled."""
    line = of.line
    yield from noticed(of)
    yield at(of.made.approved)
    hold = line.open(
        people.DISCIPLINE,
        "supervision",
        "case-holds",
        cadre=of.who.cadre,
        organ="黄石市纪委监委",
        case_no="黄纪立〔2024〕召回1号(虚构)",
    )
    line.take(people.DISCIPLINE, of.recall, "to_discipline", case_no="黄纪立〔2024〕召回1号(虚构)")
    yield at(of.made.opened)
    line.refused("CASE_PENDING", lambda: propose(of))
    yield at(of.made.evaluated)
    line.take(people.DISCIPLINE_SECOND, hold, "close", result="EXEMPT")
    of.tell("召回期间移送纪委监委", "handed to the discipline commission")


def above_threshold(stage: Stage, name: str, who: Member, made: Course) -> Days:
    """Propose a recall where gifts were taken: it is refused, and the discipline commission hears of it."""
    line = Line(stage, name)
    yield at(made.noticed)
    draft = findings.recorded(line, who, made.noticed, reason_codes=("WEAK_EXECUTION", "TAKING_GIFTS"), severity=4)
    yield at(made.proposed)
    form: Mapping[str, Any] = {"cadre": who.cadre, "findings": [draft.id], "text": TEXT}
    line.refused("DISCIPLINE_THRESHOLD", lambda: line.open(people.SUPERVISE, "supervision", "recalls", **form))
    line.listed(people.DISCIPLINE, "supervision", "/signals", lambda each: each["finding"] == draft.id)
    line.tell("涉嫌收受礼品:不适用召回,线索移送纪委监委", "gifts were taken: no recall", (draft, cast.INSPECTOR))


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of all recalls."""
    talking, again = adjustments.talkers(everybody), Repeated()
    told = {
        "demote": ("考察不合格:降职", "did not stand the observation: demoted"),
        "remove": ("考察不合格:免职", "did not stand the observation: removed"),
    }
    in_spring = [
        *_fates(16, share),
        ("adjusted", adjusted(talking, again)),
        ("demoted", failing("demote", DEMOTED, AFTER_SPRING, talking, told["demote"])),
        ("prolonged", prolonged),
    ]
    in_autumn = [
        *_fates(35, share),
        ("removed", failing("remove", REMOVED, AFTER_AUTUMN, talking, told["remove"])),
        ("warned", warned),
    ]
    first, second = spring(len(in_spring) + 5), autumn(len(in_autumn) + 5)
    made: list[tuple[str, Days]] = [
        ("class-spring", course(stage, first, first.title, first.seats)),
        ("class-autumn", course(stage, second, second.title, second.seats)),
        ("class-repeated", course(stage, again, "召回干部补训班(虚构)", 5)),
    ]
    in_spring.append(("transferred", transferred))
    for season, of_class, fates, county_level in (
        ("spring", first, in_spring, True),
        ("autumn", second, in_autumn, False),
    ):
        for who, (fate, play) in zip(everybody.call(len(fates), county_level=county_level), fates, strict=True):
            name = f"recall-{season}-{fate}"
            of = Recalled(Line(stage, name), who, everybody.head(who.unit), of_class)
            made.append((name, play(of)))
            made.append((f"{name}-rectified", rectified(stage, f"{name}-rectified", of)))
    (over,) = everybody.call(1, county_level=True)
    made.append(("recall-refused", above_threshold(stage, "recall-refused", over, first)))
    return made


def _fates(count: int, share: float) -> list[tuple[str, Callable[[Recalled], Acting]]]:
    """Return the names of those who are restored, with what leads there."""
    count = max(1, round(count * share))
    return [(f"{number:02}", restored_first if number == 1 else restored) for number in range(1, count + 1)]

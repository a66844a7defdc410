"""Inspections (S2, S5, S7): a wave in spring and one in autumn; what each found, and what became of it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from dandang.slice import cast
from dandang.year import people
from dandang.year.lines.findings import PLEA, REASON
from dandang.year.lines.rectifications import Rectification
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

SUMMARY: Final = "检查组实地查看、查阅台账、个别询问(虚构)。"
SEVERITIES: Final = (3, 2, 1, 4)
SIGNED_FROM: Final = 4
"""From which severity on the organisation department signs."""

Acting = Generator[datetime, None, None]


@dataclass(frozen=True, slots=True)
class Wave:
    """The days of inspections that go out together."""

    planned: date
    started: date
    found: date
    answered: date
    verified: date
    rectifying: date
    submitted: date
    accepted: date
    rechecked: date


SPRING: Final = Wave(
    *(date(2024, 3, 4), date(2024, 3, 8), date(2024, 3, 11), date(2024, 3, 13), date(2024, 3, 20), date(2024, 3, 22)),
    *(date(2024, 4, 15), date(2024, 4, 22), date(2024, 7, 22)),
)
AUTUMN: Final = Wave(
    *(date(2024, 11, 5), date(2024, 11, 8), date(2024, 11, 13), date(2024, 11, 18), date(2024, 11, 26)),
    *(date(2024, 11, 29), date(2024, 12, 9), date(2024, 12, 9), date(2025, 3, 17)),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an inspection looks for, and what it finds."""

    kind: str
    theme: str
    type: str
    reason_code: str
    facts: str


COVERT: Final = Subject("COVERT", "WORK_STYLE", "WORK_STYLE", "LAZY_AND_SLOW", "暗访时窗口无人值守、办事拖延(虚构)。")
KEY: Final = Subject("KEY", "KEY_PROJECTS", "PROJECT_DELAY", "KEY_TASK_DELAYED", "重点项目进度滞后于计划(虚构)。")
THEMATIC: Final = Subject(
    "THEMATIC", "ENVIRONMENT", "TASK_NOT_IMPLEMENTED", "WEAK_EXECUTION", "环保督察交办事项未按期办结(虚构)。"
)


@dataclass
class Visit:
    """One inspection of several units: its days, whom something is found about, and the cases as they come about."""

    wave: Wave
    subject: Subject
    concerned: Sequence[Member]
    team: Sequence[Member]
    cases: list[Case] = field(default_factory=list, init=False)
    findings: dict[int, Case] = field(default_factory=dict, init=False)
    """The verified ones, by their number."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding that is verified: who is responsible, who heads the unit, and the days of its inspection."""

    line: Line
    case: Case
    who: Member
    head: cast.Person
    wave: Wave

    @property
    def rectification(self) -> Rectification:
        """What the unit does about it."""
        return Rectification(self.line, self.case, self.who, self.head)


def inspection(stage: Stage, name: str, visit: Visit, refuse: Callable[[Line, Mapping[str, Any]], None]) -> Days:
    """Plan an inspection, have it approved, carry it out, report and close it. `refuse` tries first what is refused."""
    line = Line(stage, name)
    wave = visit.wave
    plan = {
        "kind": visit.subject.kind,
        "theme": visit.subject.theme,
        "plan_date": wave.started.isoformat(),
        "end_date": wave.found.isoformat(),
        "team": [member.cadre for member in visit.team],
        "units": sorted({member.unit for member in visit.concerned}),
    }
    yield at(wave.planned)
    refuse(line, plan)
    case = line.open(cast.INSPECTOR, "supervision", "inspections", **plan)
    line.take(cast.DIRECTOR, case, "approve")
    visit.cases.append(case)
    yield at(wave.started)
    line.take(cast.INSPECTOR, case, "start")
    yield at(wave.answered)
    line.take(cast.INSPECTOR, case, "report", summary=SUMMARY, ended_on=wave.found.isoformat())
    line.take(cast.INSPECTOR, case, "close")
    if wave is SPRING:
        line.tell(
            "检查:制定、批准、实施、报告、办结", "an inspection from its plan to its close", (case, cast.INSPECTOR)
        )


def nothing(line: Line, plan: Mapping[str, Any]) -> None:
    """Try nothing that is refused."""


def announced(line: Line, plan: Mapping[str, Any]) -> None:
    """Try to announce what must come unannounced."""
    line.refused(
        "COVERT_NOTICE",
        lambda: line.open(cast.INSPECTOR, "supervision", "inspections", **plan, notice_required=True),
    )


def one_of_them(member: Member) -> Callable[[Line, Mapping[str, Any]], None]:
    """Return what tries to send a member of an inspected unit along."""

    def refuse(line: Line, plan: Mapping[str, Any]) -> None:
        team = [*plan["team"], member.cadre]
        line.refused(
            "AVOIDANCE", lambda: line.open(cast.INSPECTOR, "supervision", "inspections", **{**plan, "team": team})
        )

    return refuse


def found(line: Line, visit: Visit, number: int) -> Generator[datetime, None, Case]:
    """Have the inspection record a finding, notified and served on the same day, and two days on answered or not."""
    who, subject, wave = visit.concerned[number - 1], visit.subject, visit.wave
    yield at(wave.found)
    finding = line.open(
        cast.INSPECTOR,
        "supervision",
        "findings",
        inspection=visit.cases[0].id,
        unit=who.unit,
        type=subject.type,
        reason_codes=[subject.reason_code],
        facts=subject.facts,
        severity=_severity(number),
        occurred_on=wave.started.isoformat(),
        responsible=[{"cadre": who.cadre, "role": "LEAD" if number % 2 else "DIRECT"}],
        evidence=[line.evidence(cast.INSPECTOR, "supervision", line.name)],
    )
    line.take(cast.INSPECTOR, finding, "notify")
    line.sign(who.who, finding, "FINDING_NOTICE")
    line.until(cast.INSPECTOR, finding, lambda now: now["served_on"], "served")
    yield at(wave.answered)
    # Every third lets the time pass.
    if number % 3:
        line.take(who.who, finding, "plea", text=PLEA)
    return finding


def _severity(number: int) -> int:
    return SEVERITIES[(number - 1) % len(SEVERITIES)]


def rejected(stage: Stage, name: str, visit: Visit, number: int) -> Days:
    """Have a finding rejected: what the cadre answered was right."""
    line = Line(stage, name)
    finding = yield from found(line, visit, number)
    yield at(visit.wave.verified)
    line.take(cast.FIRST, finding, "reject", reason="申辩成立:工期顺延已经批准(虚构)")
    if number == 1:
        line.tell("申辩成立,问题不予认定", "the answer was right: nothing is found", (finding, cast.FIRST))


def rectified(
    stage: Stage,
    name: str,
    visit: Visit,
    number: int,
    head: cast.Person,
    fate: Callable[[Found], Acting],
) -> Days:
    """Have a finding verified by two, signed before where it is severe, and rectified as `fate` has it."""
    line, wave = Line(stage, name), visit.wave
    finding = yield from found(line, visit, number)
    if _severity(number) >= SIGNED_FROM:
        line.take(people.SUPERVISE, finding, "sign")
    yield at(wave.verified)
    for officer in (cast.FIRST, cast.SECOND):
        line.take(officer, finding, "verify", reason=REASON)
    visit.findings[number] = finding
    yield at(wave.rectifying)
    yield from fate(Found(line, finding, visit.concerned[number - 1], head, wave))


def lasting(found: Found) -> Acting:
    """Have it rectified in time; it lasts, and the finding is closed."""
    work = found.rectification
    case = work.plan()
    yield at(found.wave.submitted)
    work.submit(case)
    yield at(found.wave.accepted)
    work.accept(case)
    yield at(found.wave.rechecked)
    work.recheck(case)


def returned(found: Found) -> Acting:
    """Have it sent back for want of proof, submitted anew within the time, and accepted."""
    work = found.rectification
    case = work.plan()
    yield at(date(2024, 4, 3))
    work.submit(case)
    yield at(date(2024, 4, 8))
    found.line.take(cast.INSPECTOR, case, "reject", reason="佐证不足,退回整改(虚构)")
    yield at(found.wave.submitted)
    work.submit(case)
    yield at(found.wave.accepted)
    work.accept(case)
    yield at(found.wave.rechecked)
    work.recheck(case)
    found.line.tell(
        "整改退回后重新报送,验收、复查、销号",
        "sent back, submitted anew, accepted, lasting",
        (found.case, cast.FIRST),
        (case, cast.FIRST),
    )


def overdue(found: Found) -> Acting:
    """Let the time pass: the unit is warned, then its head is told, then the head of supervision; then it is done."""
    line, work = found.line, found.rectification
    case = work.plan()
    yield at(date(2024, 4, 26))
    for who in (found.head, people.SUPERVISE):
        line.listed(
            who,
            "notification",
            "/deadlines",
            lambda each: (each["level"], each["light"]) == ("SUPERVISION_HEAD", "RED"),
            ref=f"rectification/{case.id}",
        )
    work.submit(case)
    work.accept(case)
    yield at(date(2024, 7, 29))
    work.recheck(case)
    line.tell(
        "整改逾期:提醒、红灯、告知单位负责人和督查室,逾期后完成",
        "overdue: warned, red, told upwards, done late",
        (found.case, cast.FIRST),
        (case, cast.FIRST),
    )


def relapsing(found: Found) -> Acting:
    """Have it rectified and fall back: reopened, heavier, rectified once more, and lasting."""
    work = found.rectification
    first = work.plan()
    yield at(found.wave.submitted)
    work.submit(first)
    yield at(found.wave.accepted)
    work.accept(first)
    yield at(found.wave.rechecked)
    work.recheck(first, "RELAPSE", "复查发现反弹(虚构)")
    yield at(date(2024, 7, 23))
    second = work.plan()
    yield at(date(2024, 8, 12))
    work.submit(second)
    work.accept(second)
    yield at(date(2024, 11, 13))
    work.recheck(second)
    found.line.tell(
        "整改反弹,重新整改后销号",
        "fell back, reopened, rectified once more",
        (found.case, cast.FIRST),
        (first, cast.FIRST),
        (second, cast.FIRST),
    )


PLANS: Final = (
    ("spring-covert", SPRING, COVERT, 7, relapsing),
    ("spring-key", SPRING, KEY, 6, overdue),
    ("spring-thematic", SPRING, THEMATIC, 7, returned),
    ("autumn-covert", AUTUMN, COVERT, 7, lasting),
    ("autumn-key", AUTUMN, KEY, 6, None),
    ("autumn-thematic", AUTUMN, THEMATIC, 7, lasting),
)
"""The inspections: how many findings each brings, and what becomes of the first (None: it is rejected)."""

ONE_IN: Final = 7
"""One finding of so many is rejected."""


def visits(everybody: People, share: float) -> dict[str, Visit]:
    """Return the inspections of the year by their names."""
    office = everybody.of(cast.unit_code("黄石市委办公室"))
    return {
        name: Visit(wave, subject, everybody.call(max(1, round(count * share))), office[1:3])
        for name, wave, subject, count, _ in PLANS
    }


def lines(stage: Stage, everybody: People, planned: Mapping[str, Visit]) -> list[tuple[str, Days]]:
    """Return the lines of all inspections, and of all that they find."""
    made: list[tuple[str, Days]] = []
    for name, _, _, _, first in PLANS:
        visit = planned[name]
        tries = {"spring-covert": announced, "spring-key": one_of_them(visit.concerned[0])}.get(name, nothing)
        made.append((f"inspection-{name}", inspection(stage, f"inspection-{name}", visit, tries)))
        for number, who in enumerate(visit.concerned, start=1):
            fate = first if number == 1 else None if number % ONE_IN == 0 else lasting
            found = f"found-{name}-{number:02}"
            if fate is None:
                made.append((found, rejected(stage, found, visit, number)))
            else:
                head = everybody.head(who.unit)
                made.append((found, rectified(stage, found, visit, number, head, fate)))
    return made

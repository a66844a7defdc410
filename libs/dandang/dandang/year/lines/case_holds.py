"""Investigation holds (S15): one open at the year's end, one closed without a result, one that stands in somebody's way."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from dandang.year import people
from dandang.year.lines import eligibility, sanctions
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

PENDING: Final = "CASE_PENDING"
CLOSED_IN_MARCH: Final = date(2025, 3, 14)
"""When the case that is open at the year's end is closed: the grade of 2024 may be made up for from then on."""


@dataclass(frozen=True, slots=True)
class Held:
    """Of whom a case is open in the year."""

    at_year_end: Member
    """From 2024-11-05 to 2025-03-14: the grade of 2024 is put off, and made up for afterwards."""
    cleared: Member
    """From 2024-03-15 to 2024-11-05, without a result: the grade of 2024 is free."""
    in_the_way: Member
    """From 2024-07-08 to 2024-11-26: neither award nor adjustment meanwhile; the grade of 2024 is free."""


def call(everybody: People) -> Held:
    """Call upon those of whom a case is opened."""
    return Held(*everybody.call(3, county_level=False, party=True))


def opened(line: Line, who: Member, day: date) -> Case:
    """Have the commission open a case: nothing good befalls the cadre meanwhile."""
    hold = line.open(
        people.DISCIPLINE,
        "supervision",
        "case-holds",
        cadre=who.cadre,
        organ="黄石市纪委监委",
        case_no=f"黄立〔{day.year}〕{day:%m%d}号(虚构)",
    )
    eligibility.barred(line, who, "PROMOTE", day, PENDING, None)
    return hold


def closed(line: Line, who: Member, hold: Case, result: str, day: date) -> None:
    """Have the commission close a case; the cadre is free from that day."""
    line.take(people.DISCIPLINE, hold, "close", result=result)
    eligibility.free(line, who, "PROMOTE", day)


def at_year_end(stage: Stage, name: str, who: Member) -> Days:
    """Have a case open over the year's end: the grade is put off until it ends with a warning in March."""
    line = Line(stage, name)
    day = date(2024, 11, 5)
    yield at(day)
    hold = opened(line, who, day)
    yield at(date(2025, 1, 15))
    sanctions.bound(line, who, lambda found: found["status"] == "PENDING_MAKEUP", "PENDING_MAKEUP")
    yield at(CLOSED_IN_MARCH)
    closed(line, who, hold, "SANCTIONED", CLOSED_IN_MARCH)
    warning = sanctions.recorded(line, who, "PARTY", "WARNING", CLOSED_IN_MARCH)
    line.tell(
        "年底仍在立案:暂缓定等次,次年三月以警告结案",
        "a case open at the year's end: the grade is put off until it ends with a warning",
        (hold, people.DISCIPLINE),
        (warning, people.SUPERVISE),
    )


def cleared(stage: Stage, name: str, who: Member) -> Days:
    """Have a case opened in spring and closed in autumn: there was nothing in it."""
    line = Line(stage, name)
    yield at(date(2024, 3, 15))
    hold = opened(line, who, date(2024, 3, 15))
    yield at(date(2024, 11, 5))
    closed(line, who, hold, "NO_CASE", date(2024, 11, 5))
    line.tell("立案后查无问题,秋季结案", "a case that was closed without a result", (hold, people.DISCIPLINE))


def in_the_way(stage: Stage, name: str, who: Member) -> Days:
    """Have a case stand in the way of an award and of an adjustment."""
    line = Line(stage, name)
    day = date(2024, 7, 8)
    yield at(day)
    hold = opened(line, who, day)
    yield at(date(2024, 7, 12))
    eligibility.barred(line, who, "AWARD", date(2024, 7, 12), PENDING, None)
    line.refused(
        PENDING,
        lambda: line.open(
            people.CADRE_OFFICE,
            "supervision",
            "adjustments",
            cadre=who.cadre,
            basis="UNFIT",
            way="TRANSFER",
            reason_codes=["DUTY_WEAK"],
            opinion="建议调整(虚构)",
            findings=[],
        ),
    )
    yield at(date(2024, 11, 26))
    closed(line, who, hold, "EXEMPT", date(2024, 11, 26))
    line.tell("立案期间不得受奖、调整", "a case that stood in the way of an award", (hold, people.DISCIPLINE))


def lines(stage: Stage, held: Held) -> list[tuple[str, Days]]:
    """Return the lines of all cases."""
    return [
        (f"case-{name}", story(stage, f"case-{name}", who))
        for name, story, who in (
            ("at-year-end", at_year_end, held.at_year_end),
            ("cleared", cleared, held.cleared),
            ("in-the-way", in_the_way, held.in_the_way),
        )
    ]

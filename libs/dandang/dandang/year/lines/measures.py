"""Measures (S9): 22 cadres are admonished, about ten reminded and six asked in writing, and all are followed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.lines import adjustments, eligibility, findings, rectifications
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

CAUSE: Final = "重点任务推进不力,履职中存在苗头性问题(虚构)。"
REPLY: Final = "说明:有关情况属实,原因已查明,已制定改进措施(虚构)。"
REASON: Final = "经集体研究(虚构)"
FOUND: Final = "回访:听取本人和所在单位意见(虚构)"
CODES: Final = ("WEAK_EXECUTION",)


@dataclass(frozen=True, slots=True)
class Admonition:
    """The days of those who are admonished together: free again is the day on which the effect is over."""

    noticed: date
    proposed: date
    delivered: date
    free_again: date
    closed: date


SPRING: Final = Admonition(date(2024, 3, 4), date(2024, 3, 29), date(2024, 4, 1), date(2024, 10, 1), date(2024, 10, 8))
AUTUMN: Final = Admonition(date(2024, 7, 1), date(2024, 7, 12), date(2024, 7, 16), date(2025, 1, 16), date(2025, 1, 16))


def delivered(line: Line, who: Member, kind: str, approver: Person, grounds: Sequence[Case] = ()) -> Case:
    """Have a measure proposed, approved by somebody else and served on the same day."""
    measure = proposed(line, who, kind, grounds)
    approved(line, who, measure, approver)
    return measure


def proposed(line: Line, who: Member, kind: str, grounds: Sequence[Case] = ()) -> Case:
    """Have a measure proposed, on findings or without."""
    return line.open(
        people.SUPERVISE,
        "supervision",
        "measures",
        kind=kind,
        cadre=who.cadre,
        findings=[ground.id for ground in grounds],
        reason_codes=list(CODES),
        cause=CAUSE,
    )


def approved(line: Line, who: Member, measure: Case, approver: Person) -> None:
    """Have a proposed measure approved and served."""
    line.take(approver, measure, "approve", reason=REASON)
    line.sign(who.who, measure, "MEASURE_NOTICE")
    line.reaches(people.SUPERVISE, measure, "DELIVERED")


def followed_up(line: Line, measure: Case) -> None:
    """Have a measure followed up and closed: it helped."""
    line.take(people.SUPERVISE, measure, "follow_up")
    closed(line, measure)


def closed(line: Line, measure: Case, result: str = "CORRECTED") -> None:
    """Have the follow-up closed with what it has found."""
    line.take(people.SUPERVISE, measure, "close", result=result, reason=FOUND)


def admonished(stage: Stage, name: str, who: Member, days: Admonition, found: list[Case], *, told: bool) -> Days:
    """Lead an admonition to its good end: after six months the follow-up finds that things were put right."""
    line = Line(stage, name)
    finding = yield from findings.verified(line, who, days.noticed)
    found.append(finding)
    yield at(days.proposed)
    measure = proposed(line, who, "ADMONISH", [finding])
    line.refused("FORBIDDEN", lambda: line.take(people.SUPERVISE_SECOND, measure, "approve", reason=REASON))
    yield at(days.delivered)
    approved(line, who, measure, people.COMMITTEE)
    eligibility.barred(line, who, "PROMOTE", days.delivered, "EFFECT_PERIOD_ACTIVE", days.free_again)
    eligibility.barred(line, who, "EXCELLENT", date(2024, 12, 31), "EFFECT_PERIOD_ACTIVE", date(2025, 1, 1))
    line.refused("FOLLOW_UP_TOO_EARLY", lambda: line.take(people.SUPERVISE, measure, "follow_up"))
    yield at(days.closed)
    if days.closed > days.free_again:
        # The day was a holiday, and the city began the follow-up by itself.
        line.reaches(people.SUPERVISE, measure, "FOLLOW_UP")
        closed(line, measure)
    else:
        followed_up(line, measure)
    eligibility.free(line, who, "PROMOTE", days.closed)
    if told:
        line.tell(
            "被诫勉后改正:六个月后回访了结",
            "admonished, and corrected when it was followed up six months later",
            (finding, people.SUPERVISE),
            (measure, people.SUPERVISE),
        )


def not_corrected(stage: Stage, name: str, who: Member, talkers: Sequence[Member], found: list[Case]) -> Days:
    """Lead an admonition to its bad end: nothing was put right, the city proposes an adjustment, people carry it out."""
    line = Line(stage, name)
    finding = yield from findings.verified(line, who, SPRING.noticed)
    found.append(finding)
    yield at(SPRING.proposed)
    measure = proposed(line, who, "ADMONISH", [finding])
    yield at(SPRING.delivered)
    approved(line, who, measure, people.COMMITTEE)
    yield at(SPRING.closed)
    line.reaches(people.SUPERVISE, measure, "FOLLOW_UP")
    closed(line, measure, "NOT_CORRECTED")
    suggested = line.listed(
        people.SUPERVISE,
        "supervision",
        "/adjustments",
        lambda each: each["measure"] == measure.id,
        cadre=who.cadre,
    )
    adjustment = Case("supervision", "adjustments", str(suggested["id"]))
    moved = adjustments.Fate("TRANSFER", ("DUTY_WEAK",), post="四级主任科员(虚构)")
    yield from adjustments.carried(line, who, adjustment, moved, adjustments.WINTER, talkers)
    line.tell(
        "诫勉期满仍未改正:系统提出调整,集体决定后调离岗位",
        "admonished without correction: an adjustment was proposed by the system, decided and carried out",
        (finding, people.SUPERVISE),
        (measure, people.SUPERVISE),
        (adjustment, people.SUPERVISE),
    )


def reminded(stage: Stage, name: str, who: Member) -> Days:
    """Have a cadre reminded, and find a month later that it helped."""
    line = Line(stage, name)
    yield at(date(2024, 3, 15))
    measure = delivered(line, who, "REMIND", people.SUPERVISE_SECOND)
    line.refused("NO_REPLY_WANTED", lambda: line.take(who.who, measure, "reply", text=REPLY))
    yield at(date(2024, 4, 15))
    followed_up(line, measure)


def reminded_twice(stage: Stage, name: str, who: Member) -> Days:
    """Have a cadre reminded twice within a year: the city suggests an admonition, and the committee approves it."""
    line = Line(stage, name)
    reminders = []
    for day in (date(2024, 3, 15), date(2024, 7, 16)):
        yield at(day)
        reminders.append(delivered(line, who, "REMIND", people.SUPERVISE_SECOND))
    suggested = line.listed(
        people.SUPERVISE, "supervision", "/measures", lambda each: each["kind"] == "ADMONISH", cadre=who.cadre
    )
    admonition = Case("supervision", "measures", str(suggested["id"]))
    yield at(date(2024, 7, 22))
    approved(line, who, admonition, people.COMMITTEE)
    yield at(date(2025, 1, 22))
    for measure in (*reminders, admonition):
        followed_up(line, measure)
    line.tell(
        "一年内两次提醒:系统建议诫勉,批准后到期回访",
        "reminded twice within a year: an admonition was suggested by the system, approved and followed up",
        *((each, people.SUPERVISE) for each in (*reminders, admonition)),
    )


def inquired(stage: Stage, name: str, who: Member) -> Days:
    """Have a cadre asked in writing, who answers in time."""
    line = Line(stage, name)
    yield at(date(2024, 3, 15))
    measure = delivered(line, who, "INQUIRE", people.SUPERVISE_SECOND)
    line.refused("REPLY_PENDING", lambda: line.take(people.SUPERVISE, measure, "follow_up"))
    yield at(date(2024, 3, 25))
    line.take(who.who, measure, "reply", text=REPLY)
    yield at(date(2024, 4, 15))
    followed_up(line, measure)


def answered_late(stage: Stage, name: str, who: Member) -> Days:
    """Have a cadre asked in writing, who lets fifteen working days pass."""
    line = Line(stage, name)
    yield at(date(2024, 3, 15))
    measure = delivered(line, who, "INQUIRE", people.SUPERVISE_SECOND)
    yield at(date(2024, 4, 15))
    line.reaches(people.SUPERVISE, measure, "OVERDUE")
    line.take(who.who, measure, "reply", text=REPLY)
    yield at(date(2024, 4, 22))
    followed_up(line, measure)
    line.tell("函询逾期未复,补交后了结", "asked in writing, and answered late", (measure, people.SUPERVISE))


def asked_again(stage: Stage, name: str, who: Member) -> Days:
    """Have a cadre asked in writing a second time, since the first answer was not clear; there is no third time."""
    line = Line(stage, name)
    yield at(date(2024, 3, 15))
    measure = delivered(line, who, "INQUIRE", people.SUPERVISE_SECOND)
    yield at(date(2024, 3, 25))
    line.take(who.who, measure, "reply", text=REPLY)
    line.take(people.SUPERVISE, measure, "inquire_again", reason="答复不清(虚构)")
    line.sign(who.who, measure, "MEASURE_NOTICE")
    yield at(date(2024, 4, 8))
    line.take(who.who, measure, "reply", text=f"补充{REPLY}")
    line.refused(
        "INQUIRY_LIMIT", lambda: line.take(people.SUPERVISE, measure, "inquire_again", reason="再次函询(虚构)")
    )
    yield at(date(2024, 4, 15))
    followed_up(line, measure)
    line.tell("两次函询后说明清楚", "asked in writing twice, then clear", (measure, people.SUPERVISE))


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of all measures."""
    count = max(1, round(21 * share))
    found = _admonitions(stage, everybody, everybody.call(count, county_level=False))
    failed, twice, late, again = everybody.call(4, county_level=False)
    talkers = adjustments.talkers(everybody)
    found += rectifications.beside(
        stage,
        "admonished-in-vain",
        failed,
        everybody.head(failed.unit),
        SPRING.noticed,
        partial(not_corrected, stage, "admonished-in-vain", failed, talkers),
    )
    found += [
        ("reminded-twice", reminded_twice(stage, "reminded-twice", twice)),
        ("inquired-late", answered_late(stage, "inquired-late", late)),
        ("inquired-again", asked_again(stage, "inquired-again", again)),
    ]
    for kind, story, number_of in (("reminded", reminded, 9), ("inquired", inquired, 4)):
        for number, who in enumerate(everybody.call(max(1, round(number_of * share)), county_level=False), start=1):
            name = f"{kind}-{number:02}"
            found.append((name, story(stage, name, who)))
    return found


def _admonitions(stage: Stage, everybody: People, whom: Sequence[Member]) -> list[tuple[str, Days]]:
    found: list[tuple[str, Days]] = []
    for number, who in enumerate(whom, start=1):
        name, days = f"admonished-{number:02}", SPRING if number % 2 else AUTUMN
        story = partial(admonished, stage, name, who, days, told=number == 1)
        found += rectifications.beside(stage, name, who, everybody.head(who.unit), days.noticed, story)
    return found

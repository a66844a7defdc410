"""Adjustments (S11): eight cadres are removed, two changed to a rank, eighteen moved; one vote fails, one decision falls."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from dandang.slice import cast
from dandang.year import people
from dandang.year.lines import findings, rectifications
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

OPINION: Final = "核实认定:不适宜担任现职,建议调整(虚构)。"
SUMMARY: Final = "谈话:说明决定和理由,听取本人意见(虚构)。"
REASON: Final = "集体研究决定(虚构)"
GROUNDS: Final = "复核申请:所依据的任务滞后系客观原因所致(虚构)。"
NUMBER: Final = "黄干〔2024〕31号(虚构)"
VOTE: Final = {"members": 9, "present": 8, "in_favour": 7}


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a cadre and why: another post in the unit; the rank stays where none is given."""

    way: str
    reason_codes: tuple[str, ...]
    post: str
    basis: str = "UNFIT"
    rank: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """The days of those about whom the committee decides together."""

    noticed: date
    proposed: date
    decided: date
    talked: date
    executed: date
    closed: date


SPRING: Final = Round(
    *(date(2024, 3, 4), date(2024, 3, 15), date(2024, 3, 25), date(2024, 3, 26), date(2024, 4, 8), date(2024, 7, 1))
)
SUMMER: Final = Round(
    *(date(2024, 7, 1), date(2024, 7, 12), date(2024, 7, 22), date(2024, 7, 22), date(2024, 7, 29), date(2024, 11, 5))
)
WINTER: Final = Round(
    *(date(2024, 7, 1), date(2024, 10, 8), date(2024, 11, 5), date(2024, 11, 5), date(2024, 11, 13)),
    date(2025, 1, 16),
)
"""Those whose admonition brought nothing."""

ILL: Final = ("HEALTH",)
REMOVED: Final = (
    Fate("REMOVE", ("DUTY_WEAK",), "免职待安排(虚构)"),
    Fate("REMOVE", ("STYLE_BAD",), "免职待安排(虚构)", basis="HANDLING"),
    Fate("REMOVE", ("LEADERSHIP_INSUFFICIENT",), "免职待安排(虚构)"),
    Fate("REMOVE", ILL, "免职休养(虚构)"),
)
RANKED: Final = Fate("RANK_CHANGE", ("LEADERSHIP_INSUFFICIENT",), "三级调研员(虚构)", rank="CONSULTANT_3")
MOVED: Final = ("RESPONSIBILITY_LACKING", "DUTY_WEAK", "STYLE_BAD", "DECISION_LOSS")

Acting = Generator[datetime, None, Case]
"""Days of a line that end in a case."""


def talkers(everybody: People) -> list[Member]:
    """Return the two who talk with everybody that is adjusted."""
    return everybody.of(cast.unit_code("黄石市委组织部"))[:2]


def recommended(line: Line, who: Member, fate: Fate, days: Round, grounds: list[Case]) -> Acting:
    """Have an adjustment proposed on a verified finding, verified and recommended; the finding is put in `grounds`."""
    # Who is ill has done nothing that could be found.
    if fate.reason_codes != ILL:
        grounds.append((yield from findings.verified(line, who, days.noticed)))
    yield at(days.proposed)
    adjustment = line.open(
        people.CADRE_OFFICE,
        "supervision",
        "adjustments",
        cadre=who.cadre,
        basis=fate.basis,
        way=fate.way,
        reason_codes=list(fate.reason_codes),
        opinion=OPINION,
        findings=[ground.id for ground in grounds],
    )
    line.take(people.SUPERVISE, adjustment, "start_verification")
    recommend(line, adjustment, fate)
    return adjustment


def recommend(line: Line, adjustment: Case, fate: Fate) -> None:
    """Have an adjustment recommended as it was verified."""
    line.take(
        people.SUPERVISE,
        adjustment,
        "recommend",
        way=fate.way,
        reason_codes=list(fate.reason_codes),
        opinion=OPINION,
    )


def carried(
    line: Line, who: Member, adjustment: Case, fate: Fate, days: Round, talking: Sequence[Member]
) -> Generator[datetime, None, None]:
    """Lead what the city proposed through: verified, recommended, decided, executed and closed."""
    yield at(days.proposed)
    line.take(people.SUPERVISE, adjustment, "start_verification")
    recommend(line, adjustment, fate)
    yield from executed(line, who, adjustment, fate, days, talking)
    yield at(days.closed)
    line.take(people.SUPERVISE, adjustment, "close")


def executed(
    line: Line, who: Member, adjustment: Case, fate: Fate, days: Round, talking: Sequence[Member]
) -> Generator[datetime, None, None]:
    """Have an adjustment decided by two of the committee, served, told by two, and carried out in the roster."""
    yield at(days.decided)
    for member in (people.COMMITTEE, people.COMMITTEE_SECOND):
        line.take(member, adjustment, "decide", decision_no=NUMBER, **VOTE, reason=REASON)
    line.sign(who.who, adjustment, "ADJUSTMENT_NOTICE")
    line.until(people.SUPERVISE, adjustment, lambda found: found["served_on"], "served")
    yield at(days.talked, 14)
    line.take(people.SUPERVISE, adjustment, "talk", talkers=[talker.cadre for talker in talking], summary=SUMMARY)
    yield at(days.executed)
    done = line.take(people.CADRE_OFFICE, adjustment, "execute")
    change_post(line, who, post=fate.post, rank=fate.rank, since=days.executed)
    line.sign(who.who, Case("supervision", "sanctions", str(done["sanction"])), "SANCTION_NOTICE")


def change_post(
    line: Line, who: Member, *, post: str, since: date, unit: str | None = None, rank: str | None = None
) -> None:
    """Have the roster say what post a cadre holds from `since` on; unit and rank stay where they are not given."""
    entry = Case("assessment", "cadres", who.cadre)
    held = line.look(people.CADRE_OFFICE, entry)
    line.take(
        people.CADRE_OFFICE,
        entry,
        "change_post",
        unit=unit or held["unit"],
        post=post,
        post_since=since.isoformat(),
        rank=rank or held["rank"],
        manage_level=held["manage_level"],
        document=NUMBER,
        reason=REASON,
    )


def adjusted(
    stage: Stage,
    name: str,
    who: Member,
    fate: Fate,
    days: Round,
    talking: Sequence[Member],
    told: tuple[str, str] | None,
    grounds: list[Case],
) -> Days:
    """Lead an adjustment from its grounds to its close. `told` says how the year of a protagonist is told."""
    line = Line(stage, name)
    adjustment = yield from recommended(line, who, fate, days, grounds)
    yield from executed(line, who, adjustment, fate, days, talking)
    yield at(days.closed)
    line.take(people.SUPERVISE, adjustment, "close")
    if told:
        line.tell(*told, (adjustment, people.SUPERVISE))


def outvoted(stage: Stage, name: str, who: Member, grounds: list[Case]) -> Days:
    """Have a committee without enough members decide nothing, and the next one vote against it: nothing is adjusted."""
    line = Line(stage, name)
    fate = Fate("TRANSFER", ("ACHIEVEMENT_VIEW_WRONG",), "")
    adjustment = yield from recommended(line, who, fate, SPRING, grounds)
    yield at(SPRING.decided)
    few = {"decision_no": NUMBER, "members": 9, "present": 5, "in_favour": 5, "reason": REASON}
    line.refused("ATTENDANCE", lambda: line.take(people.COMMITTEE, adjustment, "decide", **few))
    line.take(people.COMMITTEE, adjustment, "send_back", reason="到会人数不足,另行研究(虚构)")
    recommend(line, adjustment, fate)
    yield at(SPRING.executed)
    against = few | {"present": 9, "in_favour": 4}
    line.refused("MAJORITY_MISSING", lambda: line.take(people.COMMITTEE, adjustment, "decide", **against))
    line.take(people.COMMITTEE, adjustment, "dismiss", reason="表决未过半数,不予调整(虚构)")
    line.tell(
        "调整未获通过:一次到会不足,一次未过半数",
        "an adjustment that found no majority",
        (adjustment, people.SUPERVISE),
    )


def undone(stage: Stage, name: str, who: Member, fate: Fate, talking: Sequence[Member], grounds: list[Case]) -> Days:
    """Lead an adjustment to its execution; a review that the cadre asked for revokes it, and the post is given back."""
    line = Line(stage, name)
    adjustment = yield from recommended(line, who, fate, SPRING, grounds)
    yield from executed(line, who, adjustment, fate, SPRING, talking)
    yield at(date(2024, 4, 15))
    appeal = line.open(
        who.who, "assessment", "appeals", type="REVIEW", subject_ref=f"adjustment/{adjustment.id}", grounds=GROUNDS
    )
    line.take(people.APPEALS, appeal, "accept")
    line.reaches(people.SUPERVISE, adjustment, "APPEALED")
    yield at(date(2024, 4, 22))
    line.take(people.APPEALS, appeal, "examine")
    yield at(date(2024, 5, 6))
    for officer in (people.APPEALS, people.APPEALS_SECOND):
        line.take(officer, appeal, "decide", decision="REVOKED", reason="原决定依据不足(虚构)")
    line.sign(who.who, appeal, "APPEAL_DECISION")
    reversed_ = line.reaches(people.SUPERVISE, adjustment, "REVERSED")
    register = Case("supervision", "sanctions", str(reversed_["sanction"]))
    line.reaches(people.SUPERVISE, register, "REVOKED")
    change_post(line, who, post=who.row.post, since=date(2024, 5, 6))
    line.take(people.SUPERVISE, register, "note_restored", reason="恢复原职务(虚构)")
    line.take(people.APPEALS, appeal, "execute")
    line.tell(
        "调离岗位后申请复核:决定被撤销,恢复原职",
        "moved, and given the post back when a review revoked the decision",
        (adjustment, people.SUPERVISE),
        (appeal, people.APPEALS),
        (register, people.SUPERVISE),
    )


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of all adjustments."""
    talking = talkers(everybody)
    found: list[tuple[str, Days]] = []

    def add(name: str, who: Member, noticed: date, story: Callable[[list[Case]], Days]) -> None:
        found.extend(rectifications.beside(stage, name, who, everybody.head(who.unit), noticed, story))

    def adjust(name: str, who: Member, fate: Fate, number: int, told: tuple[str, str]) -> None:
        days = SPRING if number % 2 else SUMMER
        story = partial(adjusted, stage, name, who, fate, days, talking, told if number == 1 else None)
        if fate.reason_codes == ILL:
            found.append((name, story([])))
        else:
            add(name, who, days.noticed, story)

    for number, who in enumerate(_called(everybody, 8, share, county_level=True), start=1):
        fate = REMOVED[(number - 1) % len(REMOVED)]
        adjust(f"removed-{number:02}", who, fate, number, ("不适宜担任现职:免职", "unfit for the post: removed"))
    for number, who in enumerate(_called(everybody, 2, share, county_level=True), start=1):
        adjust(f"ranked-{number:02}", who, RANKED, number, ("改任职级", "changed to a rank without a leading post"))
    for number, who in enumerate(_called(everybody, 17, share, county_level=False), start=1):
        fate = Fate("TRANSFER", (MOVED[number % len(MOVED)],), "调离原岗位(虚构)")
        adjust(f"moved-{number:02}", who, fate, number, ("调离岗位", "moved to another post"))
    rejected, appellant = everybody.call(2, county_level=False)
    back = Fate("TRANSFER", ("DUTY_WEAK",), "调离原岗位(虚构)")
    add("outvoted", rejected, SPRING.noticed, partial(outvoted, stage, "outvoted", rejected))
    story = partial(undone, stage, "moved-and-back", appellant, back, talking)
    add("moved-and-back", appellant, SPRING.noticed, story)
    return found


def _called(everybody: People, count: int, share: float, **whom: Any) -> list[Member]:
    return everybody.call(max(1, round(count * share)), **whom)

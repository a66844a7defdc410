"""Sanctions (S10, S16): fourteen cadres under the four regimes, from the entry by two to the day on which they are free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from dandang.slice.api import SliceFailed
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.lines import eligibility
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

CONDUCT: Final = date(2023, 11, 20)
"""On which day all of them did what they are sanctioned for."""
FIRST_DAY: Final = date(2024, 1, 15)
SPRING: Final = date(2024, 3, 4)
REVIEWED: Final = date(2024, 7, 8)
REVOKED: Final = date(2024, 11, 5)
YEAR_ON: Final = date(2025, 1, 15)
EFFECT: Final = "EFFECT_PERIOD_ACTIVE"
REASON: Final = "经审查(虚构)"


@dataclass(frozen=True, slots=True)
class Office:
    """Who decides and enters sanctions of a regime: the organ, two of its officers, and the law that it goes by."""

    organ: str
    enters: Person
    confirms: Person
    law: str


OFFICES: Final = {
    "PARTY": Office("DISC", people.DISCIPLINE, people.DISCIPLINE_SECOND, "中国共产党纪律处分条例(虚构)"),
    "GOV": Office("DISC", people.DISCIPLINE, people.DISCIPLINE_SECOND, "公职人员政务处分法(虚构)"),
    "ORG": Office("ORG", people.SUPERVISE, people.SUPERVISE_SECOND, "中国共产党组织处理规定(虚构)"),
    "ADMONITION": Office("ORG", people.SUPERVISE, people.SUPERVISE_SECOND, "对党员领导干部进行诫勉的办法(虚构)"),
}
ORDINARY: Final = (("GOV", "WARNING"), ("PARTY", "WARNING"), ("GOV", "DEMERIT"), ("PARTY", "SERIOUS_WARNING"))


@dataclass(frozen=True, slots=True)
class Punished:
    """Who is sanctioned in the year: what becomes of their grades of 2024 is told by other lines."""

    ordinary: Sequence[Member]
    """Those of whom nothing more is told."""
    demerit: Member
    """记过 on 2024-01-15: no grade for 2024, free on 2025-01-15."""
    twice: Member
    """Warned by the party and in office on one day: not 优秀 for 2024, and that once."""
    added_up: Member
    """A second sanction within the period of the first: no grade for 2024, barred until 2025-09-04."""
    watched: Member
    """Under watch for a year: 不称职 for 2024, no grade for 2025; the rights are restored on 2025-01-15."""
    modified: Member
    """记大过 made 记过 by a review: no grade for 2024."""
    revoked: Member
    """A serious warning that was revoked in November: nothing binds the grade of 2024 any more."""
    mistaken: Member
    """Warned in office, entered with a wrong length first: not 优秀 for 2024."""
    admonished: Member
    """Admonished, as the register has it: not 优秀 for 2024."""
    suspended: Member
    """Suspended for a check for three months, and back in the post."""
    downgraded: Member
    """Downgraded for 24 months: no grade for 2024 and 2025."""


def call(everybody: People, share: float) -> Punished:
    """Call upon those who are sanctioned; all are of the party, since some sanctions are the party's."""
    told = everybody.call(10, county_level=False, party=True)
    return Punished(everybody.call(max(1, round(4 * share)), county_level=False, party=True), *told)


def decision(who: Member, regime: str, kind: str, day: date, **more: Any) -> dict[str, Any]:
    """Return the entry of a decision of `day` that takes effect at once."""
    office = OFFICES[regime]
    conduct = {"conduct_on": CONDUCT.isoformat()} if regime in ("PARTY", "GOV") else {}
    return {
        "cadre": who.cadre,
        "regime": regime,
        "kind": kind,
        "organ": office.organ,
        "decision_no": f"黄{regime}〔{day.year}〕{day:%m%d}号(虚构)",
        "legal_basis": office.law,
        "decided_on": day.isoformat(),
        **conduct,
        **more,
    }


def recorded(line: Line, who: Member, regime: str, kind: str, day: date, **more: Any) -> Case:
    """Have a decision entered by one, confirmed by another, served, and in effect: all on the day of the decision."""
    office = OFFICES[regime]
    entry = line.open(office.enters, "supervision", "sanctions", **decision(who, regime, kind, day, **more))
    line.refused("AVOIDANCE", lambda: line.take(office.enters, entry, "confirm"))
    line.take(office.confirms, entry, "confirm")
    line.sign(who.who, entry, "SANCTION_NOTICE")
    line.until(
        office.enters, entry, lambda found: found["served_on"] and found["state"] == "IN_EFFECT", "served, in effect"
    )
    return entry


def by_two(line: Line, regime: str, sanction: Case, action: str, **form: Any) -> None:
    """Have two officers take a step with the same content."""
    office = OFFICES[regime]
    for officer in (office.enters, office.confirms):
        line.take(officer, sanction, action, **form)


def ends(line: Line, sanction: Case, day: date) -> None:
    """Raise SliceFailed unless the sanction ends on `day`."""
    found = line.look(people.SUPERVISE, sanction)["end_on"]
    if found != day.isoformat():
        raise SliceFailed(f"{line.name}: 影响期应至 / it should end on {day}, {found}")


def bound(line: Line, who: Member, wanted: Callable[[Any], bool], what: str) -> None:
    """Raise SliceFailed unless what binds the grade of 2024 is as `wanted` says."""
    found = line.ask(people.ASSESS, "assessment", f"/cadres/{who.cadre}/constraints", year=2024)
    if not wanted(found):
        raise SliceFailed(f"{line.name}: 等次约束应为 / the grade should be bound so: {what}, {found}")


def demerit(stage: Stage, name: str, who: Member) -> Days:
    """Have somebody barred for a year to the day (scenario 11)."""
    line = Line(stage, name)
    yield at(FIRST_DAY)
    sanction = recorded(line, who, "GOV", "DEMERIT", FIRST_DAY)
    eligibility.barred(line, who, "PROMOTE", FIRST_DAY, EFFECT, YEAR_ON)
    yield at(date(2025, 1, 14))
    eligibility.barred(line, who, "PROMOTE", date(2025, 1, 14), EFFECT, YEAR_ON)
    bound(line, who, lambda found: found["status"] == "NO_GRADE", "NO_GRADE")
    yield at(YEAR_ON)
    line.reaches(people.SUPERVISE, sanction, "EXPIRED")
    eligibility.free(line, who, "PROMOTE", YEAR_ON)
    line.tell(
        "记过:影响期一年,期满之日起可提名", "a demerit, and free to the day a year on", (sanction, people.SUPERVISE)
    )


def of_two_regimes(stage: Stage, name: str, who: Member) -> Days:
    """Have somebody sanctioned by the party and in office on one day: barred until the later end (scenario 14)."""
    line = Line(stage, name)
    yield at(SPRING)
    both = [recorded(line, who, regime, "WARNING", SPRING) for regime in ("PARTY", "GOV")]
    eligibility.barred(line, who, "PROMOTE", date(2024, 12, 2), EFFECT, date(2025, 3, 4))
    eligibility.free(line, who, "PROMOTE", date(2025, 3, 4))
    yield at(REVIEWED)
    bound(line, who, lambda found: found["cap"] == "COMPETENT" and not found["forced"], "CAP COMPETENT")
    line.tell(
        "同日党纪、政务双重处分:以后到期者为准",
        "of two regimes on one day",
        *((each, people.SUPERVISE) for each in both),
    )


def added_up(stage: Stage, name: str, who: Member) -> Days:
    """Have somebody sanctioned again within the period of the first: what remains of it is added."""
    line = Line(stage, name)
    yield at(SPRING)
    first = recorded(line, who, "GOV", "DEMERIT", SPRING)
    yield at(REVIEWED)
    second = recorded(line, who, "GOV", "WARNING", REVIEWED)
    ends(line, second, date(2025, 9, 4))
    eligibility.barred(line, who, "PROMOTE", REVIEWED, EFFECT, date(2025, 9, 4))
    line.tell(
        "影响期内再受处分:剩余期间与新的期间合并计算",
        "sanctioned again within the period of the first",
        (first, people.SUPERVISE),
        (second, people.SUPERVISE),
    )


def watched(stage: Stage, name: str, who: Member) -> Days:
    """Have somebody put under watch for a year; only then the rights are restored, and two more years run."""
    line = Line(stage, name)
    yield at(FIRST_DAY)
    sanction = recorded(line, who, "PARTY", "PROBATION", FIRST_DAY, months=12)
    yield at(REVIEWED)
    early = {"restored_on": REVIEWED.isoformat()}
    line.refused("WATCH_RUNNING", lambda: line.take(people.DISCIPLINE, sanction, "restore_rights", **early))
    yield at(YEAR_ON)
    by_two(line, "PARTY", sanction, "restore_rights", restored_on=YEAR_ON.isoformat())
    line.reaches(people.SUPERVISE, sanction, "POST_WATCH")
    ends(line, sanction, date(2027, 1, 15))
    line.tell("留党察看:察看期满后恢复党员权利", "under watch, and the rights restored", (sanction, people.SUPERVISE))


def modified(stage: Stage, name: str, who: Member) -> Days:
    """Have a review make a sanction lighter; it cannot make it heavier."""
    line = Line(stage, name)
    yield at(SPRING)
    sanction = recorded(line, who, "GOV", "SERIOUS_DEMERIT", SPRING)
    yield at(REVIEWED)
    review = {"cause": "REVIEW", "decision_no": "黄GOV〔2024〕0708号(虚构)", "reason": REASON}
    heavier = review | {"kind": "DOWNGRADE"}
    line.refused("NO_REFORMATIO_IN_PEIUS", lambda: line.take(people.DISCIPLINE, sanction, "modify", **heavier))
    by_two(line, "GOV", sanction, "modify", **review, kind="DEMERIT")
    line.reaches(people.SUPERVISE, sanction, "MODIFIED")
    ends(line, sanction, date(2025, 3, 4))
    eligibility.barred(line, who, "PROMOTE", REVIEWED, EFFECT, date(2025, 3, 4))
    line.tell("复审减轻:记大过变更为记过", "made lighter by a review", (sanction, people.SUPERVISE))


def revoked(stage: Stage, name: str, who: Member) -> Days:
    """Have a sanction revoked that bound the year: nothing bars the cadre any more, and what was lost is restored."""
    line = Line(stage, name)
    yield at(SPRING)
    sanction = recorded(line, who, "PARTY", "SERIOUS_WARNING", SPRING)
    yield at(REVOKED)
    bound(line, who, lambda found: found["status"] == "NO_GRADE", "NO_GRADE")
    eligibility.barred(line, who, "AWARD", REVOKED, EFFECT, date(2025, 9, 4))
    by_two(line, "PARTY", sanction, "revoke", reason="原决定认定事实有误(虚构)")
    eligibility.free(line, who, "AWARD", REVOKED)
    yield at(date(2024, 11, 26))
    bound(line, who, lambda found: found["status"] == "GRADED", "GRADED")
    line.take(people.DISCIPLINE, sanction, "note_restored", reason="已恢复待遇并消除影响(虚构)")
    line.tell("处分被撤销:约束解除,恢复待遇和名誉", "revoked, and everything restored", (sanction, people.DISCIPLINE))


def mistaken(stage: Stage, name: str, who: Member) -> Days:
    """Have a wrong length refused, and the right one entered; what has expired may still affect the use of a cadre."""
    line = Line(stage, name)
    yield at(SPRING)
    wrong = decision(who, "GOV", "WARNING", SPRING, months=12)
    line.refused("MONTHS_MISMATCH", lambda: line.open(people.DISCIPLINE, "supervision", "sanctions", **wrong))
    sanction = recorded(line, who, "GOV", "WARNING", SPRING, months=6)
    yield at(REVOKED)
    line.reaches(people.DISCIPLINE, sanction, "EXPIRED")
    line.take(people.DISCIPLINE, sanction, "flag_use", reason="影响仍在(虚构)")
    eligibility.barred(line, who, "PROMOTE", REVOKED, "AFFECTS_USE_AFTER_EXPIRY", None)
    # Of the grade excellent the whole year is barred, though the six months are over.
    eligibility.barred(line, who, "EXCELLENT", REVOKED, EFFECT, date(2025, 1, 1))
    yield at(YEAR_ON)
    line.take(people.DISCIPLINE, sanction, "clear_use", reason="影响已消除(虚构)")
    eligibility.free(line, who, "PROMOTE", YEAR_ON)
    line.tell(
        "期满后仍影响使用,复核后取消", "expired, and still affecting use for a while", (sanction, people.SUPERVISE)
    )


def admonished(stage: Stage, name: str, who: Member) -> Days:
    """Have an admonition entered in the register: six months."""
    line = Line(stage, name)
    yield at(SPRING)
    sanction = recorded(line, who, "ADMONITION", "ADMONITION", SPRING)
    ends(line, sanction, date(2024, 9, 4))
    yield at(REVOKED)
    line.reaches(people.SUPERVISE, sanction, "EXPIRED")
    eligibility.free(line, who, "PROMOTE", REVOKED)


def suspended(stage: Stage, name: str, who: Member) -> Days:
    """Have somebody suspended for a check for three months, and reinstated in the roster."""
    line = Line(stage, name)
    entry = Case("assessment", "cadres", who.cadre)
    yield at(SPRING)
    sanction = recorded(line, who, "ORG", "SUSPEND_CHECK", SPRING, basis="HANDLING", months=3)
    line.take(people.CADRE_OFFICE, entry, "suspend", effective_on=SPRING.isoformat(), reason=REASON)
    yield at(date(2024, 7, 1))
    line.reaches(people.SUPERVISE, sanction, "EXPIRED")
    line.take(people.CADRE_OFFICE, entry, "reinstate", effective_on="2024-06-04", reason="停职检查期满(虚构)")
    line.tell("停职检查三个月,期满复职", "suspended for a check, and reinstated", (sanction, people.SUPERVISE))


def downgraded(stage: Stage, name: str, who: Member) -> Days:
    """Have somebody downgraded, and the decision carried out within the month."""
    line = Line(stage, name)
    yield at(SPRING)
    sanction = recorded(line, who, "GOV", "DOWNGRADE", SPRING)
    yield at(date(2024, 3, 25))
    line.take(people.CADRE_OFFICE, sanction, "note_executed")


def ordinary(stage: Stage, name: str, who: Member, regime: str, kind: str) -> Days:
    """Have somebody sanctioned, and nothing else."""
    line = Line(stage, name)
    yield at(SPRING)
    recorded(line, who, regime, kind, SPRING)


def lines(stage: Stage, punished: Punished) -> list[tuple[str, Days]]:
    """Return the lines of all sanctions."""
    told: list[tuple[str, Callable[[Stage, str, Member], Days], Member]] = [
        ("demerit", demerit, punished.demerit),
        ("two-regimes", of_two_regimes, punished.twice),
        ("added-up", added_up, punished.added_up),
        ("watched", watched, punished.watched),
        ("modified", modified, punished.modified),
        ("revoked", revoked, punished.revoked),
        ("mistaken", mistaken, punished.mistaken),
        ("admonition-entered", admonished, punished.admonished),
        ("suspended", suspended, punished.suspended),
        ("downgraded", downgraded, punished.downgraded),
    ]
    found = [(f"sanction-{name}", story(stage, f"sanction-{name}", who)) for name, story, who in told]
    for number, who in enumerate(punished.ordinary, start=1):
        name = f"sanction-{number:02}"
        found.append((name, ordinary(stage, name, who, *ORDINARY[(number - 1) % len(ORDINARY)])))
    return found

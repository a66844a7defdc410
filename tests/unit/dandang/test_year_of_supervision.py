"""Who is warned, adjusted, sanctioned and held in the year, and on which days: as many as the city should have, in order."""

from collections import Counter
from dataclasses import astuple
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from citybus.calendar import Calendar
from dandang.local.state import RunFolder
from dandang.slice import cast
from dandang.slice.cast import Person
from dandang.year.lines import adjustments, case_holds, measures, sanctions, signals
from dandang.year.people import Member, People
from dandang.year.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a stage on which nothing was played."""
    return Stage(RunFolder(tmp_path), tmp_path / "year.jsonl", UUID(int=1))


def people() -> People:
    """Return the people of the sample city under ids of our own."""
    places: Counter[str] = Counter()
    members = []
    for number, row in enumerate(cast.city().cadres):
        who = Person(f"cadre-{number}", row.name, row.name, ("CADRE",), row.unit, f"id-{number}")
        members.append(Member(row, places[row.unit], who))
        places[row.unit] += 1
    return People(members)


def names(stage: Stage, everybody: People, share: float) -> list[str]:
    lines = [
        *measures.lines(stage, everybody, share),
        *adjustments.lines(stage, everybody, share),
        *sanctions.lines(stage, sanctions.call(everybody, share)),
        *case_holds.lines(stage, case_holds.call(everybody)),
        *signals.lines(stage, signals.call(everybody)),
    ]
    return [name for name, _ in lines if not name.endswith("-rectified")]


def kinds(found: list[str]) -> Counter[str]:
    return Counter(name.rstrip("0123456789").rstrip("-") for name in found)


def test_the_whole_city_has_the_numbers_of_its_domain(stage: Stage) -> None:
    found = names(stage, people(), 1.0)
    assert len(set(found)) == len(found)
    many = kinds(found)
    assert many["admonished"] + many["admonished-in-vain"] == 22
    assert (many["removed"], many["ranked"]) == (8, 2)
    assert many["moved"] + many["moved-and-back"] == 18
    assert many["inquired"] + many["inquired-late"] + many["inquired-again"] == 6
    assert sum(count for name, count in many.items() if name.startswith("sanction")) == 14
    assert sum(count for name, count in many.items() if name.startswith("case")) == 3
    assert sum(count for name, count in many.items() if name.startswith("signal")) == 3


def test_every_kind_of_story_happens_in_the_smallest_city(stage: Stage) -> None:
    whole, small = names(stage, people(), 1.0), names(stage, people(), 0.05)
    assert set(kinds(small)) == set(kinds(whole))


def test_whom_the_party_sanctions_are_its_members() -> None:
    everybody = people()
    punished = sanctions.call(everybody, 1.0)
    held = case_holds.call(everybody)
    called = [*punished.ordinary, punished.watched, punished.twice, held.at_year_end]
    assert all(who.row.party_member for who in called)


@pytest.mark.parametrize(
    "days",
    [
        *(astuple(each) for each in (adjustments.SPRING, adjustments.SUMMER, adjustments.WINTER)),
        *((each.noticed, each.proposed, each.delivered, each.closed) for each in (measures.SPRING, measures.AUTUMN)),
        (sanctions.FIRST_DAY, sanctions.SPRING, sanctions.REVIEWED, sanctions.REVOKED, sanctions.YEAR_ON),
        (case_holds.CLOSED_IN_MARCH,),
        (signals.POSTED, signals.TRIAGED, signals.NOTICED, signals.SETTLED),
    ],
)
def test_people_work_on_working_days_in_their_order(days: tuple[date, ...]) -> None:
    assert list(days) == sorted(days)
    calendar = Calendar.load(None)
    assert [day for day in days if not calendar.is_working_day(day).working] == []


def test_an_adjustment_is_carried_out_within_ten_working_days() -> None:
    calendar = Calendar.load(None)
    for days in (adjustments.SPRING, adjustments.SUMMER, adjustments.WINTER):
        assert days.executed <= calendar.add_working_days(days.decided, 10).day


def test_who_posts_a_clue_belongs_to_another_unit_than_those_whom_it_is_about() -> None:
    everybody = people()
    told_of = signals.call(everybody)
    assert told_of.neighbour.unit not in {told_of.linked.unit, told_of.transferred.unit}

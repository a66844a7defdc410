"""Whom tolerance is granted in the year, who hears their cases, and whom the batches choose: as many as there should be."""

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
from dandang.year.lines import batches, tolerances
from dandang.year.people import SPARED, Member, People
from dandang.year.stage import Stage

CALENDAR = Calendar.load(None)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a stage on which nothing was played."""
    return Stage(RunFolder(tmp_path), tmp_path / "year.jsonl", UUID(int=1))


def people(share: float = 1.0) -> People:
    """Return the people of the sample city under ids of our own."""
    places: Counter[str] = Counter()
    members = []
    for number, row in enumerate(cast.city().cadres):
        who = Person(f"cadre-{number}", row.name, row.name, ("CADRE",), row.unit, f"id-{number}")
        members.append(Member(row, places[row.unit], who))
        places[row.unit] += 1
    return People(members, share)


def test_about_twenty_ask_for_tolerance_in_a_year_and_of_every_kind_somebody_in_a_small_part_of_it(
    stage: Stage,
) -> None:
    whole = [name for name, _ in tolerances.lines(stage, people(), 1.0)]
    assert len(set(whole)) == len(whole) == 20
    part = {name for name, _ in tolerances.lines(stage, people(0.05), 0.05)}
    assert {f"tolerance-{story}" for story, _ in tolerances.STORIES} <= part
    assert {decision for kind, decision, _, _ in tolerances.EXTRAS if f"tolerance-{kind}-01" in part} == {
        *("EXEMPT", "MITIGATE", "DENY")
    }


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_nobody_judges_their_own_unit_and_all_heads_take_their_turn(share: float) -> None:
    everybody = people(share)
    members = everybody.call(20)
    sat: Counter[str] = Counter()
    for hearing in tolerances.hearings(everybody, members):
        votes = hearing.votes("MITIGATE")
        assert len({vote["cadre"] for vote in votes}) == len(votes) == 7
        assert [vote["vote"] for vote in votes].count("MITIGATE") == 6
        assert hearing.who.unit not in {each.unit for each in hearing.panel}
        assert not {each.unit for each in hearing.panel} & SPARED
        sat.update(each.subject for each in hearing.panel)
    assert max(sat.values()) <= 3


def test_days_are_in_order_and_working_days() -> None:
    courses = [astuple(each) for each in (tolerances.SPRING, tolerances.AUTUMN, tolerances.MAY)]
    chosen = (
        *(batches.ADMONISHED, batches.OPENED, batches.PUBLICISED, batches.OBJECTED, batches.ADMONISHED_LATE),
        *(batches.DECIDED, batches.DECIDED_AT_LAST, batches.APPOINTED),
    )
    for days in (*courses, chosen):
        assert sorted(days) == list(days)
        assert [day for day in days if not CALENDAR.is_working_day(day).working] == []


def test_a_decision_comes_after_its_publicity() -> None:
    for publicised, decided in (
        (batches.PUBLICISED, batches.DECIDED),
        (batches.OBJECTED, batches.DECIDED_AT_LAST),
        (batches.DECIDED, batches.DECIDED_AT_LAST),
    ):
        assert CALENDAR.add_working_days(publicised, 5).day < decided


def test_the_group_that_wants_younger_members_is_an_aged_one() -> None:
    _, days = batches.aged_group(people())
    ages = [(batches.OPENED - date.fromisoformat(day)).days / 365.25 for day in days]
    assert sum(ages) / len(ages) >= 52


def test_whom_no_line_called_upon_is_left_for_the_batches() -> None:
    everybody = people(0.05)
    called = {each.cadre for each in everybody.call(50)}
    left = everybody.untouched()
    assert left
    assert not called & {each.cadre for each in left}
    assert all(each.place > 0 and not each.row.hr and each.unit in everybody.in_play() for each in left)

"""The play of the year: lines go on in the order of their days, the clock stops for deadlines, answers are kept."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from citybus.clock import FileClock
from dandang.local.state import RunFolder
from dandang.slice.api import SliceFailed
from dandang.slice.cast import Person
from dandang.year.people import Member, People
from dandang.year.play import Play, on
from dandang.year.stage import Case, Line, Stage
from dandang.year.stored import Stored

YEAR = UUID("00000000-0000-4000-8000-000000000001")


class Still:
    """A city in which nothing is ever left to do, with these deadlines."""

    def __init__(self, *deadlines: datetime) -> None:
        self.deadlines = deadlines

    def wait(self, now: Callable[[], datetime], *, within: float) -> None:
        pass

    def next_deadline(self, now: datetime) -> datetime | None:
        return min((each for each in self.deadlines if each > now), default=None)


class Clock(FileClock):
    """A clock that stands, and remembers where it was put."""

    def __init__(self, at: datetime) -> None:
        self.stops = [at]

    def now(self) -> datetime:
        return self.stops[-1]

    def write(self, at: datetime, *, running: bool = False) -> None:
        if not running:
            self.stops.append(at)


def played(clock: Clock, still: Still, *lines: tuple[str, Iterator[datetime]]) -> None:
    Play(clock, still, lambda told: None).run(lines)  # type: ignore[arg-type]


def test_lines_go_on_in_the_order_of_their_days() -> None:
    acted: list[tuple[str, int]] = []
    clock = Clock(on(2024, 1, 2))

    def line(name: str, *days: int) -> Iterator[datetime]:
        for day in days:
            yield on(2024, 3, day)
            acted.append((name, day))

    played(clock, Still(), ("a", line("a", 4, 11)), ("b", line("b", 5, 12)))
    assert acted == [("a", 4), ("b", 5), ("a", 11), ("b", 12)]
    assert [each.day for each in clock.stops[1:]] == [4, 5, 11, 12]


def test_the_clock_stops_at_the_hour_by_which_a_deadline_is_due() -> None:
    clock = Clock(on(2024, 1, 2))
    deadlines = (on(2024, 3, 1, 0), on(2024, 3, 2, 9, 30), on(2024, 3, 9))
    played(clock, Still(*deadlines), ("a", iter([on(2024, 3, 4)])))
    assert clock.stops[1:] == [on(2024, 3, 1, 0), on(2024, 3, 2, 10), on(2024, 3, 4)]


def test_a_line_that_fails_is_named_once_the_others_have_acted() -> None:
    acted = []

    def fails() -> Iterator[datetime]:
        yield on(2024, 3, 4)
        raise SliceFailed("no such thing")

    def does() -> Iterator[datetime]:
        yield on(2024, 3, 4)
        acted.append(True)

    with pytest.raises(SliceFailed, match="fails: SliceFailed: no such thing"):
        played(Clock(on(2024, 1, 2)), Still(), ("fails", fails()), ("does", does()))
    assert acted == [True]


def stage(folder: Path) -> Stage:
    return Stage(RunFolder(folder / "run"), folder / "year.jsonl", YEAR)


def test_an_answer_is_kept_and_a_line_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    first = stage(tmp_path)
    assert first.keep("a", lambda: {"id": 1}) == {"id": 1}
    first.keep("b", lambda: {"id": 2})
    file = tmp_path / "year.jsonl"
    file.write_text(file.read_text(encoding="utf-8")[:-3], encoding="utf-8")

    def unasked() -> Any:
        raise AssertionError("it was kept")

    again = stage(tmp_path)
    assert again.keep("a", unasked) == {"id": 1}
    assert again.keep("b", lambda: {"id": 3}) == {"id": 3}
    assert stage(tmp_path).keep("b", unasked) == {"id": 3}


def test_what_should_have_been_refused_and_was_not_is_told(tmp_path: Path) -> None:
    line = Line(stage(tmp_path), "line")
    with pytest.raises(SliceFailed, match="QUOTA_EXCEEDED"):
        line.refused("QUOTA_EXCEEDED", lambda: None)


def test_the_year_is_remembered_with_who_reads_each_case(tmp_path: Path) -> None:
    held = stage(tmp_path)
    reader = Person("org-1", "甲", "A", ("ORG.assess",), "4202-102", units=("4202-101",))
    Line(held, "recall-1").tell("被召回", "recalled", (Case("supervision", "recalls", "1"), reader))
    stored = Stored(0.5, YEAR, True, list(held.protagonists.values()))
    stored.write(tmp_path / "year.json")
    assert Stored.read(tmp_path / "year.json") == stored
    assert Stored.read(tmp_path / "nothing.json") is None


def test_nobody_is_called_upon_twice_and_heads_are_spared() -> None:
    from dandang.slice import cast

    members, places = [], dict[str, int]()
    for number, row in enumerate(cast.city().cadres):
        place = places.get(row.unit, 0)
        places[row.unit] = place + 1
        members.append(Member(row, place, Person(str(number), row.name, row.name, ("CADRE",), row.unit, str(number))))
    people = People(members)
    called = people.call(19, county_level=True) + people.call(37, county_level=False)
    assert len({each.cadre for each in called}) == 56
    assert all(each.place > 0 and not each.row.hr for each in called)
    with pytest.raises(ValueError, match="has only"):
        people.call(5000)


def test_name_and_birth_tell_everybody_of_the_sample_city_apart() -> None:
    from dandang.slice import cast

    cadres = cast.city().cadres
    assert len({(each.name, each.id_no[6:14]) for each in cadres}) == len(cadres)

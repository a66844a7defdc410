"""Clocks: all tell the time in Asia/Shanghai; a fixed one stands, a shared one is moved for every process at once."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from citybus.clock import ZONE, Clock, FileClock, FixedClock, SystemClock

AT = datetime(2024, 3, 4, 17, 30, tzinfo=UTC)


def clocks(folder: Path) -> list[Clock]:
    shared = FileClock(folder / "clock")
    shared.write(AT)
    return [SystemClock(), FixedClock(AT), shared, FileClock(folder / "missing")]


def test_every_clock_tells_an_aware_instant_and_its_day(tmp_path: Path) -> None:
    for clock in clocks(tmp_path):
        now = clock.now()
        assert now.tzinfo is ZONE
        assert clock.today() in {now.date(), clock.now().date()}


def test_a_fixed_clock_stands_until_it_is_moved() -> None:
    clock = FixedClock(AT)
    assert (clock.now(), clock.today()) == (AT, date(2024, 3, 5))
    clock.advance(timedelta(days=1))
    assert clock.now() == AT + timedelta(days=1)
    with pytest.raises(ValueError, match="aware"):
        clock.set(datetime(2024, 3, 4))  # noqa: DTZ001  # that it is naive is the point


def test_a_shared_clock_is_moved_for_everybody_who_shares_it(tmp_path: Path) -> None:
    writer, reader = FileClock(tmp_path / "clock"), FileClock(tmp_path / "clock")
    assert abs(reader.now() - datetime.now(ZONE)) < timedelta(minutes=1)
    writer.write(AT)
    assert reader.now() == AT
    assert reader.now() == AT
    writer.write(AT + timedelta(days=3))
    assert reader.now() == AT + timedelta(days=3)


def test_a_shared_clock_may_run_on(tmp_path: Path) -> None:
    clock = FileClock(tmp_path / "clock")
    clock.write(AT, running=True)
    first = clock.now()
    assert timedelta(0) <= first - AT < timedelta(minutes=1)
    assert clock.now() >= first

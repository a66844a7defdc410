"""The days of the year's lines: in order, and days on which people work."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import date

import pytest

from citybus.calendar import Calendar
from dandang.year.lines import bulletins, inspections

CALENDAR = Calendar.load(None)


@pytest.mark.parametrize(
    "days",
    [
        astuple(inspections.SPRING),
        astuple(inspections.AUTUMN),
        (bulletins.DRAFTED, bulletins.PUBLISHED.date(), bulletins.CORRECTED, bulletins.WITHDRAWN, bulletins.EXPIRED),
    ],
)
def test_lines_go_on_from_working_day_to_working_day(days: Sequence[date]) -> None:
    assert sorted(days) == list(days)
    assert [day for day in days if not CALENDAR.is_working_day(day).working] == []

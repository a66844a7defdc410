"""The days of the year's lines: in order, and days on which people work."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import date

import pytest

from citybus.calendar import Calendar
from dandang.year.lines import bulletins, inspections, recalls

FIRST, SECOND, AGAIN = recalls.spring(1), recalls.autumn(1), recalls.Repeated()
CALENDAR = Calendar.load(None)


def _until_trained(course: recalls.Course) -> tuple[date, ...]:
    """Return the days until the class begins; it goes on over the weekend."""
    return (course.noticed, course.rectifying, course.proposed, course.approved, course.opened, course.starts)


@pytest.mark.parametrize(
    "days",
    [
        astuple(inspections.SPRING),
        astuple(inspections.AUTUMN),
        (bulletins.DRAFTED, bulletins.PUBLISHED.date(), bulletins.CORRECTED, bulletins.WITHDRAWN, bulletins.EXPIRED),
        *(
            (*_until_trained(each), each.passed, *each.reported, each.reviewed, each.evaluated, each.decided)
            for each in (FIRST, SECOND)
        ),
        (AGAIN.opened, AGAIN.enrolled, AGAIN.starts, AGAIN.failed, AGAIN.decided),
        *(astuple(each) for each in (recalls.AFTER_FAILING, recalls.AFTER_SPRING, recalls.AFTER_AUTUMN)),
    ],
)
def test_lines_go_on_from_working_day_to_working_day(days: Sequence[date]) -> None:
    assert sorted(days) == list(days)
    assert [day for day in days if not CALENDAR.is_working_day(day).working] == []

"""When people are warned of a deadline: before it is due, and not on the day on which they were told of it."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from citybus.cases import Step
from citybus.clock import ZONE
from notification.domain.deadline import warning_time


def on(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=ZONE)


def told(warn_at: datetime | None, due_at: datetime) -> datetime | None:
    case = SimpleNamespace(warn_at=warn_at, due_at=due_at)
    return warning_time(Step(case=case, action="create", at=on(15, 9), rules=None, form={}, actor=None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("warn_at", "due_at", "expected"),
    [
        (on(18, 9), on(21), on(18, 9)),
        (on(14), on(21), on(16)),
        (on(15, 16), on(21), on(16)),
        (on(14), on(16), None),
        (on(21), on(21), None),
        (None, on(21), None),
    ],
    ids=["ahead", "behind", "the same day", "due before the next day", "not before it is due", "none"],
)
def test_a_warning_waits_for_the_day_after_and_comes_before_it_is_due(
    warn_at: datetime | None, due_at: datetime, expected: datetime | None
) -> None:
    assert told(warn_at, due_at) == expected

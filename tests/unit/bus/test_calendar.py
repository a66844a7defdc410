"""The working days of China, durations, and an operator's own holiday table."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybus import calendar as module
from citybus.calendar import (
    Calendar,
    Count,
    Day,
    Due,
    Duration,
    HolidayTableError,
    Unit,
    add_months,
)
from citybus.clock import ZONE

PUBLISHED = Calendar()
LAST_YEAR = module._LAST_YEAR
DAYS = st.dates(date(2005, 1, 1), date(LAST_YEAR - 2, 12, 31))

TABLE = f"""
- year: {LAST_YEAR + 1}
  holidays: [{LAST_YEAR + 1}-01-01, {LAST_YEAR + 1}-02-05, {LAST_YEAR + 1}-02-08]
  workdays: [{LAST_YEAR + 1}-02-14]
  source: 国务院办公厅通知
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "holidays.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("day", "working"),
    [
        (date(2024, 5, 6), True),
        (date(2024, 5, 11), True),  # a Saturday made up for
        (date(2024, 5, 1), False),
        (date(2024, 10, 7), False),
        (date(2024, 10, 12), True),
        (date(2024, 5, 19), False),
        (date(2020, 1, 31), False),  # the Spring Festival that was prolonged
    ],
)
def test_published_holidays_and_make_up_workdays_count(day: date, working: bool) -> None:
    assert PUBLISHED.is_working_day(day) == Day(working, provisional=False)


def test_day_of_the_event_is_not_counted() -> None:
    assert PUBLISHED.add_working_days(date(2024, 3, 4), 5) == Due(date(2024, 3, 11))
    assert PUBLISHED.add_working_days(date(2024, 3, 4), 0) == Due(date(2024, 3, 4))
    assert PUBLISHED.add_working_days(date(2024, 4, 30), 1) == Due(date(2024, 5, 6))
    assert PUBLISHED.add_working_days(date(2024, 5, 6), -1) == Due(date(2024, 4, 30))


@given(DAYS, st.integers(1, 300))
def test_counting_between_undoes_adding(start: date, count: int) -> None:
    end = PUBLISHED.add_working_days(start, count)
    assert PUBLISHED.is_working_day(end.day).working
    assert PUBLISHED.working_days_between(start, end.day) == Count(count)


def test_nothing_lies_between_a_day_and_an_earlier_one() -> None:
    assert PUBLISHED.working_days_between(date(2024, 3, 4), date(2024, 3, 1)) == Count(0)


def test_years_not_published_are_provisional() -> None:
    unknown = LAST_YEAR + 1
    assert PUBLISHED.is_working_day(date(unknown, 10, 1)) == Day(working=False, provisional=True)
    monday = next(d for n in range(7) if (d := date(unknown, 6, 1) + timedelta(n)).weekday() == 0)
    assert PUBLISHED.is_working_day(monday) == Day(working=True, provisional=True)
    assert PUBLISHED.is_working_day(monday - timedelta(days=1)) == Day(working=False, provisional=True)
    assert PUBLISHED.add_working_days(date(unknown, 6, 1), 3).provisional
    assert PUBLISHED.working_days_between(date(unknown, 6, 1), date(unknown, 6, 5)).provisional
    assert not PUBLISHED.add_working_days(date(LAST_YEAR, 6, 1), 3).provisional


def test_end_of_the_last_published_year_is_provisional_for_new_year_may_move_it() -> None:
    assert not PUBLISHED.is_working_day(date(LAST_YEAR, 12, 24)).provisional
    assert PUBLISHED.is_working_day(date(LAST_YEAR, 12, 31)).provisional
    assert not PUBLISHED.is_working_day(date(LAST_YEAR - 1, 12, 31)).provisional


def test_operators_table_makes_its_year_sure(tmp_path: Path) -> None:
    own = Calendar.load(write(tmp_path, TABLE))
    year = LAST_YEAR + 1
    assert own.is_working_day(date(year, 2, 5)) == Day(working=False, provisional=False)
    assert own.is_working_day(date(year, 2, 14)) == Day(working=True, provisional=False)
    assert not own.is_working_day(date(year, 6, 1)).provisional
    assert not own.is_working_day(date(LAST_YEAR, 12, 31)).provisional
    assert own.is_working_day(date(year, 12, 31)).provisional
    # A full table names the statutory holidays itself: a year that lists none has none.
    may_day = date(year, 5, 1)
    assert own.is_working_day(may_day).working == (may_day.weekday() < 5)


def test_operators_table_comes_before_the_published_one(tmp_path: Path) -> None:
    text = "- {year: 2024, holidays: ['2024-03-05'], workdays: ['2024-03-09'], source: 本市通知}"
    own = Calendar.load(write(tmp_path, text))
    assert own.is_working_day(date(2024, 3, 5)) == Day(working=False, provisional=False)
    assert own.is_working_day(date(2024, 3, 9)) == Day(working=True, provisional=False)
    assert own.is_working_day(date(2024, 5, 1)).working is False


def test_no_table_is_the_published_calendar() -> None:
    assert Calendar.load(None).is_working_day(date(2024, 5, 1)) == PUBLISHED.is_working_day(date(2024, 5, 1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- [", "expected"),
        ("- {year: 2027, holidays: [], workdays: [], source: x}", "holidays"),
        ("- {year: 2027, holidays: ['2027-13-01'], workdays: [], source: x}", "holidays"),
        ("- {year: 2027, holidays: [2027-01-01], workdays: [], source: x, more: 1}", "more"),
        ("- {year: 2027, holidays: [2028-02-01], workdays: [], source: x}", "does not belong to 2027"),
        ("- {year: 2027, holidays: [2027-02-01], workdays: [2027-02-01], source: x}", "both a holiday and a workday"),
        (
            "\n".join(2 * ["- {year: 2027, holidays: [2027-02-01], workdays: [], source: x}"]),
            "a year is given twice",
        ),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(HolidayTableError, match=complaint):
        Calendar.load(write(tmp_path, text))


def test_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HolidayTableError, match="No such file"):
        Calendar.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("day", "months", "due"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 12, 15), 1, date(2025, 1, 15)),
        (date(2024, 3, 31), -1, date(2024, 2, 29)),
        (date(2024, 1, 15), -1, date(2023, 12, 15)),
    ],
)
def test_months_clip_to_the_months_end(day: date, months: int, due: date) -> None:
    assert add_months(day, months) == due


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("5 WD", Duration(5, Unit.WORKING_DAYS)),
        ("30 d", Duration(30, Unit.DAYS)),
        ("1 month", Duration(1, Unit.MONTHS)),
        ("12 months", Duration(12, Unit.MONTHS)),
        ("1 year", Duration(1, Unit.YEARS)),
        ("2 h", Duration(2, Unit.HOURS)),
        ("10 min", Duration(10, Unit.MINUTES)),
        ("30 d filing", Duration(30, Unit.DAYS, filing=True)),
    ],
)
def test_durations_are_read_and_written(text: str, duration: Duration) -> None:
    assert Duration.is_one(text)
    assert Duration.parse(text) == duration
    assert Duration.parse(str(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "5WD", "-1 d", "05 d", "1.5 d", "5 wd", "5 weeks", "5 WD later"])
def test_other_texts_are_no_durations(text: str) -> None:
    assert not Duration.is_one(text)
    with pytest.raises(ValueError, match="not a duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "start", "last"),
    [
        ("5 WD", date(2024, 3, 4), date(2024, 3, 11)),
        ("3 d", date(2024, 4, 29), date(2024, 5, 2)),  # an effect period may end on a holiday
        ("3 d filing", date(2024, 4, 29), date(2024, 5, 6)),  # a filing period may not
        ("7 d filing", date(2024, 4, 29), date(2024, 5, 6)),
        ("12 months", date(2024, 1, 15), date(2025, 1, 15)),
        ("1 year", date(2024, 2, 29), date(2025, 2, 28)),
    ],
)
def test_period_ends_with_its_last_day(text: str, start: date, last: date) -> None:
    period = Duration.parse(text)
    assert period.last_day(start).day == last
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), ZONE)
    assert period.due(start) == end
    # It is the same from whatever hour of that day the period runs.
    assert period.due(datetime(start.year, start.month, start.day, 23, 59, tzinfo=ZONE)) == end


def test_instants_are_days_of_shanghai() -> None:
    late_in_utc = datetime.fromisoformat("2024-03-04T18:00:00+00:00")  # the 5th in Shanghai
    assert Duration.parse("1 d").last_day(late_in_utc).day == date(2024, 3, 6)


def test_rolling_keeps_what_is_provisional() -> None:
    year = LAST_YEAR + 1
    assert Duration.parse("1 d filing").last_day(date(year, 9, 30)).provisional
    assert not Duration.parse("1 d").last_day(date(year, 9, 30)).provisional
    assert PUBLISHED.roll_to_working_day(date(2024, 5, 1), provisional=True).provisional
    assert PUBLISHED.roll_to_working_day(date(2024, 5, 6)) == Due(date(2024, 5, 6))


def test_period_says_whether_its_end_is_provisional() -> None:
    year = LAST_YEAR + 1
    assert Duration.parse("5 WD").provisional(date(year, 6, 1))
    assert not Duration.parse("5 WD").provisional(date(LAST_YEAR, 6, 1))
    assert not Duration.parse("5 h").provisional(date(year, 6, 1))


def test_hours_and_minutes_run_from_an_instant() -> None:
    start = datetime(2024, 3, 4, 23, 30, tzinfo=ZONE)
    assert Duration.parse("1 h").due(start) == start + timedelta(hours=1)
    assert Duration.parse("45 min").before(start) == start - timedelta(minutes=45)
    with pytest.raises(ValueError, match="from an instant"):
        Duration.parse("1 h").due(start.date())
    with pytest.raises(ValueError, match="ends at an instant"):
        Duration.parse("1 h").last_day(start)


# The 28th of April 2024 was a Sunday on which people worked.
@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("3 WD", date(2024, 4, 28)),
        ("3 d", date(2024, 5, 3)),
        ("1 months", date(2024, 4, 6)),
        ("1 year", date(2023, 5, 6)),
    ],
)
def test_warning_begins_so_many_days_before_the_last_day(text: str, begins: date) -> None:
    due_at = Due(date(2024, 5, 6)).end
    assert Duration.parse(text).before(due_at) == datetime.combine(begins, datetime.min.time(), ZONE)


def test_elapsed_time() -> None:
    assert Duration.parse("2 d").elapsed == timedelta(days=2)
    assert Duration.parse("2 h").elapsed == timedelta(hours=2)
    assert Duration.parse("2 min").elapsed == timedelta(minutes=2)
    with pytest.raises(ValueError, match="no fixed length"):
        _ = Duration.parse("2 WD").elapsed

"""The working days of China: published holidays and make-up workdays, an operator's own table, and durations."""

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import chinese_calendar
import yaml
from chinese_calendar import constants
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from citybus.clock import ZONE
from citybus.errors import CityError

_FIRST_YEAR = min(constants.holidays).year
_LAST_YEAR = max(constants.holidays).year
_A_DAY = timedelta(days=1)
# Statutory holidays with a date in the solar calendar (全国年节及纪念日放假办法, 2025): all that is sure about a year
# before the State Council publishes its holidays.
_FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
# A year's notice may move days around New Year: the last days of December are sure only when the next year's is out.
_YEAR_END = (12, 25)
_DURATION = re.compile(r"(?P<amount>0|[1-9][0-9]*) (?P<unit>WD|d|months?|years?|h|min)(?P<filing> filing)?")


class HolidayTableError(CityError):
    """An operator's holiday table that cannot be used."""


class Unit(StrEnum):
    """What a duration counts. `WD` is a working day, `d` a calendar day."""

    WORKING_DAYS = "WD"
    DAYS = "d"
    MONTHS = "months"
    YEARS = "years"
    HOURS = "h"
    MINUTES = "min"


_BY_INSTANT = (Unit.HOURS, Unit.MINUTES)


@dataclass(frozen=True, slots=True)
class Day:
    """Whether a day is a working day; `provisional` while its year's official holidays are not published."""

    working: bool
    provisional: bool


@dataclass(frozen=True, slots=True)
class Due:
    """The last day of a period; `provisional` when a day that is not sure yet had a part in it."""

    day: date
    provisional: bool = False

    @property
    def end(self) -> datetime:
        """The instant at which the day is over in Asia/Shanghai: from then on the deadline is missed."""
        return datetime.combine(self.day + _A_DAY, time.min, ZONE)


@dataclass(frozen=True, slots=True)
class Count:
    """A number of working days; `provisional` when a day that is not sure yet was counted or left out."""

    days: int
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class HolidayTable:
    """One year as an operator enters it, from the State Council's notice or a local one."""

    year: int
    holidays: frozenset[date]
    workdays: frozenset[date]
    source: str


def add_months(day: date, months: int) -> date:
    """Return the same day `months` months later, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class Calendar:
    """Working-day arithmetic. The day of the event is never counted.

    An operator's table comes before the published data: the days that it lists are as it says, and its year is not
    provisional any more.
    """

    def __init__(self, tables: Sequence[HolidayTable] = ()) -> None:
        self._years = frozenset(table.year for table in tables)
        self._own = {
            **{day: False for table in tables for day in table.holidays},
            **{day: True for table in tables for day in table.workdays},
        }

    @classmethod
    def load(cls, path: Path | None) -> "Calendar":
        """Read the operator's tables from YAML: a list of `{year, holidays, workdays, source}`; None means no table.

        Raises HolidayTableError with all that is wrong.
        """
        if path is None:
            return cls()
        try:
            read = _TableSchema(many=True).load(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise HolidayTableError(f"{path}: {' '.join(str(error).split())}") from None
        except ValidationError as error:
            raise HolidayTableError(f"{path}: {error.messages}") from None
        tables = [
            HolidayTable(row["year"], frozenset(row["holidays"]), frozenset(row["workdays"]), row["source"])
            for row in read
        ]
        _check(path, tables)
        return cls(tables)

    def is_working_day(self, day: date) -> Day:
        """Return whether people work on that day, make-up workdays included."""
        own = self._own.get(day)
        if own is not None:
            return Day(own, provisional=False)
        if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            by_week = day.weekday() < 5 and (day.year in self._years or (day.month, day.day) not in _FIXED_HOLIDAYS)
            return Day(by_week, provisional=not self._is_published(day))
        return Day(chinese_calendar.is_workday(day), provisional=not self._is_published(day))

    def add_working_days(self, day: date, count: int) -> Due:
        """Return the `count`-th working day after `day` (before it for a negative count); `day` itself for 0."""
        step = _A_DAY if count >= 0 else -_A_DAY
        left, provisional = abs(count), False
        while left:
            day += step
            answer = self.is_working_day(day)
            left -= answer.working
            provisional |= answer.provisional
        return Due(day, provisional)

    def working_days_between(self, start: date, end: date) -> Count:
        """Return the number of working days after `start` up to and including `end`; 0 if `end` is not later."""
        days = [self.is_working_day(start + _A_DAY * n) for n in range(1, (end - start).days + 1)]
        return Count(sum(day.working for day in days), any(day.provisional for day in days))

    def roll_to_working_day(self, day: date, provisional: bool = False) -> Due:
        """Return `day`, or the next working day where it is none; `provisional` if `day` itself was so already."""
        answer = self.is_working_day(day)
        if answer.working:
            return Due(day, provisional or answer.provisional)
        rolled = self.add_working_days(day, 1)
        return Due(rolled.day, provisional or rolled.provisional or answer.provisional)

    def _is_published(self, day: date) -> bool:
        known = _FIRST_YEAR <= day.year <= _LAST_YEAR or day.year in self._years
        if (day.month, day.day) < _YEAR_END:
            return known
        return known and (day.year < _LAST_YEAR or day.year + 1 in self._years)


PUBLISHED: Final = Calendar()
"""The calendar without any table of an operator's own."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time as a rule gives it: `5 WD`, `30 d`, `12 months`, `1 year`, `2 h`, `10 min`, `30 d filing`.

    `filing` marks a legal filing period: when it would end on a day off, it ends on the next working day. An effect
    period never does. The `calendar` says which days are working days; it has no part in equality.
    """

    amount: int
    unit: Unit
    filing: bool = False
    calendar: Calendar = field(default=PUBLISHED, compare=False, repr=False)

    @classmethod
    def is_one(cls, text: str) -> bool:
        """Return whether `parse` would take the text."""
        return _DURATION.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str, calendar: Calendar = PUBLISHED) -> "Duration":
        """Read `<whole number> <unit>[ filing]`; month and year may stand in the singular. Raises ValueError."""
        match = _DURATION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a duration such as '5 WD', '30 d' or '12 months'")
        unit = Unit({"month": "months", "year": "years"}.get(match["unit"], match["unit"]))
        return cls(int(match["amount"]), unit, match["filing"] is not None, calendar)

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}{' filing' if self.filing else ''}"

    @property
    def elapsed(self) -> timedelta:
        """The duration as elapsed time. Raises ValueError for working days, months and years, which have none."""
        match self.unit:
            case Unit.DAYS:
                return timedelta(days=self.amount)
            case Unit.HOURS:
                return timedelta(hours=self.amount)
            case Unit.MINUTES:
                return timedelta(minutes=self.amount)
        raise ValueError(f"{self} has no fixed length")

    def last_day(self, start: date | datetime) -> Due:
        """Return the last day of the period that begins after the day `start`, which is itself not counted.

        Raises ValueError for hours and minutes, which end at an instant.
        """
        due = self._count(_day_of(start), 1)
        return self.calendar.roll_to_working_day(due.day, due.provisional) if self.filing else due

    def due(self, start: date | datetime) -> datetime:
        """Return the instant from which the period that begins at `start` is missed, in Asia/Shanghai.

        For days and longer it is the end of the last day. Hours and minutes run from the instant `start`; they raise
        ValueError for a mere date.
        """
        if self.unit in _BY_INSTANT:
            if not isinstance(start, datetime):
                raise ValueError(f"{self} runs from an instant, not from a day")
            return (start + self.elapsed).astimezone(ZONE)
        return self.last_day(start).end

    def provisional(self, start: date | datetime) -> bool:
        """Say whether the end of the period that begins at `start` rests on holidays that are not published yet."""
        return self.unit not in _BY_INSTANT and self.last_day(start).provisional

    def before(self, instant: datetime) -> datetime:
        """Return the instant that lies this long before a deadline: for days and longer, the beginning of that day."""
        if self.unit in _BY_INSTANT:
            return (instant - self.elapsed).astimezone(ZONE)
        # A deadline that is the end of a day is the midnight that belongs to the next one.
        last = _day_of(instant - timedelta.resolution)
        return datetime.combine(self._count(last, -1).day, time.min, ZONE)

    def _count(self, day: date, direction: int) -> Due:
        amount = self.amount * direction
        match self.unit:
            case Unit.WORKING_DAYS:
                return self.calendar.add_working_days(day, amount)
            case Unit.DAYS:
                return Due(day + timedelta(days=amount))
            case Unit.MONTHS:
                return Due(add_months(day, amount))
            case Unit.YEARS:
                return Due(add_months(day, amount * 12))
        raise ValueError(f"{self} ends at an instant, not on a day")


def _day_of(moment: date | datetime) -> date:
    return moment.astimezone(ZONE).date() if isinstance(moment, datetime) else moment


class _YamlDate(fields.Date):
    """A date which YAML may have read already."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return value if type(value) is date else super()._deserialize(value, attr, data, **kwargs)


class _TableSchema(Schema):
    class Meta:
        unknown = RAISE

    year = fields.Integer(strict=True, required=True, validate=validate.Range(2000, 2200))
    holidays = fields.List(_YamlDate(), required=True, validate=validate.Length(min=1))
    workdays = fields.List(_YamlDate(), required=True)
    source = fields.String(required=True, validate=validate.Length(min=1))


def _check(path: Path, tables: Sequence[HolidayTable]) -> None:
    problems = []
    said: dict[date, bool] = {}
    if len({table.year for table in tables}) < len(tables):
        problems.append("a year is given twice")
    for table in tables:
        for working, days in ((False, table.holidays), (True, table.workdays)):
            for day in sorted(days):
                if not date(table.year - 1, *_YEAR_END) <= day <= date(table.year + 1, 1, 7):
                    problems.append(f"{day} does not belong to {table.year}")
                if said.setdefault(day, working) != working:
                    problems.append(f"{day} is both a holiday and a workday")
    if problems:
        raise HolidayTableError(f"{path}: {'; '.join(problems)}")

"""Leave over half of a year keeps the year from being graded (1.2); days are counted once."""

from datetime import date

import pytest

from assessment.domain.absence import ABSENCE, days_by_year, wanted
from tests.support.assessment import MONDAY, rulebook

FIRST = date(2024, 1, 1)


@pytest.mark.parametrize(
    ("spans", "years"),
    [
        ([], []),
        # 183 of 366 days are half, 184 are more; in a year of 365 days 183 are more.
        ([(FIRST, date(2024, 7, 1))], []),
        ([(FIRST, date(2024, 7, 2))], [2024]),
        ([(date(2023, 1, 1), date(2023, 7, 2))], [2023]),
        ([(date(2023, 12, 1), date(2024, 7, 2))], [2024]),
        ([(FIRST, date(2024, 4, 30)), (date(2024, 4, 1), date(2024, 7, 1))], []),
        ([(FIRST, date(2024, 4, 30)), (date(2024, 10, 1), date(2024, 12, 31))], [2024]),
    ],
)
def test_more_than_half_of_the_year_is_not_graded(spans: list[tuple[date, date]], years: list[int]) -> None:
    found = wanted(spans, rulebook().on(MONDAY.date()))
    assert [each.year for each in found] == years
    assert all((each.kind, each.reason_code) == ("NO_GRADE", "ABSENCE") for each in found)


def test_days_of_a_span_fall_into_their_years() -> None:
    assert days_by_year([(date(2023, 12, 31), FIRST)]) == {2023: 1, 2024: 1}


def test_the_machine_has_these_transitions_and_no_other() -> None:
    assert set(ABSENCE.transitions) == {
        ("RECORDED", "confirm", "CONFIRMED"),
        ("RECORDED", "withdraw", "WITHDRAWN"),
        ("CONFIRMED", "withdraw", "WITHDRAWN"),
    }

"""Scenario 24: of 89 groups 27 may be excellent, the 28th is refused; the head of a poor group is not excellent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from citybus.clock import ZONE
from citybus.errors import Refusal
from tests.support.annual import ASSESSOR, COMMITTEE, HEAD, SECOND, YEAR, Year, own_rules
from tests.support.assessment import City

GROUPS = 89


@pytest.fixture(scope="module")
def year(module_city: City) -> Year:
    return Year(module_city)


def opened(year: Year, of: int) -> list[Any]:
    """Return the assessments of all groups: 82 of the city, 7 of counties."""
    units = [f"G-{number:02}" for number in range(GROUPS)]
    year.units(*units[:82])
    year.units(*units[82:], kind="COUNTY", sector="COUNTY")
    return [year.group(unit, of) for unit in units]


def locked(year: Year, folder: Path, of: int, rounding: str) -> Any:
    """Return the quota of the groups of a year under a city's own rounding."""
    cases = own_rules(folder, quota__rounding=rounding)
    quota = year.open(cases.quotas, ASSESSOR, year=of, category="GROUP")
    year.take(quota, "lock", ASSESSOR)
    return year.take(quota, "lock", SECOND)


def refused(year: Year, case: Any, **form: Any) -> Refusal:
    """Return why the committee's approval is refused."""
    with pytest.raises(Refusal) as caught:
        year.take(case, "approve", COMMITTEE, **form)
    assert caught.value.status == 422
    return caught.value


@pytest.mark.parametrize(("of", "rounding", "most"), [(YEAR, "HALF_UP", 27), (YEAR + 1, "FLOOR", 26)])
def test_scenario_24_no_group_beyond_the_quota_is_excellent(
    year: Year, tmp_path: Path, of: int, rounding: str, most: int
) -> None:
    year.city.clock.set(datetime(of + 1, 3, 4, 9, tzinfo=ZONE))
    groups = opened(year, of)
    quota = locked(year, tmp_path, of, rounding)
    assert (quota.base, quota.ratio, quota.rounding, quota.most, quota.state) == (89, 30, rounding, most, "LOCKED")
    first, last, beyond, rival = groups[: most - 1], groups[most - 1], groups[most], groups[most + 1]
    for group in [*first, last]:
        assert year.proposed(group, 95).proposed_grade == "EXCELLENT"
        year.take(group, "publicize")
    # The points give it, the quota does not: it is proposed lower, with a note.
    proposed = year.proposed(beyond, 95)
    assert (proposed.engine_grade, proposed.proposed_grade, proposed.notes) == ("EXCELLENT", "GOOD", ["QUOTA_FULL"])
    by_hand = year.proposed(rival, 95, grade="EXCELLENT", reason="力荐")
    assert by_hand.proposed_grade == "EXCELLENT"
    year.publicized(rival)

    for group in first:
        assert year.take(group, "approve", COMMITTEE).grade == "EXCELLENT"
    # One place is left: the committee may give it, but not to whom nobody could object to.
    assert refused(year, beyond, grade="EXCELLENT").code == "PUBLICITY_MISSING"

    def approve(case: Any) -> Any:
        try:
            return year.take(case, "approve", COMMITTEE).grade
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(approve, [last, rival]))
    assert [answer for answer in answers if not isinstance(answer, Refusal)] == ["EXCELLENT"]
    figures = {"used": most, "limit": most, "base": 89, "ratio": "30", "rounding": rounding}
    (late,) = [answer for answer in answers if isinstance(answer, Refusal)]
    assert (late.code, late.figures) == ("QUOTA_EXCEEDED", figures)
    assert year.again(quota).state == "USED"

    refusal = refused(year, beyond, grade="EXCELLENT")
    assert (refusal.code, refusal.figures) == ("QUOTA_EXCEEDED", figures)
    assert year.take(beyond, "approve", COMMITTEE).grade == "GOOD"


def test_scenario_24_what_people_proposed_lower_is_not_put_down_to_the_quota(year: Year) -> None:
    year.city.clock.set(datetime(YEAR + 1, 3, 25, 9, tzinfo=ZONE))
    case = year.proposed(year.group("G-92"), 95, grade="GOOD", reason="班子不团结")
    refusal = refused(year, case, grade="EXCELLENT")
    assert (refusal.code, refusal.figures) == ("GRADE_ABOVE_BAND", {"grade": "EXCELLENT", "best": "GOOD"})


def test_scenario_24_the_head_of_a_poor_group_is_not_excellent(year: Year) -> None:
    year.city.clock.set(datetime(YEAR + 1, 3, 25, 9, tzinfo=ZONE))
    poor = year.group("G-91")
    assert year.approved(poor, 50).grade == "POOR"
    head = year.annual(year.cadre(poor.unit, HEAD))
    proposed = year.proposed(head, 95)
    assert (proposed.band, proposed.proposed_grade) == ("EXCELLENT", "BASICALLY_COMPETENT")
    with pytest.raises(Refusal) as caught:
        year.take(head, "approve", COMMITTEE, grade="EXCELLENT")
    assert (caught.value.code, caught.value.figures["constraints"][0]["reason_code"]) == (
        "CAP_VIOLATION",
        "GROUP_POOR",
    )
    assert year.take(head, "approve", COMMITTEE).composite == Decimal(96)


def at(year: Year, day: date) -> None:
    year.city.clock.set(datetime(day.year, day.month, day.day, 9, tzinfo=ZONE))


def a_head(year: Year, unit: str) -> Any:
    """Return the proposed assessment of the head of a unit's group."""
    return year.proposed(year.annual(year.cadre(unit, HEAD)))


def test_scenario_24_a_head_waits_for_the_group_also_while_it_is_not_opened(year: Year) -> None:
    at(year, date(YEAR + 1, 3, 25))
    year.scheme("GROUP")
    head = a_head(year, "G-90")
    assert refused(year, head).figures == {"unit": "G-90"}
    group = year.group("G-90")
    assert refused(year, head).code == "GROUP_FIRST"
    assert year.approved(group, 50).grade == "POOR"
    year.tick()
    assert year.take(head, "approve", COMMITTEE).grade == "BASICALLY_COMPETENT"


def test_scenario_24_nobody_waits_for_a_group_that_can_no_longer_be_opened(year: Year) -> None:
    at(year, date(YEAR + 1, 3, 25))
    year.scheme("GROUP")
    too_late = a_head(year, "G-93")
    at(year, date(YEAR + 1, 3, 31))
    assert refused(year, too_late).code == "GROUP_FIRST"
    # From April on no assessment of the year is opened any more.
    at(year, date(YEAR + 1, 4, 1))
    assert year.take(too_late, "approve", COMMITTEE).grade == "COMPETENT"

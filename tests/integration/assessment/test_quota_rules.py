"""Quotas (A13) under a city's own rules: whom the base counts, how shares follow a group's grade, and how they are rounded."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from assessment.application.case_types import CaseTypes
from assessment.application.constraints import set_constraints
from assessment.domain.constraint import Kind, Wanted
from assessment.domain.grade import Grade
from assessment.persistence.models import AnnualRow
from citybus.errors import Refusal
from tests.support.annual import ASSESSOR, SECOND, YEAR, Year, bound, own_rules
from tests.support.assessment import City, some_id


@pytest.fixture
def year(city: City) -> Year:
    return Year(city)


def compute(at: Year, cases: CaseTypes, *, year_: int = YEAR, **form: Any) -> Any:
    with at.city.acting() as uow:
        case = cases.quotas.open(uow, ASSESSOR, {"year": year_} | form)
        uow.commit()
        return case


def want(year: Year, cadre: str, *wanted: Wanted) -> None:
    with year.city.acting() as uow:
        set_constraints(uow, f"sanction/{some_id()}", cadre, wanted)
        uow.commit()


@pytest.mark.parametrize(("counted", "base", "most"), [(True, 10, 3), (False, 8, 2)])
def test_whether_people_without_a_grade_count_in_the_base_is_a_rule(
    year: Year, tmp_path: Path, counted: bool, base: int, most: int
) -> None:
    ahead = 2031 + counted
    cadres = [year.cadre() for _ in range(10)]
    for cadre in cadres:
        year.annual(cadre, ahead)
    none = Wanted(ahead, Kind.NO_GRADE, "SANCTION")
    want(year, cadres[0], none)
    want(year, cadres[1], Wanted(ahead - 1, Kind.FLOOR_NONE, "CASE_PENDING", open_ended=True, hidden=True))
    # These are graded: no grade in another year, a forced grade beside no grade, and a cap.
    want(year, cadres[2], Wanted(ahead - 1, Kind.NO_GRADE, "SANCTION"))
    want(year, cadres[3], none, Wanted(ahead, Kind.FORCED, "SANCTION", Grade.INCOMPETENT))
    want(year, cadres[4], Wanted(ahead, Kind.CAP, "RECALL", Grade.COMPETENT))
    quota = compute(year, own_rules(tmp_path, quota__counts_no_grade=counted), year_=ahead, category="CADRE")
    assert (quota.counts_no_grade, quota.base, quota.most) == (counted, base, most)


@pytest.mark.parametrize(
    ("grade", "ratio", "half_up", "floor"),
    [("EXCELLENT", 30, 2, 2), ("GOOD", 25, 2, 1), ("ORDINARY", 20, 1, 1), ("POOR", 15, 1, 1)],
)
def test_a_linked_share_follows_the_grade_of_the_group(
    year: Year, tmp_path: Path, grade: str, ratio: int, half_up: int, floor: int
) -> None:
    unit = f"L-{grade}"
    group = year.group(unit)
    for _ in range(7):
        year.annual(year.cadre(unit))
    year.annual(year.cadre("N-4"))
    cases = own_rules(tmp_path, quota__linked=True)
    with pytest.raises(Refusal, match="GROUP_FIRST"):
        compute(year, cases, category="CADRE", unit=unit)
    with pytest.raises(Refusal, match="POOL_UNIT"):
        compute(year, cases, category="CADRE")
    with year.city.acting() as uow:
        approved = update(AnnualRow).where(AnnualRow.id == group.id)
        uow.session.execute(approved.values(state="APPROVED", grade=grade, grade_status="GRADED"))
        uow.commit()
    quota = compute(year, cases, category="CADRE", unit=unit)
    assert (quota.group_grade, quota.ratio, quota.base, quota.most) == (grade, ratio, 7, half_up)
    with year.city.acting() as uow:
        floored = own_rules(tmp_path, quota__linked=True, quota__rounding="FLOOR")
        again = floored.quotas.take(uow, quota.id, "recompute", ASSESSOR, {}, quota.version)
        assert (again.rounding, again.most) == ("FLOOR", floor)


def test_a_quota_is_not_locked_that_no_longer_fits_who_takes_part(year: Year) -> None:
    cases, ahead = bound(), 2041
    for _ in range(4):
        year.annual(year.cadre(), ahead)
    quota = compute(year, cases, year_=ahead, category="CADRE")
    year.take(quota, "lock", ASSESSOR)
    for _ in range(4):
        year.annual(year.cadre(), ahead)
    with pytest.raises(Refusal) as caught:
        year.take(quota, "lock", SECOND)
    assert (caught.value.code, caught.value.figures) == ("QUOTA_STALE", {"base": 4, "now": 8})
    assert year.take(quota, "recompute").most == 2
    year.take(quota, "lock", ASSESSOR)
    assert year.take(quota, "lock", SECOND).state == "LOCKED"

"""Scenario 24: of 89 groups 27 may be excellent, the 28th is refused; the head of a poor group is not excellent."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from assessment.persistence.models import AnnualRow
from citybus.errors import Refusal
from tests.support.annual import COMMITTEE, HEAD, YEAR, Year
from tests.support.assessment import City

GROUPS = 89


@pytest.fixture(scope="module")
def year(module_city: City) -> Year:
    return Year(module_city)


def excellent(year: Year, case: Any) -> Any:
    """Let the case stand where the committee decides: a publicised proposal, after its publicity."""
    scores = dict.fromkeys(("POLITICS", "LEADERSHIP", "ACHIEVEMENT", "CLEANNESS", "STYLE"), "95")
    with year.city.acting() as uow:
        uow.session.execute(
            update(AnnualRow)
            .where(AnnualRow.id == case.id)
            .values(state="PUBLICIZED", scores=scores, proposed_grade="EXCELLENT", engine_grade="EXCELLENT")
        )
        uow.commit()
    return year.take(case, "approve", COMMITTEE)


def test_scenario_24_the_28th_excellent_group_is_refused_and_a_poor_groups_head_is_not_excellent(year: Year) -> None:
    units = [f"G-{number:02}" for number in range(GROUPS)]
    year.units(*units[:82])
    year.units(*units[82:], kind="COUNTY", sector="COUNTY")
    groups = [year.group(unit) for unit in units]
    quota = year.quota("GROUP")
    assert (quota.base, quota.ratio, quota.rounding, quota.most, quota.state) == (89, 30, "HALF_UP", 27, "LOCKED")
    for group in groups[:27]:
        assert excellent(year, group).grade == "EXCELLENT"
    assert year.again(quota).state == "USED"
    with pytest.raises(Refusal) as caught:
        excellent(year, groups[27])
    assert (caught.value.code, caught.value.status) == ("QUOTA_EXCEEDED", 422)
    assert {name: caught.value.figures[name] for name in ("used", "limit", "base", "ratio", "rounding")} == {
        "used": 27,
        "limit": 27,
        "base": 89,
        "ratio": "30",
        "rounding": "HALF_UP",
    }

    poor = groups[88]
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


def test_scenario_24_a_head_waits_for_the_group(year: Year) -> None:
    year.group("G-90")
    head = year.annual(year.cadre("G-90", HEAD), YEAR)
    year.proposed(head)
    with pytest.raises(Refusal, match="GROUP_FIRST"):
        year.take(head, "approve", COMMITTEE)

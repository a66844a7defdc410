"""A locked duty list is closed once the annual assessment of its owner is final."""

from datetime import date

import pytest

from assessment.persistence.models import DutyListRow
from citybus.errors import Refusal
from citybus.ids import new_id
from tests.support.annual import YEAR, Year
from tests.support.assessment import City
from tests.support.duty import item


def locked(city: City, owner: str) -> DutyListRow:
    """Return a duty list of the year that was locked in its March."""
    with city.acting() as uow:
        now = uow.clock.now()
        row = DutyListRow(
            id=new_id(),
            state="LOCKED",
            version=5,
            created_at=now,
            changed_at=now,
            correlation_id="correlation",
            owner_kind="CADRE",
            owner=owner,
            unit="N-1",
            year=YEAR,
            kind="DUTY",
            items=[item(number) for number in range(3)],
            round=1,
            list_version=1,
            late=False,
            locked_on=date(YEAR, 3, 31),
            amendments=0,
        )
        uow.session.add(row)
        uow.commit()
        return row


def test_a_list_is_closed_when_the_annual_assessment_is_final(city: City) -> None:
    year = Year(city)
    cadre = year.cadre()
    listed = locked(city, cadre)
    annual = year.annual(cadre)
    with pytest.raises(Refusal) as caught:
        year.take(listed, "close")
    assert (caught.value.code, caught.value.figures) == ("ANNUAL_OPEN", {"year": YEAR})
    assert year.final(annual).state == "FINAL"
    assert year.take(listed, "close").state == "CLOSED"
    assert year.told(listed) == ["closed"]

"""Scenario 3: what is a matter of discipline is refused as a recall, and the discipline commission hears of it."""

import pytest
from sqlalchemy import func, select

from citybus.errors import Refusal
from supervision.persistence.models import RecallRow, SignalRow
from tests.support.recall import Recalls
from tests.support.supervision import LEAD, ORG, RECORDER, City, a_draft, officer


@pytest.fixture
def recalls(city: City) -> Recalls:
    found = Recalls(city)
    found.forget()
    return found


def test_scenario_03_discipline_threshold(city: City, recalls: Recalls) -> None:
    finding = city.open(city.findings, RECORDER, a_draft(reason_codes=["WEAK_EXECUTION", "TAKING_GIFTS"]))
    with city.acting(ORG) as uow:
        with pytest.raises(Refusal) as caught:
            city.recalls.open(uow, ORG, {"cadre": LEAD, "findings": [finding.id]})
        # The refusal has a duty: what it records is committed, as the command does.
        uow.commit()
        events = uow.published
    assert (caught.value.code, caught.value.status, caught.value.committed) == ("DISCIPLINE_THRESHOLD", 422, True)
    assert [event.type for event in events] == ["supervision.signal.transferred.v1"]
    (signal,) = city.rows(SignalRow, SignalRow.finding_id == finding.id)
    assert (signal.transferred_to, signal.state) == ("DISC", "TRANSFERRED")
    assert recall_count(city) == 0
    assert city.again(finding).state == "DRAFT"


def test_the_commission_hears_of_a_matter_once(city: City, recalls: Recalls) -> None:
    finding = city.open(city.findings, RECORDER, a_draft(type="DISCIPLINE_VIOLATION"))
    for expected in (1, 0):
        with city.acting(ORG) as uow:
            with pytest.raises(Refusal):
                city.recalls.open(uow, ORG, {"cadre": LEAD, "findings": [finding.id]})
            uow.commit()
            assert len(uow.published) == expected


def test_nobody_hands_over_what_they_may_not_see(city: City, recalls: Recalls) -> None:
    finding = city.open(city.findings, RECORDER, a_draft(type="DUTY_CRIME"))
    elsewhere = officer("org-elsewhere", "ORG.supervise", unit="420200-ORG", units=frozenset({"420204"}))
    with city.acting(elsewhere) as uow:
        with pytest.raises(Refusal) as caught:
            city.recalls.open(uow, elsewhere, {"cadre": LEAD, "findings": [finding.id]})
        uow.commit()
        assert uow.published == []
    assert (caught.value.code, caught.value.committed) == ("DATA_SCOPE", False)


def recall_count(city: City) -> int:
    with city.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(RecallRow)).scalar_one()

"""Scenario 3 across the services: a matter of discipline is not recalled; the discipline commission hears of it once."""

from dandang.slice import cast
from tests.e2e.conftest import City
from tests.e2e.people import DISCIPLINE, SUPERVISE, People

UNIT = "黄石市民政局"


def test_scenario_03_discipline_threshold(city: City) -> None:
    people = People(city)
    people.at("2024-03-18T09:00", back=True)
    who = people.member(UNIT, 1, "cadre-gifts")
    # Who records it has grounds enough to hand it over; it need not be verified for that.
    finding = people.recorded_finding(who, "收受礼品(虚构,情形三)。", "2024-03-11", reason_codes=["TAKING_GIFTS"])
    for _ in range(2):
        refusal = people.refused(SUPERVISE, "supervision", "/recalls", cadre=who.cadre, findings=[finding])
        assert (refusal["status"], refusal["code"]) == (422, "DISCIPLINE_THRESHOLD")
    assert people.get(SUPERVISE, "supervision", f"/recalls?cadre={who.cadre}")["items"] == []
    heard = people.get(DISCIPLINE, "supervision", "/signals?limit=200")["items"]
    assert [each["finding"] for each in heard].count(finding) == 1
    assert "RECALL_OPEN" not in dict(people.gate(who, "2024-03-18"))
    assert people.constraints(who, 2024) == []
    assert people.get(cast.FIRST, "supervision", f"/findings/{finding}")["state"] == "DRAFT"

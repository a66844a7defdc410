"""Scenario 7 across the services: nobody asks before anybody is held accountable, nor forty days after the decision."""

from tests.e2e.conftest import City
from tests.e2e.people import People

UNIT = "黄石市体育局"


def test_scenario_07_too_early_too_late(city: City) -> None:
    people = People(city)
    people.at("2024-03-04T09:00", back=True)
    lead = people.member(UNIT, 1, "cadre-early-and-late")
    drafted = people.recorded_finding(lead, "尚未告知(虚构,情形七)。", "2024-02-26")
    form = {"applicant": "CADRE", "circumstance": 2, "statement": "先行先试(虚构)。"}
    refusal = people.refused(lead, "incentive", "/tolerance-cases", finding=drafted, **form)
    assert (refusal["status"], refusal["code"]) == (422, "STAGE_TOO_EARLY")

    # Served on 4 March, the time to ask ends ten working days later; a cause may excuse a month, and forty days nothing.
    finding = people.verified_finding(lead, "已经认定(虚构,情形七)。", "2024-02-26")
    path = f"/tolerance-cases/{people.drafted(lead, finding, late_cause='住院(虚构)')}"
    people.at("2024-04-13T09:00")
    refusal = people.refused(lead, "incentive", path, "file")
    assert (refusal["status"], refusal["code"], refusal["figures"]["remedy"]) == (422, "STAGE_TOO_LATE", "APPEAL")
    assert "申诉" in refusal["detail"]
    assert people.get(lead, "incentive", path)["state"] == "DRAFT"

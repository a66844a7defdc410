"""Scenario 22 across the services: an admonition binds the grade of its year and bars selection until it is followed up."""

from typing import Any

from tests.e2e.conftest import City
from tests.e2e.people import COLLEAGUE, SUPERVISE, People

UNIT = "黄石市委政法委员会"
CAUSE = "苗头性问题,予以诫勉(虚构,情形二十二)。"


def test_scenario_22_admonition(city: City) -> None:
    people = People(city)
    who = people.member(UNIT, 1, "cadre-admonished")
    people.at("2024-04-01T09:00", back=True)
    measure = people.admonished(who, CAUSE)
    path = f"/measures/{measure}"
    case = people.get(SUPERVISE, "supervision", path)
    assert (case["delivered_on"], case["effect_until"]) == ("2024-04-01", "2024-10-01")
    people.until(
        lambda: people.constraints(who, 2024) == [("CAP", "ADMONITION", "COMPETENT")], "the year is not excellent"
    )
    assert people.constraints(who, 2025) == []
    barred = [("EFFECT_PERIOD_ACTIVE", "2024-10-01")]
    people.until(lambda: people.gate(who, "2024-04-01") == barred, "the gate is closed")
    assert people.gate(who, "2024-09-30") == barred
    assert people.gate(who, "2024-10-01") == []
    # Batches d and e move people to other posts (scenario 17).
    assert people.gate(who, "2024-09-30", "TRANSFER") == barred
    assert people.gate(who, "2024-10-01", "TRANSFER") == []

    def warned() -> Any:
        found = people.get(SUPERVISE, "notification", f"/deadlines?ref=measure/{measure}")["items"]
        return [(each["kind"], each["due_at"]) for each in found if each["state"] == "WARNED"]

    people.at("2024-09-30T09:00")
    # The follow-up is due on 1 October, to the end of the day.
    due = [("measure.follow_up", "2024-10-02T00:00:00+08:00")]
    people.until(lambda: warned() == due, "officers are warned of the follow-up")

    people.at("2024-10-01T09:00")
    people.take(COLLEAGUE, "supervision", path, "follow-up")
    people.take(COLLEAGUE, "supervision", path, "close", result="NOT_CORRECTED", reason="回访未见改进(虚构)")
    proposals = people.get(SUPERVISE, "supervision", f"/adjustments?cadre={who.cadre}")["items"]
    assert [(each["state"], each["measure"], each["reason_codes"]) for each in proposals] == [
        ("PROPOSED", measure, ["DUTY_WEAK"])
    ]
    told = people.events("supervision", f"measure/{measure}")
    assert [event["type"].split(".")[2] for event in told] == ["approved", "delivered", "closed"]
    assert CAUSE not in str(told)
    assert people.gate(who, "2024-10-01") == []
    assert people.constraints(who, 2024) == [("CAP", "ADMONITION", "COMPETENT")]

"""Scenario 8 across the services: while fault tolerance is being verified, the bulletin about the finding is not scheduled."""

from typing import Any

from dandang.slice import cast
from tests.e2e.conftest import City
from tests.e2e.people import SUPERVISE, People

UNIT = "黄石市文化和旅游局"


def test_scenario_08_bulletin_refused_while_tolerance_open(city: City) -> None:
    people = People(city)
    people.at("2024-04-09T09:00", back=True)
    lead = people.member(UNIT, 1, "cadre-in-doubt")
    finding = people.verified_finding(lead, "项目延期(虚构,情形八)。", "2024-04-01")
    path = f"/bulletins/{people.approved_bulletin(finding)}"
    case = people.filed(lead, finding)
    people.verifying(case)
    assert people.get(cast.ACCEPTOR, "incentive", f"/tolerance-cases/{case}")["state"] == "VERIFYING"

    def against() -> Any:
        """Return the code for which the bulletin cannot be scheduled now."""
        actions = people.get(SUPERVISE, "supervision", path)["actions"]
        return next(each["why"] and each["why"]["code"] for each in actions if each["action"] == "schedule")

    people.until(lambda: against() == "TOLERANCE_PENDING", "supervision knows of the case")
    before = people.get(SUPERVISE, "supervision", path)
    refusal = people.refused(SUPERVISE, "supervision", path, "schedule", publish_at="2024-04-10T08:30:00+08:00")
    assert (refusal["status"], refusal["code"]) == (422, "TOLERANCE_PENDING")
    assert refusal["figures"]["findings"] == {finding: [case]}
    assert people.get(SUPERVISE, "supervision", path) == before

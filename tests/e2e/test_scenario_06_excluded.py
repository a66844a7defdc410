"""Scenario 6 across the services: a loss from a major safety accident is not excused, but by the committee with its reason."""

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, People

UNIT = "黄石市应急管理局"
SECOND = Person("comm-second", "部务会二", "Committee: a second member", ("COMM",), everywhere=True)


def test_scenario_06_excluded(city: City) -> None:
    people = People(city)
    people.at("2024-04-10T09:00", back=True)
    lead = people.member(UNIT, 1, "cadre-excluded")
    finding = people.verified_finding(lead, "隐患未整改,致损失(虚构,情形六)。", "2024-04-01")
    case = people.filed(lead, finding)
    path = f"/tolerance-cases/{case}"
    people.verifying(case)
    assert people.verified(case, "SAFETY")["state"] == "DELIBERATING"
    # The scores alone would have advised to mitigate.
    found = people.get(cast.RECORDERS[0], "incentive", f"{path}/verification")
    assert (found["advice"], found["exclusions"]) == ("DENY", ["SAFETY"])

    exempt = people.panel("EXEMPT") | {"deviation": "重大公共利益(虚构)"}
    refusal = people.refused(cast.RECORDERS[0], "incentive", path, "decide", **exempt)
    assert (refusal["status"], refusal["code"]) == (422, "EXCLUDED_SAFETY")
    unexplained = {name: said for name, said in exempt.items() if name != "deviation"}
    assert people.refused(COMMITTEE, "incentive", path, "decide", **unexplained)["code"] == "DEVIATION_UNEXPLAINED"
    unreasoned = {name: said for name, said in exempt.items() if name != "reason"}
    assert people.refused(COMMITTEE, "incentive", path, "decide", **unreasoned)["status"] in (400, 422)
    assert people.get(cast.ACCEPTOR, "incentive", path)["state"] == "DELIBERATING"
    for member in (COMMITTEE, SECOND):
        decided = people.take(member, "incentive", path, "decide", **exempt)
    assert (decided["state"], decided["decision"]) == ("DECIDED", "EXEMPT")

"""Scenario 2 across the services: phases come in order; training that fails is repeated once; then people decide."""

from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, DISCIPLINE, EDU, SUPERVISE, TRAINER, People

UNIT = "黄石市教育局"


def approved(people: People) -> str:
    """Have a recall on a finding of 3 June answered and approved on 5 June; return its path."""
    c1 = people.member(UNIT, 2, "cadre-retrained")
    people.at("2024-06-03T09:00", back=True)
    finding = people.verified_finding(c1, "推诿扯皮(虚构,情形二)。", "2024-05-27")
    people.at("2024-06-05T09:00")
    recall = people.post(SUPERVISE, "supervision", "/recalls", cadre=c1.cadre, findings=[finding])["id"]
    path = f"/recalls/{recall}"
    people.take(SUPERVISE, "supervision", path, "notify")
    people.sign(c1, f"recall/{recall}", "RECALL_NOTICE")
    people.until(lambda: people.get(SUPERVISE, "supervision", path)["served_on"], "the recall is served")
    people.take(c1, "supervision", path, "plea", text="说明情况(虚构)。")
    people.take(COMMITTEE, "supervision", path, "approve")
    return path


def test_scenario_02_recall_phase_order(city: City) -> None:
    people = People(city)
    path = approved(people)

    def stands(state: str) -> bool:
        return bool(people.get(SUPERVISE, "supervision", path)["state"] == state)

    people.take(EDU, "supervision", path, "enrol", **{"class": people.open_class("第二期", "2024-06-12")})
    people.at("2024-06-13T10:00")
    people.until(lambda: stands("IN_TRAINING"), "the class begins")
    people.take(TRAINER, "supervision", path, "pass-phase", phase=1, score="78", attendance="100")
    form = {"phase": 3, "score": "90", "attendance": "100"}
    refusal = people.refused(TRAINER, "supervision", path, "pass-phase", **form)
    assert (refusal["status"], refusal["code"]) == (422, "PHASE_ORDER")
    assert refusal["figures"] == {"phase": 3, "expected": 2}
    case = people.take(TRAINER, "supervision", path, "pass-phase", phase=2, score="55", attendance="100")
    assert [(each["phase"], each["passed"]) for each in case["phases"]] == [(1, True), (2, False)]
    people.at("2024-06-24T10:00")
    people.until(lambda: stands("TRAINING_FAILED"), "the class has ended")

    group = people.open_class("第二期补训", "2024-07-01")
    case = people.take(EDU, "supervision", path, "retrain", **{"class": group})
    assert (case["state"], case["attempt"]) == ("ENROLLED", 2)
    people.at("2024-07-02T10:00")
    people.until(lambda: stands("IN_TRAINING"), "the second class begins")
    people.at("2024-07-12T10:00")
    people.until(lambda: stands("EVALUATED"), "the second class has ended")
    case = people.get(SUPERVISE, "supervision", path)
    assert (case["proposal"], case["outcome"]) == ("ADJUSTED", None)

    # Nothing else comes of it by itself, whatever time passes.
    people.at("2024-07-20T10:00", wait=True)
    assert stands("EVALUATED")
    for what in ("adjustments", "sanctions"):
        assert people.get(DISCIPLINE, "supervision", f"/{what}?cadre={case['cadre']}")["items"] == []

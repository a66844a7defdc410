"""Scenario 1 across the services: a recall is served, caps the grade, bars selection, and ends with the restoration.

On the scenario's own days, and on into the next year: the capped grade becomes final and bars selection in its turn.
"""

from decimal import Decimal
from typing import Any

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.annuals import evaluated
from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, EDU, SUPERVISE, TRAINER, People
from tests.support.recall import PHASES, SELF_CRITICISM

UNIT = "黄石市委统战部"
HEAD = Person("head-recalled", "主要负责人", "Head of the unit", ("UNITHEAD",), cast.unit_code(UNIT))
EVENTS = [
    *("proposed", "notified", "approved", "enrolled", "training-started"),
    *["phase-passed"] * 4,
    *("training-passed", "observing", "evaluated", "outcome"),
]
CAP = [("CAP", "RECALL", "BASICALLY_COMPETENT")]
RECENT = ("RECALL_RECENT", "2025-01-29")
BELOW = ("LAST_YEAR_BELOW_COMPETENT", "2026-01-01")


def proposed(people: People, c1: Person) -> str:
    """Have a finding verified on 4 March, and the recall proposed on the fifth; return its id once it was answered."""
    people.at("2024-03-04T10:00", back=True)
    finding = people.verified_finding(c1, "重点任务未按期落实(虚构,情形一)。", "2024-02-26")
    people.at("2024-03-05T09:00")
    recall = people.post(
        SUPERVISE, "supervision", "/recalls", cadre=c1.cadre, findings=[finding], text="建议召回(虚构)"
    )["id"]
    path = f"/recalls/{recall}"
    people.at("2024-03-07T09:00")
    people.take(SUPERVISE, "supervision", path, "notify")
    people.sign(c1, f"recall/{recall}", "RECALL_NOTICE")
    people.until(
        lambda: people.get(SUPERVISE, "supervision", path)["plea_until"] == "2024-03-14", "the recall is served"
    )
    return str(recall)


def trained(people: People, c1: Person, path: str) -> None:
    """Have the cadre pass the class of 8 to 14 April."""
    group = people.open_class("第一期", "2024-04-08")
    people.take(EDU, "supervision", path, "enrol", **{"class": group})
    people.at("2024-04-14T10:00")
    people.until(lambda: people.get(TRAINER, "supervision", path)["state"] == "IN_TRAINING", "the class begins")
    for phase, score in enumerate(PHASES, 1):
        if phase == 3:
            people.take(c1, "supervision", path, "reflect", text=SELF_CRITICISM)
        people.take(TRAINER, "supervision", path, "pass-phase", phase=phase, score=score, attendance="100")
    people.take(TRAINER, "supervision", path, "complete")


def observed(people: People, path: str) -> Any:
    """Have the cadre observed for three months from 15 April; return the evaluated recall."""
    people.at("2024-04-15T09:00")
    case = people.take(SUPERVISE, "supervision", path, "observe")
    assert (case["observe_until"], len(case["reports"])) == ("2024-07-15", 3)
    for entry, day in zip(case["reports"], ("2024-05-03", "2024-06-03", "2024-07-03"), strict=True):
        people.at(f"{day}T09:00")
        people.take(HEAD, "supervision", path, "report-month", month=entry["month"], text="本月情况(虚构)")
    people.take(SUPERVISE, "supervision", path, "review", score="75", text="中期(虚构)")
    people.take(HEAD, "supervision", path, "unit-opinion", score="85", text="意见(虚构)")
    people.at("2024-07-16T09:00")
    return people.take(SUPERVISE, "supervision", path, "evaluate", score="81", text="评估(虚构)")


def graded(people: People, c1: Person) -> str:
    """Have the year 2024 of the cadre assessed, with 92.4 points; return the case's id once its grade is final."""
    # 40 % and 20 % of these, 20 % of the ballot's 100, 20 % of the quarters' 95, less 2 points for the finding.
    annual = evaluated(people, c1, {"ACHIEVEMENT": "90", "LEADER": "97"})
    path = f"/annuals/{annual}"

    people.at("2025-01-06T09:00")
    people.take(cast.RECORDS, "assessment", path, "verify")
    people.take(cast.RECORDS, "assessment", path, "propose")
    explained = people.get(cast.RECORDS, "assessment", f"{path}/explanation")
    assert (explained["composite"], explained["band"]) == ("92.4", "EXCELLENT")
    people.at("2025-01-08T09:00")
    decided = people.take(COMMITTEE, "assessment", path, "approve")
    assert (decided["grade"], decided["grade_status"]) == ("BASICALLY_COMPETENT", "GRADED")
    people.sign(c1, f"annual/{annual}", "ANNUAL_RESULT")
    people.until(lambda: people.get(cast.RECORDS, "assessment", path)["state"] == "NOTIFIED", "the grade is served")
    people.at("2025-02-14T09:00")
    people.until(lambda: people.get(cast.RECORDS, "assessment", path)["state"] == "FINAL", "the grade is final")
    return annual


def test_scenario_01_full_recall_restored(city: City) -> None:
    people = People(city)
    c1 = people.member(UNIT, 1, "cadre-recalled")
    recall = proposed(people, c1)
    path = f"/recalls/{recall}"

    people.at("2024-03-15T09:00")
    people.take(COMMITTEE, "supervision", path, "approve")
    people.until(lambda: people.constraints(c1, 2024) == CAP, "the grade is capped")
    trained(people, c1, path)
    evaluated = observed(people, path)
    assert (evaluated["proposal"], Decimal(evaluated["final_score"])) == ("RESTORED", 81)
    people.until(lambda: people.gate(c1, "2024-07-16") == [("RECALL_OPEN", None)], "the gate is closed")

    people.at("2024-07-29T09:00")
    done = people.take(COMMITTEE, "supervision", path, "restore", reason="考察合格(虚构)")
    assert (done["outcome"], done["outcome_on"]) == ("RESTORED", "2024-07-29")
    people.until(lambda: people.gate(c1, "2024-07-29") == [RECENT], "the gate knows of the restoration")
    assert people.gate(c1, "2024-07-28") == [("RECALL_OPEN", "2024-07-29")]
    assert people.gate(c1, "2024-07-29", "TRANSFER") == [RECENT]
    people.sign(c1, f"recall/{recall}", "RECALL_OUTCOME")

    people.at("2024-12-26T09:00")
    annual = graded(people, c1)
    final = people.get(c1, "assessment", f"/annuals/{annual}/result")
    assert (final["grade"], final["explanation"]["band"]) == ("BASICALLY_COMPETENT", "EXCELLENT")
    assert [each["reason_code"] for each in final["explanation"]["constraints"]] == ["RECALL"]
    assert people.constraints(c1, 2024) == CAP
    people.until(lambda: people.gate(c1, "2025-01-29") == [BELOW], "the gate knows of the grade")
    assert people.gate(c1, "2025-01-28") == [BELOW, RECENT]
    assert people.gate(c1, "2025-12-31") == [BELOW]

    told = people.events("supervision", f"recall/{recall}")
    assert [event["type"].split(".")[2] for event in told] == EVENTS
    assert len({event["correlationid"] for event in told}) == 1

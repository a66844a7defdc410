"""Scenario 1 across the services: a recall is served, caps the grade, bars selection, and ends with the restoration.

The days are later than the scenario's, for the city's clock has passed them with the slice; the intervals are the same.
`tests/integration/supervision` holds the scenario's own days.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.support.recall import PHASES, SELF_CRITICISM
from tests.support.waiting import eventually

_ORGANISATION = "黄石市委组织部"
ORG = Person("org-recall", "干部监督", "Organisation: supervision", ("ORG.supervise",), everywhere=True)
EDU = Person("org-edu", "干部教育", "Organisation: training", ("ORG.edu",), everywhere=True)
COMM = Person("comm-recall", "部务会", "Committee", ("COMM",), everywhere=True)
TRAINER = Person("school-trainer", "党校教员", "Trainer", ("TRAINER",), everywhere=True)
EVENTS = [
    *("proposed", "notified", "approved", "enrolled", "training-started"),
    *["phase-passed"] * 4,
    *("training-passed", "observing", "evaluated", "outcome"),
]


class Play:
    """The people of the scenario, each with a token of the city's own issuer."""

    def __init__(self, city: City) -> None:
        self.city = city
        busy = {cast.bureau(), *(cast.unit_code(name) for name in cast.PANEL_UNITS)}
        self.unit = next(
            unit.code
            for unit in cast.city().units
            if unit.kind == "市直部门"
            and unit.code not in busy
            and unit.name not in (_ORGANISATION, "黄石市委办公室", "黄石市纪委监委")
        )
        deputy = cast.staff(self.unit)[1]
        found = self.get(cast.ROSTER, "assessment", f"/cadres?unit={self.unit}&name={deputy.name}")["items"]
        self.cadre = next(str(each["id"]) for each in found if each["post"] == deputy.post)
        self.c1 = Person("cadre-recalled", deputy.name, "Deputy head", ("CADRE",), self.unit, self.cadre)
        self.head = Person("head-recalled", "主要负责人", "Head of the unit", ("UNITHEAD",), self.unit)

    def token(self, who: Person) -> str:
        units = None if who.everywhere else ()
        return self.city.token(who.subject, who.roles, units=units, unit=who.unit, person=who.cadre)

    def get(self, who: Person, service: str, path: str) -> Any:
        answer = self.city.request("GET", service, path, self.token(who))
        assert answer.ok, answer.text
        return answer.json()

    def post(self, who: Person, service: str, path: str, key: str, version: str | None = None, **body: Any) -> Any:
        headers = {"Idempotency-Key": key} | ({"If-Match": version} if version else {})
        answer = self.city.request("POST", service, path, self.token(who), headers, json=body)
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def take(self, who: Person, service: str, path: str, action: str, **body: Any) -> Any:
        version = self.city.request("GET", service, path, self.token(who)).headers["ETag"]
        return self.post(who, service, f"{path}/{action}", f"{path}:{action}:{version}:{who.subject}", version, **body)

    def at(self, day: str) -> None:
        done = self.city.command("clock", "set", day, "--running", "--no-wait")
        assert done.returncode == 0, done.stdout + done.stderr

    def until(self, look: Callable[[], Any], what: str) -> Any:
        return eventually(look, within=60, what=what)

    def sign(self, ref: str, document: str) -> None:
        """Have the cadre open and sign the document about `ref`."""

        def arrived() -> Any:
            items = self.get(self.c1, "notification", f"/deliveries?ref={ref}")["items"]
            return [item for item in items if item["document"] == document and item["state"] == "SENT"]

        self.until(arrived, f"{document} arrives")
        path = f"/deliveries/{arrived()[0]['id']}"
        self.take(self.c1, "notification", path, "open")
        self.take(self.c1, "notification", path, "sign")


@pytest.fixture(scope="module")
def play(city: City) -> Play:
    return Play(city)


def verified_finding(play: Play) -> str:
    digest = play.city.request(
        "POST",
        "supervision",
        "/evidence",
        play.token(cast.INSPECTOR),
        {"Idempotency-Key": "scenario-1-evidence"},
        files={"file": ("现场.pdf", b"%PDF-1.7 scenario 1", "application/pdf")},
    ).json()["sha256"]
    finding = play.post(
        cast.INSPECTOR,
        "supervision",
        "/findings",
        "scenario-1-finding",
        source="AUDIT",
        unit=play.unit,
        type="TASK_NOT_IMPLEMENTED",
        reason_codes=["WEAK_EXECUTION"],
        facts="重点任务未按期落实(虚构)。",
        severity=3,
        occurred_on="2024-05-06",
        responsible=[{"cadre": play.cadre, "role": "LEAD"}],
        evidence=[digest],
    )["id"]
    path = f"/findings/{finding}"
    play.take(cast.INSPECTOR, "supervision", path, "notify")
    play.sign(f"finding/{finding}", "FINDING_NOTICE")
    play.until(lambda: play.get(cast.FIRST, "supervision", path)["served_on"], "the finding is served")
    play.at("2024-05-15T09:00")
    for person in (cast.FIRST, cast.SECOND):
        play.take(person, "supervision", path, "verify", reason="属实(虚构)")
    return str(finding)


def bounds(play: Play) -> list[tuple[str, str]]:
    found = play.get(cast.RECORDS, "assessment", f"/cadres/{play.cadre}/constraints?year=2024")
    return [(each["reason_code"], found["cap"]) for each in found["constraints"]]


def barred(play: Play, day: str) -> list[tuple[str, str | None]]:
    found = play.get(ORG, "supervision", f"/eligibility/{play.cadre}?purpose=PROMOTE&as_of={day}")
    return [(reason["code"], reason["until"]) for reason in found["reasons"]]


def test_scenario_01_full_recall_restored(city: City, play: Play) -> None:
    play.at("2024-05-06T09:00")
    finding = verified_finding(play)
    play.at("2024-05-16T09:00")
    recall = play.post(
        ORG, "supervision", "/recalls", "scenario-1-recall", cadre=play.cadre, findings=[finding], text="建议召回(虚构)"
    )["id"]
    path = f"/recalls/{recall}"
    play.take(ORG, "supervision", path, "notify")
    play.sign(f"recall/{recall}", "RECALL_NOTICE")
    play.until(lambda: play.get(ORG, "supervision", path)["plea_until"] == "2024-05-23", "the recall is served")

    play.at("2024-05-24T09:00")
    play.take(COMM, "supervision", path, "approve")
    play.until(lambda: bounds(play) == [("RECALL", "BASICALLY_COMPETENT")], "the grade is capped")
    group = play.post(
        EDU,
        "supervision",
        "/training-classes",
        "scenario-1-class",
        title="第一期",
        place="市委党校",
        starts="2024-06-03",
        capacity=30,
        trainers=[TRAINER.subject],
    )["id"]
    play.take(EDU, "supervision", f"/training-classes/{group}", "open")
    play.take(EDU, "supervision", path, "enrol", **{"class": group})
    play.at("2024-06-09T10:00")
    play.until(lambda: play.get(TRAINER, "supervision", path)["state"] == "IN_TRAINING", "the class begins")
    for phase, score in enumerate(PHASES, 1):
        if phase == 3:
            play.take(play.c1, "supervision", path, "reflect", text=SELF_CRITICISM)
        play.take(TRAINER, "supervision", path, "pass-phase", phase=phase, score=score, attendance="100")
    play.take(TRAINER, "supervision", path, "complete")

    play.at("2024-06-10T09:00")
    observed = play.take(ORG, "supervision", path, "observe")
    assert (observed["observe_until"], len(observed["reports"])) == ("2024-09-10", 3)
    play.at("2024-09-04T09:00")
    for entry in observed["reports"]:
        play.take(play.head, "supervision", path, "report-month", month=entry["month"], text="本月情况(虚构)")
    play.take(ORG, "supervision", path, "review", score="75", text="中期(虚构)")
    play.take(play.head, "supervision", path, "unit-opinion", score="85", text="意见(虚构)")
    play.at("2024-09-11T09:00")
    evaluated = play.take(ORG, "supervision", path, "evaluate", score="81", text="评估(虚构)")
    assert evaluated["proposal"] == "RESTORED"
    assert barred(play, "2024-09-11") == [("RECALL_OPEN", None)]

    play.at("2024-09-24T09:00")
    done = play.take(COMM, "supervision", path, "restore", reason="考察合格(虚构)")
    assert (done["outcome"], done["outcome_on"]) == ("RESTORED", "2024-09-24")
    assert barred(play, "2024-09-23") == [("RECALL_OPEN", "2024-09-24")]
    assert barred(play, "2024-09-24") == [("RECALL_RECENT", "2025-03-24")]
    assert barred(play, "2025-03-24") == []
    play.sign(f"recall/{recall}", "RECALL_OUTCOME")
    assert bounds(play) == [("RECALL", "BASICALLY_COMPETENT")]

    rows = city.rows(
        "supervision",
        "SELECT convert_from(body, 'UTF8') AS body FROM outbox_messages WHERE subject = :subject ORDER BY position",
        subject=f"recall/{recall}",
    )
    events = [json.loads(row.body) for row in rows]
    told = [event["type"].split(".")[2] for event in events]
    assert [name for name in told if name != "unit-warned"] == EVENTS
    assert len({event["correlationid"] for event in events}) == 1
    assert Decimal(evaluated["final_score"]) == 81

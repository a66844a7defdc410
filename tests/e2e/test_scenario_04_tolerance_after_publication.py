"""Scenario 4 across the services: tolerance takes back what was made public, and what rests on the finding, under one id."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests
from docx import Document

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, MEDIA, SUPERVISE, People

UNIT = "黄石市科学技术协会"
CHANNELS = ["NEWSPAPER", "TV", "WECHAT"]
TITLE, TEXT = "关于重点任务落实不力的通报(虚构)", "市科协一名副职在重点任务中落实不力,予以通报(虚构)。"
UNNAMED_TITLE, UNNAMED_TEXT = "关于重点任务的通报(虚构)", "一单位在重点任务中落实不力(虚构)。"
CORRECTION = f"《{UNNAMED_TITLE}》所涉问题经认定予以容错减责,原点名通报现予撤回,特此更正。"


def articles(city: City) -> dict[str, str]:
    """Return what stands on the platform of WeChat accounts: the content by its address."""
    found = requests.get(f"http://127.0.0.1:{city.run.read().ports['wechat']}/articles", timeout=10).json()
    return {article["url"]: article["content"] for article in found["articles"]}


def publications(people: People, bulletin: str) -> dict[str, Any]:
    found = people.get(MEDIA, "notification", f"/publications?bulletin={bulletin}")["items"]
    return {each["channel"]: each for each in found}


def prove(people: People, bulletin: str, action: str, state: str) -> None:
    """Have the publicity department prove what newspaper and television brought, once they were given it."""

    def given() -> bool:
        found = publications(people, bulletin)
        press = [found[each] for each in ("NEWSPAPER", "TV") if each in found and found[each]["state"] == state]
        return [str(each["external_id"]).startswith(each["id"]) for each in press] == [True, True]

    people.until(given, f"newspaper and television are given the text to {action}")
    for channel in ("NEWSPAPER", "TV"):
        proof = people.upload(MEDIA, "notification", "/proofs", f"%PDF-1.7 {action} {channel}".encode())["sha256"]
        path = f"/publications/{publications(people, bulletin)[channel]['id']}"
        people.take(MEDIA, "notification", path, action, proof_sha256=proof, external_id=f"{action}-{channel}")


def publish(people: People, finding: str) -> str:
    """Publish a bulletin that names the lead, with three offices' approval, on 6 May on three channels."""
    bulletin = people.approved_bulletin(
        finding,
        named=True,
        channels=CHANNELS,
        title=TITLE,
        text=TEXT,
        unnamed_title=UNNAMED_TITLE,
        unnamed_text=UNNAMED_TEXT,
    )
    path = f"/bulletins/{bulletin}"
    people.take(SUPERVISE, "supervision", path, "schedule", publish_at="2024-05-06T08:30:00+08:00")
    people.at("2024-05-06T09:00")
    prove(people, bulletin, "confirm", "POSTED")
    people.until(lambda: people.get(MEDIA, "supervision", path)["state"] == "PUBLISHED", "the bulletin is published")
    return bulletin


def recall(people: People, lead: Person, finding: str) -> str:
    """Propose a recall on the finding alone, have it answered, and approve it: the grade is capped."""
    made = people.post(SUPERVISE, "supervision", "/recalls", cadre=lead.cadre, findings=[finding])["id"]
    path = f"/recalls/{made}"
    people.take(SUPERVISE, "supervision", path, "notify")
    people.sign(lead, f"recall/{made}", "RECALL_NOTICE")
    people.until(lambda: people.get(SUPERVISE, "supervision", path)["served_on"], "the recall is served")
    people.take(lead, "supervision", path, "plea", text="陈述(虚构)。")
    people.take(COMMITTEE, "supervision", path, "approve")
    people.until(lambda: constraints(people, lead) == ["RECALL"], "the grade is capped")
    return str(made)


def constraints(people: People, lead: Person) -> list[str]:
    found = people.get(cast.RECORDS, "assessment", f"/cadres/{lead.cadre}/constraints?year=2024")
    return [each["reason_code"] for each in found["constraints"]]


def barred(people: People, lead: Person) -> list[str]:
    found = people.get(SUPERVISE, "supervision", f"/eligibility/{lead.cadre}?purpose=PROMOTE")
    return [each["code"] for each in found["reasons"]]


def deduction(people: People, lead: Person) -> Decimal:
    found = people.get(cast.RECORDS, "assessment", f"/annual-records/{lead.cadre}/2024")
    return Decimal(found["deduction"])


def test_scenario_04_tolerance_after_publication(city: City) -> None:
    people = People(city)
    people.at("2024-04-25T09:00", back=True)
    lead = people.member(UNIT, 1, "cadre-tolerated")
    finding = people.verified_finding(lead, "重点任务进展滞后(虚构,情形四)。", "2024-04-12")
    bulletin = publish(people, finding)
    made_recall = recall(people, lead, finding)
    people.until(lambda: deduction(people, lead) == 2, "the deduction counts")
    assert barred(people, lead) == ["RECALL_OPEN"]
    article = publications(people, bulletin)["WECHAT"]["url"]
    assert TEXT in articles(city)[article]
    people.at("2024-05-08T09:00")
    tolerance = people.mitigated(lead, finding, decided_at="2024-05-15T09:00", served_at="2024-05-16T09:00")
    case, path = f"tolerance/{tolerance}", f"/tolerance-cases/{tolerance}"
    served = people.get(cast.ACCEPTOR, "incentive", path)
    assert (served["served_on"], served["review_until"], served["factor"]) == ("2024-05-16", "2024-05-30", "0.5")

    people.at("2024-05-31T09:00")
    prove(people, bulletin, "retract", "WITHDRAWING")

    def effects() -> Any:
        return people.get(cast.ACCEPTOR, "incentive", f"{path}/effects")

    people.until(lambda: effects()["complete"], "every step of the saga is done")
    done = effects()
    assert not done["overdue"]
    assert {item["step"].partition(":")[0] for item in done["items"]} == {
        *("FINDING_WEIGHT", "DEDUCTION", "BULLETIN", "RECALL", "CONSTRAINT", "GATE")
    }
    for item in done["items"]:
        since, at = (datetime.fromisoformat(item[name]) for name in ("outstanding_since", "done_at"))
        assert timedelta(0) <= at - since <= timedelta(hours=1), item
        assert item["by_event"], item

    weighed = people.get(cast.FIRST, "supervision", f"/findings/{finding}")
    assert (Decimal(weighed["base_weight"]), Decimal(weighed["effective_weight"])) == (2, 1)
    assert deduction(people, lead) == 1
    cancelled = people.get(SUPERVISE, "supervision", f"/recalls/{made_recall}")
    assert (cancelled["state"], cancelled["cancel_reason"]) == ("CANCELLED", "TOLERANCE")
    assert (constraints(people, lead), barred(people, lead)) == ([], [])
    (plan,) = [
        each
        for each in people.get(cast.ACCEPTOR, "incentive", "/corrections")["items"]
        if each["tolerance"] == tolerance
    ]
    assert (plan["state"], plan["due_on"]) == ("OPEN", str(date(2024, 5, 31) + timedelta(days=30)))

    withdrawn = people.get(MEDIA, "supervision", f"/bulletins/{bulletin}")
    assert (withdrawn["state"], withdrawn["correction_text"]) == ("WITHDRAWN", CORRECTION)
    assert {channel: each["state"] for channel, each in withdrawn["channel_states"].items()} == dict.fromkeys(
        CHANNELS, "WITHDRAWN"
    )
    assert all(each["withdrawn_on"] == "2024-05-31" for each in publications(people, bulletin).values())
    assert article not in articles(city)
    assert CORRECTION in articles(city)[publications(people, bulletin)["WECHAT"]["url"]]
    for channel in ("NEWSPAPER", "TV"):
        own = publications(people, bulletin)[channel]["id"]
        (page,) = (city.run.root / "press").rglob(f"{own}-w.docx")
        assert CORRECTION in "\n".join(each.text for each in Document(str(page)).paragraphs)

    effective = next(event for event in people.events("incentive", case) if ".effective." in event["type"])
    thread = effective["correlationid"]
    followed = {
        "supervision": (f"finding/{finding}", f"bulletin/{bulletin}", f"recall/{made_recall}"),
        "incentive": (f"correction/{plan['id']}",),
        "notification": tuple(f"publication/{each['id']}" for each in publications(people, bulletin).values()),
    }
    told = {
        (event["type"].partition(".")[2], event["correlationid"] == thread)
        for service, subjects in followed.items()
        for subject in subjects
        for event in people.events(service, subject)
        if event["time"] >= effective["time"]
    }
    assert told >= {
        ("finding.weight-changed.v1", True),
        ("bulletin.withdrawing.v1", True),
        ("bulletin.withdrawn.v1", True),
        ("recall.cancelled.v1", True),
        ("correction.opened.v1", True),
        ("publication.withdrawn.v1", True),
    }
    assert {under for _, under in told} == {True}

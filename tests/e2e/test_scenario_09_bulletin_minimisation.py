"""Scenario 9 across the services: a bulletin that tells an ID number or a home, or rests on no law, is not drafted."""

from typing import Any

import pytest

from tests.e2e.conftest import City
from tests.e2e.people import SUPERVISE, People

UNIT = "黄石市统计局"
TEXT = "一单位推进重点任务不力(虚构)。"


@pytest.fixture(scope="module")
def finding(city: City) -> str:
    people = People(city)
    people.at("2024-04-08T09:00", back=True)
    return people.verified_finding(people.member(UNIT, 1, "cadre-told-of"), "推进不力(虚构,情形九)。", "2024-04-01")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": "甲某(420202198001010007)推进不力。"}, "PII_FORBIDDEN"),
        ({"text": "甲某,家住黄石港区,推进不力。"}, "PII_FORBIDDEN"),
        ({"legal_basis": None}, "LEGAL_BASIS_MISSING"),
    ],
)
def test_scenario_09_bulletin_minimisation(city: City, finding: str, changes: Any, code: str) -> None:
    people = People(city)
    form = {
        "findings": [finding],
        "named": False,
        "channels": ["NEWSPAPER"],
        "title": "关于重点任务的通报(虚构)",
        "text": TEXT,
        "legal_basis": "中华人民共和国政府信息公开条例",
    }
    sent = {name: value for name, value in (form | changes).items() if value is not None}
    refusal = people.refused(SUPERVISE, "supervision", "/bulletins", **sent)
    assert (refusal["status"], refusal["code"]) == (422, code)
    # What is refused is not told again in the refusal.
    assert "420202198001010007" not in str(refusal)
    assert people.get(SUPERVISE, "supervision", f"/bulletins?finding={finding}")["items"] == []

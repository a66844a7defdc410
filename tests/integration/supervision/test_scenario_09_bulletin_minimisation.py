"""Scenario 9: a bulletin with an ID number or an address is refused with 422 PII_FORBIDDEN, one without a legal basis with 422."""

from typing import Any

import pytest

from citybus.errors import Refusal
from tests.support.supervision import ORG, City, a_bulletin


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": "甲某(420202198001010007)推进不力。"}, "PII_FORBIDDEN"),
        ({"text": "甲某,家住黄石港区,推进不力。"}, "PII_FORBIDDEN"),
        ({"legal_basis": None}, "LEGAL_BASIS_MISSING"),
    ],
)
def test_scenario_09_bulletin_minimisation(city: City, changes: Any, code: str) -> None:
    finding = city.verified()
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.open(city.bulletins, ORG, a_bulletin(finding.id, **changes))
    assert (caught.value.status, caught.value.code) == (422, code)
    assert city.picture() == before

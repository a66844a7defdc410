"""Scenario 8: a fault-tolerance case on F5 is being verified; a bulletin about F5 is refused with 422 TOLERANCE_PENDING."""

import pytest

from citybus.errors import Refusal
from citybus.ids import new_id
from tests.support.supervision import ORG, City


def test_scenario_08_bulletin_refused_while_tolerance_open(city: City) -> None:
    finding, case = city.verified(), new_id()
    bulletin = city.approved_bulletin(finding)
    for step in ("filed", "accepted", "verifying"):
        city.receive("supervision.incentive", city.tolerance(finding, case, step))
    before = city.again(bulletin).version
    with pytest.raises(Refusal) as caught:
        city.take(city.bulletins, bulletin, "schedule", ORG)
    assert (caught.value.status, caught.value.code) == (422, "TOLERANCE_PENDING")
    assert caught.value.figures["findings"] == {finding.id: [case]}
    assert (city.again(bulletin).state, city.again(bulletin).version) == ("APPROVED", before)

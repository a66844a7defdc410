"""Scenario 6: a loss from a major safety accident is not excused, but by the committee with its reason."""

import pytest

from citybus.errors import Refusal
from tests.support.incentive import COMMITTEE, DECIDER, SCORES, City, a_decision


def test_an_exclusion_advises_to_deny_and_only_the_committee_overrules_it_with_a_reason(city: City) -> None:
    case = city.deliberating(exclusions=["SAFETY"])
    # The scores alone would have advised to mitigate.
    assert sum(SCORES.values()) == 8
    assert (case.advice, case.exclusions, case.advice_grounds["exclusions"]) == ("DENY", ["SAFETY"], ["SAFETY"])

    exempt = a_decision("EXEMPT", deviation="重大公共利益")
    with pytest.raises(Refusal) as caught:
        city.take(case, "decide", DECIDER, exempt)
    assert (caught.value.code, caught.value.status) == ("EXCLUDED_SAFETY", 422)
    with pytest.raises(Refusal, match="DEVIATION_UNEXPLAINED"):
        city.take(case, "decide", COMMITTEE[0], a_decision("EXEMPT"))
    with pytest.raises(Refusal, match="REASON_MISSING"):
        city.take(case, "decide", COMMITTEE[0], {**exempt, "reason": None})
    for actor in COMMITTEE:
        case, _ = city.take(case, "decide", actor, exempt)
    assert (case.state, case.decision, case.deviation) == ("DECIDED", "EXEMPT", "重大公共利益")


def test_the_panel_may_deny(city: City) -> None:
    case = city.deliberating(exclusions=["SAFETY"])
    half, _ = city.take(case, "decide", DECIDER, a_decision("DENY"))
    assert half.state == "DELIBERATING"

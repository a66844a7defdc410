"""Scenario 6: a loss from a major safety accident is not excused, but by the committee with its reason."""

from typing import Any

import pytest

from citybus.errors import Refusal
from incentive.schemas.responses import ToleranceView
from tests.support.incentive import (
    ACCEPTOR,
    COMMITTEE,
    DECIDER,
    FIRST,
    SCORES,
    SECOND,
    VERIFIERS,
    City,
    a_decision,
)


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


def test_who_accepts_an_excluded_application_has_denial_proposed_with_its_code_at_once(city: City) -> None:
    case = city.filed()
    assert shown(case)["proposal"] is None
    named = {"exclusions": ["SAFETY"], "reason": "事故调查报告认定为重大责任事故"}
    for form, code in (
        ({"exclusions": ["X"], "reason": "r"}, "UNKNOWN_EXCLUSION"),
        ({**named, "reason": None}, "REASON_MISSING"),
    ):
        with pytest.raises(Refusal, match=code):
            city.take(case, "accept", ACCEPTOR, form)
    case, [told] = city.take(case, "accept", ACCEPTOR, named)
    assert shown(case)["proposal"] == {"decision": "DENY", "codes": ["EXCLUDED_SAFETY"]}
    assert "SAFETY" not in str(told.data)
    # It is a proposal: the two verifiers confirm it, or not.
    city.take(case, "assign", ACCEPTOR, {"verifiers": VERIFIERS})
    found = {"factors": SCORES, "exclusions": [], "reason": "不属责任事故"}
    city.take(case, "verify", FIRST, found)
    case, _ = city.take(case, "verify", SECOND, found)
    assert (case.advice, case.exclusions, shown(case)["proposal"]) == ("MITIGATE", [], None)


def test_an_application_is_accepted_without_any_proposal(city: City) -> None:
    case = city.accepted()
    assert (case.state, shown(case)["proposal"]) == ("ACCEPTED", None)


def shown(case: Any) -> dict[str, Any]:
    """Return the case as its readers see it."""
    found: dict[str, Any] = ToleranceView().dump(case)
    return found


def test_the_panel_may_deny(city: City) -> None:
    case = city.deliberating(exclusions=["SAFETY"])
    half, _ = city.take(case, "decide", DECIDER, a_decision("DENY"))
    assert half.state == "DELIBERATING"

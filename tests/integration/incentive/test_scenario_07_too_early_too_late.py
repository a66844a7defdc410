"""Scenario 7: nobody asks before anybody is held accountable, nor forty days after the decision; then an appeal is left."""

from datetime import timedelta

import pytest

from citybus.errors import Refusal
from citybus.ids import new_id
from tests.support.incentive import APPLICANT, City


def test_before_anybody_is_held_accountable_it_is_too_early(city: City) -> None:
    with pytest.raises(Refusal) as caught:
        city.drafted(new_id())
    assert (caught.value.code, caught.value.status) == ("STAGE_TOO_EARLY", 422)


def test_an_application_that_can_only_be_too_late_is_not_even_drafted(city: City) -> None:
    finding, other = (city.finding("VERIFIED", served_on="2024-03-04") for _ in range(2))
    # On the last of the thirty days a draft is made, to which the cause may still be added.
    city.clock.advance(timedelta(days=30))
    city.drafted(finding)
    city.clock.advance(timedelta(days=10))
    with pytest.raises(Refusal) as caught:
        city.drafted(other, late_cause="住院")
    assert (caught.value.code, caught.value.status) == ("STAGE_TOO_LATE", 422)
    assert caught.value.figures == {"stage": "VERIFIED", "until": "2024-04-03", "remedy": "APPEAL"}


def test_forty_days_after_the_decision_it_is_too_late_and_an_appeal_is_what_is_left(city: City) -> None:
    case = city.drafted(city.finding("VERIFIED", served_on="2024-03-04"), late_cause="住院")
    city.clock.advance(timedelta(days=40))
    with pytest.raises(Refusal) as caught:
        city.take(case, "file", APPLICANT)
    assert (caught.value.code, caught.value.status) == ("STAGE_TOO_LATE", 422)
    assert (caught.value.figures["remedy"], "申诉" in caught.value.zh) == ("APPEAL", True)

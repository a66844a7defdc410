"""Scenario 2: phases come in order; training that fails is repeated once; then people decide, not software."""

from datetime import timedelta

import pytest

from citybus.errors import Refusal
from tests.support.recall import Recalls
from tests.support.supervision import EDU, ORG, City


@pytest.fixture
def recalls(city: City) -> Recalls:
    found = Recalls(city)
    found.forget()
    return found


def test_scenario_02_recall_phase_order(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    recalls.score(case, 1, "78")
    with pytest.raises(Refusal) as caught:
        recalls.score(case, 3, "90")
    assert (caught.value.code, caught.value.status) == ("PHASE_ORDER", 422)
    assert caught.value.figures == {"phase": 3, "expected": 2}

    case = recalls.score(case, 2, "55")
    assert [(entry["phase"], entry["passed"], entry["why"]) for entry in case.phases] == [
        (1, True, None),
        (2, False, "SCORE"),
    ]
    recalls.end(case)
    assert city.again(case).state == "TRAINING_FAILED"

    again = recalls.open_class()
    case = recalls.take(case, "retrain", EDU, training_class=again.id)
    assert (case.state, case.attempt) == ("ENROLLED", 2)
    recalls.begin(again)
    recalls.end(case)
    case = city.again(case)
    assert (case.state, case.proposal, case.outcome) == ("EVALUATED", "ADJUSTED", None)
    assert recalls.told(case) == [
        "proposed",
        "notified",
        "approved",
        "enrolled",
        "training-started",
        "phase-passed",
        "training-failed",
        "enrolled",
        "training-started",
        "training-failed",
        "evaluated",
    ]
    # Nothing else came of it: no sanction, no adjustment, whatever time passes.
    city.clock.advance(timedelta(days=20))
    recalls.fire()
    assert (city.again(case).state, city.again(case).version) == ("EVALUATED", case.version)
    assert not [event for event in city.outbox(f"recall/{case.id}") if "sanction" in event.type]


def test_a_third_attempt_is_refused(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    recalls.end(case)
    late = recalls.open_class(days=90)
    with pytest.raises(Refusal) as caught:
        recalls.take(case, "retrain", ORG, training_class=late.id)
    assert caught.value.code == "RETRAIN_LIMIT"
    assert "latest" in caught.value.figures

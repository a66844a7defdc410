"""Scenario 2: phases come in order; training that fails is repeated once; then people decide, not software."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from citybus import tables
from citybus.cases import Actor
from citybus.errors import Refusal
from tests.support.recall import Recalls
from tests.support.supervision import COMM, EDU, ORG, ORG_SECOND, City


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


def test_training_that_is_not_repeated_in_time_is_concluded_by_an_officer(city: City, recalls: Recalls) -> None:
    """The deadline of sixty days reminds people; then an officer lets the case go on, and people decide the outcome."""
    case = recalls.in_training()
    recalls.end(case)
    case = city.again(case)
    latest = case.failed_on + timedelta(days=60)
    recalls.at(latest.month, latest.day, year=latest.year)
    refusal = refused(recalls, case, "conclude", ORG_SECOND, reason="未开班")
    assert (refusal.code, refusal.status) == ("RETRAIN_WINDOW_OPEN", 422)
    assert refusal.figures == {"latest": latest.isoformat()}
    after = latest + timedelta(days=1)
    recalls.at(after.month, after.day, year=after.year)
    # The system does nothing by itself: the delay may be the office's own.
    assert (city.again(case).state, retraining(city, case)) == ("TRAINING_FAILED", "FIRED")
    late = recalls.open_class()
    assert refused(recalls, case, "retrain", EDU, training_class=late.id).code == "RETRAIN_LIMIT"
    assert refused(recalls, case, "conclude", EDU, reason="未开班").code == "FORBIDDEN"
    assert refused(recalls, case, "conclude", ORG_SECOND).code == "REASON_MISSING"

    case = recalls.take(case, "conclude", ORG_SECOND, reason="补训期内未能开班")
    assert (case.state, case.proposal, case.outcome, case.evaluated_on) == ("EVALUATED", "ADJUSTED", None, after)
    assert recalls.told(case)[-2:] == ["training-failed", "evaluated"]
    # Nobody is reminded of it any more.
    assert retraining(city, case) == "SATISFIED"
    both = replace(COMM, subject=ORG_SECOND.subject)
    assert refused(recalls, case, "adjust", both, reason="理由").code == "AVOIDANCE"
    assert recalls.take(case, "adjust", COMM, reason="训导不合格").outcome == "ADJUSTED"


def refused(recalls: Recalls, case: Any, action: str, actor: Actor, **form: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        recalls.take(case, action, actor, **form)
    return caught.value


def retraining(city: City, case: Any) -> str:
    """Return what became of the deadline of the repeated training."""
    armed = tables.deadlines.c
    (row,) = city.rows(tables.deadlines, armed.ref == f"recall/{case.id}", armed.kind == "recall.retrain")
    return str(row.state)


def test_a_third_attempt_is_refused(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    recalls.end(case)
    late = recalls.open_class(days=90)
    with pytest.raises(Refusal) as caught:
        recalls.take(case, "retrain", ORG, training_class=late.id)
    assert caught.value.code == "RETRAIN_LIMIT"
    assert "latest" in caught.value.figures

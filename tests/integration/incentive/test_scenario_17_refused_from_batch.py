"""Scenario 17: a cadre in an effect period is stopped at the gate; another who is barred before the decision stops it."""

from datetime import timedelta
from typing import Any

import pytest

from citybus import tables
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.ids import new_id
from tests.support.incentive import COMMITTEE, SELECTOR, City


@pytest.fixture
def cadres(city: City) -> tuple[str, str, str]:
    """Return three cadres who have been in their posts for more than ten years."""
    found = new_id(), new_id(), new_id()
    city.receive("assessment", *(city.registered(each, "420200-D09") for each in found))
    return found


def test_who_is_barred_is_not_shortlisted_and_a_decision_over_somebody_barred_since_is_refused(
    city: City, cadres: tuple[str, str, str]
) -> None:
    barred, later, clean = cadres
    batch = city.batch(kind="d", positions=2)
    city.receive("supervision", city.bars(barred, ("EFFECT_PERIOD_ACTIVE", "2024-01-15", "2025-01-15")))
    stopped = city.nominated(batch, barred)
    assert (stopped.state, stopped.verdict) == ("CHECKED", "BLOCKED")
    assert stopped.reasons == [{"code": "EFFECT_PERIOD_ACTIVE", "until": "2025-01-15", "pending": False}]
    (event,) = city.outbox(f"candidate/{stopped.id}")
    assert (event.type, event.data["reasons"]) == (
        "incentive.batch.candidate-blocked.v1",
        [{"code": "EFFECT_PERIOD_ACTIVE", "until": "2025-01-15"}],
    )
    with pytest.raises(Refusal) as caught:
        city.take(stopped, "shortlist", SELECTOR)
    assert caught.value.code == "GATE_BLOCKED"
    assert caught.value.figures["reasons"][0]["until"] == "2025-01-15"

    # Two others are selected and publicized; the publicity passes.
    first, second = city.selected(batch, later, "P1"), city.selected(batch, clean, "P2")
    publicized, _ = city.take(batch, "publicize", SELECTOR)
    assert publicized.publicity_until.isoformat() == "2024-03-11"
    assert refused(city, batch, COMMITTEE[0]).code == "PUBLICITY_OPEN"
    city.clock.advance(timedelta(days=8))

    # Yesterday one of them was admonished.
    city.receive("supervision", city.bars(later, ("EFFECT_PERIOD_ACTIVE", "2024-03-11", "2024-09-11")))
    refusal = refused(city, batch, COMMITTEE[0])
    assert (refusal.code, refusal.status, refusal.figures["candidates"]) == ("GATE_BLOCKED", 422, [first.id])
    assert (city.again(batch).state, city.again(batch).publicity_until) == ("SELECTING", None)
    assert (city.again(first).state, city.again(first).to_confirm) == ("CHECKED", True)
    assert city.again(second).state == "SELECTED"
    assert [event.type for event in city.outbox(f"batch/{batch.id}")][-1] == "incentive.batch.returned.v1"
    assert [event.type for event in city.outbox(f"candidate/{first.id}")] == ["incentive.batch.candidate-blocked.v1"]

    # It goes on only when the committee has confirmed the drop.
    with pytest.raises(Refusal, match="DROP_UNCONFIRMED"):
        city.take(batch, "publicize", SELECTOR)
    with pytest.raises(Refusal, match="COMMITTEE_CONFIRMS"):
        city.take(first, "drop", SELECTOR, {"reason": "影响期"})
    city.take(first, "drop", COMMITTEE[0], {"reason": "影响期"})
    city.take(batch, "publicize", SELECTOR)
    city.clock.advance(timedelta(days=8))
    decided, events = city.take(batch, "decide", COMMITTEE[0], {"reason": "集体研究决定"})
    assert decided.state == "DECIDED"
    assert [event.type for event in events] == ["incentive.batch.decided.v1", "incentive.gate.evaluated.v1"]
    done, _ = city.take(batch, "implement", SELECTOR, {"appointed_on": city.clock.today()})
    assert (done.state, city.again(second).state) == ("IMPLEMENTED", "APPOINTED")
    assert city.again(second).appointed_on == city.clock.today()

    # It is reviewed a year later.
    with pytest.raises(Refusal, match="REVIEW_TOO_EARLY"):
        city.take(batch, "review", SELECTOR, {"reason": "任用效果良好"})
    table = tables.deadlines
    (armed,) = city.rows(table, table.c.ref == f"batch/{batch.id}")
    assert (armed.kind, armed.due_at.astimezone(ZONE).date().isoformat()) == ("batch.review", "2025-04-21")
    city.clock.advance(timedelta(days=370))
    assert city.take(batch, "review", SELECTOR, {"reason": "任用效果良好"})[0].state == "REVIEWED"


def refused(city: City, batch: Any, actor: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        city.take(batch, "decide", actor, {"reason": "集体研究决定"})
    return caught.value

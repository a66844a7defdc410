"""How old a projection is."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from citybus import freshness
from citybus.errors import Refusal
from citybus.inbox import Order, Subscription, apply_batch
from tests.support.inbound import make_event
from tests.support.mechanism import CONTEXT, Mechanism
from tests.support.stock import arrival


def age(mechanism: Mechanism, source: str, seconds: int) -> None:
    with mechanism.session() as session:
        session.execute(
            text(
                "UPDATE projection_heartbeats SET last_seen = clock_timestamp() - make_interval(secs => :s) WHERE source = :n"
            ),
            {"s": seconds, "n": source},
        )


def test_one_replica_sends_each_heartbeat(mechanism: Mechanism) -> None:
    sent: list[bool] = []
    threads = [
        threading.Thread(target=lambda: sent.append(freshness.send_heartbeat(mechanism.units, "assessment")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sent) == [False, False, False, True]
    age(mechanism, "assessment", 60)
    assert freshness.send_heartbeat(mechanism.units, "assessment")
    with mechanism.sessions() as session:
        rows = session.execute(text("SELECT type, subject, mandatory, sequence FROM outbox_messages ORDER BY position"))
        assert [tuple(row) for row in rows] == [
            ("assessment.service.heartbeat.v1", "service/assessment", True, 1),
            ("assessment.service.heartbeat.v1", "service/assessment", True, 2),
        ]


def test_projection_is_stale_when_no_heartbeat_came_for_five_minutes(mechanism: Mechanism) -> None:
    with mechanism.session() as session:
        assert freshness.stale(session, "assessment") == ["assessment"]
        freshness.note_heartbeat(session, "assessment", datetime.now(UTC))
        freshness.note_heartbeat(session, "supervision", datetime.now(UTC))
        assert freshness.stale(session, "assessment", "supervision") == []
        freshness.require_fresh(session, "assessment", "supervision")
    age(mechanism, "supervision", 301)
    with mechanism.session() as session:
        assert freshness.ages(session)["supervision"] >= timedelta(seconds=301)
        with pytest.raises(Refusal) as refusal:
            freshness.require_fresh(session, "assessment", "supervision", "incentive")
    assert (refusal.value.code, refusal.value.status) == ("DEPENDENCY_STALE", 503)
    assert refusal.value.figures == {"services": ["supervision", "incentive"], "limit_seconds": 300}
    with mechanism.session() as session:
        freshness.note_heartbeat(session, "supervision", datetime.now(UTC))
        assert freshness.stale(session, "supervision") == []


def test_domain_time_does_not_age_a_projection(mechanism: Mechanism) -> None:
    with mechanism.session() as session:
        freshness.note_heartbeat(session, "assessment", datetime.now(UTC))
    mechanism.clock.advance(timedelta(days=90))
    with mechanism.session() as session:
        freshness.require_fresh(session, "assessment")


def test_a_heartbeat_that_waited_in_the_queue_shows_its_age(mechanism: Mechanism) -> None:
    with mechanism.session() as session:
        freshness.note_heartbeat(session, "assessment", datetime.now(UTC) - timedelta(minutes=6))
        assert freshness.stale(session, "assessment") == ["assessment"]
        freshness.note_heartbeat(session, "assessment", datetime.now(UTC) + timedelta(hours=1))
        assert freshness.ages(session)["assessment"] < timedelta(minutes=1)


def test_a_queue_that_brings_facts_notes_the_heartbeats_that_come_with_them(mechanism: Mechanism) -> None:
    facts = Subscription("stock.shop", Order.NEWEST, freshness.hears("shop"))
    beat = make_event(
        "service/shop",
        type="shop.service.heartbeat.v1",
        data={"service": "shop", "sent_at": (datetime.now(UTC) - timedelta(seconds=20)).isoformat(), "more": 1},
    )
    with mechanism.units(CONTEXT) as uow:
        apply_batch(uow, facts, [arrival(facts, beat)])
        uow.commit()
    with mechanism.session() as session:
        assert timedelta(seconds=20) <= freshness.ages(session)["shop"] < timedelta(minutes=1)

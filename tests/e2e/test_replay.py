"""What the city recorded, replayed into fresh projections: in order, shuffled, tripled and late, it comes to the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.pool import NullPool

from citybus.clock import ZONE, FixedClock
from citybus.topology import files
from dandang.local.state import PROJECT
from dandang.reconcile import reconcile
from tests.e2e.conftest import City
from tests.support.postgres import Postgres
from tests.support.replay import (
    SERVICES,
    Outcome,
    Place,
    Recorded,
    assert_fresh_are_those_of_the_city,
    assert_same,
    kept,
    places,
    recorded,
    replay,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(1200)

SEEDS = (1, 2)
TOPOLOGY = files.load(PROJECT / "deploy" / "rabbitmq", date(2024, 1, 2))
LATER = datetime(2030, 1, 2, 9, tzinfo=ZONE)


@dataclass(frozen=True)
class Replayed:
    """The events of the city, where they are replayed, and what they left when they were in order."""

    events: list[Recorded]
    into: dict[str, Place]
    clock: FixedClock
    in_order: Outcome


@pytest.fixture(scope="module")
def replayed(city: City, postgres: Postgres) -> Iterator[Replayed]:
    def taken_in() -> bool:
        pairs = reconcile(TOPOLOGY, SERVICES, lambda service: connection(city, service))
        return not any(pair.drift or pair.under_way or pair.waiting for pair in pairs)

    eventually(taken_in, within=60, every=1, what="what was told is taken in")
    events = recorded(lambda service: connection(city, service))
    clock = FixedClock(LATER)
    with places(postgres, clock) as into:
        yield Replayed(events, into, clock, replay(into, events, TOPOLOGY))


def connection(city: City, service: str) -> Connection:
    url = make_url(city.known["CITY_DATABASE_URL"]).set(drivername="postgresql+psycopg2", database=f"city_{service}")
    return create_engine(url, poolclass=NullPool).connect()


def test_fresh_projections_are_those_of_the_city(city: City, replayed: Replayed) -> None:
    assert len(replayed.events) > 2000
    live = kept(lambda service: connection(city, service))
    assert_fresh_are_those_of_the_city(replayed.in_order, replayed.events, live)


@pytest.mark.parametrize("seed", SEEDS)
def test_shuffled_and_tripled_they_leave_the_same(replayed: Replayed, seed: int) -> None:
    # On another day, for what is known of a matter must not depend on when it is heard.
    replayed.clock.advance(timedelta(days=40))
    assert_same(replay(replayed.into, replayed.events, TOPOLOGY, seed), replayed.in_order)


def test_control_one_that_is_lost_shows(replayed: Replayed) -> None:
    lost = next(event for event in replayed.events if event.type == "supervision.finding.verified.v1")
    left = [event for event in replayed.events if event is not lost]
    with pytest.raises(AssertionError):
        assert_same(replay(replayed.into, left, TOPOLOGY), replayed.in_order)

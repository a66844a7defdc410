"""K2, in the real city: every process of all four services dies at each of its points while the slice is played.

The slice is played by people who ask again when nobody answers. When it has come to its end, all that any service has
committed must have taken effect once in each service that it is meant for, and the figures must be those of a quiet day.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dandang.local.processes import SERVICES
from dandang.slice.api import Api
from dandang.slice.story import Story
from tests.fault.city import City, real_city
from tests.fault.faults import CRASH_POINTS
from tests.fault.system import count
from tests.support.broker import Broker
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

ROUNDS = 5 if os.environ.get("FAULT_SIZE") == "long" else 1
POINTS: dict[str, tuple[str, ...]] = {
    "api": ("before-commit", "after-commit"),
    "job": ("before-commit", "after-commit"),
    "relay": CRASH_POINTS["relay"],
    "worker": ("after-park", "after-retry", "after-effect", "before-commit", "after-commit", "after-ack"),
}
JOBS = ("assessment",)
"""The services whose job process commits events; the others' only forget what is old."""


LASTING = ("relay", "worker")
"""The kinds that heartbeats bring to their points again and again; the others act once or twice in the whole slice."""


def _fault(kind: str, point: str) -> str:
    before = "transient " if point == "after-retry" else "lease:2 " if kind == "job" else ""
    return f"{before}crash:{point}:1"


FAULTS = {
    f"{service}-{kind}": [_fault(kind, point) for point in points * (ROUNDS if kind in LASTING else 1)]
    for service in SERVICES
    for kind, points in POINTS.items()
    if kind != "job" or service in JOBS
}


@pytest.fixture
def story(city: City) -> Iterator[Story]:
    api = Api(city.run)
    with closing(api._http):
        yield Story(city.run, api)


@pytest.fixture
def city(
    folder: Path, module_postgres: Postgres, module_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[City]:
    with real_city(folder, module_postgres, module_broker, FAULTS, monkeypatch) as made:
        yield made


@pytest.mark.timeout(1800 if ROUNDS > 1 else 400)
def test_k2_any_process_of_any_service_may_die_at_any_point(city: City, story: Story) -> None:
    for queue in {service: queue for queue, service in city.queues.items()}.values():
        for _ in range(ROUNDS):
            city.publish(queue, b"{")  # for the point after parking
    kept = city.keeper.kept
    story.prepare()
    story.play(lambda act: _wait_for_the_roster(city, story))

    def all_reached() -> bool:
        left = {name: faults[len(kept[name].reached()) :] for name, faults in FAULTS.items()}
        if any(left.values()):
            city.beat()
        assert not any(left.values()), {name: faults for name, faults in left.items() if faults}
        return True

    eventually(all_reached, within=90 * ROUNDS, every=0.5, what="every process has died at each of its points")
    reached = {name: [fault.split(":")[-2] for fault in faults] for name, faults in FAULTS.items()}
    assert {name: kept[name].reached() for name in FAULTS} == reached
    verdicts = city.conserved("K2-city", within=90)
    assert all(verdict["kept"] for verdict in verdicts.values()), verdicts
    assert all(verdict["counts"]["committed"] for verdict in verdicts.values()), "every queue was used"
    assert city.subjects_doubled() == {}
    # Nothing is dead but what the test itself made undecodable.
    assert {letter.reason for queue in city.queues for letter in city.letters(queue)} == {"UNDECODABLE"}
    _figures(city, story)


def _wait_for_the_roster(city: City, story: Story) -> None:
    """Let nobody act before all services know the roster, as nobody does on a quiet day."""
    if "import" in story.stored.ids:
        eventually(lambda: len(set(_people(city).values())) == 1, within=120, every=0.2, what="all know the roster")


def _people(city: City) -> dict[str, int]:
    return {service: _one(city, service, "SELECT count(*) FROM cadres") for service in SERVICES}


def _figures(city: City, story: Story) -> None:
    """Look at what a lost or a doubled effect would have changed."""
    people = _people(city)
    assert len(set(people.values())) == 1, people
    for name in ("lead", "direct"):
        record, steps = story.record(name), 2  # deducted, then halved
        assert record["version"] == steps
    # A notice for each of the two who are responsible, and its correction, and a decision for the one who asked.
    notices = "SELECT count(*) FROM deliveries WHERE document = 'FINDING_NOTICE' AND state = 'SIGNED'"
    assert _one(city, "notification", notices) == 2
    assert _one(city, "notification", "SELECT count(*) FROM deliveries") == 5
    # What the department was sent is what is recorded as sent, each event once.
    recorded = _one(city, "notification", "SELECT count(*) FROM subscription_deliveries")
    assert recorded == 3
    published = "SELECT count(*) FROM outbox_messages WHERE exchange = 'city.public' AND published_at IS NOT NULL"
    assert _one(city, "notification", published) == recorded
    assert _one(city, "incentive", "SELECT count(*) FROM effect_steps WHERE done_at IS NULL") == 0


def _one(city: City, service: str, statement: str) -> int:
    return count(city.databases[service], statement)

"""The three files are read, expanded and checked; every mistake is named, and all of them at once."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from citybus import topology
from citybus.topology import Binding, Topology, TopologyInvalid
from citybus.topology.model import NOTHING
from dandang.local.state import PROJECT

FOLDER = PROJECT / "deploy" / "rabbitmq"
TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def city() -> Topology:
    """The city's topology."""
    return topology.load(FOLDER, TODAY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the files, to be spoiled."""
    return Path(shutil.copytree(FOLDER, tmp_path / "rabbitmq"))


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    """Replace `old` once in a file, where it must stand."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def problems(folder: Path) -> list[str]:
    """Return what is wrong with the files."""
    with pytest.raises(TopologyInvalid) as caught:
        topology.load(folder, TODAY)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_work_queue_brings_its_ladder_and_dead_queue(city: Topology) -> None:
    family = {name: queue for name, queue in city.queues.items() if name.startswith("assessment.supervision")}
    assert {name: queue.kind for name, queue in family.items()} == {
        "assessment.supervision": "work",
        "assessment.supervision.retry.1s": "work.retry",
        "assessment.supervision.retry.10s": "work.retry",
        "assessment.supervision.retry.1m": "work.retry",
        "assessment.supervision.retry.10m": "work.retry",
        "assessment.supervision.dead": "work.dead",
    }
    assert {name: queue.arguments.get("x-message-ttl") for name, queue in family.items()} == {
        "assessment.supervision": None,
        "assessment.supervision.retry.1s": 1_000,
        "assessment.supervision.retry.10s": 10_000,
        "assessment.supervision.retry.1m": 60_000,
        "assessment.supervision.retry.10m": 600_000,
        "assessment.supervision.dead": None,
    }
    assert family["assessment.supervision"].arguments["x-dead-letter-routing-key"] == "assessment.supervision.dead"
    assert family["assessment.supervision.retry.1m"].arguments["x-dead-letter-routing-key"] == "assessment.supervision"
    assert all(Binding("assessment.retry", name, name) in city.bindings for name in family)


def test_what_must_not_be_lost_is_replicated_and_refuses_when_full(city: Topology) -> None:
    for queue in city.queues.values():
        if queue.kind in ("work", "work.retry"):
            assert queue.arguments["x-queue-type"] == "quorum"
            assert queue.arguments["x-overflow"] == "reject-publish"
            assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        if queue.kind == "work.dead":
            assert "x-message-ttl" not in queue.arguments
            assert "x-max-length" not in queue.arguments
            assert queue.arguments["x-delivery-limit"] == 1_000_000
        if queue.kind == "department":
            assert queue.arguments["x-overflow"] == "drop-head"


def test_receivers_and_routes(city: Topology) -> None:
    assert city.receivers("supervision.finding.verified.v2", "city.events") == {
        "assessment.supervision",
        "incentive.supervision",
        "notification.supervision",
        "city.archive",
    }
    assert city.receivers("supervision.finding.verified.v1", "city.public") == frozenset()
    routes = city.routes("assessment", "city.events")
    assert Binding("city.events", "supervision.assessment", "assessment.cadre.registered.v1") in routes
    assert Binding("city.events", "city.archive", "#") in routes
    assert Binding("city.events", "assessment.supervision", "supervision.finding.#") not in routes


def test_department_loses_its_rights_after_its_last_day() -> None:
    for today, read in ((date(2036, 12, 31), r"^(dept\.finance-bureau\.events)$"), (date(2037, 1, 1), NOTHING)):
        user = topology.load(FOLDER, today).users["dept-finance-bureau"]
        assert (user.read, user.write, user.configure) == (read, NOTHING, NOTHING)
        assert user.limits == {"max-connections": 2, "max-channels": 10}


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("topology.yaml", "city.events: topic", "city.events: fanout", "exchanges: city.events: Must be one of"),
        ("topology.yaml", "city.events: topic", "City: topic", "exchanges: City: words of a-z"),
        ("topology.yaml", "{1s: 1000,", "{1s: 0,", "ladder: 1s: Must be greater"),
        ("topology.yaml", "{1s: 1000,", "{soon: 1000,", "ladder: soon: String does not match"),
        ("topology.yaml", "x-delivery-limit: 20", "x-delivery-limit: yes", "wants text or a whole number"),
        ("topology.yaml", "x-delivery-limit: 20", "x-delivery-limit: 1.5", "wants text or a whole number"),
        ("topology.yaml", "x-delivery-limit: 20", "delivery-limit: 20", "a queue argument begins with x-"),
        ("topology.yaml", "x-delivery-limit: 20", "x-single-active-consumer: 1", "x-delivery-limit is wanted"),
        ("topology.yaml", "      x-queue-type: stream\n", "", "city.archive: x-queue-type is wanted"),
        ("topology.yaml", "    dead: {", "    # {", "kind scratch: has `retry` and `dead`, or neither"),
        ("topology.yaml", "kind: work", "kind: works", "assessment.supervision: there is no kind works"),
        ("topology.yaml", "retry: assessment.retry", "# none", "assessment.supervision: wants, under `retry`"),
        ("topology.yaml", "retry: assessment.retry", "retry: city.events", "assessment.supervision: wants, under `retry`"),
        ("topology.yaml", "kind: archive", "kind: archive\n    retry: assessment.retry", "kind archive has no ladder"),
        ("topology.yaml", 'city.events: ["#"]', 'city.event: ["#"]', "there is no exchange city.event"),
        ("topology.yaml", "supervision.finding.#", "supervision.#.v1", "* is a word, # the last one"),
        ("topology.yaml", "kind: work", "kind: work\n    lazy: true", "queues: assessment.supervision: lazy: Unknown field"),
        ("topology.yaml", "  supervision.retry: direct", "  assessment.retry: direct", "'assessment.retry' stands twice"),
        ("topology.yaml", "  supervision.assessment:", "  assessment.supervision.dead:", "this name stands twice"),
        ("topology.yaml", "exchanges:", "exchanges: [", "topology.yaml: while parsing"),
        ("users.yaml", "[assessment.retry]", "[assessment.retries]", "write: there is no exchange or queue assessment.retries"),
        ("users.yaml", "tags: [monitoring]", "tags: [administrator]", "only the tag monitoring"),
        ("users.yaml", "    topics: {city.events: [assessment.#]}\n", "", "svc-assessment-relay: `topics` names exactly"),
        ("users.yaml", "[city.events]", "[assessment.retry]", "svc-assessment-relay: `topics` names exactly"),
        ("departments.yaml", "user: dept-finance-bureau", "user: svc-assessment-relay", "user is dept-finance-bureau, and not"),
        ("departments.yaml", "binding: dept.finance-bureau.#", 'binding: "#"', "binding is dept.finance-bureau.#"),
        ("departments.yaml", "queue: dept.finance-bureau.events", "queue: assessment.supervision", "begins with dept."),
        ("departments.yaml", "x-overflow: drop-head", "x-overflow: reject-publish", "and x-overflow drop-head"),
        ("departments.yaml", "x-max-length: 100000", "x-max-age: 1D", "wants x-max-length"),
        ("departments.yaml", "exchange: city.public", "exchange: assessment.retry", "there is no topic exchange"),
        ("departments.yaml", "expires: 2036-12-31", "expires: never", "expires: Not a valid date"),
        ("departments.yaml", "    owner:", "    boss:", "finance-bureau: owner: Missing data"),
        ("departments.yaml", "max-connections: 2", "max-connections: 0", "limits: max-connections: Must be greater"),
    ],
)  # fmt: skip
def test_mistake_is_named(folder: Path, file: str, old: str, new: str, problem: str) -> None:
    spoil(folder, file, old, new)
    found = problems(folder)
    assert any(line.startswith(f"{file}: ") and problem in line for line in found), found


def test_user_of_a_department_stands_once(folder: Path) -> None:
    spoil(folder, "users.yaml", "city-operator:", "dept-finance-bureau:")
    assert problems(folder) == ["departments.yaml: finance-bureau: user dept-finance-bureau stands twice"]


def test_department_may_differ_from_the_others(folder: Path) -> None:
    more = "binding: dept.finance-bureau.#\n    arguments: {x-max-length: 5}\n    limits: {max-connections: 9, max-channels: 9}"
    spoil(folder, "departments.yaml", "binding: dept.finance-bureau.#", more)
    found = topology.load(folder, TODAY)
    assert found.queues["dept.finance-bureau.events"].arguments["x-max-length"] == 5
    assert found.users["dept-finance-bureau"].limits["max-connections"] == 9


def test_date_may_be_written_as_text(folder: Path) -> None:
    spoil(folder, "departments.yaml", "expires: 2036-12-31", 'expires: "2026-11-22"')
    assert topology.load(folder, TODAY).users["dept-finance-bureau"].read == NOTHING


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    (folder / "users.yaml").unlink()
    (folder / "departments.yaml").write_text("- 1\n", encoding="utf-8")
    spoil(folder, "topology.yaml", "city.events: topic", "city.events: fanout")
    found = problems(folder)
    assert [line.split(":")[0] for line in found] == ["topology.yaml", "users.yaml", "departments.yaml"]

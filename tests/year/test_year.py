"""A small year of the sample city, played twice in two cities: the same both times, nothing adrift, nobody exposed.

Its recorded events are replayed, too. `YEAR_SHARE=1` has all of the year played instead of a hundredth.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.pool import NullPool

from citybus.clock import ZONE, FixedClock
from citybus.topology import files
from dandang.local.processes import SERVICES
from dandang.local.state import PROJECT, RunFolder
from tests.support.folders import scratch_folder
from tests.support.postgres import Postgres
from tests.support.replay import (
    Recorded,
    Rows,
    assert_fresh_are_those_of_the_city,
    assert_same,
    kept,
    places,
    recorded,
    replay,
)

pytestmark = pytest.mark.timeout(7200)

_OF_A_CITY = ("CITY_", *(f"{service.upper()}_" for service in SERVICES))
SHARE = os.environ.get("YEAR_SHARE", "0.01")
"""How much of the year is played; a hundredth has one of each kind of story, the least that a year is."""

TOLD = ("supervision.bulletin.", "notification.publication.", "assessment.cadre.post-changed.")
"""Events that carry texts which are for others: those for the public, and the names of posts."""


@dataclass
class Lived:
    """What a city says after its year."""

    told: dict[str, Any]
    digest: dict[str, dict[str, Any]]
    """The hash of each service, and of each of its tables."""
    reconciled: list[dict[str, Any]]
    dead: str
    again: dict[str, Any] = field(default_factory=dict)
    events: list[Recorded] = field(default_factory=list)
    rows: Rows = field(default_factory=dict)
    logs: str = ""


def live(folder: Path, *, closely: bool) -> Lived:
    """Bring a city up, play its year, ask what came of it, and take the city down. `closely`: look into it as well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_CITY)}
    environment |= {"DANDANG_RUN_FOLDER": str(folder / "run"), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = RunFolder(folder / "run")

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dandang", *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
        assert done.returncode == 0, f"dandang {' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    try:
        command("up", "--detach")
        lived = Lived(
            told=json.loads(command("year", "--share", SHARE, "--json")),
            digest=json.loads(command("digest", "--tables", "--json")),
            reconciled=json.loads(command("reconcile", "--json")),
            dead=command("dead", "list"),
        )
        if closely:
            lived.again = json.loads(command("year", "--json"))
            lived.events, lived.rows = recorded(connect(run)), kept(connect(run))
            lived.logs = "".join(
                file.read_text(encoding="utf-8", errors="replace") for file in sorted(run.logs.glob("*.log"))
            )
        return lived
    finally:
        command("down", "--delete-data")


def connect(run: RunFolder) -> Callable[[str], Connection]:
    """Return what opens a connection to the database of a service."""
    known = json.loads((run.secrets.folder / "operator-environment").read_text(encoding="utf-8"))
    url = make_url(known["CITY_DATABASE_URL"])

    def to(service: str) -> Connection:
        of_service = url.set(drivername="postgresql+psycopg2", database=f"city_{service}")
        return create_engine(of_service, poolclass=NullPool).connect()

    return to


@pytest.fixture(scope="module")
def cities() -> Iterator[tuple[Lived, Lived]]:
    with scratch_folder("year-1") as first, scratch_folder("year-2") as second:
        yield live(first, closely=True), live(second, closely=False)


def test_the_same_year_gives_the_same_digest(cities: tuple[Lived, Lived]) -> None:
    first, second = cities
    differing = [
        f"{service}.{table}"
        for service in SERVICES
        for table in sorted(first.digest[service]["tables"] | second.digest[service]["tables"])
        if first.digest[service]["tables"].get(table) != second.digest[service]["tables"].get(table)
    ]
    assert differing == []
    assert first.digest == second.digest


def test_every_consumer_has_taken_in_what_was_told(cities: tuple[Lived, Lived]) -> None:
    for lived in cities:
        assert [pair for pair in lived.reconciled if pair["drift"] or pair["under_way"] or pair["waiting"]] == []
        assert sum(pair["told"] for pair in lived.reconciled) > 1000


def test_a_year_that_was_played_is_told_and_not_played_again(cities: tuple[Lived, Lived]) -> None:
    first, _ = cities
    assert first.again["stories"] == first.told["stories"]


def test_both_years_are_told_alike(cities: tuple[Lived, Lived]) -> None:
    first, second = (
        [
            (story["zh"], story["whom"], sorted(entry["zh"] for entry in story["entries"]))
            for story in lived.told["stories"]
        ]
        for lived in cities
    )
    assert len(first) > 20
    assert first == second


def test_departments_receive_the_same_in_both_years(cities: tuple[Lived, Lived]) -> None:
    first, second = (lived.told["departments"] for lived in cities)
    assert sum(each["count"] for each in first.values()) > 50
    assert first == second


def test_every_story_says_who_did_what_by_which_event_under_which_rule(cities: tuple[Lived, Lived]) -> None:
    first, _ = cities
    for story in first.told["stories"]:
        assert story["entries"], story["name"]
        assert all(entry["who"] and entry["zh"] and entry["en"] for entry in story["entries"])
        assert any(entry["event"] for entry in story["entries"]), story["name"]
    assert any(entry["rule_packs"] for story in first.told["stories"] for entry in story["entries"])


def test_grades_are_within_the_quotas(cities: tuple[Lived, Lived]) -> None:
    first, _ = cities
    pools = {pool["category"]: pool for pool in first.told["pools"]}
    assert set(pools) == {"GROUP", "CADRE", "CIVIL_SERVANT"}
    for pool in pools.values():
        assert 0 < pool["grades"]["EXCELLENT"] <= pool["limit"]
        assert sum(pool["grades"].values()) == pool["base"]


def test_what_people_wrote_is_in_no_event_and_no_log(cities: tuple[Lived, Lived]) -> None:
    """Every text of the year is marked, so that it can be found wherever it goes; what is for others may go."""
    first, _ = cities
    marked = {event.type for event in first.events if "(虚构)" in event.body.decode()}
    assert {event_type for event_type in marked if not event_type.startswith(TOLD)} == set()
    assert "(虚构)" not in first.logs


def test_its_events_replayed_shuffled_and_tripled_come_to_the_same(
    cities: tuple[Lived, Lived], postgres: Postgres
) -> None:
    first, _ = cities
    topology = files.load(PROJECT / "deploy" / "rabbitmq", date(2024, 1, 2))
    with places(postgres, FixedClock(datetime(2030, 1, 2, 9, tzinfo=ZONE))) as into:
        in_order = replay(into, first.events, topology)
        assert_fresh_are_those_of_the_city(in_order, first.events, first.rows)
        assert_same(replay(into, first.events, topology, shuffled=3), in_order)

"""A small year of the sample city, played twice in two cities: the same both times, nothing adrift, nobody exposed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from dandang.local.processes import SERVICES
from dandang.local.state import PROJECT, RunFolder
from tests.support.folders import scratch_folder

pytestmark = pytest.mark.timeout(1500)

_OF_A_CITY = ("CITY_", *(f"{service.upper()}_" for service in SERVICES))
SHARE = "0.01"
"""One of each kind of story: the least that a year is."""

TOLD = ("supervision.bulletin.", "notification.publication.", "assessment.cadre.post-changed.")
"""Events that carry texts which are for others: those for the public, and the names of posts."""


@dataclass
class Lived:
    """What a city says after its year."""

    told: dict[str, Any]
    digest: dict[str, str]
    reconciled: list[dict[str, Any]]
    dead: str
    again: dict[str, Any] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)
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
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, f"dandang {' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    try:
        command("up", "--detach")
        lived = Lived(
            told=json.loads(command("year", "--share", SHARE, "--json")),
            digest=json.loads(command("digest", "--json")),
            reconciled=json.loads(command("reconcile", "--json")),
            dead=command("dead", "list"),
        )
        if closely:
            lived.again = json.loads(command("year", "--json"))
            lived.texts = events(run)
            lived.logs = "".join(
                file.read_text(encoding="utf-8", errors="replace") for file in sorted(run.logs.glob("*.log"))
            )
        return lived
    finally:
        command("down", "--delete-data")


def events(run: RunFolder) -> list[tuple[str, str]]:
    """Return type and body of every event that the services have told."""
    known = json.loads((run.secrets.folder / "operator-environment").read_text(encoding="utf-8"))
    found = []
    for service in SERVICES:
        url = make_url(known["CITY_DATABASE_URL"]).set(drivername="postgresql+psycopg2", database=f"city_{service}")
        with create_engine(url, poolclass=NullPool).connect() as connection:
            rows = connection.execute(text("SELECT type, convert_from(body, 'UTF8') FROM outbox_messages"))
            found += [(str(event_type), str(body)) for event_type, body in rows]
    return found


@pytest.fixture(scope="module")
def cities() -> Iterator[tuple[Lived, Lived]]:
    with scratch_folder("year-1") as first, scratch_folder("year-2") as second:
        yield live(first, closely=True), live(second, closely=False)


def test_the_same_year_gives_the_same_digest(cities: tuple[Lived, Lived]) -> None:
    first, second = cities
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
    leaks = {event_type for event_type, body in first.texts if "(虚构)" in body and not event_type.startswith(TOLD)}
    assert leaks == set()
    assert "(虚构)" not in first.logs

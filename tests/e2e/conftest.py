"""One whole city with private servers, in which the slice is played once for all tests of the tier."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from dandang.commands.token import issue
from dandang.local.processes import SERVICES
from dandang.local.state import PROJECT, RunFolder
from tests.support.folders import scratch_folder

_BEFORE_ANY_MOVE = "test_slice.py"
_INTO_NEXT_YEAR = (
    "test_scenario_01_full_recall_restored.py",
    "test_scenario_24_quota.py",
    "test_scenario_26_appeal.py",
)
_ALL_THAT_WAS_TOLD = "test_replay.py"
_OF_A_CITY = ("CITY_", *(f"{service.upper()}_" for service in SERVICES))


@dataclass
class City:
    """A city that `dandang up` runs in a folder of its own."""

    run: RunFolder
    environment: dict[str, str]
    told: dict[str, Any] = field(default_factory=dict)
    """What `dandang slice --json` said when it was played."""

    def command(self, *arguments: str, within: float = 150) -> subprocess.CompletedProcess[str]:
        """Run `dandang …` for this city."""
        return subprocess.run(
            [sys.executable, "-m", "dandang", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def slice(self) -> dict[str, Any]:
        """Play the slice, or have it told where it was played."""
        done = self.command("slice", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @property
    def known(self) -> dict[str, str]:
        """Where everything is, with administrators' URLs."""
        found: dict[str, str] = json.loads(
            (self.run.secrets.folder / "operator-environment").read_text(encoding="utf-8")
        )
        return found

    def base(self, service: str) -> str:
        return f"http://127.0.0.1:{self.known[f'{service.upper()}_HTTP_PORT']}"

    def rows(self, service: str, statement: str, **values: Any) -> list[Any]:
        """Return the rows of a query in a service's database, as its administrator sees them."""
        url = make_url(self.known["CITY_DATABASE_URL"]).set(
            drivername="postgresql+psycopg2", database=f"city_{service}"
        )
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def token(self, subject: str, roles: Sequence[str], **scope: Any) -> str:
        """Return a token of this city's own issuer."""
        before = os.environ.get("CITY_ENV")
        os.environ["CITY_ENV"] = "local"
        try:
            return issue(self.run, subject, roles, **scope)
        finally:
            if before is None:
                del os.environ["CITY_ENV"]
            else:
                os.environ["CITY_ENV"] = before

    def request(
        self,
        method: str,
        service: str,
        path: str,
        token: str | None,
        headers: Mapping[str, str] | None = None,
        **sent: Any,
    ) -> requests.Response:
        """Send a request as its own client would."""
        sender = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(
            method, self.base(service) + path, headers={**sender, **(headers or {})}, timeout=30, **sent
        )


@contextmanager
def running_city() -> Iterator[City]:
    """Bring a city up in a folder of its own and play the slice in it; take it down at the end."""
    with scratch_folder("e2e") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_CITY)}
        environment |= {"DANDANG_RUN_FOLDER": str(folder / "run"), "PYTHONPATH": os.pathsep.join(sys.path)}
        made = City(RunFolder(Path(folder) / "run"), environment)
        try:
            up = made.command("up", "--detach")
            assert up.returncode == 0, up.stdout + up.stderr
            made.told = made.slice()
            yield made
        finally:
            made.command("down", "--delete-data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the slice first, then play the scenarios, each of which sets the clock to its own days.

    After them come those that go into the next year: what the others ask for, as a subscription, ends with the year.
    Last of all, what was told by then is replayed.
    """
    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted(
        (items[place] for place in places),
        key=lambda item: (
            item.path.name == _ALL_THAT_WAS_TOLD,
            item.path.name in _INTO_NEXT_YEAR,
            item.path.name != _BEFORE_ANY_MOVE,
        ),
    )
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@pytest.fixture(scope="package")
def city() -> Iterator[City]:
    """A city that is up, in which the slice was played."""
    with running_city() as made:
        yield made

"""A real PostgreSQL for the tests: one private cluster per session, a database and roles of its own per test.

Where `CITY_DATABASE_URL` names a server, that one is used, and only databases and roles made here are touched.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from dandang.local import database as local
from dandang.local import ports, process, provision
from dandang.local.process import Running
from dandang.local.provision import ServiceDatabase
from tests.support.folders import scratch_folder


@dataclass
class Postgres:
    """A PostgreSQL server to test against, ours or a given one. `cluster` is set only for a private one."""

    admin_url: str
    cluster: local.Cluster | None = None
    running: Running | None = None
    _made: list[ServiceDatabase] = field(default_factory=list)

    def make_database(self, service: str = "test") -> ServiceDatabase:
        """Make an empty database with an owner role and an application role, as every service has.

        `app_url`, `owner_url` and `admin_url` of the answer are SQLAlchemy URLs. It is removed by `drop_database`,
        at the latest when the session ends.
        """
        name = f"city_{service}_{uuid4().hex[:12]}"
        made = ServiceDatabase(
            server=make_url(self.admin_url),
            name=name,
            owner=f"{name}_owner",
            owner_password=uuid4().hex,
            app=f"{name}_app",
            app_password=uuid4().hex,
        )
        provision.provision(made)
        self._made.append(made)
        return made

    def drop_database(self, made: ServiceDatabase) -> None:
        """Remove a database that was made here, and its roles."""
        self._made.remove(made)
        provision.drop(made)

    def drop_all(self) -> None:
        """Remove every database that was made here."""
        for made in list(self._made):
            self.drop_database(made)

    def kill(self) -> None:
        """End the private server as a crash would (SIGKILL to every one of its processes)."""
        assert self.running is not None, "a given server is not ours to kill"
        self.running.kill()

    def stop(self) -> None:
        """End the private server in order; sessions are ended."""
        assert self.running is not None, "a given server is not ours to stop"
        self.running.stop()

    def start(self) -> None:
        """Start the private server again after `kill` or `stop`, and wait until it is ready."""
        assert self.cluster is not None, "a given one is not ours to start"
        assert self.running is not None
        assert self.running.exit_code() is not None, "it runs already"
        self.running = process.start(self.cluster.program())
        self.running.wait_ready()


@contextmanager
def private_postgres(folder: Path, settings: Mapping[str, str] = local.SCRATCH) -> Iterator[Postgres]:
    """Run a private cluster that belongs to `folder`; its data is removed at the end."""
    claims = ports.Ports()  # kept to the end, so that no other test takes the port while the server is not up
    cluster = local.new_cluster(folder, port=claims.choose("database"), password=uuid4().hex, settings=settings)
    try:
        postgres = Postgres(cluster.url(), cluster, local.start(cluster))
        try:
            yield postgres
        finally:
            postgres.stop()  # not killed: shared memory would stay behind
    finally:
        shutil.rmtree(cluster.home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this session, quick because its commits do not reach the disk. Nobody may stop it."""
    with ExitStack() as stack:
        if given_url := os.environ.get("CITY_DATABASE_URL"):
            given = Postgres(given_url)
            stack.callback(given.drop_all)
            yield given
        else:
            yield stack.enter_context(private_postgres(stack.enter_context(scratch_folder("postgres"))))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """An empty database of this test's own, with its owner and application role."""
    made = postgres.make_database()
    yield made
    postgres.drop_database(made)


@pytest.fixture(scope="module")
def module_database(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """An empty database that the tests of one module share."""
    made = postgres.make_database()
    yield made
    postgres.drop_database(made)


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[Postgres]:
    """A private server whose commits do reach the disk, as in the city. Nobody may stop it."""
    with scratch_folder("postgres") as folder, private_postgres(folder, local.LAPTOP) as made:
        yield made


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A private, durable server of this test's own, to be killed, stopped, started and paused at will."""
    with scratch_folder("postgres") as folder, private_postgres(folder, local.LAPTOP) as made:
        yield made


@pytest.fixture(scope="module")
def module_postgres() -> Iterator[Postgres]:
    """A private, durable server that the tests of one module share, to be killed, stopped, started and paused at will."""
    with scratch_folder("postgres") as folder, private_postgres(folder, local.LAPTOP) as made:
        yield made

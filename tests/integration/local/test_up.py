"""`dandang up`: a whole city with stand-in services. It starts, survives, is found, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dandang.local import process
from dandang.local.city import data_folders
from dandang.local.process import ProcessId
from dandang.local.processes import KINDS, SERVICES
from dandang.local.state import PROJECT, RunFolder
from tests.support.broker import Broker
from tests.support.folders import scratch_folder
from tests.support.postgres import Postgres
from tests.support.stand_in import make_project
from tests.support.waiting import eventually

_OF_A_CITY = ("CITY_AMQP_URL", "CITY_RABBITMQ_ADMIN_URL", "CITY_DATABASE_URL")


class City:
    """A stand-in city on this machine, run by a process of its own."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder = folder
        self.run = RunFolder(folder / "run with a space")
        self.environment = {name: value for name, value in os.environ.items() if name not in _OF_A_CITY}
        self.environment |= {"DANDANG_RUN_FOLDER": str(self.run.root), "PYTHONPATH": os.pathsep.join(sys.path), **more}
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is up."""
        self.run.root.mkdir(exist_ok=True)
        with open(self.folder / "told", "wb") as told:
            self.popen = popen = subprocess.Popen(
                [sys.executable, "-m", "tests.support.stand_in", str(self.folder / "project")],
                cwd=PROJECT,
                env=self.environment,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def is_up() -> bool:
            assert popen.poll() is None or pytest.fail(self.told())
            state = self.run.read()
            return state.phase == "up" and state.supervisor is not None and state.supervisor.pid == popen.pid

        eventually(is_up, within=90, what="the city is up")

    def signal(self, number: signal.Signals) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def wait(self) -> int:
        assert self.popen is not None
        return self.popen.wait(60)

    def told(self) -> str:
        """What it said to the person who started it."""
        return (self.folder / "told").read_text(encoding="utf-8")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `dandang …` for this city."""
        command = [sys.executable, "-m", "dandang", *arguments]
        return subprocess.run(
            command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def members(self) -> set[ProcessId]:
        """All processes of the city but the supervisor: those it names, and what those started."""
        return {member for each in self.run.read().processes for member in process.family(each.pid)}


@contextmanager
def stand_in_city(**more: str) -> Iterator[City]:
    with scratch_folder("city") as folder:
        make_project(folder / "project")
        city = City(folder, **more)
        try:
            yield city
        finally:
            city.command("down", "--delete-data")
            if city.popen is not None:
                city.wait()
            assert not any(path.exists() for path in data_folders(city.run))


def living(members: set[ProcessId]) -> set[ProcessId]:
    return {member for member in members if process.started_at(member.pid) == member.started}


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    """A city that is up, where RabbitMQ's usual port and PostgreSQL's are taken by somebody else."""
    with stand_in_city() as made, socket.socket() as amqp, socket.socket() as postgres:
        for taken, port in ((amqp, 5672), (postgres, 5432)):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", port))
                taken.listen()
            except OSError:
                pass  # taken already, by somebody else indeed
        made.start()
        yield made


def test_foreign_servers_on_the_usual_ports_are_left_alone(city: City) -> None:
    ports = city.run.read().ports
    assert 5672 not in ports.values()
    assert 5432 not in ports.values()


def test_every_process_runs_and_is_found(city: City) -> None:
    found = json.loads(city.command("status", "--json").stdout)
    names = {each["name"] for each in found["processes"] if each["alive"]}
    assert names == {"epmd", "broker", "database"} | {f"{service}-{kind}" for service in SERVICES for kind in KINDS}
    assert found["phase"] == "up"
    assert found["dead"] == {}


def test_each_process_knows_its_own_service_alone(city: City) -> None:
    for service in SERVICES:
        folder = city.folder / "project" / "services" / service
        for kind in (*KINDS, "migrate"):
            told = json.loads((folder / f"environment-{kind}.json").read_text())
            others = [
                name for name in told for other in SERVICES if name.startswith(other.upper()) and other != service
            ]
            assert others == []
            assert not any(name in told for name in (*_OF_A_CITY, "DANDANG_RUN_FOLDER"))
            assert (f"{service.upper()}_MIGRATION_DATABASE_URL" in told) == (kind == "migrate")
            assert (f"{service.upper()}_DATABASE_URL" in told) == (kind != "migrate")
            assert (f"{service.upper()}_AMQP_URL" in told) == (kind in ("worker", "relay"))


def test_no_secret_is_readable_by_others_or_written_to_the_state(city: City) -> None:
    state = (city.run.root / "state.json").read_text(encoding="utf-8")
    secrets = [path for path in city.run.secrets.folder.rglob("*") if path.is_file()]
    assert len(secrets) > 20
    for path in secrets:
        assert path.stat().st_mode & 0o077 == 0
        assert path.read_text(encoding="utf-8") not in state
    assert city.run.root.stat().st_mode & 0o077 == 0


def test_second_up_says_where_it_is(city: City) -> None:
    second = city.command("up")
    assert second.returncode == 0
    assert "up already" in second.stdout
    assert str(city.run.read().ports["management"]) in second.stdout


def test_commands_find_the_city_of_this_machine(city: City) -> None:
    assert city.command("topology", "check").returncode == 0
    assert city.command("token", "--sub", "s1", "--role", "ORG").stdout.count(".") == 2


def test_commands_keep_to_a_city_that_the_environment_names(city: City) -> None:
    elsewhere = City(
        city.folder, CITY_RABBITMQ_ADMIN_URL="http://u:p@127.0.0.1:9", CITY_AMQP_URL="amqp://u:p@127.0.0.1:9/x"
    )
    assert json.loads(elsewhere.command("status", "--json").stdout)["queues"] is None


def test_crashed_process_comes_back_and_is_told(city: City) -> None:
    before = next(each for each in city.run.read().processes if each.name == "incentive-worker")
    os.kill(before.pid, signal.SIGKILL)

    def is_back() -> bool:
        now = next(each for each in city.run.read().processes if each.name == "incentive-worker")
        return now.restarts == before.restarts + 1 and now.alive

    eventually(is_back, within=20, what="the worker is back")
    assert "incentive-worker 意外结束" in city.told()
    assert "SIGKILL" in city.told()


def test_interrupt_leaves_no_process_and_the_data() -> None:
    with stand_in_city() as city:
        city.start()
        members = city.members()
        assert len(members) > 16
        city.signal(signal.SIGINT)
        assert city.wait() == 0
        assert living(members) == set()
        assert "all is ended" in city.told()
        ports, secret = city.run.read().ports, city.run.secrets.get("broker-administrator")

        began = time.monotonic()
        city.start()  # again, on what is there
        assert time.monotonic() - began < 90
        assert city.run.read().ports == ports
        assert city.run.secrets.get("broker-administrator") == secret

        members = city.members()
        city.signal(signal.SIGKILL)  # nobody is there to end the others
        city.wait()
        eventually(lambda: not living(members), within=40, what="they end with their supervisor")
        assert "nothing is running" in city.command("down").stdout


def test_given_servers_are_used_and_left_running(broker: Broker, own_postgres: Postgres) -> None:
    vhost = broker.make_vhost()
    given = {
        "CITY_AMQP_URL": vhost.amqp_url,
        "CITY_RABBITMQ_ADMIN_URL": vhost.admin_url,
        "CITY_DATABASE_URL": own_postgres.admin_url,
    }
    with stand_in_city(**given) as city:
        city.start()
        assert {each.name for each in city.run.read().processes}.isdisjoint({"epmd", "broker", "database"})
        assert city.run.read().given == ["broker", "database"]
        assert city.command("down").returncode == 0
    assert own_postgres.running is not None
    assert own_postgres.running.exit_code() is None
    assert vhost.api("GET", "overview").status_code == 200
    broker.drop_vhost(vhost)

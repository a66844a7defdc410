"""Every kind of process, started by its command line on a real broker and database, and ended by SIGTERM."""

import functools
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pika
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.orm import sessionmaker

from citybus import audit, deadlines, jobs, migrations, processes, settings, topology
from citybus.clock import FileClock
from citybus.envelope import CONTENT_TYPE, Event
from citybus.ids import new_id
from citybus.launcher import Service
from citybus.outbox import Draft
from citybus.settings import MigrateSettings, Process
from citybus.unit_of_work import Units
from dandang.local import ports
from dandang.local.provision import ServiceDatabase
from tests.support.broker import Broker, Vhost
from tests.support.mechanism import CONTEXT, Mechanism
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

PROGRAMS = Path(__file__).parents[2] / "support" / "programs"
TOPOLOGY = PROGRAMS / "topology"
KEY = Ed25519PrivateKey.generate()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # a loopback address made here
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


@dataclass
class Started:
    """A process of the warehouse. `said` holds what it wrote."""

    popen: "subprocess.Popen[bytes]"
    log: Path
    port: int

    def ready(self) -> bool:
        return get(f"http://127.0.0.1:{self.port}/health/ready")[0] == 200

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


@dataclass
class Warehouse:
    """The surroundings of the processes, and what they share."""

    folder: Path
    database: ServiceDatabase
    vhost: Vhost
    engine: Engine
    started: list[Started] = field(default_factory=list)

    @property
    def units(self) -> Units:
        return Units(sessionmaker(self.engine), "/city/420200/warehouse", self.clock)

    @property
    def clock(self) -> FileClock:
        return FileClock(self.folder / "clock")

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            "PYTHONPATH": os.pathsep.join([str(PROGRAMS), *sys.path]),
            "CITY_ENV": "local",
            "CITY_CODE": "420200",
            "CITY_CLOCK_FILE": str(self.folder / "clock"),
            "CITY_JWKS_FILE": str(self.folder / "jwks.json"),
            "CITY_JWT_ISSUER": "https://issuer.example",
            "CITY_RABBITMQ_MONITOR_URL": self.vhost.admin_url,
            "CITY_TOPOLOGY_DIR": str(TOPOLOGY),
            "WAREHOUSE_DATABASE_URL": self.database.app_url,
            "WAREHOUSE_MIGRATION_DATABASE_URL": self.database.owner_url,
            "WAREHOUSE_AMQP_URL": self.vhost.amqp_url,
            **more,
        }

    def start(self, kind: str, **more: str) -> Started:
        port = ports.choose()
        log = self.folder / f"{kind}-{port}.log"
        listening = {"WAREHOUSE_HTTP_PORT": str(port), "WAREHOUSE_HEALTH_PORT": str(port)}
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "warehouse", kind],
                env=self.environ(**listening | more),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        process = Started(popen, log, port)
        self.started.append(process)
        return process

    @contextmanager
    def ready(self, kind: str, **more: str) -> Iterator[Started]:
        process = self.start(kind, **more)
        try:
            eventually(process.ready, within=40, what=f"{kind} to be ready: {process.said()}")
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{get(f'http://127.0.0.1:{process.port}/health/ready')}\n{process.said()}"
            ) from None
        yield process
        assert process.stop() == 0, process.said()
        assert '"event": "process ends"' in process.said()

    def counted(self, name: str) -> int:
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT value FROM counters WHERE name = :name"), {"name": name})
            return found.scalar_one_or_none() or 0


@pytest.fixture(scope="module")
def module_warehouse(
    postgres: Postgres, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    (folder / "jwks.json").write_text('{"keys": []}')
    database, vhost = postgres.make_database("warehouse"), broker.make_vhost()
    left = topology.apply(vhost.admin_url, TOPOLOGY, lambda user: user, vhost=vhost.name).left
    assert not [drift for drift in left if "warehouse" in str(drift)]
    engine = create_engine(database.app_url, poolclass=NullPool)
    made = Warehouse(folder, database, vhost, engine)
    migration = made.start("migrate")
    assert migration.popen.wait(60) == 0, migration.said()
    yield made
    engine.dispose()
    broker.drop_vhost(vhost)
    postgres.drop_database(database)


@pytest.fixture
def warehouse(module_warehouse: Warehouse) -> Iterator[Warehouse]:
    yield module_warehouse
    for process in module_warehouse.started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()
    module_warehouse.started.clear()


def test_migration_is_one_shot_and_may_be_repeated(warehouse: Warehouse) -> None:
    again = warehouse.start("migrate")
    assert again.popen.wait(60) == 0, again.said()


def test_migration_that_another_one_keeps_out_says_so(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(PROGRAMS)
    impatient = functools.partial(migrations.upgrade, wait=0.2)
    monkeypatch.setattr(processes.migrations, "upgrade", impatient)
    found = settings.load("warehouse", Process.MIGRATE, warehouse.environ())
    assert isinstance(found, MigrateSettings)
    owner = create_engine(warehouse.database.owner_url, poolclass=NullPool)
    with owner.connect() as other:
        key = {"space": migrations.LOCK_SPACE, "lock": migrations._LOCK}
        other.execute(text("SELECT pg_advisory_lock(:space, :lock)"), key)
        assert processes._migrate(found) == 75
    assert "另一进程正在迁移此库" in capsys.readouterr().err


def test_worker_consumes_fires_and_drains(warehouse: Warehouse) -> None:
    with warehouse.units(CONTEXT) as uow:
        deadlines.arm(uow.session, "plea", "finding/1", warehouse.clock.now() + timedelta(days=5), correlation_id="c-1")
        uow.commit()
    with warehouse.ready("worker") as worker:
        publish(warehouse.vhost, make_event())
        eventually(lambda: warehouse.counted("packed") == 1, within=20, what="the event's effect")
        assert warehouse.counted("due") == 0
        warehouse.clock.write(warehouse.clock.now() + timedelta(days=6))
        eventually(lambda: warehouse.counted("due") == 1, within=20, what="the deadline that was reached")
        assert "city_deadlines_handled_total" in get(f"http://127.0.0.1:{worker.port}/metrics")[1]
    (warehouse.folder / "clock").unlink()
    line = next(json.loads(line) for line in worker.said().splitlines() if "process starts" in line)
    assert (line["service"], line["process"]) == ("warehouse", "worker")


def test_relay_publishes_what_was_committed(warehouse: Warehouse) -> None:
    with warehouse.ready("relay"):
        with warehouse.units(CONTEXT) as uow:
            uow.publish(Draft(type="warehouse.stock.taken.v1", subject="stock/1", data={"weight": 1}, dataclass="L1"))
            uow.commit()

        def published() -> bool:
            with warehouse.engine.connect() as connection:
                return bool(connection.execute(text("SELECT count(published_at) FROM outbox_messages")).scalar_one())

        eventually(published, within=20, what="the event to be published")


def test_relay_is_not_ready_while_a_binding_is_missing(warehouse: Warehouse, tmp_path: Path) -> None:
    for file in TOPOLOGY.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("shop.order.packed.v1,", "warehouse.stock.lost.v1,"))
    relay = warehouse.start("relay", CITY_TOPOLOGY_DIR=str(tmp_path))
    url = f"http://127.0.0.1:{relay.port}/health/ready"
    eventually(lambda: "binding missing" in relay.said(), within=40, what="the missing binding to be told")
    assert get(url)[0] == 503
    assert relay.stop() == 0


def test_job_process_does_jobs_and_signs_checkpoints(warehouse: Warehouse) -> None:
    with warehouse.units(CONTEXT) as uow:
        job_id = jobs.enqueue(uow.session, "tally", {"steps": 3}, created_by="u-1", correlation_id="c-1")
        uow.audit("stock.take", "stock/1")
        uow.commit()
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with warehouse.ready("job", WAREHOUSE_AUDIT_KEY=pem) as job:
        eventually(lambda: warehouse.counted("step") == 3, within=20, what="the job's steps")
        eventually(lambda: "audit checkpoint" in job.said(), within=20, what="the checkpoint")
    line = next(json.loads(line) for line in job.said().splitlines() if '"audit checkpoint"' in line)
    kept = audit.Checkpoint.from_json(line["checkpoint"])
    report = audit.verify(warehouse.engine, key=KEY.public_key(), trusted=kept)
    assert (report.checkpoints, report.problems) == (1, ())
    with warehouse.units(CONTEXT) as uow:
        found = jobs.find(uow.session, job_id)
    assert found is not None
    assert found.state == "DONE"


def test_checkpoint_is_signed_only_where_something_was_appended(
    mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(processes.logger, "info", lambda *_, **line: told.append(line["number"]), raising=False)
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    nothing: Any = None
    sign = processes._checkpoints(
        Service(engine=mechanism.engine, units=mechanism.units, api=nothing, worker=nothing), pem
    )
    sign()
    with mechanism.units(CONTEXT) as uow:
        uow.audit("stock.take", "stock/1")
        uow.commit()
    sign()
    sign()
    assert told == [1]


def test_job_process_without_a_key_says_that_nothing_is_signed(warehouse: Warehouse) -> None:
    with warehouse.ready("job") as job:
        pass
    assert "no audit checkpoints are signed" in job.said()


def test_api_is_served(warehouse: Warehouse) -> None:
    with warehouse.ready("api") as api:
        assert get(f"http://127.0.0.1:{api.port}/openapi.json")[0] == 200


def test_api_that_cannot_be_made_ends_with_an_error(warehouse: Warehouse) -> None:
    api = warehouse.start("api", WAREHOUSE_HTTP_HOST="203.0.113.1")
    assert api.popen.wait(40) not in (0, 78)


def test_wrong_settings_are_told_at_once_with_code_78(warehouse: Warehouse) -> None:
    worker = warehouse.start("worker", CITY_CODE="x", WAREHOUSE_AMQP_URL="")
    assert worker.popen.wait(30) == 78
    assert "CITY_CODE" in worker.said()
    assert "WAREHOUSE_AMQP_URL: 必须提供 / is required" in worker.said()
    assert "Traceback" not in worker.said()


def test_wrong_rules_are_told_with_code_78(warehouse: Warehouse) -> None:
    for kind in ("job", "api"):
        process = warehouse.start(kind, CITY_CODE="999999")
        assert process.popen.wait(30) == 78
        assert "规则包有误" in process.said()


def test_wrong_topology_and_wrong_key_are_told_with_code_78(warehouse: Warehouse, tmp_path: Path) -> None:
    relay = warehouse.start("relay", CITY_TOPOLOGY_DIR=str(tmp_path))
    job = warehouse.start("job", WAREHOUSE_AUDIT_KEY="nonsense")
    assert relay.popen.wait(30) == 78
    assert job.popen.wait(30) == 78
    assert "audit key" in job.said()


def test_misspelt_setting_is_warned_of(warehouse: Warehouse) -> None:
    with warehouse.ready("job", WAREHOUSE_AUDIT_KEYS="x") as job:
        pass
    assert "WAREHOUSE_AUDIT_KEYS (WAREHOUSE_AUDIT_KEY?)" in job.said()


@pytest.mark.parametrize("arguments", [[], ["server"], ["api", "worker"]])
def test_wrong_command_line_is_told_with_code_64(warehouse: Warehouse, arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "warehouse", *arguments],
        env=warehouse.environ(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode == 64
    assert "python -m warehouse api|worker|relay|job|migrate" in ended.stderr


def make_event() -> Event:
    return Event(
        id=new_id(), type="shop.order.packed.v1", source="/city/420200/shop", subject="order/1", time=datetime.now(UTC),
        dataschema="urn:city:schema:shop.order.packed.v1", data={"weight": 3}, sequence=1, correlationid="c-1",
        actor="u-1", dataclass="L1",
    )  # fmt: skip


def publish(vhost: Vhost, event: Event) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(vhost.amqp_url))
    channel: Any = connection.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(content_type=CONTENT_TYPE, message_id=event.id, type=event.type, delivery_mode=2)
    channel.basic_publish("city.events", event.type, event.to_json(), properties, mandatory=True)
    connection.close()

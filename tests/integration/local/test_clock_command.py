"""`dandang clock` moves domain time, and returns when all that the move set off is done."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from citybus import deadlines, jobs
from citybus.calendar import Duration
from citybus.clock import ZONE, FileClock
from citybus.deadlines import Handler, fire_due
from citybus.management import Management
from citybus.outbox import Draft
from dandang.commands import clock as module
from dandang.commands.clock import Surroundings, clock, drain, later
from dandang.local.errors import LocalError
from dandang.local.provision import ServiceDatabase
from tests.support.broker import Vhost
from tests.support.mechanism import CONTEXT, START, Mechanism, count
from tests.support.postgres import Postgres
from tests.support.waiting import eventually


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITY_ENV", "local")
    monkeypatch.setenv("CITY_CLOCK_FILE", str(tmp_path / "clock"))
    monkeypatch.setenv("DANDANG_RUN_FOLDER", str(tmp_path / "run"))
    monkeypatch.delenv("CITY_HOLIDAYS_FILE", raising=False)
    return tmp_path / "clock"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(clock, arguments)


def test_time_is_shown_set_advanced_and_reset(file: Path) -> None:
    assert "real time" in run("show").output
    assert run("set", "2099-03-04T09:30", "--no-wait").output.strip() == "2099-03-04T09:30:00+08:00"
    assert run("show").output.startswith("2099-03-04T09:30:00+08:00  已拨动 moved")
    assert run("advance", "90 min", "--no-wait").output.strip() == "2099-03-04T11:00:00+08:00"
    assert run("advance", "2 months", "--no-wait").output.strip() == "2099-05-04T11:00:00+08:00"
    assert run("set", "2099-06-01T00:00+00:00", "--no-wait", "--running").output.startswith("2099-06-01T08:00:00")
    before = FileClock(file).now()
    eventually(lambda: FileClock(file).now() > before, within=5, what="a running clock to run")
    assert run("reset", "--no-wait").exit_code == 0
    assert abs(FileClock(file).now() - datetime.now(ZONE)) < timedelta(seconds=5)


def test_move_into_the_past_wants_a_word(file: Path) -> None:
    run("set", "2099-03-04", "--no-wait")
    result = run("set", "2098-03-04", "--no-wait")
    assert isinstance(result.exception, LocalError)
    assert "--back" in str(result.exception)
    assert run("set", "2098-03-04", "--no-wait", "--back").exit_code == 0


@pytest.mark.parametrize("arguments", [("set", "tomorrow"), ("advance", "soon")])
def test_other_words_are_refused(file: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("name", ["CITY_ENV", "CITY_CLOCK_FILE"])
def test_time_is_moved_in_a_local_city_only(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    for arguments in (("show",), ("set", "2099-01-01"), ("advance", "1 d"), ("reset",)):
        result = run(*arguments)
        assert isinstance(result.exception, LocalError)
        assert "CITY_ENV=local" in str(result.exception)
    assert not file.exists()


def test_waiting_wants_to_know_where(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CITY_DATABASE_URL", "CITY_AMQP_URL", "CITY_RABBITMQ_ADMIN_URL"):
        monkeypatch.delenv(name, raising=False)
    result = run("set", "2099-01-01")
    assert isinstance(result.exception, LocalError)
    assert "CITY_AMQP_URL" in str(result.exception)


def test_operators_holidays_count(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "holidays.yaml"
    table.write_text("- {year: 2099, holidays: [2099-03-05], workdays: [], source: notice}")
    monkeypatch.setenv("CITY_HOLIDAYS_FILE", str(table))
    run("set", "2099-03-04T09:00", "--no-wait")
    assert run("advance", "1 WD", "--no-wait").output.startswith("2099-03-06T09:00")


def test_later_keeps_the_hour() -> None:
    now = datetime(2024, 3, 4, 9, 30, tzinfo=ZONE)
    assert later(now, Duration.parse("5 WD")) == datetime(2024, 3, 11, 9, 30, tzinfo=ZONE)
    assert later(now, Duration.parse("2 h")) == datetime(2024, 3, 4, 11, 30, tzinfo=ZONE)


@pytest.fixture
def mechanism(database: ServiceDatabase) -> Iterator[Mechanism]:
    made = Mechanism(database)
    yield made
    made.close()


@pytest.fixture
def surroundings(mechanism: Mechanism, vhost: Vhost, postgres: Postgres) -> Surroundings:
    service = mechanism.database.name.removeprefix("city_")
    return Surroundings(postgres.admin_url, vhost.amqp_url, vhost.admin_url, (service,))


def test_quiet_city_is_drained_at_once(mechanism: Mechanism, surroundings: Surroundings) -> None:
    drain(surroundings, mechanism.clock.now, within=20, quiet=0.1)


def test_whatever_is_left_is_told(mechanism: Mechanism, surroundings: Surroundings, vhost: Vhost) -> None:
    service = surroundings.services[0]
    with mechanism.units(CONTEXT) as uow:
        deadlines.arm(uow.session, "plea", "f/1", START, correlation_id="c")
        deadlines.arm(uow.session, "plea", "f/2", START + timedelta(days=9), warn_at=START, correlation_id="c")
        deadlines.arm(uow.session, "plea", "f/3", START + timedelta(days=9), correlation_id="c")
        jobs.enqueue(uow.session, "import", {}, created_by="u", correlation_id="c")
        uow.publish(Draft(type="t.x.v1", subject="x/1", data={}, dataclass="L1"))
        uow.commit()
    with Management(vhost.admin_url) as management:
        for name in ("assessment.x", "assessment.x.dead", "dept.x.events"):
            management.put("queues", vhost.name, name, body={"durable": True, "arguments": {"x-queue-type": "quorum"}})
            message: dict[str, Any] = {
                "routing_key": name,
                "payload": "x",
                "payload_encoding": "string",
                "properties": {},
            }
            management.post("exchanges", vhost.name, "amq.default", "publish", body=message)
    for name in ("assessment.x", "dept.x.events"):
        eventually(lambda name=name: vhost.depth(name) == 1, within=15, what="the broker to count its queues")
    with pytest.raises(LocalError) as told:
        drain(surroundings, mechanism.clock.now, within=0.1, quiet=0.1)
    for words in (
        f"{service} 到期未处理 deadlines 2",
        f"{service} 未发布事件 events 1",
        f"{service} 未完成作业 jobs 1",
        "assessment.x 1",
    ):
        assert words in str(told.value)
    assert "dead" not in str(told.value).replace("deadlines", "")
    assert "dept" not in str(told.value)


def test_what_waits_for_its_channel_is_left(mechanism: Mechanism, surroundings: Surroundings) -> None:
    engine = create_engine(mechanism.database.owner_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE publications (waiting boolean NOT NULL)"))
        connection.execute(text("INSERT INTO publications VALUES (true), (false)"))
    with pytest.raises(LocalError, match="publications 1"):
        drain(surroundings, mechanism.clock.now, within=0.1, quiet=0.1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE publications SET waiting = false"))
    drain(surroundings, mechanism.clock.now, within=20, quiet=0.1)


def test_move_returns_when_what_it_set_off_is_done(
    mechanism: Mechanism, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(module, "GIVEN_BROKER_QUIET", 0.1)
    monkeypatch.setattr(module, "_surroundings", lambda: surroundings)
    with mechanism.units(CONTEXT) as uow:
        deadlines.arm(uow.session, "plea", "f/1", datetime(2099, 3, 4, tzinfo=ZONE), correlation_id="c")
        uow.commit()
    units = type(mechanism.units)(mechanism.sessions, mechanism.units.source, FileClock(file))
    stopping = threading.Event()

    def timer() -> None:
        while not stopping.wait(0.3):
            fire_due(units, {"plea": Handler(fire=lambda uow, deadline: count(uow.session, "fired"))})

    thread = threading.Thread(target=timer)
    thread.start()
    try:
        result = run("set", "2099-03-05")
    finally:
        stopping.set()
        thread.join()
    assert result.exit_code == 0, result.output
    assert mechanism.value("fired") == 1


def test_city_that_never_falls_quiet_is_told(mechanism: Mechanism, surroundings: Surroundings) -> None:
    with pytest.raises(LocalError, match="just fell quiet"):
        drain(surroundings, mechanism.clock.now, within=0.1, quiet=60)


def test_database_that_is_not_there_is_told(mechanism: Mechanism, surroundings: Surroundings) -> None:
    nowhere = Surroundings(surroundings.database_url, surroundings.amqp_url, surroundings.admin_url, ("nowhere",))
    with pytest.raises(LocalError, match="city_nowhere"):
        drain(nowhere, mechanism.clock.now, within=1, quiet=0.1)

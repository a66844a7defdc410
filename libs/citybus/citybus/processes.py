"""How each kind of process is run once it is known which: settings, logs, health, the work itself, and its end."""

import importlib
import importlib.util
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine, text

from citybus import audit, migrations, retention, settings
from citybus.clock import SystemClock
from citybus.errors import CityError
from citybus.launcher import Service
from citybus.outbox import EVENTS
from citybus.settings import (
    ApiSettings,
    JobSettings,
    MigrateSettings,
    Process,
    RelaySettings,
    Settings,
    SettingsError,
    WorkerSettings,
)
from citybus.telemetry import logs
from citybus.telemetry.health import Health, HealthServer

CHECKPOINT_SECONDS: Final = 300.0
JOB_STUCK_AFTER_SECONDS: Final = 900.0
# A turn may wait for a connection, a blocked broker and a slow database, one after the other.
RELAY_STUCK_AFTER_SECONDS: Final = 90.0

logger = logs.get(__name__)


def run(service: str, kind: str, environ: Mapping[str, str]) -> int:
    """Run one process of `service` until it is told to stop, and return its exit code."""
    process = Process(kind)
    try:
        found = settings.load(service, process, environ, _kinds_of(service))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return settings.EXIT_CODE
    logs.configure(service, process, level=found.log_level)
    for name in found.unknown:
        logger.warning("a setting is not known", setting=name)
    if isinstance(found, MigrateSettings):
        return _migrate(found)
    try:
        built: Service = importlib.import_module(f"{service}.bootstrap").build(found)
        work = _PREPARE[process](built, found)
    except CityError as error:
        # Rule packs, holiday tables, keys, topology: each says all that is wrong with it.
        print(error, file=sys.stderr)
        return settings.EXIT_CODE
    logger.info("process starts")
    try:
        return work()
    finally:
        built.engine.dispose()
        logger.info("process ends")


def _kinds_of(service: str) -> Mapping[Process, type[Settings]]:
    """Return the settings of each kind of process: `KINDS` of the service's module `settings`, where it has one."""
    if importlib.util.find_spec(f"{service}.settings") is None:
        return settings.KINDS
    kinds: Mapping[Process, type[Settings]] = importlib.import_module(f"{service}.settings").KINDS
    return kinds


def migrations_of(service: str) -> Path:
    """Return the folder of the service's migrations: `migrations` in its package."""
    return Path(str(importlib.import_module(service).__file__)).parent / "migrations"


def _migrate(found: MigrateSettings) -> int:
    try:
        migrations.upgrade(found.migration_database_url, migrations_of(found.service))
    except migrations.Busy as error:
        print(error, file=sys.stderr)
        return migrations.EXIT_BUSY
    return 0


def _api(built: Service, found: ApiSettings) -> Callable[[], int]:
    from citybus.http.server import serve

    health = Health()
    _add_database(health, built.engine, found.service)

    def work() -> int:
        code: object = 0
        try:
            serve(lambda: built.api(health), host=found.http_host, port=found.http_port)
        except SystemExit as left:
            # gunicorn leaves this way, and says how it went.
            code = left.code
        return code if isinstance(code, int) else 0

    return work


def _worker(built: Service, found: WorkerSettings) -> Callable[[], int]:
    from citybus.broker.consumer import RabbitInbound
    from citybus.broker.publisher import PikaPublisher
    from citybus.nameko_ext import Runtime, run_worker

    # The event loop turns: that is a worker's progress. Whether each queue is consumed is asked for readiness.
    health = Health(refresh_is_progress=True)
    runtime = Runtime(
        units=built.units,
        inbound=lambda subscription: RabbitInbound(
            found.amqp_url,
            subscription.queue,
            lambda: PikaPublisher(found.amqp_url, app_id=f"{found.service}.retry"),
            exchange=f"{found.service}.retry",
            name=f"{found.service}.worker",
        ),
        progress=health.beat,
    )
    _add_database(health, built.engine, found.service)
    health.add("queues", lambda: _not_consumed(runtime.ready()))
    service_class = built.worker()

    def work() -> int:
        with _Served(health, found.health_host, found.health_port):
            return run_worker(service_class, runtime)

    return work


def _not_consumed(ready: Mapping[str, bool]) -> str:
    waiting = sorted(queue for queue, is_ready in ready.items() if not is_ready)
    return f"not consumed: {', '.join(waiting)}" if waiting else "ok"


def _relay(built: Service, found: RelaySettings) -> Callable[[], int]:
    from citybus import relay, topology

    wanted = topology.load(found.topology_dir, SystemClock().today()).routes(found.service, EVENTS)
    vhost = unquote(urlsplit(found.amqp_url).path.removeprefix("/"))
    health = Health(stuck_after=RELAY_STUCK_AFTER_SECONDS)
    stop = threading.Event()

    def work() -> int:
        _on_signal(stop.set, health)
        with _Served(health, found.health_host, found.health_port):
            relay.run(
                service=found.service,
                database_url=found.database_url.render_as_string(hide_password=False),
                amqp_url=found.amqp_url,
                stop=stop,
                missing_bindings=lambda: topology.missing_bindings(found.monitor_url, wanted, vhost=vhost),
                register=lambda checks: _add_all(health, checks),
                alive=health.beat,
            )
        return 0

    return work


def _add_all(health: Health, checks: Mapping[str, Callable[[], bool]]) -> None:
    for name, check in checks.items():
        health.add(name, check)


def _job(built: Service, found: JobSettings) -> Callable[[], int]:
    from citybus.jobs import Every, Runner

    health = Health(stuck_after=JOB_STUCK_AFTER_SECONDS)
    _add_database(health, built.engine, found.service)
    keep = Every(retention.INTERVAL_SECONDS, "retention", lambda: _sweep(built))
    regular = [*built.regular, keep]
    if found.audit_key is None:
        logger.warning("no audit checkpoints are signed: the key is not set", setting="AUDIT_KEY")
    else:
        regular.append(Every(CHECKPOINT_SECONDS, "audit checkpoint", _checkpoints(built, found.audit_key)))
    runner = Runner(built.engine, built.units, built.jobs, every=tuple(regular), beat=health.beat)

    def work() -> int:
        _on_signal(runner.stop, health)
        with _Served(health, found.health_host, found.health_port):
            runner.run()
        return 0

    return work


def _sweep(built: Service) -> None:
    retention.sweep(built.units.sessions)


def _checkpoints(built: Service, pem: str) -> Callable[[], None]:
    key = audit.private_key(pem)

    def sign() -> None:
        with built.units.sessions() as session:
            checkpoint = audit.write_checkpoint(session, key, built.units.clock.now())
            session.commit()
        if checkpoint is not None:
            # Kept with the logs on another machine, this line shows later whether the chains were cut.
            logger.info("audit checkpoint", number=checkpoint.number, checkpoint=checkpoint.to_json())

    return sign


# Each says what is wrong with its settings before it returns the work itself.
_PREPARE: Final[Mapping[Process, Callable[[Service, Any], Callable[[], int]]]] = {
    Process.API: _api,
    Process.WORKER: _worker,
    Process.RELAY: _relay,
    Process.JOB: _job,
}


def _add_database(health: Health, engine: Engine, service: str) -> None:
    def answers() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(text("SELECT 1")).scalar_one())

    health.add("database", answers)
    health.add("migrations", migrations.AtHead(engine, migrations_of(service)))


class _Served:
    """Context in which a process's health is told; on leaving, that it is stopping, and then nothing any more."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._server = HealthServer(health, port, host)

    def __enter__(self) -> None:
        self._server.start()

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def _on_signal(stop: Callable[[], None], health: Health) -> None:
    def drain() -> None:
        health.drain()
        stop()

    def handle(number: int, frame: FrameType | None) -> None:
        # Not in the handler itself: it may have interrupted the very code that holds the lock which `stop` takes.
        threading.Thread(target=drain, name="drain").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)

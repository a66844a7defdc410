"""The toy city under faults: its processes, kept alive; its callers; and the history of what they were told and what is."""

import http.client
import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
import requests
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import tables
from citybus.cases.tables import case_steps
from citybus.clock import ZONE, FixedClock
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.testing.keys import FakeIssuer
from citybus.unit_of_work import Context, Units
from dandang.local import ports, process
from tests.support.broker import Broker, Vhost
from tests.support.permits import Base
from tests.support.postgres import Postgres, ServiceDatabase
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
QUEUE = "probe.toy"
LADDER = {"1s": 1000, "10s": 10000, "1m": 60000, "10m": 600000}
EFFECTS = "CREATE TABLE effects (number bigserial, consumer text, event uuid, subject text, sequence bigint)"


@dataclass
class Kept:
    """A process that is started again when it ends: the supervisor of the toy city."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    faults: str = ""
    mark: Path | None = None
    running: process.Running | None = None
    starts: int = 0
    wanted: bool = True


@dataclass
class Toy:
    """One toy city on its own virtual host and databases, with a history of its own."""

    folder: Path
    postgres: Postgres
    broker: Broker
    vhost: Vhost
    producer: ServiceDatabase
    consumers: dict[str, ServiceDatabase]
    issuer: FakeIssuer
    kept: dict[str, Kept] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None
    port: int = 0

    # ---- processes

    def environment(self, kind: str, queue: str = QUEUE, **more: str) -> dict[str, str]:
        database = self.consumers[queue] if kind == "worker" else self.producer
        return process.environment(
            self.folder,
            DATABASE_URL=database.app_url,
            AMQP_URL=self.vhost.amqp_url,
            PYTHONPATH=":".join(filter(None, sys.path)),
            PYTHONWARNINGS="ignore",
            QUEUE=queue,
            PORT=str(self.port),
            JWKS_FILE=str(self.folder / "jwks.json"),
            PACKS=str(self.folder / "packs"),
            **more,
        )

    def keep(self, name: str, kind: str, *, faults: str = "", queue: str = QUEUE, **more: str) -> Kept:
        """Start a process of `kind` and keep it alive. `faults` hold for its first start only."""
        mark = self.folder / f"{name}.mark"
        env = self.environment(kind, queue, FAULT_MARK=str(mark), **more)
        kept = Kept(name, (sys.executable, "-m", "tests.fault.toy", kind), env, faults, mark)
        self.kept[name] = kept
        self._start(kept)
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, daemon=True)
            self._keeper.start()
        return kept

    def always(self, name: str, kind: str, control: str, *, crash: str = "", **more: str) -> Kept:
        """Start a process that keeps its control through every restart; `crash` is for its first start."""
        faults = f"control:{control} crash:{crash}" if crash else ""
        return self.keep(name, kind, faults=faults, FAULTS=f"control:{control}", **more)

    def kill(self, name: str) -> bool:
        """End a process as by SIGKILL; say whether it ran."""
        running = self.kept[name].running
        if running is None or running.exit_code() is not None:
            return False
        running.kill()
        self.history.append({"op": "fault", "what": f"kill {name}"})
        return True

    def pause(self, name: str) -> None:
        """End a process and leave it so until `resume`."""
        self.kept[name].wanted = False
        self.kill(name)

    def resume(self, name: str) -> None:
        """Start a paused process again."""
        self.kept[name].wanted = True

    def serves(self, name: str) -> None:
        """Wait until the process `name` does its work: it answers, publishes or consumes."""

        def does() -> bool:
            running = self.kept[name].running
            if running is None or running.exit_code() is not None:
                return False
            kind = self.kept[name].argv[-1]
            if kind == "api":
                return requests.get(f"http://127.0.0.1:{self.port}/health/live", timeout=2).ok
            word = {"relay": "leads", "worker": "consuming"}[kind]
            return word in running.program.log.read_text(encoding="utf-8")

        def answer() -> bool:
            try:
                return does()
            except OSError:
                return False

        eventually(answer, within=30, what=f"{name} serves")

    def _start(self, kept: Kept) -> None:
        env = dict(kept.env)
        if kept.faults and kept.starts == 0:
            env["FAULTS"] = kept.faults
        kept.starts += 1
        kept.running = process.start(
            process.Program(
                kept.name, kept.argv, env, ROOT, self.folder / f"{kept.name}-{kept.starts}.log", stop_within=5
            )
        )

    def _keep(self) -> None:
        while not self._ended.wait(0.1):
            for kept in list(self.kept.values()):
                if kept.wanted and kept.running is not None and kept.running.exit_code() is not None:
                    self._start(kept)

    def end(self) -> None:
        """End every process."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        for kept in self.kept.values():
            if kept.running is not None and kept.running.exit_code() is None:
                kept.running.kill()

    # ---- callers

    def token(self) -> str:
        """Return a token of the clerk."""
        return self.issuer.token(sub="clerk", roles=["CLERK"], scope={"units": "*", "unit": "OFFICE", "person": "p-1"})

    def drive(self, cases: int, notes: int, threads: int = 6, patience: float = 60) -> None:
        """Let callers open `cases` permits, submit each and write `notes` remarks; each repeats until it is answered."""
        turns = iter(range(cases))
        lock, errors = threading.Lock(), []
        token = self.token()

        def work() -> None:
            caller = Caller(self, token, patience)
            try:
                while True:
                    with lock:
                        turn = next(turns, None)
                    if turn is None:
                        return
                    # The clerk may not act on a case of their own: another person holds it while it is submitted.
                    permit = caller.send("POST", "/permits", {"unit": f"U{turn % 9}", "holder": "p-2", "amount": 1})
                    version = caller.send("POST", f"/permits/{permit['id']}/submit", {}, permit["version"])["version"]
                    for note in range(notes):
                        del note
                        version = caller.send("POST", f"/permits/{permit['id']}/retouch", {}, version)["version"]
            except Exception as error:
                errors.append(error)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if errors:
            raise errors[0]

    def flood(self, subjects: int, each: int) -> None:
        """Commit `subjects` × `each` events at once, as a year's end does, without callers."""
        made = create_engine(self.producer.app_url)
        clock = FixedClock(datetime(2024, 12, 31, 12, tzinfo=ZONE))
        units = Units(sessionmaker(made, expire_on_commit=False), "/city/420200/toy", clock)
        with units(Context("flood", (), "flood", "flood")) as uow:
            cases = [new_id() for _ in range(subjects)]
            steps = [
                {
                    "kind": "permit",
                    "case_id": case,
                    "version": version,
                    "action": "note",
                    "to_state": "SUBMITTED",
                    "actor": "flood",
                    "roles": [],
                    "at": clock.now(),
                    "rule_packs": [],
                }
                for version in range(1, each + 1)
                for case in cases
            ]
            uow.session.execute(insert(case_steps), steps)
            for step in steps:
                case = step["case_id"]
                data = {"permit": case, "state": "SUBMITTED", "unit": "U1"}
                uow.publish(Draft("toy.permit.noted.v1", f"permit/{case}", data, "L2"))
            uow.commit()
        made.dispose()

    # ---- the end

    def settled(self, within: float = 60, *, parked: int | None = None) -> None:
        """Wait until the outbox is drained and every queue is empty and acknowledged."""

        def quiet() -> bool:
            with reading(self.producer) as cursor:
                cursor.execute("SELECT count(*) FROM outbox_messages WHERE published_at IS NULL")
                if cursor.fetchone()[0]:
                    return False
            for queue in self.consumers:
                for name in (queue, *(f"{queue}.retry.{delay}" for delay in LADDER)):
                    found = self.vhost.api("GET", f"queues/{self.vhost.name}/{name}").json()
                    if found.get("messages", 1):
                        return False
            return True

        # The broker's counters lag behind by seconds, so quiet must hold for a while.
        since: list[float] = []

        def held() -> bool:
            if not quiet():
                since.clear()
                return False
            since.append(time.monotonic())
            return since[-1] - since[0] >= 6

        eventually(held, within=within, every=0.5, what="the toy city settles")

    def collect(self) -> list[dict[str, Any]]:
        """Return the whole history: what callers were told, and what the databases and dead queues hold."""
        history = list(self.history)
        with reading(self.producer) as cursor:
            cursor.execute("SELECT case_id, version FROM case_steps")
            history += [{"op": "stated", "ref": f"{case}@{version}"} for case, version in cursor.fetchall()]
            cursor.execute("SELECT id, subject, sequence FROM outbox_messages")
            history += [
                {
                    "op": "committed",
                    "event": event,
                    # The n-th event of a permit is its n-th version: the toy publishes one event a step.
                    "ref": f"{subject.partition('/')[2]}@{sequence}",
                    "subject": subject,
                    "sequence": sequence,
                }
                for event, subject, sequence in cursor.fetchall()
            ]
        for queue, database in self.consumers.items():
            history.append({"op": "consumer", "consumer": queue})
            with reading(database) as cursor:
                cursor.execute("SELECT event, subject, sequence, number FROM effects")
                history += [
                    {
                        "op": "effect",
                        "consumer": queue,
                        "event": event,
                        "subject": subject,
                        "sequence": sequence,
                        "number": number,
                    }
                    for event, subject, sequence, number in cursor.fetchall()
                ]
                cursor.execute("SELECT event_id FROM waiting_events")
                parked = {row[0] for row in cursor.fetchall()}
            dead = self.vhost.api(
                "POST",
                f"queues/{self.vhost.name}/{queue}.dead/get",
                count=100000,
                ackmode="ack_requeue_true",
                encoding="base64",
            ).json()
            parked |= {message["properties"].get("message_id") for message in dead}
            history += [{"op": "parked", "consumer": queue, "event": event} for event in parked if event]
        return history

    def verdict(self, name: str) -> dict[str, Any]:
        """Write the history to build/fault/<name>.jsonl, let the checker program judge it, and return what it says."""
        folder = ROOT / "build" / "fault"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(entry) + "\n" for entry in self.collect())
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "fault" / "checker.py"), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if found["kept"] else 1)
        return found


@dataclass
class Caller:
    """Somebody who repeats a command under its key until there is an answer, as every client should."""

    toy: Toy
    token: str
    patience: float

    def send(self, method: str, path: str, form: dict[str, Any], version: int | None = None) -> dict[str, Any]:
        """Send a command; return its answer. Raises AssertionError where it is refused or nobody answers in time."""
        key, until = uuid.uuid4().hex, time.monotonic() + self.patience
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.token}",
            "Idempotency-Key": key,
        } | ({} if version is None else {"If-Match": f'"{version}"'})
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.toy.port, timeout=10)
                try:
                    connection.request(method, path, json.dumps(form), headers)
                    answer = connection.getresponse()
                    body = answer.read()
                finally:
                    connection.close()
                if answer.status < 300:
                    read: dict[str, Any] = json.loads(body)
                    self.toy.history.append({"op": "acknowledged", "ref": f"{read['id']}@{read['version']}"})
                    return read
                assert answer.status >= 500 or json.loads(body).get("code") == "IN_FLIGHT", body.decode()
            except (OSError, http.client.HTTPException, ValueError):
                pass
            assert time.monotonic() < until, f"{path}: no answer within {self.patience} s"
            time.sleep(random.uniform(0.05, 0.2))


@contextmanager
def reading(database: ServiceDatabase) -> Iterator[Any]:
    """Give a cursor with an administrator's eyes."""
    url = make_url(database.admin_url).set(drivername="postgresql", database=database.name)
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def declare(vhost: Vhost, queues: Sequence[str]) -> None:
    """Declare the toy's exchanges, queues, ladders and dead queues, as the topology does for a service."""
    for exchange, kind in (("city.events", "topic"), ("probe.retry", "direct")):
        vhost.api("PUT", f"exchanges/{vhost.name}/{exchange}", type=kind, durable=True)
    for queue in queues:
        dead = {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "probe.retry",
            "x-dead-letter-routing-key": f"{queue}.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": 1_000_000,
        }
        vhost.api("PUT", f"queues/{vhost.name}/{queue}", durable=True, arguments=dead)
        vhost.api("POST", f"bindings/{vhost.name}/e/city.events/q/{queue}", routing_key="toy.permit.*.v1")
        bound = {queue: queue}
        for delay, ttl in LADDER.items():
            name = f"{queue}.retry.{delay}"
            back = {
                "x-queue-type": "quorum",
                "x-message-ttl": ttl,
                "x-dead-letter-exchange": "probe.retry",
                "x-dead-letter-routing-key": queue,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
            vhost.api("PUT", f"queues/{vhost.name}/{name}", durable=True, arguments=back)
            bound[name] = name
        vhost.api("PUT", f"queues/{vhost.name}/{queue}.dead", durable=True, arguments={"x-queue-type": "quorum"})
        bound[f"{queue}.dead"] = f"{queue}.dead"
        for name, routing_key in bound.items():
            vhost.api("POST", f"bindings/{vhost.name}/e/probe.retry/q/{name}", routing_key=routing_key)


@contextmanager
def toy_city(folder: Path, postgres: Postgres, broker: Broker, queues: Sequence[str] = (QUEUE,)) -> Iterator[Toy]:
    """Make a toy city with its databases, virtual host and keys; no process runs yet."""
    producer = postgres.make_database("toy")
    consumers = {queue: postgres.make_database("probe") for queue in queues}
    for database in (producer, *consumers.values()):
        owner = create_engine(database.owner_url)
        tables.metadata.create_all(owner)
        if database is producer:
            Base.metadata.create_all(owner)
        else:
            with owner.begin() as connection:
                connection.exec_driver_sql(EFFECTS)
        owner.dispose()
    vhost = broker.make_vhost()
    declare(vhost, queues)
    issuer = FakeIssuer()
    (folder / "jwks.json").write_bytes(issuer.jwks())
    (folder / "packs").mkdir(exist_ok=True)
    toy = Toy(folder, postgres, broker, vhost, producer, consumers, issuer, port=ports.choose())
    try:
        yield toy
    finally:
        toy.end()
        broker.drop_vhost(vhost)
        for database in (producer, *consumers.values()):
            postgres.drop_database(database)


def through(proxy: TcpProxy, url: str) -> str:
    """Return `url` with its host and port replaced by those of the proxy."""
    return make_url(url).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)

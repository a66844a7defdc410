"""The toy city under faults: its processes, kept alive; its callers; and the history of what they were told and what is."""

import http.client
import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pika
import psycopg2
import requests
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import dead, tables
from citybus.broker.dead import RabbitDeadQueue
from citybus.cases.tables import case_steps
from citybus.clock import ZONE, FixedClock
from citybus.dead import DeadLetter
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.testing.keys import FakeIssuer
from citybus.unit_of_work import Context, UnitOfWork, Units
from dandang.local import ports, process
from dandang.local.provision import ServiceDatabase
from tests.fault.keeper import Keeper, Kept
from tests.support.broker import Broker, Vhost
from tests.support.permits import Base
from tests.support.postgres import Postgres
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
QUEUE = "probe.toy"
LADDER = {"1s": 200, "10s": 400, "1m": 800, "10m": 1600}
"""The rungs' real names, and the milliseconds that the toy's tests wait on them."""
FOLLOWERS = """SELECT count(*) FROM waiting_events AS waiting JOIN subject_cursors AS cursors USING (consumer, subject)
    WHERE waiting.sequence <= cursors.last + 1"""
EFFECTS = """
    CREATE TABLE effects (number bigserial, consumer text, event uuid, subject text, sequence bigint,
                          at timestamptz DEFAULT clock_timestamp());
    CREATE TABLE locks (id int PRIMARY KEY);
    INSERT INTO locks VALUES (1), (2);
"""


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
    history: list[dict[str, Any]]
    keeper: Keeper
    port: int
    made_at: float = field(default_factory=time.monotonic)

    @property
    def kept(self) -> dict[str, Kept]:
        """The processes, by name."""
        return self.keeper.kept

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

    def keep(
        self,
        name: str,
        kind: str,
        *,
        faults: str | Sequence[str] = (),
        queue: str = QUEUE,
        amqp: TcpProxy | None = None,
        database: TcpProxy | None = None,
        **more: str,
    ) -> Kept:
        """Start a process of `kind` and keep it alive. The n-th of `faults` holds for its n-th start alone.

        With `amqp` or `database` it reaches that server through the proxy only.
        """
        env = self.environment(kind, queue, **more)
        if amqp is not None:
            env["AMQP_URL"] = through(amqp, env["AMQP_URL"])
        if database is not None:
            env["DATABASE_URL"] = through(database, env["DATABASE_URL"])
        argv = (sys.executable, "-m", "tests.fault.toy", kind)
        return self.keeper.keep(name, argv, env, ROOT, [faults] if isinstance(faults, str) else faults)

    def always(self, name: str, kind: str, control: str, *, crash: str = "", **more: str) -> Kept:
        """Start a process that keeps its control through every restart; `crash` is for its first start."""
        faults = f"control:{control} crash:{crash}" if crash else f"control:{control}"
        given = {"FAULTS": f"control:{control}", **more}
        return self.keep(name, kind, faults=faults, queue=QUEUE, amqp=None, database=None, **given)

    def kill(self, name: str) -> bool:
        """End a process as by SIGKILL; say whether it ran."""
        return self.keeper.kill(name)

    def serves(self, name: str) -> None:
        """Wait until the process `name` does its work: it answers, publishes or consumes."""

        def does() -> bool:
            kept = self.kept[name]
            if not kept.alive:
                return False
            if kept.argv[-1] == "api":
                return requests.get(f"http://127.0.0.1:{self.port}/health/live", timeout=2).ok
            return {"relay": "leads", "worker": "consuming"}[kept.argv[-1]] in kept.said()

        def answer() -> bool:
            try:
                return does()
            except OSError:
                return False

        eventually(answer, within=30, what=f"{name} serves")

    def may_crash(self) -> None:
        """Return once the queues are old enough to outlive a crash of the broker: 3.10 registers them half a second late."""
        time.sleep(max(0.0, self.made_at + 2 - time.monotonic()))

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

    @contextmanager
    def calling(self, cases: int = 12, notes: int = 2) -> Iterator[None]:
        """Let callers work for as long as the block lasts, and until all that they began is answered."""
        finished = threading.Event()
        errors: list[BaseException] = []

        def call() -> None:
            try:
                while not finished.is_set():
                    self.drive(cases, notes)
            except BaseException as error:
                errors.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        try:
            yield
        finally:
            finished.set()
            caller.join()
        if errors:
            raise errors[0]

    def flood(self, subjects: int, each: int) -> None:
        """Commit `subjects` × `each` events at once, as a year's end does, without callers."""
        with self.committing() as uow:
            cases = [new_id() for _ in range(subjects)]
            steps = [(case, version) for version in range(1, each + 1) for case in cases]
            state(uow, steps)
            for case, _ in steps:
                uow.publish(noted(case))
            uow.commit()

    @contextmanager
    def committing(self) -> Iterator[UnitOfWork]:
        """Give a unit of work of the toy's own database."""
        made = create_engine(self.producer.app_url)
        clock = FixedClock(datetime(2024, 12, 31, 12, tzinfo=ZONE))
        units = Units(sessionmaker(made, expire_on_commit=False), "/city/420200/toy", clock)
        try:
            with units(Context("flood", (), "flood", "flood")) as uow:
                yield uow
        finally:
            made.dispose()

    # ---- the end

    def settled(self, within: float = 60) -> None:
        """Wait until nothing is on its way any more, then end the workers, so that nothing is in their hands either.

        A worker that ends in order has acknowledged what it did, and the broker counts the rest as ready again: so
        a count taken then is exact, without waiting for statistics.
        """
        until = time.monotonic() + within
        workers = [name for name, kept in self.kept.items() if kept.argv[-1] == "worker" and kept.wanted]

        def quiet() -> bool:
            try:
                found = self.on_its_way()
            except (pika.exceptions.AMQPError, psycopg2.OperationalError) as error:
                raise AssertionError(repr(error)) from None
            assert not any(found.values()), found
            return True

        while True:
            self.keeper.resume(*workers)
            eventually(quiet, within=until - time.monotonic(), every=0.2, what="the toy city settles")
            self.keeper.stop(*workers)
            if not any(self.on_its_way().values()):
                return

    def on_its_way(self) -> dict[str, int]:
        """Return how many events are where, short of their end; unacknowledged ones are not seen."""
        found = {"outbox": count(self.producer, "SELECT count(*) FROM outbox_messages WHERE published_at IS NULL")}
        found |= self.ready(*(name for queue in self.consumers for name in (queue, *ladder(queue).values())))
        for queue, database in self.consumers.items():
            found[f"followers of {queue}"] = count(database, FOLLOWERS)
        return found

    def ready(self, *queues: str) -> dict[str, int]:
        """Return how many messages are ready in each queue, exactly and now."""
        with closing(pika.BlockingConnection(pika.URLParameters(self.vhost.amqp_url))) as connection:
            channel = connection.channel()
            return {name: channel.queue_declare(name, passive=True).method.message_count for name in queues}

    def subjects(self) -> list[str]:
        """Return the subjects that have events, in order."""
        with reading(self.producer) as cursor:
            cursor.execute("SELECT DISTINCT subject FROM outbox_messages ORDER BY subject")
            return [row[0] for row in cursor.fetchall()]

    def effects(self, queue: str = QUEUE) -> int:
        """Return how many effects there are."""
        return count(self.consumers[queue], "SELECT count(*) FROM effects")

    def grows(self, within: float = 60, since: int | None = None) -> float:
        """Wait until there are more effects than now, or than `since`; return how many seconds that took, and record it."""
        before, began = self.effects() if since is None else since, time.monotonic()
        try:
            eventually(lambda: self.effects() > before, within=within, what="events take effect")
        except AssertionError as error:
            reasons = Counter(letter.reason for queue in self.consumers for letter in self.letters(queue))
            raise AssertionError(f"{error}; {before} effects; {self.on_its_way()}; dead: {dict(reasons)}") from None
        took = time.monotonic() - began
        self.history.append({"op": "recovery", "seconds": round(took, 3)})
        return took

    def letters(self, queue: str = QUEUE) -> list[DeadLetter]:
        """Return the dead letters of a queue."""
        with RabbitDeadQueue(self.vhost.amqp_url, queue, exchange="probe.retry") as found:
            return dead.look(found, 1_000_000)

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
            parked |= {letter.delivery.message_id for letter in self.letters(queue)}
            history += [{"op": "parked", "consumer": queue, "event": event} for event in parked if event]
        return history

    def verdict(self, name: str, history: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Write the history to build/fault/<name>.jsonl, let the checker program judge it, and return what it says."""
        return judge(name, self.collect() if history is None else history)


def judge(name: str, history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write a history to build/fault/<name>.jsonl, let the checker program judge it, and return what it says."""
    folder = ROOT / "build" / "fault"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(entry) + "\n" for entry in history)
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


def state(uow: UnitOfWork, steps: Sequence[tuple[str, int]]) -> None:
    """Write the business rows of steps: case and version."""
    rows = [
        {
            "kind": "permit",
            "case_id": case,
            "version": version,
            "action": "note",
            "to_state": "SUBMITTED",
            "actor": "flood",
            "roles": [],
            "at": uow.clock.now(),
            "rule_packs": [],
        }
        for case, version in steps
    ]
    uow.session.execute(insert(case_steps), rows)


def noted(case: str, version: int = 1, **data: Any) -> Draft:
    """Return the event of a step, in that version of its contract."""
    data = {"permit": case, {1: "state", 2: "status"}[version]: "SUBMITTED", "unit": "U1", **data}
    return Draft(f"toy.permit.noted.v{version}", f"permit/{case}", data, "L2")


def count(database: ServiceDatabase, statement: str) -> int:
    """Return the number that a statement counts."""
    with reading(database) as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def ladder(queue: str) -> dict[str, str]:
    """Return the queues of the retry ladder by their delays."""
    return {delay: f"{queue}.retry.{delay}" for delay in LADDER}


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
        vhost.api("POST", f"bindings/{vhost.name}/e/city.events/q/{queue}", routing_key="toy.permit.#")
        bound = {queue: queue}
        for delay, name in ladder(queue).items():
            ttl = LADDER[delay]
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
    history: list[dict[str, Any]] = []
    keeper = Keeper(folder, history)
    toy = Toy(folder, postgres, broker, vhost, producer, consumers, issuer, history, keeper, ports.choose())
    try:
        yield toy
    finally:
        toy.keeper.end()
        broker.drop_vhost(vhost)
        for database in (producer, *consumers.values()):
            postgres.drop_database(database)


def through(proxy: TcpProxy, url: str) -> str:
    """Return `url` with its host and port replaced by those of the proxy."""
    return make_url(url).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)

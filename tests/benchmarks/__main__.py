"""`make bench`: what the mechanism moves, beside its peers and this machine's limit, all in one run.

Writes build/bench.json, a list of `{name, value, unit, goal, peers}`, and prints a table. Each figure is the median of
`--runs` runs (at least three for a figure that is quoted). Broker and database are private ones, with fsync on.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2.extras import execute_values
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from citybus import tables
from citybus.clock import SystemClock
from citybus.database import engine
from citybus.outbox import Draft
from citybus.testing.keys import FakeIssuer
from citybus.unit_of_work import Context, Units
from dandang.local import process
from dandang.local.database import LAPTOP
from dandang.local.ports import choose
from tests.benchmarks import probe, year
from tests.benchmarks.effects import effects
from tests.benchmarks.eligibility import eligibility
from tests.benchmarks.peers import limit
from tests.benchmarks.roster import roster_import
from tests.support.broker import Vhost, private_broker
from tests.support.permits import Base
from tests.support.postgres import Postgres, private_postgres

ROOT = Path(__file__).resolve().parents[2]
BODY = "x" * 300
CONTEXT = Context("bench", (), "bench", "bench")
HTTP_THREADS = 8
HTTP_SECONDS = 6.0
EFFECTS = 3
"""The cases of `tolerance.effects`, played one after the other in one city, whatever `--runs` says."""


@dataclass
class Row:
    """One figure: what was measured, what is wanted, and what the peers did beside it."""

    name: str
    value: float
    unit: str
    goal: float | None
    peers: dict[str, float] = field(default_factory=dict)
    lower_is_better: bool = False

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.value <= self.goal if self.lower_is_better else self.value >= self.goal


@dataclass
class Bench:
    """The servers of one run, and how to start processes against them."""

    postgres: Postgres
    vhost: Vhost
    folder: Path

    def dsn(self, name: str) -> str:
        """Return the libpq URL of the database `name`, made anew and empty."""
        admin = self.postgres.admin_url.replace("+psycopg2", "")
        with _connect(admin) as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{name}"')
        return f"{admin.rpartition('/')[0]}/{name}"

    def queue(self, name: str, *, bound: bool = False) -> None:
        """Declare the quorum queue `name`, empty; with `bound`, as a service's queue with its exchanges."""
        api, vhost = self.vhost.api, self.vhost.name
        api("DELETE", f"queues/{vhost}/{name}", allow=(404,))
        quorum = {"durable": True, "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 20}}
        api("PUT", f"queues/{vhost}/{name}", **quorum)
        if bound:
            for exchange, kind in (("city.events", "topic"), ("probe.retry", "direct")):
                api("PUT", f"exchanges/{vhost}/{exchange}", type=kind, durable=True)
            api("POST", f"bindings/{vhost}/e/city.events/q/{name}", routing_key="toy.fact.*.v1")
            for rung in (*(f"retry.{delay}" for delay in ("1s", "10s", "1m", "10m")), "dead"):
                api("PUT", f"queues/{vhost}/{name}.{rung}", **quorum)
                api("POST", f"bindings/{vhost}/e/probe.retry/q/{name}.{rung}", routing_key=f"{name}.{rung}")

    @contextmanager
    def running(self, *argv: str, **env: str) -> Iterator[process.Running]:
        """Run `python -m <argv>` until the block ends."""
        program = process.Program(
            name=argv[0].rpartition(".")[2],
            argv=(sys.executable, "-W", "ignore", "-m", *argv),
            env=process.environment(
                self.folder, AMQP_URL=self.vhost.amqp_url, PYTHONPATH=os.pathsep.join(filter(None, sys.path)), **env
            ),
            cwd=ROOT,
            log=self.folder / f"{argv[0]}-{argv[1] if len(argv) > 1 else ''}.log",
        )
        started = process.start(program)
        try:
            yield started
        finally:
            started.stop()

    def consumed_by(self, queue: str, within: float = 30) -> None:
        """Wait until somebody consumes `queue`."""
        until = time.monotonic() + within
        while True:
            found = self.vhost.api("GET", f"queues/{self.vhost.name}/{queue}", allow=(404,))
            if found.status_code == 200 and found.json().get("consumers", 0) > 0:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"nobody consumes {queue}")
            time.sleep(0.2)


@contextmanager
def _connect(dsn: str) -> Iterator[Any]:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _wait_rows(dsn: str, table: str, count: int, within: float = 300) -> None:
    until = time.monotonic() + within
    with _connect(dsn) as cursor:
        while True:
            cursor.execute(f"SELECT count(*) FROM {table}")
            if cursor.fetchone()[0] >= count:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"{table} did not reach {count} rows")
            time.sleep(0.05)


def _producer(bench: Bench) -> tuple[str, Units]:
    dsn = bench.dsn("bench_producer")
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    owner = create_engine(url)
    tables.metadata.create_all(owner)
    Base.metadata.create_all(owner)
    owner.dispose()
    with _connect(dsn) as cursor:
        cursor.execute("CREATE TABLE produced (id text PRIMARY KEY, body text)")
    made = engine(url, application="bench")
    return dsn, Units(sessionmaker(made, expire_on_commit=False), probe.SOURCE, SystemClock())


def _consumer(bench: Bench) -> str:
    dsn = bench.dsn("bench_consumer")
    owner = create_engine(dsn.replace("postgresql://", "postgresql+psycopg2://"))
    tables.metadata.create_all(owner)
    owner.dispose()
    with _connect(dsn) as cursor:
        cursor.execute("CREATE TABLE facts (id text PRIMARY KEY, body text, at timestamptz DEFAULT clock_timestamp())")
    return dsn


def _state(units: Units, keys: list[tuple[str, str]]) -> None:
    """Commit one business row and one event for each (key, subject), in one transaction."""
    with units(CONTEXT) as uow:
        cursor = uow.session.connection().connection.cursor()
        execute_values(cursor, "INSERT INTO produced VALUES %s", [(key, BODY) for key, _ in keys], page_size=1000)
        for key, subject in keys:
            uow.publish(Draft(probe.TYPE, subject, {"id": key, "body": BODY}, "L2"))
        uow.commit()


def _keys(count: int) -> list[tuple[str, str]]:
    return [(uuid.uuid4().hex, f"fact/{n % max(1, count // 3)}") for n in range(count)]


@contextmanager
def _pipeline(bench: Bench) -> Iterator[tuple[str, str, Units, process.Running]]:
    """Run relay and worker, ready and idle. Yields producer's DSN, consumer's DSN, units of the producer, the worker."""
    producer, units = _producer(bench)
    consumer = _consumer(bench)
    bench.queue(probe.QUEUE, bound=True)
    urls = {
        "PRODUCER_URL": producer.replace("postgresql://", "postgresql+psycopg2://"),
        "CONSUMER_URL": consumer.replace("postgresql://", "postgresql+psycopg2://"),
    }
    with (
        bench.running("tests.benchmarks.probe", "worker", **urls) as worker,
        bench.running("tests.benchmarks.probe", "relay", **urls),
    ):
        bench.consumed_by(probe.QUEUE)
        _state(units, [(uuid.uuid4().hex, "warm/up")])
        _wait_rows(consumer, "facts", 1)
        yield producer, consumer, units, worker


def events_bulk(bench: Bench, count: int) -> float:
    """Return events/s from one commit of `count` outbox events to their committed effects."""
    with _pipeline(bench) as (_, consumer, units, _worker):
        keys = _keys(count)
        with units(CONTEXT) as uow:
            cursor = uow.session.connection().connection.cursor()
            execute_values(cursor, "INSERT INTO produced VALUES %s", [(key, BODY) for key, _ in keys], page_size=1000)
            for key, subject in keys:
                uow.publish(Draft(probe.TYPE, subject, {"id": key, "body": BODY}, "L2"))
            uow.commit()
        began = time.perf_counter()
        _wait_rows(consumer, "facts", count + 1)
        return count / (time.perf_counter() - began)


def events_commit_each(bench: Bench, count: int) -> float:
    """Return events/s where each event is a commit of its own, to the committed effects."""
    with _pipeline(bench) as (_, consumer, units, _worker):
        keys = _keys(count)
        began = time.perf_counter()
        for pair in keys:
            _state(units, [pair])
        _wait_rows(consumer, "facts", count + 1)
        return count / (time.perf_counter() - began)


def events_idle(bench: Bench, count: int) -> tuple[float, float]:
    """Return p50 and p99 in ms from commit to committed effect, events coming one by one to an idle city."""
    with _pipeline(bench) as (_, consumer, units, _worker):
        sent: dict[str, datetime] = {}
        for pair in _keys(count):
            _state(units, [pair])
            sent[pair[0]] = datetime.now(UTC)
            time.sleep(0.03)
        _wait_rows(consumer, "facts", count + 1)
        with _connect(consumer) as cursor:
            # A row's commit time is kept by the server, on the same machine and clock.
            cursor.execute("SELECT id, pg_xact_commit_timestamp(xmin) FROM facts")
            took = sorted((at - sent[key]).total_seconds() * 1000 for key, at in cursor.fetchall() if key in sent)
        return statistics.median(took), took[int(len(took) * 0.99) - 1]


def backlog(bench: Bench, count: int) -> tuple[float, float, float]:
    """Return seconds to drain `count` queued messages, the worker's memory in MiB afterwards, its growth in MiB."""
    producer, units = _producer(bench)
    consumer = _consumer(bench)
    bench.queue(probe.QUEUE, bound=True)
    urls = {
        "PRODUCER_URL": producer.replace("postgresql://", "postgresql+psycopg2://"),
        "CONSUMER_URL": consumer.replace("postgresql://", "postgresql+psycopg2://"),
    }
    with bench.running("tests.benchmarks.probe", "relay", **urls):
        keys = _keys(count)
        for start in range(0, count, 5000):
            _state(units, keys[start : start + 5000])
        until = time.monotonic() + 300
        with _connect(producer) as cursor:
            while True:
                cursor.execute("SELECT EXISTS (SELECT FROM outbox_messages WHERE published_at IS NULL)")
                if not cursor.fetchone()[0]:
                    break
                if time.monotonic() > until:
                    raise TimeoutError("the relay did not publish the backlog")
                time.sleep(0.2)
    began = time.perf_counter()
    with bench.running("tests.benchmarks.probe", "worker", **urls) as worker:
        _wait_rows(consumer, "facts", count // 5)
        early = _memory(worker.pid)
        _wait_rows(consumer, "facts", count)
        seconds = time.perf_counter() - began
        late = _memory(worker.pid)
    return seconds, late, late - early


def _memory(pid: int) -> float:
    found: float = psutil.Process(pid).memory_info().rss / 2**20
    return found


def peer_limit(bench: Bench, count: int) -> float:
    """Return events/s of the hand-tuned pipeline."""
    dsn = bench.dsn("bench_limit")
    with _connect(dsn) as cursor:
        cursor.execute(limit.TABLES)
    bench.queue(limit.QUEUE)
    with (
        bench.running("tests.benchmarks.peers.limit", "consume", str(count), BENCH_DSN=dsn),
        bench.running("tests.benchmarks.peers.limit", "relay", str(count), BENCH_DSN=dsn),
    ):
        bench.consumed_by(limit.QUEUE)
        connection = psycopg2.connect(dsn)
        with connection.cursor() as cursor:
            keys = [uuid.uuid4().hex for _ in range(count)]
            execute_values(
                cursor,
                "INSERT INTO limit_outbox (id, body) VALUES %s",
                [(key, json.dumps({"specversion": "1.0", "id": key, "data": BODY})) for key in keys],
                page_size=1000,
            )
        connection.commit()
        began = time.perf_counter()
        connection.close()
        _wait_rows(dsn, "limit_facts", count)
        return count / (time.perf_counter() - began)


def peer_stock(bench: Bench, count: int) -> float:
    """Return events/s of stock Nameko."""
    from nameko.standalone.rpc import ClusterRpcProxy  # it belongs to the peer

    module = "tests.benchmarks.peers.stock_nameko"
    dsn = bench.dsn("bench_stock")
    with _connect(dsn) as cursor:
        for statement in filter(str.strip, _tables_of("stock_nameko.py").split(";")):
            cursor.execute(statement)
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    with (
        bench.running(module, "consume", BENCH_URL=url),
        bench.running(module, "produce", BENCH_URL=url),
    ):
        bench.consumed_by("evt-stockproducer-happened--stockconsumer.on_happened")
        bench.consumed_by("rpc-stockproducer")
        uri = bench.vhost.amqp_url.replace("amqp://", "pyamqp://")
        with ClusterRpcProxy({"AMQP_URI": uri}, timeout=300) as proxy:
            proxy.stockproducer.burst(1)
            _wait_rows(dsn, "stock_facts", 1)
            began = time.perf_counter()
            proxy.stockproducer.burst(count)
            _wait_rows(dsn, "stock_facts", count + 1)
            return count / (time.perf_counter() - began)


def peer_faststream(bench: Bench, count: int) -> float:
    """Return events/s of FastStream, its start left out."""
    module = "tests.benchmarks.peers.faststream_app"
    dsn = bench.dsn("bench_fast")
    with _connect(dsn) as cursor:
        for statement in filter(str.strip, _tables_of("faststream_app.py").split(";")):
            cursor.execute(statement)
    with bench.running(module, "consume", BENCH_DSN=dsn):
        bench.consumed_by("faststream")
        with bench.running(module, "produce", str(count), BENCH_DSN=dsn):
            _wait_rows(dsn, "fast_facts", 1)
            began = time.perf_counter()
            _wait_rows(dsn, "fast_facts", count)
            return (count - 1) / (time.perf_counter() - began)


def _tables_of(name: str) -> str:
    """Return the TABLES text of a peer that cannot be imported here: it patches or connects at import."""
    source = (Path(__file__).parent / "peers" / name).read_text(encoding="utf-8")
    return source.split('TABLES = """', 1)[1].split('"""', 1)[0]


def http_commands(bench: Bench, module: str, seconds: float) -> tuple[float, float]:
    """Return commands/s and p99 in ms of the API that `module` serves, `HTTP_THREADS` callers at once."""
    producer, _ = _producer(bench)
    port = choose()
    issuer = FakeIssuer()
    jwks = bench.folder / "jwks.json"
    jwks.write_bytes(issuer.jwks())
    token = issuer.token(sub="bench", roles=["CLERK"], scope={"units": "*", "unit": "OFFICE"})
    packs = bench.folder / "packs"
    packs.mkdir(exist_ok=True)
    environment = {
        "PRODUCER_URL": producer.replace("postgresql://", "postgresql+psycopg2://"),
        "JWKS_FILE": str(jwks),
        "PACKS": str(packs),
        "PORT": str(port),
    }
    command = (module,) if module.endswith("plain_flask") else (module, "api")
    with bench.running(*command, **environment):
        _answers(port)
        _drive(port, token, 1.0)
        took = _drive(port, token, seconds)
        return len(took) / seconds, sorted(took)[int(len(took) * 0.99) - 1]


def _answers(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health/live")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _drive(port: int, token: str, seconds: float) -> list[float]:
    """Send commands from `HTTP_THREADS` threads for `seconds`; return how long each took in ms. All must succeed."""
    body = json.dumps({"unit": "U1", "holder": "p-1", "amount": 10})
    took: list[float] = []
    failures: list[str] = []
    until = time.perf_counter() + seconds

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() < until and not failures:
            began = time.perf_counter()
            connection.request(
                "POST",
                "/permits",
                body,
                {
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {token}",
                    "Idempotency-Key": uuid.uuid4().hex,
                },
            )
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 201:
                failures.append(f"{answer.status} {content[:500]!r}")
            took.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=call) for _ in range(HTTP_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return took


def close_rows(bench: Bench, median: Callable[[str, Callable[[], Any]], Any], count: int, linear: bool) -> list[Row]:
    """Return how long closing a year of `count` cadres takes beside the script; with `linear`, at three sizes, once each."""
    script = median("close_script", lambda: year.by_script(bench.dsn("bench_close"), count))
    ours, memory = median("annual.close", lambda: year.by_job(bench.dsn("bench_close"), count))
    rows = [
        Row("annual.close", ours, "s", 3 * script, {"script": script}, lower_is_better=True),
        Row("annual.close_memory", memory, "MiB", 500, {}, lower_is_better=True),
    ]
    for size in (count // 10, count, count * 10) if linear else ():
        took, memory = year.by_job(bench.dsn("bench_close"), size)
        rows.append(Row(f"annual.close_{size}", took, "s", None, {}, lower_is_better=True))
        rows.append(Row(f"annual.close_{size}_memory", memory, "MiB", 500, {}, lower_is_better=True))
    return rows


def measure(bench: Bench, runs: int, scale: float, only: set[str], *, linear: bool = False) -> list[Row]:
    """Run everything `runs` times and return the medians."""
    console = Console(stderr=True)

    def median(name: str, what: Callable[[], Any]) -> Any:
        found = []
        for turn in range(runs):
            console.print(f"  {name} {turn + 1}/{runs}", highlight=False)
            found.append(what())
        if isinstance(found[0], tuple):
            return tuple(statistics.median(column) for column in zip(*found, strict=True))
        return statistics.median(found)

    def wanted(name: str) -> bool:
        return not only or name in only

    bulk, each, many = int(30000 * scale), int(4000 * scale), int(100000 * scale)
    rows = []
    if wanted("events.bulk") or wanted("events.commit_each"):
        stock = median("stock_nameko", lambda: peer_stock(bench, each))
        fast = median("faststream", lambda: peer_faststream(bench, each))
        top = median("limit", lambda: peer_limit(bench, bulk))
        peers = {"stock_nameko": stock, "faststream": fast, "limit": top}
        if top < 14 * stock:
            console.print(f"[yellow]suspect: the limit is {top / stock:.1f} × stock Nameko, under 14 ×[/]")
        value = median("events.bulk", lambda: events_bulk(bench, bulk))
        rows.append(Row("events.bulk", value, "events/s", max(10 * stock, 0.6 * top), peers))
        value = median("events.commit_each", lambda: events_commit_each(bench, each))
        rows.append(Row("events.commit_each", value, "events/s", 2 * stock, peers))
    if wanted("events.idle_p99"):
        p50, p99 = median("events.idle", lambda: events_idle(bench, max(50, int(400 * scale))))
        rows.append(Row("events.idle_p50", p50, "ms", None, {}, lower_is_better=True))
        rows.append(Row("events.idle_p99", p99, "ms", 50, {}, lower_is_better=True))
    if wanted("http.commands"):
        plain = median(
            "plain_flask", lambda: http_commands(bench, "tests.benchmarks.peers.plain_flask", HTTP_SECONDS * scale)
        )
        ours = median("http.commands", lambda: http_commands(bench, "tests.benchmarks.probe", HTTP_SECONDS * scale))
        rows.append(Row("http.commands", ours[0], "commands/s", 0.6 * plain[0], {"plain_flask": plain[0]}))
        rows.append(Row("http.p99", ours[1], "ms", None, {"plain_flask": plain[1]}, lower_is_better=True))
    if wanted("annual.close"):
        rows += close_rows(bench, median, many, linear)
    if wanted("backlog.drain") or wanted("worker.memory"):
        seconds, late, growth = median("backlog.drain", lambda: backlog(bench, many))
        rows.append(Row("backlog.drain", seconds, "s", 60, {}, lower_is_better=True))
        rows.append(Row("worker.memory", late, "MiB", 150, {}, lower_is_better=True))
        rows.append(Row("worker.memory_growth", growth, "MiB", 10, {}, lower_is_better=True))
    if wanted("tolerance.effects"):
        console.print("  tolerance.effects")
        took = statistics.median(effects(EFFECTS))
        rows.append(Row("tolerance.effects", took, "s", 2, {}, lower_is_better=True))
    if wanted("roster.import"):
        took = median("roster.import", lambda: roster_import(bench.dsn("bench_roster"), int(10_000 * scale)))
        rows.append(Row("roster.import", took, "s", 20, {}, lower_is_better=True))
    if wanted("eligibility.one") or wanted("eligibility.many"):
        stored, asked = int(1_000_000 * scale), max(10, int(10_000 * scale))
        console.print("  eligibility")
        # A million rows take longer to store than to ask about: they are stored once.
        one, all_at_once = eligibility(bench.dsn("bench_eligibility"), stored, asked, runs)
        rows.append(Row("eligibility.one", one, "ms", 10, {}, lower_is_better=True))
        rows.append(Row("eligibility.many", all_at_once, "s", 5, {}, lower_is_better=True))
    return rows


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table("name", "value", "unit", "goal", "met", "peers")
    for row in rows:
        goal = "" if row.goal is None else f"{'≤' if row.lower_is_better else '≥'} {row.goal:,.0f}"
        table.add_row(
            row.name,
            f"{row.value:,.1f}" if row.value < 100 else f"{row.value:,.0f}",
            row.unit,
            goal,
            "" if row.goal is None else ("yes" if row.met else "NO"),
            ", ".join(f"{name} {value:,.0f}" for name, value in row.peers.items()),
        )
    Console(width=140).print(table)


def main() -> int:
    """Measure, write build/bench.json, print; the exit code is 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of events; only 1 is to be quoted")
    parser.add_argument("--only", nargs="*", default=[], help="names of rows")
    parser.add_argument("--linear", action="store_true", help="close a year at three sizes too, up to 1,000,000")
    chosen = parser.parse_args()
    folder = ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {**LAPTOP, "track_commit_timestamp": "on"}
    with private_broker(folder / "broker") as broker, private_postgres(folder / "postgres", settings) as postgres:
        bench = Bench(postgres, broker.make_vhost(), folder)
        rows = measure(bench, chosen.runs, chosen.scale, set(chosen.only), linear=chosen.linear)
    out = ROOT / "build" / "bench.json"
    listed = [
        {
            "name": row.name,
            "value": round(row.value, 2),
            "unit": row.unit,
            "goal": None if row.goal is None else round(row.goal, 2),
            "peers": {name: round(value, 2) for name, value in row.peers.items()},
        }
        for row in rows
    ]
    out.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

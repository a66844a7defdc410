"""`dandang reconcile`: whether every consumer has taken in what was told to it, and nothing else."""

import json
import time
from dataclasses import asdict
from datetime import date

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from citybus.topology import files
from citybus.topology.model import Topology
from dandang import reconcile as comparison
from dandang.commands.dead import unit_of
from dandang.local.errors import LocalError
from dandang.local.processes import SERVICES
from dandang.local.state import PROJECT
from dandang.reconcile import Pair

LOOK_EVERY = 1.0


@click.command("reconcile")
@click.option("--database-url", envvar="CITY_DATABASE_URL", required=True, help="数据库管理员 / the administrator's.")
@click.option(
    "--settle",
    default=30.0,
    show_default=True,
    help="差异须持续几秒 / drift must last so many seconds; events may be under way.",
)
@click.option("--replay", is_flag=True, help="重发缺失的事件 / publish once more what is missing.")
@click.option("--reason", help="重发事由，记入审计 / why it is replayed; it is kept in the audit trail.")
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def reconcile(database_url: str, settle: float, replay: bool, reason: str | None, as_json: bool) -> None:
    """对账 / compare what services told with what their consumers took in. Exit code 1 where that is not the same."""
    if replay and not reason:
        raise click.UsageError("--replay 须给出 --reason / --replay wants a --reason")
    topology = files.load(PROJECT / "deploy" / "rabbitmq", date.today())  # noqa: DTZ011  # rights end by the day
    found = _settled(topology, database_url, settle)
    if as_json:
        click.echo(json.dumps([{**asdict(pair), "drift": pair.drift} for pair in found], ensure_ascii=False, indent=2))
    else:
        _print(found)
    if replay:
        _replay(found, database_url, str(reason))
    if any(pair.drift for pair in found):
        raise SystemExit(1)


def _settled(topology: Topology, database_url: str, settle: float) -> list[Pair]:
    """Compare until nothing differs, at the latest after `settle` seconds."""
    until = time.monotonic() + settle
    while True:
        found = comparison.reconcile(topology, SERVICES, lambda service: _connect(database_url, service))
        if not any(pair.drift or pair.under_way for pair in found) or time.monotonic() > until:
            return found
        time.sleep(LOOK_EVERY)


def _connect(database_url: str, service: str) -> Connection:
    url = make_url(database_url).set(drivername="postgresql+psycopg2", database=f"city_{service}")
    try:
        return create_engine(url, poolclass=NullPool).connect()
    except OperationalError as error:
        raise LocalError(f"city_{service}: {str(error.orig).strip()}") from None


def _replay(found: list[Pair], database_url: str, reason: str) -> None:
    missing = {
        producer: sorted({event for pair in found if pair.producer == producer for event in pair.missing})
        for producer in {pair.producer for pair in found}
    }
    for producer, events in missing.items():
        if not events:
            continue
        with unit_of(database_url, producer, reason) as uow:
            count = comparison.replay(uow.session.connection(), events)
            uow.audit("outbox.replay", f"service/{producer}", written={"events": events})
            uow.commit()
        click.echo(f"{producer}: 重发 {count} 个事件 events will be published once more", err=True)


def _print(found: list[Pair]) -> None:
    table = Table(
        "来源 producer",
        "队列 queue",
        "对象 subjects",
        "发出 told",
        "收到 taken",
        "在途 under way",
        "等待 waiting",
        "差异 drift",
    )
    for pair in found:
        drift = f"[red]{pair.drift}[/red]" if pair.drift else "[green]0[/green]"
        counts = (pair.subjects, pair.told, pair.taken, pair.under_way, pair.waiting)
        table.add_row(pair.producer, pair.queue, *(str(count) for count in counts), drift)
    console = Console()
    console.print(table)
    for pair in found:
        for event in (*pair.missing, *pair.unknown):
            kind = "未收到 not taken in" if event in pair.missing else "来源不明 never told"
            console.print(f"[red]{pair.producer} → {pair.queue}: {event} {kind}[/red]", highlight=False)

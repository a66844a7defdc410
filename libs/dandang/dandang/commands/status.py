"""`dandang status`: processes, queues, outboxes and dead letters of the running city, for people and for scripts."""

import json
import os
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import psycopg2
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url

from citybus.management import Management, ManagementError
from dandang.local.processes import SERVICES
from dandang.local.state import RunFolder


@click.command()
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def status(as_json: bool) -> None:
    """查看状态 / show processes, queue depths, unpublished events and dead letters. Exit code 1 if a process is down."""
    found = look(RunFolder())
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if found["phase"] != "up" or not all(each["alive"] for each in found["processes"]):
        raise SystemExit(1)


def look(run: RunFolder) -> dict[str, Any]:
    """Return the state of the city: phase, processes, queues, outbox (rows by service) and dead (letters by queue).

    `queues` and `outbox` are None where broker or database do not answer, or none is known.
    """
    state = run.read()
    held = run.is_held()
    queues = _queues(os.environ.get("CITY_RABBITMQ_ADMIN_URL"), os.environ.get("CITY_AMQP_URL"))
    return {
        "phase": state.phase if held else "down",
        "since": state.since if held else None,
        "given": state.given,
        "processes": [{**asdict(each), "alive": each.alive} for each in state.processes] if held else [],
        "queues": queues,
        "outbox": _outbox(os.environ.get("CITY_DATABASE_URL")),
        "dead": None
        if queues is None
        else {each["name"]: each["messages"] for each in queues if each["name"].endswith(".dead") and each["messages"]},
    }


def _queues(management_url: str | None, amqp_url: str | None) -> list[dict[str, Any]] | None:
    if not management_url or not amqp_url:
        return None
    vhost = unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"
    try:
        with Management(management_url) as api:
            found = api.get("queues", vhost)
    except ManagementError:
        return None
    rows = [{name: each.get(name, 0) for name in ("name", "type", "messages", "consumers")} for each in found]
    return sorted(rows, key=lambda each: str(each["name"]))


def _outbox(admin_url: str | None) -> dict[str, int | None] | None:
    if not admin_url:
        return None
    return {service: _unpublished(admin_url, service) for service in SERVICES}


def _unpublished(admin_url: str, service: str) -> int | None:
    url = make_url(admin_url).set(drivername="postgresql", database=f"city_{service}")
    try:
        connection = psycopg2.connect(url.render_as_string(hide_password=False), connect_timeout=5)
    except psycopg2.OperationalError:
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM outbox_messages WHERE published_at IS NULL")
            row = cursor.fetchone()
            return int(row[0]) if row else None
    except psycopg2.Error:
        return None
    finally:
        connection.close()


def _print(found: dict[str, Any]) -> None:
    console = Console()
    console.print(f"[bold]{found['phase']}[/bold]" + (f" since {found['since']}" if found["since"] else ""))
    if found["processes"]:
        table = Table("进程 process", "pid", "端口 port", "重启 restarts", "状态 state")
        for each in found["processes"]:
            state = "[green]up[/green]" if each["alive"] else "[red]down[/red]"
            table.add_row(each["name"], str(each["pid"]), str(each["port"] or ""), str(each["restarts"]), state)
        console.print(table)
    if found["queues"]:
        table = Table("队列 queue", "消息 messages", "消费者 consumers")
        for each in found["queues"]:
            if each["messages"] or each["consumers"]:
                table.add_row(each["name"], str(each["messages"]), str(each["consumers"]))
        console.print(table)
    if found["outbox"]:
        words = ", ".join(f"{service} {'?' if rows is None else rows}" for service, rows in found["outbox"].items())
        console.print(f"未发布事件 unpublished: {words}")
    if found["dead"] is not None:
        words = ", ".join(f"{queue} {count}" for queue, count in found["dead"].items()) or "0"
        console.print(f"死信 dead letters: {words}")

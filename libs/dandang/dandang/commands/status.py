"""`dandang status`: processes, queues, outboxes and what was given up in the running city, for people and for scripts.

Given up are dead letters, which lie in queues, and publications that a channel did not take, which are rows.
"""

import json
import os
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import psycopg2
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import URL, make_url

from citybus.management import Management, ManagementError
from dandang.local.processes import SERVICES
from dandang.local.state import RunFolder


@click.command()
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def status(as_json: bool) -> None:
    """查看状态 / show processes, queue depths, unpublished events and what was given up. Exit code 1 if a process is down."""
    found = look(RunFolder())
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if found["phase"] != "up" or not all(each["alive"] for each in found["processes"]):
        raise SystemExit(1)


def look(run: RunFolder) -> dict[str, Any]:
    """Return the state of the city: phase, processes, queues, outbox (rows by service), dead (letters by queue), given_up.

    `given_up` names the publications that wait for a replay. What broker or database do not answer, or where none is
    known, is None.
    """
    state = run.read()
    held = run.is_held()
    queues = _queues(os.environ.get("CITY_RABBITMQ_ADMIN_URL"), os.environ.get("CITY_AMQP_URL"))
    admin_url = os.environ.get("CITY_DATABASE_URL")
    return {
        "phase": state.phase if held else "down",
        "since": state.since if held else None,
        "given": state.given,
        "processes": [{**asdict(each), "alive": each.alive} for each in state.processes] if held else [],
        "queues": queues,
        "outbox": {service: _unpublished(_of(admin_url, service)) for service in SERVICES} if admin_url else None,
        "dead": None
        if queues is None
        else {each["name"]: each["messages"] for each in queues if each["name"].endswith(".dead") and each["messages"]},
        "given_up": given_up(_of(admin_url, "notification")) if admin_url else None,
    }


def given_up(url: URL) -> list[dict[str, str]] | None:
    """Return the publications that a channel did not take, from the database of notification, each with its replay.

    None where the database does not answer.
    """
    rows = _rows(
        url,
        """
        SELECT id::text, bulletin::text, channel, state, coalesce(failure, '') FROM publications
        WHERE state IN ('FAILED', 'WITHDRAWAL_FAILED') ORDER BY id
        """,
    )
    if rows is None:
        return None
    names = ("publication", "bulletin", "channel", "state", "failure")
    return [{**dict(zip(names, row, strict=True)), "replay": f"POST /publications/{row[0]}/replay"} for row in rows]


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


def _of(admin_url: str, service: str) -> URL:
    return make_url(admin_url).set(database=f"city_{service}")


def _unpublished(url: URL) -> int | None:
    rows = _rows(url, "SELECT count(*) FROM outbox_messages WHERE published_at IS NULL")
    return rows[0][0] if rows else None


def _rows(url: URL, statement: str) -> list[tuple[Any, ...]] | None:
    """Return what a database answers, or None where it does not."""
    found = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg2.connect(found, connect_timeout=5)
    except psycopg2.OperationalError:
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
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
    for each in found["given_up"] or ():
        told = f"{each['channel']} {each['state']}  {each['failure']}"
        console.print(f"[red]发布失败 publication given up[/red]: {escape(told)}", soft_wrap=True)
        console.print(f"    重新提交 once it is mended (MEDIA, with a reason): {each['replay']}", soft_wrap=True)

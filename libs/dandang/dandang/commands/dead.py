"""`dandang dead`: messages that a service could not handle are listed, read, replayed or discarded."""

import getpass
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import dead as letters
from citybus.broker.dead import RabbitDeadQueue
from citybus.clock import Clock, FileClock, SystemClock
from citybus.database import engine
from citybus.dead import DeadLetter
from citybus.ids import new_id
from citybus.management import Management
from citybus.unit_of_work import Context, UnitOfWork
from dandang.local.errors import LocalError

_AMQP_URL = click.option("--amqp-url", envvar="CITY_AMQP_URL", required=True, help="消息代理 / the broker.")
_ADMIN_URL = click.option("--admin-url", envvar="CITY_RABBITMQ_ADMIN_URL", help="管理接口 / management API.")
_DATABASE_URL = click.option(
    "--database-url", envvar="CITY_DATABASE_URL", required=True, help="数据库管理员 / the administrator's."
)
_REASON = click.option("--reason", required=True, help="事由，记入审计 / why; it is kept in the audit trail.")
_QUEUE = click.argument("queue")
_KEYS = click.argument("keys", nargs=-1)


@click.group()
def dead() -> None:
    """死信 / messages that a service could not handle. QUEUE is the work queue, such as assessment.supervision.

    渠道未接受的通报不在队列，见 dandang status / bulletins that a channel did not take lie in no queue: dandang status
    """


@dead.command("list")
@click.argument("queues", nargs=-1)
@_AMQP_URL
@_ADMIN_URL
@click.option("--limit", default=100, show_default=True, help="每个队列最多 / at most, of each queue.")
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def list_(queues: tuple[str, ...], amqp_url: str, admin_url: str | None, limit: int, as_json: bool) -> None:
    """列出死信 / list dead letters with their reasons; without QUEUE, those of every queue."""
    found: dict[str, list[DeadLetter]] = {}
    for queue in queues or _queues(amqp_url, admin_url):
        with _dead_queue(amqp_url, queue) as opened:
            if (seen := letters.look(opened, limit)) or queues:
                found[queue] = seen
    if as_json:
        content = {queue: [letter.summary() for letter in of] for queue, of in found.items()}
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        _print(found)


@dead.command()
@_QUEUE
@click.argument("key")
@_AMQP_URL
@click.option("--body", is_flag=True, help="连同正文，可能含个人信息 / with its body, which may hold personal data.")
@click.option("--reason", help="阅读正文的事由，记入审计 / why the body is read; it is kept in the audit trail.")
@click.option("--database-url", envvar="CITY_DATABASE_URL", help="数据库管理员 / the administrator's.")
def show(queue: str, key: str, amqp_url: str, body: bool, reason: str | None, database_url: str | None) -> None:
    """查看一封死信 / show one dead letter."""
    if body and not (reason and database_url):
        raise click.UsageError("读正文须给出 --reason 和 --database-url / --body wants --reason and --database-url")
    with _dead_queue(amqp_url, queue) as opened:
        if reason and database_url and body:
            with _unit(database_url, queue, reason) as uow:
                letter = letters.show(opened, uow, queue, key)
        else:
            letter = next((found for found in map(letters.read, opened.letters()) if found.key == key), None)
        if letter is None:
            raise LocalError(f"没有这封死信 no such dead letter: {queue} {key}")
    click.echo(json.dumps(letter.summary(), ensure_ascii=False, indent=2))
    if body:
        click.echo(letter.delivery.body.decode("utf-8", errors="backslashreplace"))


@dead.command()
@_QUEUE
@_KEYS
@_AMQP_URL
@_DATABASE_URL
@_REASON
@click.option("--all", "everything", is_flag=True, help="全部 / every letter of the queue.")
@click.option("--with-reason", help="只限此原因码 / only those parked for this reason code.")
def replay(
    queue: str,
    keys: tuple[str, ...],
    amqp_url: str,
    database_url: str,
    reason: str,
    everything: bool,
    with_reason: str | None,
) -> None:
    """重放 / send letters back to their queue, to be handled as if they had just come."""
    wanted = _choice(keys, everything or with_reason is not None, with_reason)
    with _dead_queue(amqp_url, queue) as opened, _unit(database_url, queue, reason) as uow:
        _tell("重放 replayed", letters.replay(opened, uow, queue, wanted), keys)


@dead.command()
@_QUEUE
@_KEYS
@_AMQP_URL
@_DATABASE_URL
@_REASON
def discard(queue: str, keys: tuple[str, ...], amqp_url: str, database_url: str, reason: str) -> None:
    """丢弃 / give letters up; events that waited behind them are then applied."""
    with _dead_queue(amqp_url, queue) as opened, _unit(database_url, queue, reason) as uow:
        _tell("丢弃 discarded", letters.discard(opened, uow, queue, _choice(keys, False, None)), keys)


@dead.command()
@_QUEUE
@click.argument("subject")
@_DATABASE_URL
@_REASON
def skip(queue: str, subject: str, database_url: str, reason: str) -> None:
    """跳过缺口 / accept that events of SUBJECT are lost to the consumer of QUEUE; those that waited are applied."""
    with _unit(database_url, queue, reason) as uow:
        first = letters.skip(uow, queue, subject)
    if first is None:
        raise LocalError(f"没有等待的事件 nothing waits behind a gap: {queue} {subject}")
    click.echo(f"从第 {first} 步继续 goes on with step {first}")


def _choice(keys: Sequence[str], several: bool, with_reason: str | None) -> Callable[[DeadLetter], bool]:
    """Return which letters are meant. Raises UsageError where that was not said."""
    if bool(keys) == several:
        raise click.UsageError("须指明死信 / name the letters by their keys, or say which")
    if keys:
        return lambda letter: letter.key in keys
    return lambda letter: with_reason is None or letter.reason == with_reason


def _tell(done: str, acted: Iterator[DeadLetter], keys: Sequence[str]) -> None:
    """Say of each letter that it was acted on. Raises LocalError if one that was named is not there."""
    seen = set()
    for letter in acted:
        seen.add(letter.key)
        click.echo(f"{done}  {letter.key}  {letter.reason}")
    click.echo(f"{done}: {len(seen)}")
    if missing := [key for key in keys if key not in seen]:
        raise LocalError(f"没有这些死信 no such dead letters: {', '.join(missing)}")


def _dead_queue(amqp_url: str, queue: str) -> RabbitDeadQueue:
    return RabbitDeadQueue(amqp_url, queue, exchange=f"{_service(queue)}.retry")


def _queues(amqp_url: str, admin_url: str | None) -> list[str]:
    if not admin_url:
        raise click.UsageError("须给出队列或 --admin-url / name a queue, or give --admin-url")
    vhost = unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"
    with Management(admin_url) as api:
        found = api.get("queues", vhost)
    # How many messages each holds is told there only seconds later, so that is not asked.
    return sorted(each["name"].removesuffix(".dead") for each in found if each["name"].endswith(".dead"))


def _service(queue: str) -> str:
    """Return the service whose queue it is, which names its database and its exchange."""
    found = re.fullmatch(r"([a-z][a-z0-9_]*)\.[a-z0-9.-]+", queue)
    if found is None or queue.endswith(".dead"):
        raise click.UsageError(f"不是工作队列名 / not the name of a work queue: {queue}")
    return found[1]


@contextmanager
def _unit(database_url: str, queue: str, reason: str) -> Iterator[UnitOfWork]:
    """Give a unit of work in the database of the queue's service, on the account of whoever runs the command."""
    with unit_of(database_url, _service(queue), reason) as uow:
        yield uow


@contextmanager
def unit_of(database_url: str, service: str, reason: str) -> Iterator[UnitOfWork]:
    """Give a unit of work in the database of a service, on the account of whoever runs the command."""
    url = make_url(database_url).set(drivername="postgresql+psycopg2", database=f"city_{service}")
    made = engine(url.render_as_string(hide_password=False), application="dandang")
    context = Context(actor=f"operator:{getpass.getuser()}", roles=("SYSADM",), purpose=reason, correlation_id=new_id())
    source = f"/city/{os.environ.get('CITY_CODE', '000000')}/{service}"
    try:
        with UnitOfWork(sessionmaker(made), source, _clock(), context) as uow:
            yield uow
    finally:
        made.dispose()


def _clock() -> Clock:
    """Return the clock that the services of this city go by."""
    path = os.environ.get("CITY_CLOCK_FILE")
    return FileClock(Path(path)) if path and os.environ.get("CITY_ENV") == "local" else SystemClock()


def _print(found: dict[str, list[DeadLetter]]) -> None:
    for queue, of in found.items():
        click.secho(f"{queue}  {len(of)}", bold=True)
        for letter in of:
            row = letter.summary()
            subject = f"{row['subject']} #{row['sequence']}" if row["subject"] else ""
            click.echo(f"  {row['key']}  {row['reason']}  {row['type'] or ''}  {subject}")
            click.echo(f"      {row['failed_at']}  {row['attempts']}×  {row['error']}")
    if not any(found.values()):
        click.echo("没有死信 no dead letters")

"""`dandang clock`: domain time of the local city is shown and moved; a move ends when all that it set off is done."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from sqlalchemy import Connection, text

from citybus.calendar import Calendar, Duration, Unit
from citybus.clock import ZONE, FileClock
from citybus.management import Management
from dandang.local.errors import LocalError
from dandang.local.processes import SERVICES
from dandang.local.state import RunFolder
from dandang.quiet import connections, open_work

PRIVATE_BROKER_QUIET = 2.5
GIVEN_BROKER_QUIET = 11.0
"""Seconds for which all must be quiet: more than twice as long as the broker takes to count its queues anew."""

LOOK_EVERY = 0.5

_UNPUBLISHED = text("SELECT count(*) FROM outbox_messages WHERE published_at IS NULL")

_wait = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="等到处理完毕 / return when all that it set off is done."
)
_within = click.option("--within", default=120.0, show_default=True, help="最多等几秒 / give up after so many seconds.")
_back = click.option("--back", is_flag=True, help="允许倒拨 / allow a move into the past.")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where to look for what is not done yet: administrators' URLs."""

    database_url: str
    amqp_url: str
    admin_url: str
    services: tuple[str, ...] = SERVICES


@click.group()
def clock() -> None:
    """时钟 / domain time, only with CITY_ENV=local."""


@clock.command()
def show() -> None:
    """查看 / show what time it is for the city."""
    found = _clock()
    file = Path(os.environ["CITY_CLOCK_FILE"])
    how = "实时 real time" if not file.exists() else "已拨动 moved"
    click.echo(f"{found.now().isoformat(timespec='seconds')}  {how}")


@clock.command("set")
@click.argument("instant")
@click.option("--running", is_flag=True, help="此后继续走 / let it run on from there; else it stands.")
@_back
@_wait
@_within
def set_(instant: str, running: bool, back: bool, wait: bool, within: float) -> None:
    """拨到 / move to INSTANT, such as 2024-03-15 or 2024-03-15T09:30; without an offset it is Asia/Shanghai."""
    try:
        at = datetime.fromisoformat(instant)
    except ValueError:
        raise click.BadParameter("应为 ISO 8601 时间 / wants an instant in ISO 8601", param_hint="INSTANT") from None
    _move(at.replace(tzinfo=ZONE) if at.tzinfo is None else at, running=running, back=back, wait=wait, within=within)


@clock.command()
@click.argument("duration")
@click.option("--running", is_flag=True, help="此后继续走 / let it run on from there; else it stands.")
@_wait
@_within
def advance(duration: str, running: bool, wait: bool, within: float) -> None:
    """前拨 / move on by DURATION, such as "5 WD", "3 d", "2 months" or "90 min"; the hour of the day stays."""
    if not Duration.is_one(duration):
        raise click.BadParameter("应为时长，如 5 WD / wants a duration such as 5 WD", param_hint="DURATION")
    holidays = os.environ.get("CITY_HOLIDAYS_FILE")
    period = Duration.parse(duration, Calendar.load(Path(holidays) if holidays else None))
    _move(later(_clock().now(), period), running=running, back=False, wait=wait, within=within)


@clock.command()
@_wait
@_within
def reset(wait: bool, within: float) -> None:
    """回到实时 / return to real time."""
    _clock()
    Path(os.environ["CITY_CLOCK_FILE"]).unlink(missing_ok=True)
    _finish(wait=wait, within=within)


def later(now: datetime, period: Duration) -> datetime:
    """Return the instant `period` after `now`: of days and longer, at the same hour."""
    if period.unit in (Unit.HOURS, Unit.MINUTES):
        return now + period.elapsed
    day: date = period.last_day(now).day
    return datetime.combine(day, now.timetz())


def _clock() -> FileClock:
    if os.environ.get("CITY_ENV") != "local" or not os.environ.get("CITY_CLOCK_FILE"):
        raise LocalError(
            "只有 CITY_ENV=local 且给出 CITY_CLOCK_FILE 的城市可拨时钟"
            " / time is moved for CITY_ENV=local with a CITY_CLOCK_FILE only"
        )
    return FileClock(Path(os.environ["CITY_CLOCK_FILE"]))


def _move(at: datetime, *, running: bool, back: bool, wait: bool, within: float) -> None:
    found = _clock()
    if at < found.now() and not back:
        raise LocalError(
            f"现在是 {found.now().isoformat(timespec='seconds')}，倒拨须加 --back / a move into the past wants --back"
        )
    found.write(at, running=running)
    _finish(wait=wait, within=within)


def _finish(*, wait: bool, within: float) -> None:
    if wait:
        given = "broker" in RunFolder().read().given or not RunFolder().is_held()
        drain(
            _surroundings(),
            _clock().now,
            within=within,
            quiet=GIVEN_BROKER_QUIET if given else PRIVATE_BROKER_QUIET,
        )
    click.echo(_clock().now().isoformat(timespec="seconds"))


def _surroundings() -> Surroundings:
    names = ("CITY_DATABASE_URL", "CITY_AMQP_URL", "CITY_RABBITMQ_ADMIN_URL")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise LocalError(f"须给出 {'、'.join(missing)}，或加 --no-wait / wants {', '.join(missing)}, or --no-wait")
    database_url, amqp_url, admin_url = (os.environ[name] for name in names)
    return Surroundings(database_url, amqp_url, admin_url)


def drain(surroundings: Surroundings, now: Callable[[], datetime], *, within: float, quiet: float) -> None:
    """Return when nothing was left to do for `quiet` seconds, in two looks at least.

    Nothing left: no deadline due at the domain's `now` and not fired, no event unpublished, no job open, no publication
    that waits for its channel, no message in a work queue or on its way to be tried again. Raises LocalError after
    `within` seconds, with what is left.
    """
    give_up = time.monotonic() + within
    quiet_since: float | None = None
    with connections(surroundings.database_url, surroundings.services) as opened:
        while True:
            left = _look(surroundings, opened, now())
            at = time.monotonic()
            if left:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = at
            elif at - quiet_since >= quiet:
                return
            if at > give_up:
                told = "；".join(f"{what} {count}" for what, count in left.items()) or "刚刚安静下来 just fell quiet"
                raise LocalError(f"{within:g} 秒内没有处理完 / not done within {within:g} s: {told}")
            time.sleep(LOOK_EVERY)


def _look(surroundings: Surroundings, opened: dict[str, Connection], now: datetime) -> dict[str, int]:
    """Return what is left to do, by a name for people."""
    left: dict[str, int] = {}
    for service, connection in opened.items():
        unpublished = connection.execute(_UNPUBLISHED).scalar_one()
        found = open_work(connection, now) | ({"未发布事件 events": unpublished} if unpublished else {})
        left |= {f"{service} {what}": count for what, count in found.items()}
    # Last: what was published while we looked shows here.
    vhost = unquote(urlsplit(surroundings.amqp_url).path.removeprefix("/")) or "/"
    with Management(surroundings.admin_url) as management:
        for queue in management.get("queues", vhost):
            name = queue["name"]
            if queue.get("messages") and queue.get("type") == "quorum" and not _is_left_alone(name):
                left[name] = queue["messages"]
    return left


def _is_left_alone(queue: str) -> bool:
    """Return whether a queue may hold messages for ever: a department's, and dead letters."""
    return queue.startswith("dept.") or queue.endswith(".dead")

"""`dandang up`: the whole city on this machine, until it is told to end."""

import os
import signal
import subprocess
import time
from types import FrameType

import click

from dandang.local import process
from dandang.local.city import LocalCity, program_of_this_command
from dandang.local.errors import LocalError, StartFailed
from dandang.local.processes import SERVICES
from dandang.local.state import RunFolder, State


@click.command()
@click.option(
    "--play",
    type=click.Choice(["slice", "year"]),
    help="起来后演示:贯穿四个服务的一件事,或一年 / once up, play one case through all services, or a whole year.",
)
@click.option("--detach", is_flag=True, help="在后台运行 / return once it is up, and leave it running.")
def up(play: str | None, detach: bool) -> None:
    """启动全城 / start broker, database and all processes, and keep them up until Ctrl-C or `dandang down`."""
    run = RunFolder()
    run.make()
    if detach:
        if run.is_held():
            click.echo(f"已在运行 / it is up already.\n{where(run)}")
        else:
            _start_in_background(run)
        if play:
            subprocess.run(program_of_this_command(play), check=True)
        return
    if not run.hold():
        click.echo(f"已在运行 / it is up already.\n{where(run)}")
        return
    try:
        stay_up(LocalCity(run, click.echo), play)
    finally:
        run.release()


def where(run: RunFolder) -> str:
    """Say where everything of a running city is."""
    state = run.read()
    ports = state.ports
    lines = [f"城市运行中 the city is {state.phase}, pid {state.supervisor.pid if state.supervisor else '?'}"]
    lines += [f"  {service:14} http://127.0.0.1:{ports[f'{service}-api']}/docs" for service in _running_services(state)]
    if "broker" not in state.given and "management" in ports:
        secret = run.secrets.folder / "broker-administrator"
        lines.append(f"  {'RabbitMQ':14} http://127.0.0.1:{ports['management']}/  city-admin, password in {secret}")
    if "database" not in state.given and "database" in ports:
        secret = run.secrets.folder / "database-administrator"
        lines.append(f"  {'PostgreSQL':14} 127.0.0.1:{ports['database']}  city_admin, password in {secret}")
    lines.append(f"  {'logs':14} {run.logs}")
    lines.append("Ctrl-C 或 `make down` 结束 / Ctrl-C or `make down` ends it")
    return "\n".join(lines)


def _running_services(state: State) -> list[str]:
    names = {each.name for each in state.processes}
    return [service for service in SERVICES if f"{service}-api" in names]


def stay_up(city: LocalCity, play: str | None = None) -> None:
    """Start a city, and keep it up until a signal asks for its end. The caller holds its run folder."""
    run = city.run
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    process.adopt_orphans()
    if left := run.sweep():
        click.echo(f"清理了上次遗留的进程 / ended what an earlier run had left behind: {', '.join(left)}")
    began = time.monotonic()
    click.echo("启动中 starting:")
    try:
        city.start()
        click.echo(f"  {time.monotonic() - began:5.1f} s  合计 in all\n{where(run)}")
        player = subprocess.Popen(program_of_this_command(play)) if play else None
        while True:
            city.supervisor.look()
            process.reap_orphans(city.supervisor.pids() | ({player.pid} if player is not None else set()))
            if player is not None and (code := player.poll()) is not None:
                if code:
                    click.echo(
                        f"演示未完成，城市照常运行 / the slice did not end well (exit code {code}); the city stays up"
                    )
                player = None
                click.echo(where(run))
            time.sleep(0.2)
    except KeyboardInterrupt:
        click.echo("\n正在停止 stopping …")
    finally:
        city.stop()
        process.end_descendants()
        click.echo("已全部停止 all is ended")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _start_in_background(run: RunFolder) -> None:
    """Start the city in a session of its own, and return once it is up. Raises StartFailed if it does not come up."""
    log = run.logs / "up.log"
    with open(log, "wb") as file:
        popen = subprocess.Popen(
            program_of_this_command("up"),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(os.environ),
        )
    try:
        while True:
            state = run.read()
            ours = state.supervisor is not None and state.supervisor.pid == popen.pid
            if ours and state.phase == "up":
                break
            if popen.poll() is not None:
                raise StartFailed(f"it did not come up.{process.tail(log, 40)}")
            time.sleep(0.1)
    except KeyboardInterrupt:
        popen.terminate()
        popen.wait()
        raise LocalError("interrupted") from None
    click.echo(log.read_text(encoding="utf-8").rstrip())

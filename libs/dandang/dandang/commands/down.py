"""`dandang down`: the end of the city that runs on this machine."""

import os
import shutil
import signal
import time

import click

from dandang.local.city import data_folders
from dandang.local.errors import LocalError
from dandang.local.state import RunFolder

PATIENCE = 120.0
"""Seconds that the processes have to end by themselves."""


@click.command()
@click.option(
    "--delete-data", is_flag=True, help="同时删除本机数据 / also remove its databases, queues, secrets and logs."
)
def down(delete_data: bool) -> None:
    """停止全城 / end the city that runs on this machine, and what a killed one left behind."""
    run = RunFolder()
    was_up = _end_supervisor(run)
    left = run.sweep()
    if left:
        click.echo(f"清理了遗留的进程 / ended what was left behind: {', '.join(left)}")
    click.echo("已停止 ended" if was_up or left else "没有在运行 nothing is running")
    if delete_data:
        for folder in data_folders(run):
            shutil.rmtree(folder, ignore_errors=True)
        click.echo("数据已删除 its data is removed")


def _end_supervisor(run: RunFolder) -> bool:
    """Ask the supervisor to end, and wait until it has. Returns False if there was none."""
    if not run.is_held():
        return False
    supervisor = run.read().supervisor
    if supervisor is None or not supervisor.alive:
        raise LocalError(f"{run.root} is held by a process that does not say who it is; try again in a moment")
    os.kill(supervisor.pid, signal.SIGTERM)
    give_up = time.monotonic() + PATIENCE
    while run.is_held():
        if time.monotonic() > give_up:
            os.kill(supervisor.pid, signal.SIGKILL)
            break
        time.sleep(0.1)
    return True

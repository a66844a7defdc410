"""`dandang topology`: the broker is brought to what deploy/rabbitmq says, or compared with it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from citybus import topology as bus
from citybus.topology import Drift, KnownPasswords
from dandang.local.secrets import Secrets
from dandang.local.state import PROJECT, RunFolder

DEFAULT_FOLDER = PROJECT / "deploy" / "rabbitmq"


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that both commands have."""
    for option in reversed(
        (
            click.option(
                "--admin-url", envvar="CITY_RABBITMQ_ADMIN_URL", required=True, help="管理接口 / management API."
            ),
            click.option(
                "--amqp-url", envvar="CITY_AMQP_URL", required=True, help="其路径为虚拟主机 / its path is the vhost."
            ),
            click.option("--folder", type=click.Path(path_type=Path, exists=True), default=DEFAULT_FOLDER),
            click.option(
                "--secrets",
                "secrets_folder",
                type=click.Path(path_type=Path, file_okay=False),
                help="每个用户的密码一个文件 / a file per user holds its password. Default: those of the run folder.",
            ),
            click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts."),
        )
    ):
        command = option(command)
    return command


@click.group()
def topology() -> None:
    """消息代理的队列与权限 / queues, bindings, users and permissions of the broker."""


@topology.command()
@_options
@click.option("--prune", is_flag=True, help="删除多余绑定与用户 / remove bindings and users that no file lists.")
def apply(admin_url: str, amqp_url: str, folder: Path, secrets_folder: Path | None, as_json: bool, prune: bool) -> None:
    """使代理与文件一致 / bring the broker to what the files say. Safe to repeat. Exit code 1 if a difference is left."""
    outcome = bus.apply(admin_url, folder, _secrets(secrets_folder).get, vhost=_vhost(amqp_url), prune=prune)
    if as_json:
        _print_json(
            {"done": [each.as_dict() for each in outcome.done], "left": [each.as_dict() for each in outcome.left]}
        )
    else:
        for each in outcome.done:
            click.echo(f"已修正 mended  {each.kind:25} {each.name}")
        _print_drifts(outcome.left)
    if outcome.left:
        raise SystemExit(1)


@topology.command()
@_options
def check(admin_url: str, amqp_url: str, folder: Path, secrets_folder: Path | None, as_json: bool) -> None:
    """检查差异 / tell where the broker differs from the files; passwords that are kept here are compared as well. Exit code 1 if it does."""
    drifts = bus.check(admin_url, folder, _kept(_secrets(secrets_folder)), vhost=_vhost(amqp_url))
    if as_json:
        _print_json([each.as_dict() for each in drifts])
    else:
        _print_drifts(drifts)
    if drifts:
        raise SystemExit(1)


def _secrets(folder: Path | None) -> Secrets:
    return RunFolder().broker_users if folder is None else Secrets(folder)


def _kept(secrets: Secrets) -> KnownPasswords:
    """Return where passwords are looked up by a command that makes none."""
    return lambda user: secrets.get(user) if (secrets.folder / user).exists() else None


def _vhost(amqp_url: str) -> str:
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


def _print_json(content: Any) -> None:
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def _print_drifts(drifts: Sequence[Drift]) -> None:
    for each in drifts:
        found = "" if each.found is None else f"\n    wanted {each.wanted}\n    found  {each.found}"
        click.echo(f"{each}{found}")
    click.echo(f"{len(drifts)} 处不一致 differences" if drifts else "代理与文件一致 the broker is as the files say")

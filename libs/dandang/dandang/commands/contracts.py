"""`dandang contracts`: the event contracts are checked, frozen, and written down for other departments."""

from pathlib import Path

import click

from citybus.contracts import ContractsInvalid
from dandang.contracts import DOCUMENT, Contracts, load
from dandang.local.state import PROJECT


@click.group()
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=PROJECT / "contracts")
@click.option(
    "--topology",
    "topology_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=PROJECT / "deploy" / "rabbitmq",
)
@click.pass_context
def contracts(context: click.Context, folder: Path, topology_folder: Path) -> None:
    """事件契约 / check, freeze and document the event contracts."""
    context.obj = load(folder, topology_folder)


@contracts.command()
@click.pass_obj
def check(found: Contracts) -> None:
    """检查契约 / tell all that is wrong with contracts, examples and their bindings. Exit code 1 if anything is."""
    if problems := found.problems():
        raise ContractsInvalid(problems)
    click.echo(f"{len(found.types)} 个契约无误 contracts are in order")


@contracts.command()
@click.pass_obj
def freeze(found: Contracts) -> None:
    """冻结契约 / record new types and revisions as published. Refuses where a published one was changed."""
    click.echo("\n".join(found.freeze()) or "没有新内容 nothing is new")


@contracts.command()
@click.pass_obj
def build(found: Contracts) -> None:
    """生成文档 / write asyncapi.yaml anew."""
    click.echo(f"{DOCUMENT} 已更新 is written" if found.build() else f"{DOCUMENT} 无变化 was current")

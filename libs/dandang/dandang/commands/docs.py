"""`dandang docs`: the documents that are made from the code are written, or checked to be current."""

import sys

import click

from dandang import documents
from dandang.local.state import PROJECT

FOLDER = PROJECT / "docs" / "domain"


@click.group()
def docs() -> None:
    """文档 / documents made from the code: state diagrams and rules."""


@docs.command()
def build() -> None:
    """生成文档 / write what is not current."""
    written = documents.build(FOLDER)
    click.echo("\n".join(written) or "无变化 all current")


@docs.command()
def check() -> None:
    """检查文档 / tell what is not current. Exit code 1 if anything is not."""
    if stale := documents.outdated(FOLDER):
        click.echo("\n".join(stale), err=True)
        click.echo("运行 run: dandang docs build", err=True)
        sys.exit(1)

"""`dandang prepare`: what a machine must have before a private broker can run."""

import os

import click

from dandang.local import broker
from dandang.local.state import PROJECT


@click.command()
def prepare() -> None:
    """安装缺少的软件 / install what is missing, where we may: today only RabbitMQ, unless a broker is given."""
    if not os.environ.get("CITY_AMQP_URL") and broker.ensure_installed(PROJECT):
        click.echo("已安装 RabbitMQ，未启动系统代理 / installed RabbitMQ; no system broker was started")

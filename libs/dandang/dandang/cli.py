"""The command line of the operators: `dandang <command>`."""

import os
import sys

import click

from citybus.errors import CityError
from dandang.commands import (
    audit,
    clock,
    contracts,
    dead,
    digest,
    docs,
    down,
    prepare,
    reconcile,
    status,
    token,
    topology,
    up,
    year,
)
from dandang.commands import slice as the_slice
from dandang.local import city
from dandang.local.errors import LocalError
from dandang.local.state import RunFolder

_FIND_NO_CITY = ("up", "down", "prepare", "contracts", "docs")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.pass_context
def cli(context: click.Context) -> None:
    """担当：把城市跑起来，看它，修它 / run the city, look at it, mend it.

    Commands find a city by the environment (CITY_AMQP_URL, CITY_RABBITMQ_ADMIN_URL, CITY_DATABASE_URL, …); where that
    says nothing, they take the one that `dandang up` runs on this machine.
    """
    if context.invoked_subcommand not in _FIND_NO_CITY:
        city.adopt(RunFolder(), os.environ)


cli.add_command(up.up)
cli.add_command(down.down)
cli.add_command(status.status)
cli.add_command(dead.dead)
cli.add_command(audit.audit)
cli.add_command(clock.clock)
cli.add_command(digest.digest)
cli.add_command(reconcile.reconcile)
cli.add_command(prepare.prepare)
cli.add_command(the_slice.play_slice)
cli.add_command(year.play_year)
cli.add_command(token.token)
cli.add_command(topology.topology)
cli.add_command(contracts.contracts)
cli.add_command(docs.docs)


def main() -> None:
    """Run the command line. An error that is meant for a person is told in words, with exit code 1."""
    try:
        cli()
    except (LocalError, CityError) as error:
        click.secho(str(error), fg="red", err=True)
        sys.exit(1)

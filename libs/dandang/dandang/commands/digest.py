"""`dandang digest`: one hash per service of its business state, to compare two cities that lived the same year."""

import json

import click
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from dandang.digest import Digest
from dandang.local.errors import LocalError
from dandang.local.processes import SERVICES


@click.command("digest")
@click.option("--database-url", envvar="CITY_DATABASE_URL", required=True, help="数据库管理员 / the administrator's.")
@click.option(
    "--tables", is_flag=True, help="逐表列出，以查两城差在何处 / of each table too: in what two cities differ."
)
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def digest(database_url: str, tables: bool, as_json: bool) -> None:
    """摘要 / print a hash of each service's business state, without generated ids and wall times."""
    found = Digest()
    for service in SERVICES:
        url = make_url(database_url).set(drivername="postgresql+psycopg2", database=f"city_{service}")
        try:
            with create_engine(url, poolclass=NullPool).connect() as connection:
                found.add(service, connection)
        except OperationalError as error:
            raise LocalError(f"city_{service}: {str(error.orig).strip()}") from None
    if as_json:
        told = {service: {"digest": found.services[service], "tables": found.tables[service]} for service in SERVICES}
        click.echo(json.dumps(told if tables else found.services, indent=2))
        return
    for service, value in found.services.items():
        click.echo(f"{service:<14}{value}  {found.rows[service]}")
        for table, hashed in found.tables[service].items() if tables else ():
            click.echo(f"  {table:<38}{hashed}")

"""`dandang audit`: whether the audit trails are as they were written."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from citybus.audit import AuditKeyError, Checkpoint, Report, public_key, verify
from citybus.database import engine
from dandang.local.errors import LocalError
from dandang.local.processes import SERVICES


@click.group()
def audit() -> None:
    """审计 / the audit trails."""


@audit.command("verify")
@click.option("--service", "services", multiple=True, help="只查这些服务 / only these.")
@click.option("--chain", type=click.IntRange(0, 15), help="只查这一条链 / only this chain.")
@click.option(
    "--trusted",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="另处留存的检查点，取最后一行 / a file with a checkpoint that was kept elsewhere; its last line counts.",
)
@click.option("--incremental", is_flag=True, help="只查该检查点之后 / only what came after the trusted checkpoint.")
@click.option("--database-url", envvar="CITY_DATABASE_URL", required=True, help="数据库管理员 / the administrator's.")
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def verify_(
    services: tuple[str, ...],
    chain: int | None,
    trusted: Path | None,
    incremental: bool,
    database_url: str,
    as_json: bool,
) -> None:
    """核验审计链 / check that no entry was altered, removed or inserted. Exit code 1 where one was.

    Signatures of checkpoints are checked with <SERVICE>_AUDIT_PUBLIC_KEY_FILE, or the key that signs them.
    """
    wanted = services or SERVICES
    if trusted is not None and len(wanted) != 1:
        raise click.UsageError("--trusted 须与一个 --service 同用 / --trusted goes with one --service")
    if incremental and trusted is None:
        raise click.UsageError("--incremental 须与 --trusted 同用 / --incremental goes with --trusted")
    checkpoint = None if trusted is None else read_checkpoint(trusted)
    reports = {}
    for service in wanted:
        opened = engine(
            make_url(database_url)
            .set(drivername="postgresql+psycopg2", database=f"city_{service}")
            .render_as_string(hide_password=False),
            application="dandang audit",
        )
        try:
            reports[service] = verify(
                opened, chain=chain, key=_key(service), trusted=checkpoint, incremental=incremental
            )
        except OperationalError as error:
            raise LocalError(f"city_{service}: {str(error.orig).strip()}") from None
        finally:
            opened.dispose()
    if as_json:
        content = {service: {"ok": report.ok, **asdict(report)} for service, report in reports.items()}
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        _print(reports)
    if not all(report.ok for report in reports.values()):
        raise SystemExit(1)


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in the last line of a file: the line itself, or a log line that holds it.

    Raises LocalError where there is none.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        line = lines[-1]
        return Checkpoint.from_json(json.loads(line).get("checkpoint", line))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise LocalError(f"{path} 的最后一行不是检查点 / the last line of {path} is no checkpoint") from None


def _key(service: str) -> Ed25519PublicKey | None:
    prefix = service.upper()
    path = os.environ.get(f"{prefix}_AUDIT_PUBLIC_KEY_FILE") or os.environ.get(f"{prefix}_AUDIT_KEY_FILE")
    if not path:
        return None
    try:
        return public_key(Path(path).read_text(encoding="utf-8"))
    except (OSError, AuditKeyError) as error:
        raise LocalError(f"{path}: {error}") from None


def _print(reports: Mapping[str, Report]) -> None:
    console = Console()
    table = Table("服务 service", "记录 entries", "检查点 checkpoints", "签名 signatures", "结果 result")
    for service, report in reports.items():
        signatures = "checked" if report.signatures_checked else "[yellow]no key[/yellow]"
        result = "[green]ok[/green]" if report.ok else f"[red]{len(report.problems)}[/red]"
        table.add_row(service, str(report.entries), str(report.checkpoints), signatures, result)
    console.print(table)
    for service, report in reports.items():
        for problem in report.problems:
            console.print(f"[red]{service}: {problem}[/red]", highlight=False)

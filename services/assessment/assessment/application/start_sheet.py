"""Take in the sheet of a year (A8): it is looked through at once, and recorded by a job."""

import hashlib
from typing import Any, Final

from assessment.application.officer import kept
from assessment.application.rulebook import Rulebook
from assessment.domain.annual_sheet import sheet_kind, sheet_rules
from assessment.persistence.models import AnnualSheetRow
from assessment.workbooks.read import read_tables
from assessment.workbooks.scan import scan
from citybus import jobs
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.rulepack import Rules
from citybus.secrecy import refuse_marked
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Place, Vault

JOB: Final = "annual-sheet"
RECEIVED: Final = "RECEIVED"


def place_of(sheet_id: str) -> Place:
    """Return where the workbook of an upload is sealed."""
    return Place("annual_sheets", "workbook", sheet_id)


def start_sheet(
    rulebook: Rulebook, vault: Vault, uow: UnitOfWork, actor: Actor, *, file_name: str, content: bytes
) -> AnnualSheetRow:
    """Keep the workbook, sealed, and queue its job, which works as `actor`.

    Raises Refusal: 451 `SECRECY_LEVEL`, with the rows, where any text in it, or its name, bears a mark of state secrets: it
    is not kept then; 422 `WORKBOOK_UNREADABLE`, `WORKBOOK_ACTIVE`; 413 `WORKBOOK_TOO_LARGE`.
    """
    rules = rulebook.on(uow.clock.today())
    try:
        refuse_marked((file_name, *scan(content).texts), rules)
    except Refusal as refusal:
        if refusal.code == "SECRECY_LEVEL":
            refusal.figures["rows"] = marked_rows(content, rules)
        raise
    sheet_id, digest = new_id(), hashlib.sha256(content).hexdigest()
    row = AnnualSheetRow(
        id=sheet_id,
        state=RECEIVED,
        file_name=file_name,
        sha256=digest,
        size=len(content),
        workbook=vault.seal(place_of(sheet_id), content),
        job_id=jobs.enqueue(
            uow.session,
            JOB,
            {"sheet": sheet_id, "officer": kept(uow, actor)},
            created_by=actor.subject,
            correlation_id=uow.context.correlation_id,
        ),
        uploaded_by=actor.subject,
        uploaded_at=uow.clock.now(),
        rows_new=0,
        rows_same=0,
        rows_refused=0,
    )
    uow.session.add(row)
    uow.audit("annual-sheet.upload", f"annual-sheet/{sheet_id}", written={"sha256": digest, "size": len(content)})
    return row


def marked_rows(content: bytes, rules: Rules) -> list[int]:
    """Return the numbers of the sheet's rows in which a text bears a mark of state secrets."""
    tables, _ = read_tables(content, (sheet_kind(sheet_rules(rules)),))
    return [number for table in tables for number, cells in table.rows if _is_marked(cells, rules)]


def _is_marked(cells: Any, rules: Rules) -> bool:
    try:
        refuse_marked((cell for cell in cells if isinstance(cell, str)), rules)
    except Refusal:
        return True
    return False

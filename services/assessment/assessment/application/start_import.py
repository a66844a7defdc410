"""Take in a roster workbook (A1): it is looked through at once, and imported by a job."""

import hashlib
from typing import Final

from assessment.application.rulebook import Rulebook
from assessment.persistence.models import ImportRow
from assessment.workbooks.scan import scan
from citybus import jobs
from citybus.ids import new_id
from citybus.secrecy import refuse_marked
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Place, Vault

JOB: Final = "roster-import"
RECEIVED: Final = "RECEIVED"


def place_of(import_id: str) -> Place:
    """Return where the workbook of an import is sealed."""
    return Place("roster_imports", "workbook", import_id)


def start_import(rulebook: Rulebook, vault: Vault, uow: UnitOfWork, *, file_name: str, content: bytes) -> ImportRow:
    """Keep the workbook, sealed, and queue its import.

    Raises Refusal: 451 `SECRECY_LEVEL` where any text in it, or its name, bears a mark of state secrets: it is not kept
    then; 422 `WORKBOOK_UNREADABLE`, `WORKBOOK_ACTIVE`; 413 `WORKBOOK_TOO_LARGE`.
    """
    rules = rulebook.on(uow.clock.today())
    texts = scan(content).texts
    refuse_marked((file_name, *texts), rules)
    import_id, digest = new_id(), hashlib.sha256(content).hexdigest()
    row = ImportRow(
        id=import_id,
        state=RECEIVED,
        file_name=file_name,
        sha256=digest,
        size=len(content),
        workbook=vault.seal(place_of(import_id), content),
        job_id=jobs.enqueue(
            uow.session,
            JOB,
            {"import": import_id},
            created_by=uow.context.actor,
            correlation_id=uow.context.correlation_id,
        ),
        uploaded_by=uow.context.actor,
        uploaded_at=uow.clock.now(),
    )
    uow.session.add(row)
    uow.audit("roster.upload", f"roster-import/{import_id}", written={"sha256": digest, "size": len(content)})
    return row

"""Store a file of evidence under the SHA-256 sum of its content (X9)."""

import hashlib

from citybus.evidence import refuse_unfit
from citybus.unit_of_work import UnitOfWork
from supervision.application.rulebook import Rulebook
from supervision.persistence.models import EvidenceRow


def store_evidence(
    rulebook: Rulebook, uow: UnitOfWork, *, name: str, media_type: str, content: bytes
) -> tuple[EvidenceRow, bool]:
    """Return the row of the file and whether it is new: the same content is kept once, under its first name.

    Raises Refusal: see `citybus.evidence.refuse_unfit`.
    """
    refuse_unfit(name, media_type, content, rulebook.on(uow.clock.today()))
    digest = hashlib.sha256(content).hexdigest()
    row = uow.session.get(EvidenceRow, digest)
    if row is not None:
        uow.audit("evidence.store", f"evidence/{digest}", result="KNOWN")
        return row, False
    row = EvidenceRow(
        sha256=digest,
        media_type=media_type,
        size=len(content),
        name=name,
        content=content,
        uploaded_by=uow.context.actor,
        uploaded_at=uow.clock.now(),
    )
    uow.session.add(row)
    uow.audit("evidence.store", f"evidence/{digest}", written={"size": len(content), "media_type": media_type})
    return row, True

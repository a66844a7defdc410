"""Store the file that proves what a channel brought, under the SHA-256 sum of its content (N5)."""

import hashlib

from citybus.unit_of_work import UnitOfWork
from notification.application.rulebook import Rulebook
from notification.domain.proof import refuse_unfit
from notification.persistence.models import ProofRow


def store_proof(rulebook: Rulebook, uow: UnitOfWork, *, media_type: str, content: bytes) -> tuple[ProofRow, bool]:
    """Return the row of the file and whether it is new: the same content is kept once.

    Raises Refusal: see `domain.proof.refuse_unfit`.
    """
    refuse_unfit(media_type, content, rulebook.on(uow.clock.today()))
    digest = hashlib.sha256(content).hexdigest()
    row = uow.session.get(ProofRow, digest)
    if row is not None:
        uow.audit("proof.store", f"proof/{digest}", result="KNOWN")
        return row, False
    row = ProofRow(
        sha256=digest,
        media_type=media_type,
        size=len(content),
        content=content,
        uploaded_by=uow.context.actor,
        uploaded_at=uow.clock.now(),
    )
    uow.session.add(row)
    uow.audit("proof.store", f"proof/{digest}", written={"size": len(content), "media_type": media_type})
    return row, True

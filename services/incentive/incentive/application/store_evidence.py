"""Store a file of evidence under the SHA-256 sum of its content, and that this actor uploaded it (X9)."""

import hashlib

from sqlalchemy.dialects.postgresql import insert

from citybus.evidence import refuse_unfit
from citybus.unit_of_work import UnitOfWork
from incentive.application.rulebook import Rulebook
from incentive.persistence.models import EvidenceRow, UploadRow


def store_evidence(
    rulebook: Rulebook, uow: UnitOfWork, *, name: str, media_type: str, content: bytes
) -> tuple[UploadRow, bool]:
    """Return the upload and whether it is new to this actor: content is kept once, and each actor's first name for it.

    Whether somebody else has uploaded the same is not told. Raises Refusal: see `citybus.evidence.refuse_unfit`.
    """
    refuse_unfit(name, media_type, content, rulebook.on(uow.clock.today()))
    session, digest, actor = uow.session, hashlib.sha256(content).hexdigest(), uow.context.actor
    known = session.get(UploadRow, (digest, actor))
    if known is not None:
        uow.audit("evidence.store", f"evidence/{digest}", result="KNOWN")
        return known, False
    session.execute(
        insert(EvidenceRow)
        .values(sha256=digest, media_type=media_type, size=len(content), content=content)
        .on_conflict_do_nothing()
    )
    upload = UploadRow(sha256=digest, uploaded_by=actor, name=name, uploaded_at=uow.clock.now())
    session.add(upload)
    uow.audit("evidence.store", f"evidence/{digest}", written={"size": len(content), "media_type": media_type})
    return upload, True

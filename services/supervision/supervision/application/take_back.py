"""Take back, or hold back, what was made public about a finding, when the finding is excused, revoked or contested (I5, S8)."""

from typing import Final

from sqlalchemy import select

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.unit_of_work import UnitOfWork
from supervision.domain.bulletin import OUT, PLANNED, must_go
from supervision.persistence.models import BulletinRow

REASONS: Final = {"EXEMPT": "TOLERANCE_EXEMPT", "MITIGATE": "TOLERANCE_MITIGATE", "REVOKED": "FINDING_REVOKED"}
"""What took a bulletin back (rule `bulletin.withdrawn_by`) → why it is withdrawn (rule `bulletin.withdrawal_reasons`)."""


def take_back(bulletins: Cases, uow: UnitOfWork, finding_id: str, cause: str) -> None:
    """Withdraw what is out about the finding, and reject what is planned, where the rules say that `cause` does so."""
    takes_back = bulletins.rules(uow.clock.today())["bulletin.withdrawn_by"]
    for bulletin in _about(uow, finding_id, OUT | PLANNED):
        if not must_go(takes_back, (cause,), bulletin.named):
            continue
        code = REASONS[cause]
        if bulletin.state in OUT:
            form = {"reason_code": code, "reason": code}
            bulletins.take(uow, bulletin.id, "withdraw", system_actor("supervision"), form)
        elif bulletin.state in PLANNED:
            bulletins.take(uow, bulletin.id, "reject", system_actor("supervision"), {"reason": code})


def hold_back(bulletins: Cases, uow: UnitOfWork, finding_id: str, code: str) -> None:
    """Hold back what is scheduled about the finding, while something is open on it that `code` names."""
    for bulletin in _about(uow, finding_id, frozenset({"SCHEDULED"})):
        if bulletin.state == "SCHEDULED":
            form = {"code": code, "reason": code}
            bulletins.take(uow, bulletin.id, "hold", system_actor("supervision"), form)


def _about(uow: UnitOfWork, finding_id: str, states: frozenset[str]) -> list[BulletinRow]:
    """Return the bulletins about a finding, locked one after the other: their state is what it is now."""
    found = select(BulletinRow.id).where(
        BulletinRow.findings.contains([finding_id]), BulletinRow.state.in_(sorted(states))
    )
    ids = uow.session.scalars(found.order_by(BulletinRow.id)).all()
    return [uow.session.get_one(BulletinRow, each, with_for_update=True) for each in ids]

"""Have everybody who was sent the notice of a finding told that it was corrected (N6): weighed less, or more again, or revoked."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select

from citybus.cases import Cases
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from notification.application.deliver import deliver
from notification.domain.delivery import Recipient
from notification.domain.document import Document
from notification.persistence.models import DeliveryRow

WEIGHED_LESS: Final = "WEIGHED_LESS"
WEIGHED_MORE: Final = "WEIGHED_MORE"
FINDING_REVOKED: Final = "FINDING_REVOKED"


def tell_weight(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver the correction where fault tolerance has changed what the finding weighs; once for each change.

    Who was told so is told of each later change as well: the tolerance may be revoked, or the finding relapse.
    """
    finding, weight = str(data["finding"]), data["effective_weight"]
    last = _told_last(uow, finding)
    if last is None and data["tolerance"] is None:
        return
    correction = WEIGHED_MORE if last is not None and Decimal(weight) > last else WEIGHED_LESS
    _correct(deliveries, uow, event, finding, correction, weight)


def tell_revocation(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver the correction where the finding is revoked."""
    _correct(deliveries, uow, event, str(data["finding"]), FINDING_REVOKED, "0")


def _told_last(uow: UnitOfWork, finding: str) -> Decimal | None:
    """Return what the finding weighs by the last correction; None where there was none."""
    row = DeliveryRow
    last = (
        select(row.particulars)
        .where(row.document == Document.FINDING_CORRECTION, row.ref == f"finding/{finding}")
        .order_by(row.id.desc())
        .limit(1)
    )
    found = uow.session.scalars(last).one_or_none()
    return None if found is None else Decimal(found["weight"])


def _correct(deliveries: Cases, uow: UnitOfWork, event: Event, finding: str, correction: str, weight: str) -> None:
    row = DeliveryRow
    ref = f"finding/{finding}"
    notified = uow.session.execute(
        select(row.recipient_kind, row.recipient_id)
        .where(row.document == Document.FINDING_NOTICE, row.ref == ref)
        .order_by(row.recipient_id)
    ).all()
    particulars = {
        "finding": finding,
        "correction": correction,
        "weight": weight,
        "told_on": event.time.astimezone(ZONE).date().isoformat(),
    }
    for kind, recipient in notified:
        to = (Recipient(kind), recipient)
        deliver(deliveries, uow, Document.FINDING_CORRECTION, ref, to, particulars, occasion=event.id)

"""Have everybody who was sent the notice of a finding told that it was corrected (N6): weighed less, or revoked."""

from collections.abc import Mapping
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
FINDING_REVOKED: Final = "FINDING_REVOKED"


def tell_weight(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver the correction where fault tolerance has changed what the finding weighs; once for each change."""
    if data["tolerance"] is not None:
        _correct(deliveries, uow, event, str(data["finding"]), WEIGHED_LESS, data["effective_weight"])


def tell_revocation(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver the correction where the finding is revoked."""
    _correct(deliveries, uow, event, str(data["finding"]), FINDING_REVOKED, "0")


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

"""Have everybody who was sent a notice told that it was corrected (N6): of a finding its points, of other matters what became of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

NOTICES: Final = (
    Document.RECALL_NOTICE,
    Document.RECALL_OUTCOME,
    Document.MEASURE_NOTICE,
    Document.SANCTION_NOTICE,
    Document.ADJUSTMENT_NOTICE,
)
"""The notices of matters that may be taken back, or changed, after they were served."""
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


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a matter after its notice: `holds` says whether the event tells of that; `until` names its end, if any."""

    label: str
    holds: Callable[[Mapping[str, Any]], bool] = lambda _data: True
    until: str | None = None

    def __call__(self, deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        """Deliver the correction to whoever was sent a notice of the matter, once for each change."""
        if not self.holds(data):
            return
        row = DeliveryRow
        notified = uow.session.execute(
            select(row.recipient_kind, row.recipient_id)
            .where(row.document.in_(NOTICES), row.ref == event.subject)
            .distinct()
            .order_by(row.recipient_kind, row.recipient_id)
        ).all()
        matter, _, number = event.subject.partition("/")
        until = data[self.until] if self.until else None
        particulars = {
            "matter": matter,
            "number": number,
            "change": self.label,
            "until": until and until.isoformat(),
            "told_on": event.time.astimezone(ZONE).date().isoformat(),
        }
        for kind, recipient in notified:
            to = (Recipient(kind), recipient)
            deliver(deliveries, uow, Document.NOTICE_CORRECTION, event.subject, to, particulars, occasion=event.id)


CHANGES: Final[Mapping[str, Change]] = {
    "supervision.recall.cancelled.v1": Change("MATTER_CANCELLED"),
    "supervision.measure.closed.v1": Change("MATTER_REVOKED", lambda data: bool(data["state"] == "REVOKED")),
    "supervision.measure.delivered.v1": Change("MATTER_EASED", lambda data: bool(data["eased"]), "effect_until"),
    "supervision.sanction.modified.v1": Change("MATTER_MODIFIED", until="end_on"),
    "supervision.sanction.revoked.v1": Change("MATTER_REVOKED"),
    "supervision.adjustment.reversed.v1": Change("MATTER_REVOKED"),
}
"""By event: what is told to whom a notice of the matter went."""

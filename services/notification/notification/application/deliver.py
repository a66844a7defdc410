"""Have a document served: at once where the roster knows the recipient, else as soon as it does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import and_, exists, or_, select

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.ids import new_id
from citybus.unit_of_work import Context, UnitOfWork, Units
from notification.application.deliveries import addressee
from notification.domain.delivery import Recipient
from notification.domain.document import Document
from notification.persistence.models import CadreRow, DeliveryRow, UnitRow

SERVICE: Final = "notification"
_BATCH: Final = 100


def deliver(
    deliveries: Cases,
    uow: UnitOfWork,
    document: Document,
    ref: str,
    recipient: tuple[Recipient, str],
    particulars: Mapping[str, Any],
) -> None:
    """Queue `document` about `ref` for its recipient, once, and send it where the recipient is known."""
    kind, recipient_id = recipient
    row = DeliveryRow
    same = (row.document == document, row.ref == ref, row.recipient_kind == kind, row.recipient_id == recipient_id)
    if uow.session.execute(select(row.id).where(*same)).one_or_none() is not None:
        return
    actor = system_actor(SERVICE)
    form = {
        "document": document,
        "ref": ref,
        "recipient_kind": kind,
        "recipient_id": recipient_id,
        "particulars": dict(particulars),
    }
    case = deliveries.open(uow, actor, form)
    if addressee(uow, kind, recipient_id) is not None:
        deliveries.take(uow, case.id, "dispatch", actor, {})


def dispatch_queued(deliveries: Cases, units: Units) -> int:
    """Send what waits for recipients whom the roster knows by now, and return how many there were.

    The roster and the matter come by different queues, in any order. Call it regularly, in any number of replicas.
    """
    row = DeliveryRow
    cadre_known = exists().where(CadreRow.id == row.recipient_id, UnitRow.code == CadreRow.unit)
    unit_known = exists().where(UnitRow.code == row.recipient_id)
    waiting = (
        select(row)
        .where(
            row.state == "QUEUED",
            or_(
                and_(row.recipient_kind == Recipient.CADRE, cadre_known),
                and_(row.recipient_kind == Recipient.UNIT, unit_known),
            ),
        )
        .order_by(row.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True, of=row)
    )
    actor = system_actor(SERVICE)
    with units(Context(actor.subject, (), "dispatch", correlation_id=new_id())) as uow:
        found = uow.session.scalars(waiting).all()
        for case in found:
            # Each goes on under the correlation of what led to it.
            uow.context = replace(uow.context, correlation_id=case.correlation_id)
            deliveries.take(uow, case.id, "dispatch", actor, {})
        if found:
            uow.commit()
    return len(found)

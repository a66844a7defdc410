"""Have a document served: at once where the roster knows the recipient, else as soon as it does."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import and_, exists, or_, select

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.telemetry import logs
from citybus.unit_of_work import Context, UnitOfWork, Units
from notification.application.deliveries import addressee
from notification.domain.delivery import Recipient
from notification.domain.document import Document
from notification.persistence.models import CadreRow, DeliveryRow, UnitRow

SERVICE: Final = "notification"
_BATCH: Final = 100

logger = logs.get(__name__)


def deliver(
    deliveries: Cases,
    uow: UnitOfWork,
    document: Document,
    ref: str,
    recipient: tuple[Recipient, str],
    particulars: Mapping[str, Any],
    occasion: str = "",
) -> None:
    """Queue `document` about `ref` for its recipient, once, and send it where the recipient is known.

    Where the same document may be due again on the same matter, `occasion` tells one time from another.
    """
    kind, recipient_id = recipient
    row = DeliveryRow
    same = (
        row.document == document,
        row.ref == ref,
        row.occasion == occasion,
        row.recipient_kind == kind,
        row.recipient_id == recipient_id,
    )
    if uow.session.execute(select(row.id).where(*same)).one_or_none() is not None:
        return
    actor = system_actor(SERVICE)
    form = {
        "document": document,
        "ref": ref,
        "occasion": occasion,
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
        select(row.id, row.correlation_id)
        .where(
            row.state == "QUEUED",
            or_(
                and_(row.recipient_kind == Recipient.CADRE, cadre_known),
                and_(row.recipient_kind == Recipient.UNIT, unit_known),
            ),
        )
        .order_by(row.id)
        .limit(_BATCH)
    )
    with units.sessions() as session:
        found = session.execute(waiting).all()
    return sum(_dispatch(deliveries, units, case_id, correlation_id) for case_id, correlation_id in found)


def _dispatch(deliveries: Cases, units: Units, case_id: str, correlation_id: str) -> bool:
    """Send one, under the correlation of what led to it. One that fails is logged and tried again; it holds up no other."""
    actor = system_actor(SERVICE)
    with logs.bound(correlation_id=correlation_id, ref=f"delivery/{case_id}"):
        try:
            with units(Context(actor.subject, (), "dispatch", correlation_id)) as uow:
                case = uow.session.get_one(DeliveryRow, case_id, with_for_update=True)
                if case.state != "QUEUED":
                    return False
                deliveries.take(uow, case_id, "dispatch", actor, {})
                uow.commit()
        except Exception:
            logger.exception("a document was not sent")
            return False
        return True

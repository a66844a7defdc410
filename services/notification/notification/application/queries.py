"""What is read beside the cases themselves; every look is recorded (X1)."""

from typing import Any

from sqlalchemy import Select, select

from citybus.actor import Actor
from citybus.cases import Cases
from citybus.unit_of_work import UnitOfWork
from notification.domain.delivery import is_recipient, out_of_scope, require_opened
from notification.persistence.models import DeliveryRow, SentRow


def document(deliveries: Cases, uow: UnitOfWork, delivery_id: str, actor: Actor) -> DeliveryRow:
    """Return a delivery whose text `actor` may read: the recipient, once it is opened.

    Raises Refusal: 404, 403 `DATA_SCOPE`, 422 `NOT_OPENED`.
    """
    delivery: DeliveryRow = deliveries.read(uow, delivery_id, actor)
    if not is_recipient(delivery, actor):
        raise out_of_scope()
    require_opened(delivery)
    uow.audit("delivery.document.read", f"delivery/{delivery.id}", read=["content"])
    return delivery


def sent(subscriptions: Cases, uow: UnitOfWork, subscription_id: str, actor: Actor) -> Select[Any]:
    """Return the query for what was sent under a subscription that `actor` may read. Raises Refusal: 404, 403."""
    subscription = subscriptions.read(uow, subscription_id, actor)
    uow.audit("subscription.deliveries.read", f"subscription/{subscription.id}", read=["subject", "fields"])
    return select(SentRow).where(SentRow.subscription_id == subscription.id)

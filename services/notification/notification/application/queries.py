"""What is read beside the cases themselves; every look is recorded (X1), save those of the public."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, exists, select

from citybus.actor import Actor
from citybus.cases import Cases
from citybus.unit_of_work import UnitOfWork
from notification.domain.delivery import is_recipient, out_of_scope, require_opened
from notification.domain.publication import PUBLIC_CHANNELS, Channel
from notification.persistence.models import BulletinRow, DeliveryRow, ProofRow, PublicationRow, SentRow

STANDING: Final = ("PUBLISHED", "CORRECTED")
SHOWN: Final = (*STANDING, "WITHDRAWING", "WITHDRAWN")
MOST: Final = 200


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


def internal_bulletins(uow: UnitOfWork) -> Sequence[BulletinRow]:
    """Return the bulletins that stand on the internal channel, the newest first."""
    row, shown = BulletinRow, PublicationRow
    stands = exists().where(
        shown.bulletin == row.id,
        shown.channel == Channel.INTERNAL,
        shown.state.in_(("CONFIRMED", "PENDING")),
        shown.posted_on.is_not(None),
    )
    uow.audit("bulletin.list", "bulletins", read=["title", "text", "correction_text"])
    return uow.session.scalars(
        select(row).where(stands, row.state.in_((*STANDING, "PUBLISHING"))).order_by(row.changed_at.desc()).limit(MOST)
    ).all()


def public_bulletins(uow: UnitOfWork) -> Sequence[BulletinRow]:
    """Return the bulletins that anybody may see, and those withdrawn, without a word of them; the newest first."""
    row = BulletinRow
    return uow.session.scalars(
        select(row)
        .where(row.state.in_(SHOWN), row.channels.overlap(sorted(PUBLIC_CHANNELS)), row.published_on.is_not(None))
        .order_by(row.changed_at.desc(), row.id)
        .limit(MOST)
    ).all()


def public_bulletin(uow: UnitOfWork, bulletin: str) -> BulletinRow | None:
    """Return one bulletin that anybody may see, or None."""
    row = uow.session.get(BulletinRow, bulletin)
    if row is None or row.state not in SHOWN or row.published_on is None or not PUBLIC_CHANNELS & set(row.channels):
        return None
    return row


def proof(uow: UnitOfWork, digest: str) -> ProofRow | None:
    """Return a stored proof, or None."""
    uow.audit("proof.read", f"proof/{digest}", read=["content"])
    return uow.session.get(ProofRow, digest)

"""Pass an event on to the departments that may have it, and record what each was sent (N2)."""

from typing import Final

from sqlalchemy import insert, select

from citybus.envelope import Event
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork
from notification.application.catalogue import Catalogue
from notification.application.rulebook import Rulebook
from notification.domain.sharing import SHAREABLE, cut
from notification.domain.subscription import in_force
from notification.persistence.models import SentRow, SubscriptionRow

PUBLIC: Final = "city.public"


def share_event(catalogue: Catalogue, rulebook: Rulebook, uow: UnitOfWork, event: Event) -> None:
    """Publish, for each active subscription to the event's type, what it may have of the event.

    A department's events are numbered in a line of its own for each subject. Who caused the original is not told: the
    sender is this service, the cause the original event.
    """
    now = uow.clock.now()
    rules = rulebook.on(now.date())
    row = SubscriptionRow
    active = select(row).where(row.state == "ACTIVE", row.event_types.contains([event.type])).order_by(row.id)
    for subscription in uow.session.scalars(active):
        if not in_force(subscription, rules, now.date()):
            continue
        told = cut(
            event.type,
            catalogue.contracts[event.type].schema,
            event.data,
            subscription.fields[event.type],
            subscription.max_class,
            rules[SHAREABLE],
        )
        if told is None:
            continue
        uow.publish(
            Draft(
                type=event.type,
                subject=event.subject,
                data=told.data,
                dataclass=told.dataclass,
                rulepack=event.rulepack,
                exchange=PUBLIC,
                routing_key=f"dept.{subscription.department}.{event.type}",
                order_key=f"dept.{subscription.department}/{event.subject}",
            )
        )
        uow.session.execute(
            insert(SentRow).values(
                id=new_id(),
                subscription_id=subscription.id,
                department=subscription.department,
                event_id=event.id,
                type=event.type,
                subject=event.subject,
                fields=sorted(told.data),
                dataclass=told.dataclass,
                at=now,
            )
        )

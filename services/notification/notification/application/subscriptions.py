"""Subscriptions as cases: what their rules look up, and who sees them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, false, or_, true

from citybus.actor import Actor
from citybus.cases import Cases
from citybus.unit_of_work import UnitOfWork
from notification.application.catalogue import Catalogue
from notification.application.rulebook import Rulebook
from notification.domain.subscription import READERS, SUBSCRIPTION, SubscriptionFacts, scope
from notification.persistence.models import SubscriptionRow
from notification.schemas.published import subscription_state
from notification.schemas.requests import SubscriptionRequest
from notification.schemas.responses import SubscriptionView


def subscriptions(rulebook: Rulebook, catalogue: Catalogue) -> Cases:
    """Return subscriptions, bound to their table, form and facts."""
    known = SubscriptionFacts(departments=catalogue.departments, classes=catalogue.classes)

    def facts(uow: UnitOfWork, case: SubscriptionRow, action: str, form: Mapping[str, Any]) -> SubscriptionFacts:
        return known

    return Cases(
        case_type=SUBSCRIPTION,
        model=SubscriptionRow,
        rules=rulebook.on,
        payload=subscription_state,
        view=SubscriptionView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": SubscriptionRequest},
        facts=facts,
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which subscriptions `actor` may list: the same that may be read."""
    row = SubscriptionRow
    seen: list[ColumnElement[bool]] = []
    if actor.has("ORG") or actor.has("SECADM"):
        seen.append(true() if actor.units is None else row.unit.in_(sorted(actor.units)))
    if actor.has("SUBSYS") and actor.unit:
        seen.append(row.unit == actor.unit)
    return or_(false(), *seen)

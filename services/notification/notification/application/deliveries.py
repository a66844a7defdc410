"""Deliveries as cases: what their rules look up, and who sees them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_

from citybus.actor import Actor
from citybus.cases import Action, Cases, Step
from citybus.unit_of_work import UnitOfWork
from notification.application.rulebook import Rulebook
from notification.domain.delivery import (
    DELIVERY,
    READERS,
    Addressee,
    DeliveryFacts,
    Recipient,
    event_type,
    may_read,
    out_of_scope,
    scope,
)
from notification.persistence.models import CadreRow, DeliveryRow, UnitRow
from notification.schemas.published import delivery_state
from notification.schemas.requests import BeforeWitness
from notification.schemas.responses import DeliveryView


class Deliveries(Cases):
    """Deliveries: which of its unit's documents somebody may see depends on the role as well."""

    def refuse_reader(self, actor: Actor, case: Any) -> None:
        """Raise 403 where `actor` is neither the recipient nor has to serve the document on paper."""
        super().refuse_reader(actor, case)
        if not may_read(case, actor):
            raise out_of_scope()

    def _record(
        self, uow: UnitOfWork, step: Step, action: Action, source: str | None, firing: str | None = None
    ) -> None:
        """Record as every case does, the event in the version that knows the document."""
        told = replace(action, event=event_type(step.case, action.event)) if action.event else action
        super()._record(uow, step, told, source, firing)


def deliveries(rulebook: Rulebook) -> Deliveries:
    """Return deliveries, bound to their table, forms and facts."""
    return Deliveries(
        case_type=DELIVERY,
        model=DeliveryRow,
        rules=rulebook.on,
        payload=delivery_state,
        view=DeliveryView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"refuse": BeforeWitness, "substitute": BeforeWitness},
        facts=facts,
    )


def facts(uow: UnitOfWork, case: DeliveryRow, action: str, form: Mapping[str, Any]) -> DeliveryFacts:
    """Look up the recipient, or the witness, in the roster."""
    if action in ("dispatch", "paper_due"):
        return DeliveryFacts(addressee=addressee(uow, case.recipient_kind, case.recipient_id))
    if "witness" in form:
        witness = uow.session.get(CadreRow, form["witness"])
        return DeliveryFacts(witness_known=witness is not None, witness_left=witness is not None and witness.has_left)
    return DeliveryFacts()


def addressee(uow: UnitOfWork, kind: str, recipient: str) -> Addressee | None:
    """Return the recipient as the roster knows it, or None while it does not, or not the unit."""
    session = uow.session
    cadre = session.get(CadreRow, recipient) if kind == Recipient.CADRE else None
    if kind == Recipient.CADRE and cadre is None:
        return None
    unit = session.get(UnitRow, cadre.unit if cadre else recipient)
    if unit is None:
        return None
    return Addressee(name=cadre.name if cadre else unit.name, unit=unit.code, unit_name=unit.name)


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which deliveries `actor` may list: the same that may be read."""
    row = DeliveryRow
    seen: list[ColumnElement[bool]] = []
    if actor.has("CADRE") and actor.person:
        seen.append(and_(row.recipient_kind == Recipient.CADRE, row.recipient_id == actor.person))
    if actor.has("UNITHEAD") and actor.unit:
        seen.append(and_(row.recipient_kind == Recipient.UNIT, row.recipient_id == actor.unit))
    if actor.has("UNITHR") and actor.unit:
        seen.append(and_(row.paper_due_on.is_not(None), row.unit == actor.unit))
    return and_(row.state != "QUEUED", or_(false(), *seen))

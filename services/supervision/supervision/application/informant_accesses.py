"""Accesses to informants' identities as cases, and the one way in which an identity is read."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Vault
from supervision.application.post_signal import IDENTITY, place_of
from supervision.application.rulebook import Rulebook
from supervision.domain import signal
from supervision.domain.informant_access import (
    INFORMANT_ACCESS,
    SIGNAL_READERS,
    AccessFacts,
    Concerned,
    may_read,
    scope,
)
from supervision.persistence.models import InformantAccessRow, InformantRow, SignalRow
from supervision.schemas.requests import InformantAccessRequest
from supervision.schemas.responses import InformantAccessView

READERS: Final[Mapping[str, Reach]] = {**dict.fromkeys(SIGNAL_READERS, Reach.OFFICE), "CUSTODIAN": Reach.OFFICE}


def informant_accesses(rulebook: Rulebook) -> Cases:
    """Return accesses, bound to their table, forms and facts."""
    return Cases(
        case_type=INFORMANT_ACCESS,
        model=InformantAccessRow,
        rules=rulebook.on,
        payload=_told,
        view=InformantAccessView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": InformantAccessRequest},
        facts=facts,
    )


def _told(case: InformantAccessRow) -> dict[str, Any]:
    # An access publishes no event.
    return {"informant_access": case.id}


def facts(uow: UnitOfWork, case: InformantAccessRow, action: str, form: Mapping[str, Any]) -> AccessFacts:
    """Look up the signal that is asked about, and who asks already."""
    if action != "create":
        return AccessFacts()
    # Held, so that nobody asks twice at once.
    found = uow.session.get(SignalRow, str(form["signal"]), with_for_update=True)
    if found is None:
        return AccessFacts()
    row = InformantAccessRow
    asking = select(row.asked_by).where(row.signal_id == found.id, row.state.in_(("REQUESTED", "GRANTED")))
    return AccessFacts(
        signal=Concerned(signal.scope(found), found.has_informant), asking=frozenset(uow.session.scalars(asking))
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which accesses `actor` may list: the same that `scope` lets them read."""
    row = InformantAccessRow
    if not any(actor.has(role) for role in READERS):
        return false()
    within = true() if actor.units is None else row.units.contained_by(sorted(actor.units))
    own: list[ColumnElement[bool]] = []
    if actor.person:
        own.append(row.persons.contains([actor.person]))
    if actor.unit:
        own.append(row.units.contains([actor.unit]))
    return and_(within, not_(or_(false(), *own)))


def identity(accesses: Cases, vault: Vault, uow: UnitOfWork, access_id: str, actor: Actor) -> dict[str, str | None]:
    """Return the informant's identity to who was granted the access, and record that it was read.

    Raises Refusal: 404, 403 `DATA_SCOPE` or `FORBIDDEN`, 422 `ACCESS_NOT_GRANTED`, `ACCESS_OVER`.
    """
    case: InformantAccessRow = accesses.read(uow, access_id, actor)
    may_read(case, actor.subject, uow.clock.today())
    row = uow.session.get_one(InformantRow, case.signal_id)
    found: dict[str, str] = orjson.loads(vault.open(place_of(case.signal_id), row.identity))
    uow.audit("informant.read", f"signal/{case.signal_id}", read=sorted(found), written={"access": case.id})
    return {name: found.get(name) for name in IDENTITY}

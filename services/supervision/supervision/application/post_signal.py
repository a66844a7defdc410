"""Take a posted clue in, and keep who told of it apart and sealed (S1); what the poster may see of it afterwards."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Select, select

from citybus.cases import Actor, Cases
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Place, Vault
from supervision.persistence.models import InformantRow, SignalRow

IDENTITY: Final = ("name", "contact")
"""What is kept of an informant."""


def post_signal(signals: Cases, vault: Vault, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> SignalRow:
    """Open a signal and return it; the informant of the form, where there is one, goes into a table of its own.

    Raises Refusal: what `receive` raises, 451 `SECRECY_LEVEL`, 503 `DEPENDENCY_STALE`.
    """
    informant: Mapping[str, str] | None = form.get("informant")
    if informant is not None:
        refuse_marked([informant.get(name) for name in IDENTITY], signals.rules(uow.clock.today()))
    # The case's own steps, and so its history and audit, never come to know the identity.
    case: SignalRow = signals.open(uow, actor, {name: form[name] for name in form if name != "informant"})
    if informant is not None:
        case.has_informant = True
        told = orjson.dumps({name: informant[name] for name in IDENTITY if name in informant})
        uow.session.add(
            InformantRow(signal_id=case.id, identity=vault.seal(place_of(case.id), told), recorded_at=uow.clock.now())
        )
    return case


def place_of(signal_id: str) -> Place:
    """Return where the sealed identity of a signal's informant belongs."""
    return Place("signal_informants", "identity", signal_id)


def receipts(actor: Actor) -> Select[Any]:
    """Return the query for what `actor` posted."""
    return select(SignalRow).where(SignalRow.posted_by == actor.subject)


def receipt(uow: UnitOfWork, signal_id: str, actor: Actor) -> SignalRow:
    """Return a signal that `actor` posted. Raises Refusal: 404, for others' signals too: that there is one is not told."""
    found: SignalRow | None = uow.session.scalars(receipts(actor).where(SignalRow.id == signal_id)).one_or_none()
    if found is None:
        raise Refusal("NOT_FOUND", zh="没有这件线索回执。", en="There is no such receipt.", status=404)
    return found

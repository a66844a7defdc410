"""Signals as cases: what their rules look up, who sees them, and what becomes of duplicates."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.rulebook import Rulebook
from supervision.domain.signal import MERGES_INTO, SIGNAL, Earlier, Linkable, SignalFacts, scope
from supervision.persistence.models import CadreRow, FindingRow, SignalRow, UnitRow
from supervision.schemas.published import signal_state
from supervision.schemas.requests import SignalLink, SignalPosting, SignalTriage
from supervision.schemas.responses import SignalView

READERS: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "DISC": Reach.OFFICE}
_SYSTEM: Final = system_actor("supervision")


def signals(rulebook: Rulebook) -> Cases:
    """Return signals, bound to their table, forms and facts."""

    def merged(uow: UnitOfWork, step: Step) -> None:
        case: SignalRow = step.case
        if case.merged_into is not None:
            bound.take(uow, case.id, "merge", _SYSTEM, {})
            bound.take(uow, case.merged_into, "absorb", _SYSTEM, {"severity": case.severity})

    bound = Cases(
        case_type=SIGNAL,
        model=SignalRow,
        rules=rulebook.on,
        payload=signal_state,
        view=SignalView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": SignalPosting, "triage": SignalTriage, "link": SignalLink},
        facts=facts,
        after={"create": merged},
    )
    return bound


def facts(uow: UnitOfWork, case: SignalRow, action: str, form: Mapping[str, Any]) -> SignalFacts:
    """Look up what the step names. Raises 503 `DEPENDENCY_STALE` where the roster would decide and is out of date."""
    session = uow.session
    if action == "create" and "refused" not in form:
        require_fresh(session, "assessment")
        # Held, so that two who post the same at once come one after the other.
        unit = session.get(UnitRow, form["unit"], with_for_update=True)
        cadre = session.get(CadreRow, form["cadre"]) if form.get("cadre") else None
        return SignalFacts(
            unit_known=unit is not None,
            cadre_unit=None if cadre is None else cadre.unit,
            earlier=_earlier(uow, form),
        )
    if action == "link" and form:
        # Shared, so that the finding does not fall while a signal is linked to it.
        finding = session.get(FindingRow, str(form["finding"]), with_for_update={"read": True})
        return SignalFacts(finding=None if finding is None else _linkable(finding))
    if action == "dismiss":
        posters = session.scalars(select(SignalRow.posted_by).where(SignalRow.merged_into == case.id))
        return SignalFacts(posters=frozenset(poster for poster in posters if poster is not None))
    return SignalFacts()


def _linkable(finding: FindingRow) -> Linkable:
    cadres = frozenset(entry["cadre"] for entry in finding.responsible)
    return Linkable(state=finding.state, unit=finding.unit, cadres=cadres)


def _earlier(uow: UnitOfWork, form: Mapping[str, Any]) -> Earlier | None:
    """Return the last posted signal about the same unit, cadre (or none) and type; it stays as it is until the commit."""
    row = SignalRow
    same = (
        select(row)
        .where(row.unit == form["unit"], row.cadre.is_not_distinct_from(form.get("cadre")), row.type == form["type"])
        .where(row.state.in_(MERGES_INTO), row.finding_id.is_(None))
        .order_by(row.created_at.desc(), row.id.desc())
        .limit(1)
        .with_for_update()
    )
    found = uow.session.scalars(same).one_or_none()
    return None if found is None else Earlier(found.id, found.received_on)


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which signals `actor` may list: those within reach that are not of the own person or unit."""
    row = SignalRow
    if not any(actor.has(role) for role in READERS):
        return false()
    own: list[ColumnElement[bool]] = []
    if actor.person:
        own.append(row.cadre.is_not_distinct_from(actor.person))
    if actor.unit:
        own += [row.unit == actor.unit, row.cadre_unit.is_not_distinct_from(actor.unit)]
    return and_(_within(actor), not_(or_(false(), *own)))


def _within(actor: Actor) -> ColumnElement[bool]:
    row = SignalRow
    if actor.units is None:
        return true()
    units = sorted(actor.units)
    return and_(row.unit.in_(units), or_(row.cadre_unit.is_(None), row.cadre_unit.in_(units)))

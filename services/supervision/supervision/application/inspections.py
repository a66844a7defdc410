"""Inspections as cases: what their rules look up, and who sees them."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.rulebook import Rulebook
from supervision.domain.inspection import INSPECTION, InspectionFacts, scope
from supervision.persistence.models import CadreRow, FindingRow, InspectionRow, SignalRow, UnitRow
from supervision.schemas.published import inspection_state
from supervision.schemas.requests import InspectionPlan, InspectionReport
from supervision.schemas.responses import InspectionView

OFFICERS: Final[Mapping[str, Reach]] = {
    "SUPO.*": Reach.OFFICE,
    "ORG.supervise": Reach.OFFICE,
    "DISC": Reach.OFFICE,
}
_UNIT: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}
_ON_ROSTER: Final = frozenset({"create", "revise", "approve", "start"})


def inspections(rulebook: Rulebook) -> Cases:
    """Return inspections, bound to their table, forms and facts."""
    return Cases(
        case_type=INSPECTION,
        model=InspectionRow,
        rules=rulebook.on,
        payload=inspection_state,
        view=InspectionView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, **_UNIT},
        forms={"create": InspectionPlan, "revise": InspectionPlan, "report": InspectionReport},
        facts=facts,
    )


def facts(uow: UnitOfWork, case: InspectionRow, action: str, form: Mapping[str, Any]) -> InspectionFacts:
    """Look up whom the plan names, and the drafts that keep an inspection open. Raises 503 `DEPENDENCY_STALE`."""
    session = uow.session
    if action in _ON_ROSTER:
        require_fresh(session, "assessment")
        team = form.get("team") or case.team
        units = form.get("units") or case.units
        members = session.scalars(select(CadreRow).where(CadreRow.id.in_(team))).all()
        return InspectionFacts(
            unit_of={member.id: member.unit for member in members},
            left=frozenset(member.id for member in members if member.has_left),
            units=frozenset(session.scalars(select(UnitRow.code).where(UnitRow.code.in_(units)))),
        )
    if action == "close":
        # A draft that was handed to the discipline commission stays one: it is not waited for.
        handed_over = exists().where(SignalRow.finding_id == FindingRow.id)
        drafts = select(func.count()).where(
            FindingRow.inspection_id == case.id, FindingRow.state == "DRAFT", ~handed_over
        )
        return InspectionFacts(unit_of={}, units=frozenset(), drafts=session.execute(drafts).scalar_one())
    return InspectionFacts(unit_of={}, units=frozenset())


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which inspections `actor` may list: the same that `scope` lets them read."""
    row = InspectionRow
    disclosed = or_(row.started_on.is_not(None), and_(row.notice_required, row.approved_on.is_not(None)))
    own = row.units.contains([actor.unit]) if actor.unit else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        within = true() if actor.units is None else row.units.contained_by(sorted(actor.units))
        seen.append(and_(within, or_(disclosed, not_(own))))
    if any(actor.has(role) for role in _UNIT):
        seen.append(and_(disclosed, own))
    return or_(false(), *seen)

"""Rectifications as cases: what their rules look up, who sees them, and how the finding follows."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, false, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.inspections import OFFICERS
from supervision.application.rulebook import Rulebook
from supervision.domain.rectification import (
    RECTIFICATION,
    RectificationFacts,
    Rectified,
    Result,
    scope,
)
from supervision.persistence.models import CadreRow, EvidenceRow, FindingRow, RectificationRow
from supervision.schemas.published import rectification_state
from supervision.schemas.requests import RectificationPlan, RectificationRecheck, RectificationReport
from supervision.schemas.responses import RectificationView

_PARTY: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT, "CADRE": Reach.SELF}
_SYSTEM: Final = system_actor("supervision")


def rectifications(rulebook: Rulebook, findings: Cases) -> Cases:
    """Return rectifications, bound to their table, forms and facts; the finding is moved along with each."""

    def begin(uow: UnitOfWork, step: Step) -> None:
        findings.take(uow, step.case.finding_id, "rectify", _SYSTEM, _because(step))

    def accepted(uow: UnitOfWork, step: Step) -> None:
        findings.take(uow, step.case.finding_id, "rectified", _SYSTEM, _because(step))
        if step.case.in_time:
            findings.take(uow, step.case.finding_id, "reweigh", _SYSTEM, _because(step) | {"in_time": True})

    def rechecked(uow: UnitOfWork, step: Step) -> None:
        if step.case.result == Result.OK:
            findings.take(uow, step.case.finding_id, "close", _SYSTEM, _because(step))
            return
        findings.take(uow, step.case.finding_id, "reopen", _SYSTEM, _because(step))
        findings.take(uow, step.case.finding_id, "reweigh", _SYSTEM, _because(step) | {"in_time": False})

    return Cases(
        case_type=RECTIFICATION,
        model=RectificationRow,
        rules=rulebook.on,
        payload=rectification_state,
        view=RectificationView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, **_PARTY},
        forms={"create": RectificationPlan, "submit": RectificationReport, "recheck": RectificationRecheck},
        facts=facts,
        after={"create": begin, "accept": accepted, "recheck": rechecked},
    )


def _because(step: Step) -> dict[str, Any]:
    return {"reason": RECTIFICATION.subject(step.case)}


def facts(uow: UnitOfWork, case: RectificationRow, action: str, form: Mapping[str, Any]) -> RectificationFacts:
    """Look up what the step names. Raises 503 `DEPENDENCY_STALE` where the roster would decide and is out of date."""
    session = uow.session
    if action == "create" and form:
        require_fresh(session, "assessment")
        finding = session.get(FindingRow, str(form["finding"]), with_for_update=True)
        owner = session.get(CadreRow, form["owner"])
        return RectificationFacts(
            finding=None if finding is None else Rectified(finding.state, finding.unit),
            owner_unit=None if owner is None else owner.unit,
            owner_left=owner is not None and owner.has_left,
        )
    if action == "submit":
        sums = list(form.get("proof", ()))
        found = session.scalars(select(EvidenceRow.sha256).where(EvidenceRow.sha256.in_(sums)))
        return RectificationFacts(evidence=frozenset(found))
    return RectificationFacts()


def cancel_with_finding(rectifications: Cases, uow: UnitOfWork, finding_id: str) -> None:
    """Cancel what is under way about a finding that was revoked: there is nothing left to rectify."""
    row = RectificationRow
    under_way = select(row.id).where(row.finding_id == finding_id, row.state.not_in(("RECHECKED", "CANCELLED")))
    for case_id in uow.session.scalars(under_way).all():
        rectifications.take(uow, case_id, "cancel", _SYSTEM, {"reason": "FINDING_REVOKED"})


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which rectifications `actor` may list: the same that `scope` lets them read."""
    row = RectificationRow
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        seen.append(true() if actor.units is None else row.unit.in_(sorted(actor.units)))
    if actor.has("UNITHEAD") or actor.has("UNITHR"):
        seen.append(row.unit == actor.unit if actor.unit else false())
    if actor.has("CADRE"):
        seen.append(row.owner == actor.person if actor.person else false())
    return or_(false(), *seen)

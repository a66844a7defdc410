"""Correction plans as cases: opened by what was granted, fulfilled by the unit, accepted by an officer (I6)."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, false, or_, select, true

from citybus.actor import Actor
from citybus.cases import Cases, Reach, Step, warned
from citybus.cases.perform import system_actor
from citybus.unit_of_work import UnitOfWork
from incentive.application.rulebook import Rulebook
from incentive.domain.correction import CORRECTION, DUE, OFFICERS, OWNERS, CorrectionFacts, scope
from incentive.domain.decision import eases
from incentive.persistence.models import CorrectionRow, UploadRow
from incentive.schemas.published import correction_state
from incentive.schemas.requests import CorrectionPlan, CorrectionProof
from incentive.schemas.responses import CorrectionView

READERS: Mapping[str, Reach] = {**OFFICERS, "COMM": Reach.OFFICE, **OWNERS, "CADRE": Reach.SELF}


def corrections(rulebook: Rulebook, tolerances: Callable[[], Cases]) -> Cases:
    """Return correction plans, bound to their table and forms; `tolerances` are moved along with them."""

    def moved(action: str) -> Callable[[UnitOfWork, Step], None]:
        def move(uow: UnitOfWork, step: Step) -> None:
            cases, case_id = tolerances(), step.case.tolerance_id
            case = uow.session.get_one(cases.model, case_id, with_for_update=True)
            if cases.case_type.target(case.state, action) is not None:
                cases.take(uow, case_id, action, system_actor("incentive"), {})

        return move

    return Cases(
        case_type=CORRECTION,
        model=CorrectionRow,
        rules=rulebook.on,
        payload=correction_state,
        view=CorrectionView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"plan": CorrectionPlan, "prove": CorrectionProof},
        facts=_facts,
        after={"plan": moved("correct"), "accept": moved("close")},
    )


def open_correction(plans: Cases, uow: UnitOfWork, step: Step) -> None:
    """Ask for a correction where tolerance was granted: the finding is excused, what went wrong is still to be mended."""
    case = step.case
    if eases(case):
        form = {"tolerance": case.id, "unit": case.unit, "persons": case.persons}
        plans.open(uow, system_actor("incentive"), form)


def give_up_correction(plans: Cases, uow: UnitOfWork, step: Step) -> None:
    """Warn nobody of a plan whose tolerance was revoked."""
    for plan in uow.session.scalars(select(CorrectionRow).where(CorrectionRow.tolerance_id == step.case.id)):
        warned.cancelled(uow, plans, plan, DUE)


def _facts(uow: UnitOfWork, case: CorrectionRow, action: str, form: Mapping[str, Any]) -> CorrectionFacts:
    if action != "prove":
        return CorrectionFacts()
    named = list(form.get("proof") or ())
    own = select(UploadRow.sha256).where(UploadRow.sha256.in_(named), UploadRow.uploaded_by == uow.context.actor)
    return CorrectionFacts(frozenset(uow.session.scalars(own)) | frozenset(case.proof))


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which plans `actor` may list."""
    row = CorrectionRow
    party = row.persons.contains([actor.person]) if actor.person else false()
    of_unit = row.unit == actor.unit if actor.unit else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role, reach in READERS.items() if reach is Reach.OFFICE):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        seen.append(within)
    if any(actor.has(role) for role in OWNERS):
        seen.append(of_unit)
    if actor.has("CADRE"):
        seen.append(party)
    return or_(false(), *seen)

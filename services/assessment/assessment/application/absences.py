"""Leave as cases: what is confirmed, taken together, may keep a year from being graded."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, false, or_, select, true

from assessment.application.constraints import set_constraints
from assessment.application.rulebook import Rulebook
from assessment.domain.absence import ABSENCE, AbsenceFacts, scope, wanted
from assessment.persistence.models import AbsenceRow, CadreRow
from assessment.schemas.requests import AbsenceRecord
from assessment.schemas.responses import AbsenceView
from citybus.cases import Actor, Cases, Reach, Step
from citybus.unit_of_work import UnitOfWork

OFFICERS: Final = ("ORG.assess", "ORG.cadre")
"""Illness is sensitive: it is for those whose work needs it."""
READERS: Final[Mapping[str, Reach]] = {
    **dict.fromkeys(OFFICERS, Reach.OFFICE),
    "UNITHR": Reach.UNIT,
    "CADRE": Reach.SELF,
}


def absences(rulebook: Rulebook) -> Cases:
    """Return leave, bound to its table and form, and what it does to the grades."""

    def count(uow: UnitOfWork, step: Step) -> None:
        row, cadre = AbsenceRow, step.case.cadre
        found = select(row.begins, row.ends).where(row.cadre == cadre, row.state == "CONFIRMED")
        spans = [(begins, ends) for begins, ends in uow.session.execute(found)]
        set_constraints(uow, f"absence/{cadre}", cadre, wanted(spans, rulebook.on(step.at.date())))

    return Cases(
        case_type=ABSENCE,
        model=AbsenceRow,
        rules=rulebook.on,
        payload=_no_payload,
        view=AbsenceView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": AbsenceRecord},
        facts=_facts,
        after={"confirm": count, "withdraw": count},
    )


def _no_payload(case: AbsenceRow) -> dict[str, Any]:
    """Leave is told to nobody; what it does to a grade is."""
    return {}


def _facts(uow: UnitOfWork, case: AbsenceRow, action: str, form: Mapping[str, Any]) -> AbsenceFacts:
    if action != "create" or not form:
        # One after the other: what is confirmed is counted with all that was confirmed before.
        if case.cadre is not None:
            uow.session.get(CadreRow, case.cadre, with_for_update=True)
        return AbsenceFacts()
    known = uow.session.get(CadreRow, str(form["cadre"]))
    return AbsenceFacts(unit=known.unit if known else None)


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which leave `actor` may list: the same that `scope` lets them read."""
    row = AbsenceRow
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        seen.append(true() if actor.units is None else row.unit.in_(sorted(actor.units)))
    if actor.has("UNITHR") and actor.unit:
        seen.append(row.unit == actor.unit)
    if actor.has("CADRE") and actor.person:
        seen.append(row.cadre == actor.person)
    return or_(false(), *seen)

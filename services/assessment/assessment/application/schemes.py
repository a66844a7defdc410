"""Schemes as cases: one for each year and kind of subject."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import exists, select, true

from assessment.application.rulebook import Rulebook
from assessment.domain.scheme import SCHEME, SchemeFacts, scope
from assessment.persistence.models import SchemeRow
from assessment.schemas.published import scheme_state
from assessment.schemas.requests import SchemeDraft, SchemeRevision
from assessment.schemas.responses import SchemeView
from citybus.cases import Cases, Reach
from citybus.unit_of_work import UnitOfWork

READERS: Final[Mapping[str, Reach]] = {
    "ORG.*": Reach.OFFICE,
    "COMM": Reach.OFFICE,
    "UNITHEAD": Reach.OFFICE,
    "UNITHR": Reach.OFFICE,
    "CADRE": Reach.OFFICE,
}


def schemes(rulebook: Rulebook) -> Cases:
    """Return schemes, bound to their table, forms and facts."""
    return Cases(
        case_type=SCHEME,
        model=SchemeRow,
        rules=rulebook.on,
        payload=scheme_state,
        view=SchemeView,
        scope=scope,
        visible=lambda _actor: true(),
        readers=READERS,
        forms={"create": SchemeDraft, "revise": SchemeRevision},
        facts=_facts,
    )


def _facts(uow: UnitOfWork, case: SchemeRow, action: str, form: Mapping[str, Any]) -> SchemeFacts:
    if action != "create":
        return SchemeFacts()
    same = exists().where(SchemeRow.year == form["year"], SchemeRow.target_kind == form["target_kind"])
    return SchemeFacts(duplicate=bool(uow.session.scalar(select(same))))

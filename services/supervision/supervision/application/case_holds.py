"""Investigation holds as cases: kept by the discipline commission, for nobody else to see."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.eligibility import set_bars
from supervision.application.rulebook import Rulebook
from supervision.domain.case_hold import CASE_HOLD, CaseHoldFacts, bars, scope
from supervision.persistence.models import CadreRow, CaseHoldRow
from supervision.schemas.published import case_hold_state
from supervision.schemas.requests import CaseHoldClosing, CaseHoldOpening
from supervision.schemas.responses import CaseHoldView

COMMISSION: Final[Mapping[str, Reach]] = {"DISC": Reach.OFFICE}


def case_holds(rulebook: Rulebook) -> Cases:
    """Return investigation holds, bound to their table, forms and facts."""
    return Cases(
        case_type=CASE_HOLD,
        model=CaseHoldRow,
        rules=rulebook.on,
        payload=case_hold_state,
        view=CaseHoldView,
        scope=scope,
        visible=visible,
        readers=COMMISSION,
        forms={"create": CaseHoldOpening, "close": CaseHoldClosing},
        facts=facts,
        after={"create": bar, "close": bar},
    )


def has_open_case(uow: UnitOfWork, cadre: str) -> bool:
    """Say whether an investigation of `cadre` is open."""
    row = CaseHoldRow
    return bool(uow.session.execute(select(exists().where(row.cadre == cadre, row.state == "OPEN"))).scalar_one())


def facts(uow: UnitOfWork, case: CaseHoldRow, action: str, form: Mapping[str, Any]) -> CaseHoldFacts:
    """Look up whom the case names. Raises 503 `DEPENDENCY_STALE`."""
    if action != "create":
        return CaseHoldFacts()
    require_fresh(uow.session, "assessment")
    row = CaseHoldRow
    same = exists().where(row.cadre == form["cadre"], row.case_no == form["case_no"], row.state == "OPEN")
    return CaseHoldFacts(
        unit=uow.session.scalars(select(CadreRow.unit).where(CadreRow.id == form["cadre"])).one_or_none(),
        duplicate=bool(uow.session.execute(select(same)).scalar_one()),
    )


def bar(uow: UnitOfWork, step: Step) -> None:
    """Let the bars of the hold be what it says now."""
    case: CaseHoldRow = step.case
    set_bars(uow, f"case-hold/{case.id}", case.cadre, bars(case))


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which holds `actor` may list: of the commission, those within reach and not of the own person or unit."""
    row = CaseHoldRow
    if not any(actor.has(role) for role in COMMISSION):
        return false()
    within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
    own = or_(row.cadre == actor.person if actor.person else false(), row.unit == actor.unit if actor.unit else false())
    return and_(within, not_(own))

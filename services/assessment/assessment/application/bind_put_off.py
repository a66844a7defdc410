"""Bind the grades that an open case put off by how the case ended (1.3, A21): made up after a warning, else left without.

A case does not tell how it ended: its sanction does. A sanction belongs to a case if it was decided while the case was
open, or in the time for making the grade up after it. What is wanted is reckoned anew from all that is known of the
cadre, so that it comes out the same whichever of case and sanction is heard of first.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from sqlalchemy import exists, select

from assessment.application.constraints import set_constraints
from assessment.application.rulebook import Rulebook
from assessment.domain.annual import ANNUAL
from assessment.domain.constraint import Kind
from assessment.domain.grade_effect import VOID, of_put_off
from assessment.persistence.models import AnnualRow, ConstraintRow, ConstraintSourceRow, MatterRow
from citybus.cases.tables import case_steps
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.rulepack import MissingRule
from citybus.unit_of_work import UnitOfWork

MAKEUP: Final = "annual.makeup"


def bind_put_off(rulebook: Rulebook, uow: UnitOfWork, event: Event, cadre: str) -> None:
    """Let each sanction of `cadre` want what it does to the years that its case put off.

    Raises Invalid `MISSING_RULE` where no pack was in force on the day of a decision.
    """
    matter = MatterRow
    sanctions = select(matter).where(matter.cadre == cadre, matter.scale.startswith("sanction.")).order_by(matter.ref)
    for row in uow.session.scalars(sanctions.execution_options(populate_existing=True)).all():
        source = f"{row.ref}/put-off"
        wanted = []
        if row.state not in VOID and row.decided_on is not None and row.what is not None:
            try:
                years = _years(rulebook, uow, row, row.decided_on)
                wanted = of_put_off(row.scale, row.what, row.decided_on, years, rulebook.on)
            except MissingRule as missing:
                raise Invalid("MISSING_RULE", str(missing)) from None
        if wanted or uow.session.get(ConstraintSourceRow, source) is not None:
            set_constraints(uow, source, cadre, wanted, event)


def _years(rulebook: Rulebook, uow: UnitOfWork, sanction: MatterRow, decided_on: date) -> Iterable[int]:
    """Return the years that were put off by a case to which the sanction belongs, and that it does not bind itself."""
    row, step, bound = AnnualRow, case_steps.c, ConstraintRow
    put_off = exists().where(step.kind == ANNUAL.kind, step.case_id == row.id, step.action == "suspend")
    bound_itself = exists().where(bound.source == sanction.ref, bound.year == row.year, bound.state == "ACTIVE")
    found = select(row.year).where(row.cadre == sanction.cadre, row.year <= decided_on.year, put_off, ~bound_itself)
    years = uow.session.scalars(found.order_by(row.year)).all()
    holds = uow.session.execute(
        select(bound.year, bound.active_at, bound.lifted_at).where(
            bound.cadre == sanction.cadre,
            bound.kind == Kind.FLOOR_NONE.value,
            bound.active_at.is_not(None),
        )
    ).all()
    makeup = rulebook.on(decided_on)[MAKEUP]
    first = [
        hold.year
        for hold in holds
        if hold.active_at.astimezone(ZONE).date() <= decided_on
        and (hold.lifted_at is None or decided_on <= makeup.last_day(hold.lifted_at.astimezone(ZONE).date()).day)
    ]
    return [year for year in years if any(begins <= year for begins in first)]

"""Quotas of excellent grades as cases, and how much of one is used."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select, true

from assessment.application.rulebook import Rulebook
from assessment.domain.annual import DECIDED
from assessment.domain.constraint import Kind
from assessment.domain.grade import GradeStatus
from assessment.domain.grading import EXCELLENT
from assessment.domain.quota import QUOTA, QuotaFacts, Use, scope
from assessment.persistence.models import AnnualRow, ConstraintRow, QuotaRow, UnitRow
from assessment.schemas.published import quota_state
from assessment.schemas.requests import QuotaDraft
from assessment.schemas.responses import QuotaView
from citybus.cases import Actor, Cases, Reach
from citybus.unit_of_work import UnitOfWork

READERS: Final[Mapping[str, Reach]] = {"ORG.*": Reach.OFFICE, "COMM": Reach.OFFICE}
PROPOSALS: Final = ("PROPOSED", "PUBLICIZED")


def quotas(rulebook: Rulebook) -> Cases:
    """Return quotas, bound to their table, forms and facts."""

    def facts(uow: UnitOfWork, case: QuotaRow, action: str, form: Mapping[str, Any]) -> QuotaFacts:
        return _facts(rulebook, uow, case, action, form)

    return Cases(
        case_type=QUOTA,
        model=QuotaRow,
        rules=rulebook.on,
        payload=quota_state,
        view=QuotaView,
        scope=scope,
        visible=_visible,
        readers=READERS,
        forms={"create": QuotaDraft},
        facts=facts,
    )


def pool(quota: QuotaRow | Any) -> ColumnElement[bool]:
    """Return the condition that an assessment belongs to the pool of a quota."""
    row = AnnualRow
    same = and_(row.year == quota.year, row.quota_category == quota.category)
    return same if quota.unit is None else and_(same, row.unit == quota.unit)


def use_of(uow: UnitOfWork, case: AnnualRow, *, proposals: bool) -> Callable[[], Use | None]:
    """Return what tells how much of the case's quota others use, under the quota's lock; None where there is no quota.

    With `proposals`, proposed excellent grades count as well as granted ones.
    """

    def use() -> Use | None:
        row = uow.session.scalars(
            select(QuotaRow)
            .where(
                QuotaRow.year == case.year,
                QuotaRow.category == case.quota_category,
                or_(QuotaRow.unit.is_(None), QuotaRow.unit == case.unit),
            )
            .order_by(QuotaRow.unit.nulls_last())
            .limit(1)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
        return None if row is None else use_now(uow, row, proposals=proposals, leaving_out=case.id)

    return use


def use_now(uow: UnitOfWork, row: QuotaRow, *, proposals: bool = False, leaving_out: str | None = None) -> Use:
    """Return how much of a quota is used now."""
    granted = and_(AnnualRow.state.in_(sorted(DECIDED)), AnnualRow.grade == EXCELLENT)
    counted = granted
    if proposals:
        counted = or_(granted, and_(AnnualRow.state.in_(PROPOSALS), AnnualRow.proposed_grade == EXCELLENT))
    statement = select(func.count()).select_from(AnnualRow).where(pool(row), counted)
    if leaving_out is not None:
        statement = statement.where(AnnualRow.id != leaving_out)
    used = uow.session.execute(statement).scalar_one()
    return Use(row.id, row.state, used, row.most, row.base, row.ratio, row.rounding)


def _facts(rulebook: Rulebook, uow: UnitOfWork, case: QuotaRow, action: str, form: Mapping[str, Any]) -> QuotaFacts:
    if action not in ("create", "recompute", "lock"):
        return QuotaFacts()
    year = form["year"] if action == "create" else case.year
    category = form["category"] if action == "create" else case.category
    unit = form.get("unit") if action == "create" else case.unit
    row = QuotaRow
    same_unit = row.unit.is_(None) if unit is None else row.unit == unit
    duplicate = exists().where(row.year == year, row.category == category, same_unit)
    group = select(AnnualRow.grade).where(
        AnnualRow.year == year,
        AnnualRow.cadre.is_(None),
        AnnualRow.unit == unit,
        AnnualRow.state.in_(sorted(DECIDED)),
    )
    return QuotaFacts(
        base=_base(rulebook, uow, QuotaRow(year=year, category=category, unit=unit)),
        duplicate=action == "create" and bool(uow.session.scalar(select(duplicate))),
        unit_known=unit is None or uow.session.get(UnitRow, unit) is not None,
        group_grade=uow.session.scalar(group) if unit else None,
    )


def _base(rulebook: Rulebook, uow: UnitOfWork, wanted: QuotaRow) -> int:
    """Return how many are due to take part; whether those without a grade count is a rule."""
    row = AnnualRow
    statement = select(func.count()).select_from(row).where(pool(wanted))
    if not rulebook.on(uow.clock.today())["quota.counts_no_grade"]:
        decided = row.state.in_(sorted(DECIDED))
        graded = row.grade_status == GradeStatus.GRADED.value
        statement = statement.where(or_(and_(decided, graded), and_(not_(decided), _will_be_graded())))
    return uow.session.execute(statement).scalar_one()


def _will_be_graded() -> ColumnElement[bool]:
    """Return the condition that nothing now keeps an assessment that is not decided from a grade (A14)."""
    row, bound = AnnualRow, ConstraintRow
    in_force = and_(
        bound.cadre == row.cadre,
        bound.state == "ACTIVE",
        or_(bound.year == row.year, and_(bound.open_ended, bound.year < row.year)),
    )
    forced = exists().where(in_force, bound.kind == Kind.FORCED.value)
    none = exists().where(in_force, bound.kind.in_((Kind.FLOOR_NONE.value, Kind.NO_GRADE.value)))
    return or_(forced, not_(none))


def _visible(actor: Actor) -> ColumnElement[bool]:
    if not any(actor.has(role) for role in READERS):
        return false()
    if actor.units is None:
        return true()
    return or_(QuotaRow.unit.is_(None), QuotaRow.unit.in_(sorted(actor.units)))

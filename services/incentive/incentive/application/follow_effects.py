"""Follow what an effective tolerance leads to in other services (I5): which steps are done, and which are awaited.

A step is done when the other service has published that the finding, or the cadre's annual record, weighs no more than
the tolerance allows. That is read off what is known of both, so that it comes out the same in whatever order, and however
often, their events arrive. The finding's row is locked before anything is compared: of two transactions that concern one
finding, the second sees what the first wrote.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from citybus import deadlines
from citybus.cases import Step
from citybus.unit_of_work import UnitOfWork
from incentive.domain.decision import eases
from incentive.domain.effects import FINDING_WEIGHT, expected
from incentive.domain.tolerance import EFFECTS
from incentive.persistence.models import DeductionRow, EffectRow, FindingRow, ToleranceRow

log = structlog.get_logger(__name__)


def open_effects(uow: UnitOfWork, step: Step) -> None:
    """Record what a case that has just become effective must lead to; what holds already is done at once."""
    case: ToleranceRow = step.case
    if not eases(case):
        return
    (finding,) = _locked(uow, [case.finding_id])
    _expect(uow, case, finding)
    _settle(uow, [finding], None)


def settle(uow: UnitOfWork, finding_ids: Sequence[str], event_id: str) -> None:
    """Mark as done what is so now, because of the event `event_id`, of all that was expected about these findings."""
    found = _locked(uow, finding_ids)
    for finding in found:
        # A finding may have been verified while the tolerance was on its way: then the deductions must follow as well.
        for case in uow.session.scalars(
            select(ToleranceRow).where(
                ToleranceRow.finding_id == finding.id,
                ToleranceRow.id.in_(
                    select(EffectRow.case_id).where(
                        EffectRow.finding_id == finding.id,
                        EffectRow.step == FINDING_WEIGHT,
                        EffectRow.done_at.is_(None),
                    )
                ),
            )
        ):
            _expect(uow, case, finding)
    _settle(uow, found, event_id)


def _locked(uow: UnitOfWork, finding_ids: Sequence[str]) -> Sequence[FindingRow]:
    return uow.session.scalars(
        select(FindingRow)
        .where(FindingRow.id.in_(finding_ids))
        .order_by(FindingRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _expect(uow: UnitOfWork, case: ToleranceRow, finding: FindingRow) -> None:
    if case.factor is None:
        raise ValueError(f"tolerance/{case.id} is effective without a factor")
    rows = [
        {
            "case_id": case.id,
            "step": awaited.step,
            "finding_id": finding.id,
            "cadre": awaited.cadre,
            "at_most": awaited.at_most,
            "outstanding_since": uow.clock.now(),
        }
        for awaited in expected(finding.state, finding.responsible, finding.base_weight, case.factor)
    ]
    uow.session.execute(insert(EffectRow).values(rows).on_conflict_do_nothing())


def _settle(uow: UnitOfWork, findings: Sequence[FindingRow], event_id: str | None) -> None:
    session = uow.session
    for finding in findings:
        heaviest = (
            select(func.max(DeductionRow.effective_weight))
            .where(DeductionRow.finding_id == finding.id, DeductionRow.cadre == EffectRow.cadre)
            .scalar_subquery()
        )
        done = session.execute(
            update(EffectRow)
            .where(
                EffectRow.finding_id == finding.id,
                EffectRow.done_at.is_(None),
                or_(
                    and_(EffectRow.cadre.is_(None), EffectRow.at_most >= finding.effective_weight),
                    and_(EffectRow.cadre.is_not(None), EffectRow.at_most >= heaviest),
                ),
            )
            .values(done_at=uow.clock.now(), by_event=event_id)
            .returning(EffectRow.case_id, EffectRow.step)
            .execution_options(synchronize_session=False)
        ).all()
        for case_id in sorted({row.case_id for row in done}):
            steps = sorted(row.step for row in done if row.case_id == case_id)
            uow.audit("tolerance.effects", f"tolerance/{case_id}", written={"done": steps, "event": event_id})
            _close(uow, case_id)


def _close(uow: UnitOfWork, case_id: str) -> None:
    left = select(EffectRow.step).where(EffectRow.case_id == case_id, EffectRow.done_at.is_(None)).limit(1)
    if uow.session.execute(left).one_or_none() is None:
        deadlines.satisfy(uow.session, EFFECTS, f"tolerance/{case_id}")
        log.info("all effects done", subject=f"tolerance/{case_id}")

"""Follow what a tolerance leads to in other services (I5): which steps are done, by which event, and which are awaited.

A step is done when the other service has published that it is so: that the finding, or the cadre's annual record, weighs no
more than the tolerance allows, that a bulletin is withdrawn on all channels, a recall cancelled, a measure taken back or eased,
a constraint lifted, a bar gone. That is read off what is known of all of them, so that it comes out the same in whatever order, and however often,
their events arrive. The finding's row is locked before anything is compared: of two transactions that concern one
finding, the second sees what the first wrote.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from citybus import deadlines
from citybus.cases import Step
from citybus.unit_of_work import UnitOfWork
from incentive.application.standings import standings
from incentive.domain.application import ENDED
from incentive.domain.decision import GRANTED_STATES, eases
from incentive.domain.effects import (
    FINDING_WEIGHT,
    GATE,
    RECALL,
    SETTLED,
    Expected,
    Granted,
    Link,
    expected,
    recall_shuts_gate,
    restored,
    weighs,
)
from incentive.domain.tolerance import BULLETIN_EFFECTS, EFFECTS, watched_by
from incentive.persistence.models import DeductionRow, EffectRow, FindingRow, LinkRow, ToleranceRow

log = structlog.get_logger(__name__)


def open_effects(uow: UnitOfWork, step: Step) -> None:
    """Record what a case that has just become effective must lead to; what holds already is done at once."""
    case: ToleranceRow = step.case
    if not eases(case):
        return
    (finding,) = _locked(uow, [case.finding_id])
    _expect(uow, case, finding)
    _settle(uow, [finding], None)


def open_reversal(uow: UnitOfWork, step: Step) -> None:
    """Record what must be put back because a case was revoked. What it awaited still is awaited no more."""
    case: ToleranceRow = step.case
    (finding,) = _locked(uow, [case.finding_id])
    left = uow.session.execute(
        delete(EffectRow).where(EffectRow.case_id == case.id, EffectRow.done_at.is_(None)).returning(EffectRow.step)
    ).scalars()
    uow.audit("tolerance.effects", f"tolerance/{case.id}", written={"given_up": sorted(left)})
    at_least = finding.base_weight * _factor_of_others(uow, case)
    _await(uow, case, finding, restored(finding.state, finding.responsible, at_least))
    _settle(uow, [finding], None)


def settle(uow: UnitOfWork, finding_ids: Collection[str], event_id: str) -> None:
    """Mark as done what is so now, because of the event `event_id`, of all that was expected about these findings."""
    found = _locked(uow, finding_ids)
    for finding in found:
        # A finding may have been verified, or named by something, while the tolerance was on its way: then that must
        # follow as well, as long as the case waits for something.
        for case in uow.session.scalars(
            select(ToleranceRow).where(
                ToleranceRow.finding_id == finding.id,
                ToleranceRow.state.in_(GRANTED_STATES),
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


def settle_gate(uow: UnitOfWork, cadre: str, event_id: str) -> None:
    """Mark as done what the bars of `cadre` settle."""
    waiting = select(EffectRow.finding_id).where(EffectRow.step == f"{GATE}:{cadre}", EffectRow.done_at.is_(None))
    found = sorted(set(uow.session.scalars(waiting)))
    if found:
        _settle(uow, _locked(uow, found), event_id)


def _locked(uow: UnitOfWork, finding_ids: Collection[str]) -> Sequence[FindingRow]:
    return uow.session.scalars(
        select(FindingRow)
        .where(FindingRow.id.in_(list(finding_ids)))
        .order_by(FindingRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _granted(uow: UnitOfWork, case: ToleranceRow, findings: Collection[str]) -> Granted:
    """Return what the case grants, and which of `findings` other effective cases have excused."""
    if case.factor is None or case.decision is None:
        raise ValueError(f"tolerance/{case.id} is effective without a decision")
    row = ToleranceRow
    held = uow.session.execute(
        select(row.finding_id, row.decision).where(
            row.finding_id.in_(list(findings)),
            row.state.in_(GRANTED_STATES),
            row.decision.in_(("EXEMPT", "MITIGATE")),
        )
    ).all()
    return Granted(
        finding=case.finding_id,
        decision=case.decision,
        factor=case.factor,
        exempted={finding for finding, decision in held if decision == "EXEMPT"},
        tolerated={finding for finding, _ in held},
    )


def _expect(uow: UnitOfWork, case: ToleranceRow, finding: FindingRow) -> None:
    links = _links(uow, LinkRow.findings.contains([finding.id]))
    granted = _granted(uow, case, {each for link in links for each in link.findings})
    _await(uow, case, finding, expected(finding.state, finding.responsible, finding.base_weight, granted, links))


def _await(uow: UnitOfWork, case: ToleranceRow, finding: FindingRow, steps: Sequence[Expected]) -> None:
    rows = [
        {
            "case_id": case.id,
            "step": awaited.step,
            "finding_id": finding.id,
            "cadre": awaited.cadre,
            "at_most": awaited.at_most,
            "at_least": awaited.at_least,
            "subject": awaited.subject,
            "outstanding_since": uow.clock.now(),
        }
        for awaited in steps
    ]
    uow.session.execute(insert(EffectRow).values(rows).on_conflict_do_nothing())


def _links(uow: UnitOfWork, *conditions: object) -> list[Link]:
    # Declared as object here, the conditions are comparisons of columns.
    rows = uow.session.scalars(select(LinkRow).where(*conditions).order_by(LinkRow.subject))  # type: ignore[arg-type]
    return [Link(row.subject, row.kind, row.state, row.findings, row.cadre, row.named, row.source) for row in rows]


def _factor_of_others(uow: UnitOfWork, case: ToleranceRow) -> Decimal:
    """Return the factor that is left when `case` is revoked: the lightest of other effective cases on the finding, or 1."""
    row = ToleranceRow
    least = uow.session.execute(
        select(func.min(row.factor)).where(
            row.finding_id == case.finding_id, row.id != case.id, row.state.in_(GRANTED_STATES)
        )
    ).scalar_one()
    return Decimal(1) if least is None else least


def _settle(uow: UnitOfWork, findings: Sequence[FindingRow], event_id: str | None) -> None:
    for finding in findings:
        waiting = uow.session.scalars(
            select(EffectRow).where(EffectRow.finding_id == finding.id, EffectRow.done_at.is_(None))
        ).all()
        done = [row for row in waiting if _is_done(uow, row, finding)]
        for row in done:
            row.done_at, row.by_event = uow.clock.now(), event_id
        uow.session.flush()
        for case_id in sorted({row.case_id for row in done}):
            steps = sorted(row.step for row in done if row.case_id == case_id)
            uow.audit("tolerance.effects", f"tolerance/{case_id}", written={"done": steps, "event": event_id})
            _close(uow, case_id)


def _is_done(uow: UnitOfWork, row: EffectRow, finding: FindingRow) -> bool:
    session = uow.session
    if row.subject is not None:
        link = session.get(LinkRow, row.subject)
        return link is not None and link.state in SETTLED[row.step.partition(":")[0]]
    if row.step.startswith(f"{GATE}:") and row.cadre is not None:
        recalls = _links(uow, LinkRow.kind == RECALL, LinkRow.cadre == row.cadre)
        awaited = select(EffectRow.subject).where(
            EffectRow.case_id == row.case_id, EffectRow.step.startswith(f"{RECALL}:")
        )
        ours = set(session.scalars(awaited))
        if any(link.subject in ours and link.state not in SETTLED[RECALL] for link in recalls):
            return False
        others = [link for link in recalls if link.subject not in ours]
        return not recall_shuts_gate(standings(uow, [row.cadre])[row.cadre], others, uow.clock.today())
    wanted = Expected(row.step, row.cadre, row.at_most, _left_of(row.at_least, finding))
    if row.cadre is None:
        return weighs(wanted, finding.effective_weight)
    heaviest = select(func.max(DeductionRow.effective_weight)).where(
        DeductionRow.finding_id == finding.id, DeductionRow.cadre == row.cadre
    )
    weight = session.execute(heaviest).scalar_one()
    return weighs(wanted, Decimal(0) if weight is None and finding.state in ENDED else weight)


def _left_of(weight: Decimal | None, finding: FindingRow) -> Decimal | None:
    """Return what a weight comes to that must be put back: eased by a rectification in time, nothing of a finding that ended."""
    if weight is None:
        return None
    if finding.state in ENDED:
        return Decimal(0)
    return weight if finding.rectified_factor is None else weight * finding.rectified_factor


def _close(uow: UnitOfWork, case_id: str) -> None:
    """Close each deadline by which nothing is wanted any more."""
    waiting = select(EffectRow.step).where(EffectRow.case_id == case_id, EffectRow.done_at.is_(None))
    left = set(uow.session.scalars(waiting))
    wanted = {watched_by(step) for step in left}
    if FINDING_WEIGHT in left:
        # Until that is done a bulletin may join what is awaited.
        wanted.add(BULLETIN_EFFECTS)
    for kind in {EFFECTS, BULLETIN_EFFECTS} - wanted:
        deadlines.satisfy(uow.session, kind, f"tolerance/{case_id}")
    if not left:
        log.info("all effects done", subject=f"tolerance/{case_id}")

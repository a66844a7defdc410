"""Batches as cases: what their rules look up, and what a decision, or a refused one, leads to."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, false, func, not_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from citybus.actor import Actor
from citybus.cases import Cases, Step
from citybus.cases.perform import system_actor
from citybus.unit_of_work import UnitOfWork
from incentive.application.candidates import READERS, answer
from incentive.application.rulebook import Rulebook
from incentive.application.standings import record_evaluation
from incentive.domain.batch import BATCH, BatchFacts, Selected, age_structure, scope
from incentive.domain.gate import Verdict
from incentive.persistence.models import BatchRow, CandidateRow, GateEvaluationRow
from incentive.schemas.published import batch_state
from incentive.schemas.requests import Appointment, Plan
from incentive.schemas.responses import BatchView


def batches(rulebook: Rulebook, candidates: Cases) -> Cases:
    """Return batches, bound to their table, forms and facts; `candidates` are moved along with them."""
    system = system_actor("incentive")

    def facts(uow: UnitOfWork, case: BatchRow, action: str, form: Mapping[str, Any]) -> BatchFacts:
        return _facts(rulebook, uow, case, action)

    def stop(uow: UnitOfWork, step: Step) -> None:
        """Put back whom the gate stopped, and the batch with them: it is for the committee to drop them."""
        _keep_answers(uow, step)
        for found in step.facts.selected:
            if found.evaluation is not None and found.evaluation.verdict == Verdict.BLOCKED:
                candidates.take(uow, found.candidate, "block", system, {})
        bound.take(uow, step.case.id, "send_back", system, {"reason": "GATE_BLOCKED"})

    def appoint(uow: UnitOfWork, step: Step) -> None:
        for found in _selected(uow, step.case.id):
            candidates.take(uow, found.id, "appoint", system, {"appointed_on": step.form["appointed_on"]})

    bound = Cases(
        case_type=BATCH,
        model=BatchRow,
        rules=rulebook.on,
        payload=batch_state,
        view=BatchView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": Plan, "revise": Plan, "implement": Appointment},
        facts=facts,
        after={"decide": _keep_answers, "implement": appoint},
        duties={"GATE_BLOCKED": stop},
    )
    return bound


def _facts(rulebook: Rulebook, uow: UnitOfWork, case: BatchRow, action: str) -> BatchFacts:
    if action not in ("publicize", "decide"):
        return BatchFacts()
    found = _selected(uow, case.id)
    asks = action == "decide"
    unconfirmed = select(func.count()).where(CandidateRow.batch_id == case.id, CandidateRow.to_confirm)
    return BatchFacts(
        selected=[Selected(row.id, row.position, answer(rulebook, uow, case, row) if asks else None) for row in found],
        unconfirmed=uow.session.execute(unconfirmed).scalar_one(),
    )


def _selected(uow: UnitOfWork, batch_id: str) -> Sequence[CandidateRow]:
    return uow.session.scalars(
        select(CandidateRow)
        .where(CandidateRow.batch_id == batch_id, CandidateRow.state == "SELECTED")
        .order_by(CandidateRow.id)
    ).all()


def _keep_answers(uow: UnitOfWork, step: Step) -> None:
    """Record what the gate answered of each at the decision."""
    facts: BatchFacts = step.facts
    for found in facts.selected:
        if found.evaluation is not None:
            record_evaluation(uow, uow.session.get_one(CandidateRow, found.candidate), found.evaluation, "DECIDE")


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which batches `actor` may list: those within the data scope that fill no post of the own unit."""
    if not any(actor.has(role) for role in READERS):
        return false()
    of_own = BatchRow.positions.contains([{"unit": actor.unit}]) if actor.unit else false()
    within = true()
    if actor.units is not None:
        within = BatchRow.units.contained_by(cast(sorted(actor.units), ARRAY(Text)))
    return within & not_(of_own)


def structure(batches_: Cases, uow: UnitOfWork, batch_id: str, actor: Actor, day: date) -> list[dict[str, Any]]:
    """Return the age structure of each position's group before, and after with those selected (3.6 c).

    Raises Refusal: 404, 403 `DATA_SCOPE`.
    """
    case: BatchRow = batches_.read(uow, batch_id, actor)
    born: dict[str, list[date]] = {}
    chosen = select(CandidateRow.position, CandidateRow.born_on).where(
        CandidateRow.batch_id == case.id, CandidateRow.state.in_(("SELECTED", "APPOINTED"))
    )
    for position, day_of_birth in uow.session.execute(chosen.order_by(CandidateRow.id)):
        born.setdefault(position, []).append(day_of_birth)
    return age_structure(case, born, day)


def evaluations(candidates: Cases, uow: UnitOfWork, candidate_id: str, actor: Actor) -> Sequence[GateEvaluationRow]:
    """Return what the gate answered about a candidate so far, oldest first. Raises Refusal: 404, 403 `DATA_SCOPE`."""
    case: CandidateRow = candidates.read(uow, candidate_id, actor)
    row = GateEvaluationRow
    return uow.session.scalars(select(row).where(row.candidate_id == case.id).order_by(row.at, row.id)).all()

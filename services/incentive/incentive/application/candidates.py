"""Candidates as cases: what their rules look up, who sees them, and what the gate said of them."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true

from citybus.actor import Actor
from citybus.cases import Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.unit_of_work import UnitOfWork
from incentive.application.rulebook import Rulebook
from incentive.application.standings import ask_gate, record_evaluation, standings
from incentive.domain.candidate import CANDIDATE, AboutBatch, CandidateFacts, scope
from incentive.domain.gate import Evaluation, Standing, Verdict
from incentive.persistence.models import BatchRow, CandidateRow
from incentive.schemas.published import candidate_state
from incentive.schemas.requests import Appointment, Nomination
from incentive.schemas.responses import CandidateView

READERS: Final[Mapping[str, Reach]] = {"ORG.cadre": Reach.OFFICE, "COMM": Reach.OFFICE, "DISC": Reach.OFFICE}
_ASKED: Final = frozenset({"check", "recheck", "block", "shortlist", "select"})
"""Steps at which the gate is asked, and its answer kept."""


def candidates(rulebook: Rulebook) -> Cases:
    """Return candidates, bound to their table, forms and facts."""

    def facts(uow: UnitOfWork, case: CandidateRow, action: str, form: Mapping[str, Any]) -> CandidateFacts:
        return _facts(rulebook, uow, case, action, form)

    def checked(uow: UnitOfWork, step: Step) -> None:
        keep_answer(uow, step)
        if step.case.verdict == Verdict.BLOCKED:
            bound.take(uow, step.case.id, "block", system_actor("incentive"), {})

    def nominated(uow: UnitOfWork, step: Step) -> None:
        bound.take(uow, step.case.id, "check", system_actor("incentive"), {})

    bound = Cases(
        case_type=CANDIDATE,
        model=CandidateRow,
        rules=rulebook.on,
        payload=candidate_state,
        view=CandidateView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": Nomination, "appoint": Appointment},
        facts=facts,
        after={
            "create": nominated,
            "check": checked,
            "recheck": checked,
            "shortlist": keep_answer,
            "select": keep_answer,
        },
    )
    return bound


def keep_answer(uow: UnitOfWork, step: Step) -> None:
    """Record what the gate answered at a step."""
    facts: CandidateFacts = step.facts
    if facts.evaluation is not None:
        record_evaluation(uow, step.case, facts.evaluation, step.action.upper())


def _facts(
    rulebook: Rulebook, uow: UnitOfWork, case: CandidateRow, action: str, form: Mapping[str, Any]
) -> CandidateFacts:
    session = uow.session
    batch_id = form.get("batch") if action == "create" else case.batch_id
    # Shared, so that the batch does not move on while a candidate of it does; where somebody is selected it is locked
    # alone, for the slots are counted.
    row = None
    if batch_id is not None:
        lock: Any = True if action == "select" else {"read": True}
        row = session.get(BatchRow, str(batch_id), with_for_update=lock)
    if row is None:
        return CandidateFacts()
    batch = AboutBatch(row.state, row.kind, row.year, {position["key"]: position for position in row.positions})
    cadre = form.get("cadre") if action == "create" else case.cadre
    known = standings(uow, [cadre])[cadre] if cadre is not None else Standing({}, {})
    if action == "create":
        return CandidateFacts(batch=batch, standing=known, nominated=_nominated(uow, str(row.id), form))
    evaluation = answer(rulebook, uow, row, case) if action in _ASKED else None
    qualified = selected = 0
    if action == "select":
        counted = select(CandidateRow.state, func.count()).where(
            CandidateRow.batch_id == case.batch_id, CandidateRow.position == case.position
        )
        by_state: dict[str, int] = dict(session.execute(counted.group_by(CandidateRow.state)).all())
        selected = by_state.get("SELECTED", 0)
        qualified = selected + by_state.get("SHORTLISTED", 0)
    return CandidateFacts(batch, known, evaluation, qualified=qualified, selected=selected)


def answer(rulebook: Rulebook, uow: UnitOfWork, batch: BatchRow, case: CandidateRow) -> Evaluation | None:
    """Return what the gate says of a candidate today; None of somebody from outside, whom no gate stops."""
    today = uow.clock.today()
    rules = rulebook.on(today)
    purpose = rules["batch.kinds"][batch.kind]["purpose"]
    if purpose is None or case.cadre is None:
        return None
    avoid: list[str] = next((position["avoid"] for position in batch.positions if position["key"] == case.position), [])
    return ask_gate(uow, rules, {case.cadre: avoid}, purpose, today)[case.cadre]


def _nominated(uow: UnitOfWork, batch_id: str, form: Mapping[str, Any]) -> bool:
    """Say whether the person stands for the batch: a cadre once, somebody from outside once by name and birth."""
    row = CandidateRow
    who: ColumnElement[bool]
    if form.get("cadre") is not None:
        who = row.cadre == form["cadre"]
    elif form.get("external") is not None:
        who = and_(row.external["name"].astext == form["external"]["name"], row.born_on == form["born_on"])
    else:
        return False
    found = select(row.id).where(row.batch_id == batch_id, row.state != "DROPPED", who).limit(1)
    return uow.session.execute(found).one_or_none() is not None


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which candidates `actor` may list: none of the own unit's posts, and not themselves."""
    row = CandidateRow
    if not any(actor.has(role) for role in READERS):
        return false()
    within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
    apart = [row.unit != actor.unit] if actor.unit else []
    if actor.person:
        apart.append(or_(row.cadre.is_(None), row.cadre != actor.person))
    return and_(within, *apart)

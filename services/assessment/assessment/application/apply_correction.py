"""Reckon a year anew because a deduction or a constraint changed: at once while it is proposed, as a correction after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from assessment.application.annuals import facts_now
from assessment.domain import grading
from assessment.domain.annual import BEFORE_APPROVAL, DECIDED, correction
from assessment.domain.constraint import CONSTRAINT
from assessment.domain.grading import EXCELLENT, LimitKind, limit_data, pending
from assessment.persistence.models import AnnualRow
from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.deadlines import Deadline, Handler
from citybus.tables import outbox_messages
from citybus.unit_of_work import UnitOfWork


def handler(annuals: Cases) -> Handler:
    """Return what is done about a change that was noted."""

    def fire(uow: UnitOfWork, deadline: Deadline) -> None:
        cause = deadline.data.get("cause")
        uow.context = replace(uow.context, causation_id=cause)
        act(annuals, uow, deadline.ref.partition("/")[2], cause, deadline.data.get("constraint"))

    return Handler(fire=fire)


def act(annuals: Cases, uow: UnitOfWork, annual: str, cause: str | None, constraint: str | None = None) -> None:
    """Take the step that the present facts ask for: suspend, note the end of a case, reckon anew, correct, ask, or none.

    `cause` is the event that led to it; None where a person changed `constraint`, and then people decide on a decided grade.
    """
    case = uow.session.get_one(AnnualRow, annual, with_for_update=True)
    facts = facts_now(uow, case)
    take: Callable[[str, dict[str, Any]], Any] = lambda action, form: annuals.take(  # noqa: E731
        uow, annual, action, system_actor(annuals.case_type.service), {"cause": cause, **form}
    )
    if case.state in BEFORE_APPROVAL and pending(facts.limits):
        take("suspend", {})
    elif case.state == "PENDING_MAKEUP":
        if pending(facts.limits) and case.hold_closed_on is not None:
            take("suspend", {})
        elif not pending(facts.limits) and case.hold_closed_on is None:
            take("hold_closed", {})
    elif case.composite is None or facts.scheme is None or pending(facts.limits):
        # A case that is opened after the decision leaves it alone, and nobody concerned may notice it.
        return
    else:
        found = grading.assess(
            case.subject_kind,
            facts.scheme.weights,
            case.scores,
            facts.record.deduction,
            facts.scheme.bands,
            facts.limits,
        )
        now = [limit_data(limit) for limit in facts.limits]
        if (_binding(case.limits), case.deduction) == (_binding(now), facts.record.deduction):
            if case.state in DECIDED and case.pending_cause is not None:
                take("drop_decision", {})
            return
        if case.state in ("PROPOSED", "PUBLICIZED"):
            if case.state == "PUBLICIZED" and found.grade != EXCELLENT:
                take("withdraw_proposal", {})
            else:
                take("recompute", {})
        elif case.state in DECIDED:
            decided = correction(case, found.grade, found.status)
            if cause is not None and decided is not None:
                take("correct", {"grade": decided[0], "grade_status": decided[1]})
            elif decided == (case.grade, case.grade_status):
                if case.pending_cause is not None:
                    take("drop_decision", {})
            elif (told := cause or _last_event(uow, constraint)) is not None:
                take("await_decision", {"cause": told, "heavier": decided is None})


def _last_event(uow: UnitOfWork, constraint: str | None) -> str | None:
    """Return the id of the last event that told of a constraint; None where it is told of no more."""
    messages = outbox_messages.c
    told = select(messages.id).where(messages.subject == f"{CONSTRAINT.kind}/{constraint}")
    found = uow.session.scalar(told.order_by(messages.position.desc()).limit(1))
    return None if found is None else str(found)


def _binding(limits: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the limits without open cases: beside a forced grade one changes nothing, and its end must not be noticed."""
    return [limit for limit in limits if limit["kind"] != LimitKind.FLOOR_NONE]

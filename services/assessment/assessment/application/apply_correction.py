"""Reckon a year anew because a deduction or a constraint changed: at once while it is proposed, as a correction after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from assessment.application.annuals import facts_now
from assessment.domain import grading
from assessment.domain.annual import BEFORE_APPROVAL, DECIDED, correction
from assessment.domain.grading import EXCELLENT, LimitKind, limit_data, pending
from assessment.persistence.models import AnnualRow
from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.deadlines import Deadline, Handler
from citybus.unit_of_work import UnitOfWork


def handler(annuals: Cases) -> Handler:
    """Return what is done about a change that was noted."""

    def fire(uow: UnitOfWork, deadline: Deadline) -> None:
        cause = deadline.data.get("cause")
        uow.context = replace(uow.context, causation_id=cause)
        act(annuals, uow, deadline.ref.partition("/")[2], cause)

    return Handler(fire=fire)


def act(annuals: Cases, uow: UnitOfWork, annual: str, cause: str | None) -> None:
    """Take the step that the present facts ask for: suspend, note the end of a case, reckon anew, correct, ask, or none."""
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
            return
        if case.state in ("PROPOSED", "PUBLICIZED"):
            if case.state == "PUBLICIZED" and found.grade != EXCELLENT:
                take("withdraw_proposal", {})
            else:
                take("recompute", {})
        elif case.state in DECIDED and cause is not None:
            decided = correction(case, found.grade, found.status)
            if decided is None:
                take("await_decision", {})
            else:
                take("correct", {"grade": decided[0], "grade_status": decided[1]})


def _binding(limits: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the limits without open cases: beside a forced grade one changes nothing, and its end must not be noticed."""
    return [limit for limit in limits if limit["kind"] != LimitKind.FLOOR_NONE]

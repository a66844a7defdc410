"""Bind or free a grade when a matter of supervision has taken a step (A14): its newest state says what it wants."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select

from assessment.application.constraints import set_constraints
from assessment.application.rulebook import Rulebook
from assessment.domain.annual import BEFORE_APPROVAL
from assessment.domain.constraint import Wanted
from assessment.domain.grade_effect import RulesOn, UnknownKind, of_case_hold
from assessment.persistence.models import AnnualRow
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.rulepack import MissingRule
from citybus.unit_of_work import UnitOfWork


def bind_grade(
    rulebook: Rulebook,
    effect: Callable[[Mapping[str, Any], RulesOn], list[Wanted]],
    uow: UnitOfWork,
    event: Event,
    data: Mapping[str, Any],
) -> None:
    """Let the matter that `event` is about want what `effect` makes of its state.

    Raises Invalid: `MISSING_RULE` (no pack in force on the day), `UNKNOWN_KIND` (the table has no such kind).
    """
    try:
        wanted = effect(data, rulebook.on)
    except MissingRule as missing:
        raise Invalid("MISSING_RULE", str(missing)) from None
    except UnknownKind as unknown:
        raise Invalid("UNKNOWN_KIND", str(unknown)) from None
    set_constraints(uow, event.subject, str(data["cadre"]), wanted, event)


def hold_grade(rulebook: Rulebook, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Put the grades of a cadre off while a case is open, from the day on which it was opened.

    What is not approved by then is put off too, of whatever year (M2).
    """
    cadre, row = str(data["cadre"]), AnnualRow
    undecided = row.state.in_((*sorted(BEFORE_APPROVAL), "PENDING_MAKEUP"))
    first = uow.session.scalar(select(func.min(row.year)).where(row.cadre == cadre, undecided))
    opened_on = event.time.astimezone(ZONE).date()
    try:
        wanted = of_case_hold(opened_on, rulebook.on, first)
    except MissingRule as missing:
        raise Invalid("MISSING_RULE", str(missing)) from None
    set_constraints(uow, event.subject, cadre, wanted, event)


def release_grade(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Free the grades of a cadre whose case is closed."""
    set_constraints(uow, event.subject, str(data["cadre"]), (), event)

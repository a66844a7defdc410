"""Deadlines that people are warned of, as cases: who is told of them sees them."""

from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, true

from citybus.actor import Actor
from citybus.cases import Cases
from notification.application.rulebook import Rulebook
from notification.domain.deadline import DEADLINE, READERS, SUPERVISION, Level, is_told, scope
from notification.domain.delivery import out_of_scope
from notification.persistence.models import DeadlineRow
from notification.schemas.published import deadline_state
from notification.schemas.responses import DeadlineView


class Deadlines(Cases):
    """Deadlines: whom they concern sees them once told, whatever else the role may read."""

    def refuse_reader(self, actor: Actor, case: Any) -> None:
        """Raise 403 where `actor` is not told of the deadline by now."""
        if not is_told(case, actor):
            raise out_of_scope()


def deadlines(rulebook: Rulebook) -> Deadlines:
    """Return deadlines, bound to their table."""
    return Deadlines(
        case_type=DEADLINE,
        model=DeadlineRow,
        rules=rulebook.on,
        payload=deadline_state,
        view=DeadlineView,
        scope=scope,
        visible=visible,
        readers=READERS,
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which deadlines `actor` may list: the same that may be read."""
    row = DeadlineRow
    told: list[ColumnElement[bool]] = []
    in_scope = true() if actor.units is None else row.units.contained_by(sorted(actor.units))
    of_unit = and_(row.disclosed, not_(row.confidential), row.units.contains([actor.unit or ""]))
    if actor.has("CADRE") and actor.person:
        told.append(and_(row.disclosed, row.persons.contains([actor.person])))
    if actor.has("UNITHR") and actor.unit:
        told.append(of_unit)
    told.append(and_(in_scope, row.offices.overlap(_asked_as(actor))))
    if actor.has("UNITHEAD") and actor.unit:
        told.append(and_(of_unit, row.level != Level.CONCERNED))
    if any(actor.has(role) for role in SUPERVISION):
        told.append(and_(in_scope, row.level.in_((Level.SUPERVISION_HEAD, Level.YELLOW_CARD))))
    return and_(row.level != Level.NOBODY, or_(false(), *told))


def _asked_as(actor: Actor) -> list[str]:
    """Return the names of roles that `actor` holds, as declarations may ask for them."""
    offices = {held.partition(".")[0] for held in actor.roles}
    asked = {*actor.roles, *(f"{office}.*" for office in offices)}
    # An office holds all its parts.
    return sorted(asked | {f"{held}.{part}" for held in actor.roles for part in PARTS.get(held, ())})


PARTS = {"ORG": ("assess", "supervise", "cadre", "edu")}

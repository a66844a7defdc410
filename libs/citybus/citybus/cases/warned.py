"""Deadlines that people are warned of are told to whoever warns them: when one is armed, and when it is over.

Each service fires its own deadlines. `<service>.deadline.armed.v1` and `<service>.deadline.settled.v1` carry the same
data, the whole state of one deadline, under the subject `deadline/<id>`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from citybus import deadlines
from citybus.cases.declare import Arm, CaseType, Reach
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from citybus.cases.perform import Cases

CLASS: Final = "L3"


def arms_of(case_type: CaseType, kind: str) -> Iterator[Arm]:
    """Yield the declarations that arm the deadline `kind` and warn people of it."""
    for action in (case_type.create, *case_type.actions.values()):
        yield from (arm for arm in action.arms if arm.kind == kind and arm.warn is not None)


def tell_armed(uow: UnitOfWork, cases: "Cases", case: Any, arm: Arm) -> None:
    """Publish that a deadline was armed, or moved, where people are warned of it."""
    if arm.warn is not None:
        _tell(uow, cases, case, arm, "armed")


def tell_settled(uow: UnitOfWork, cases: "Cases", case: Any, kind: str) -> None:
    """Publish that a deadline is over, where people were to be warned of it: satisfied, cancelled, or fired."""
    arm = next(arms_of(cases.case_type, kind), None)
    if arm is not None:
        _tell(uow, cases, case, arm, "settled")


def satisfied(uow: UnitOfWork, cases: "Cases", case: Any, kind: str) -> None:
    """Satisfy the open deadline `kind` of a case, or the one that people let pass, and tell so."""
    ref = cases.case_type.subject(case)
    done = deadlines.satisfy(uow.session, kind, ref)
    if not done and any(arm.then is None for arm in arms_of(cases.case_type, kind)):
        done = deadlines.settle_late(uow.session, kind, ref)
    if done:
        tell_settled(uow, cases, case, kind)


def cancelled(uow: UnitOfWork, cases: "Cases", case: Any, kind: str) -> None:
    """Cancel the open deadline `kind` of a case because its ground fell away, and tell so."""
    if deadlines.cancel(uow.session, kind, cases.case_type.subject(case)):
        tell_settled(uow, cases, case, kind)


def overtaken(uow: UnitOfWork, cases: "Cases", case: Any, arm: Arm) -> None:
    """Settle a deadline that people let pass, and that is armed anew now: of the old one nobody is told any more."""
    if arm.warn is None or arm.then is not None:
        return
    if deadlines.settle_late(uow.session, arm.kind, cases.case_type.subject(case)):
        tell_settled(uow, cases, case, arm.kind)


def _tell(uow: UnitOfWork, cases: "Cases", case: Any, arm: Arm, what: str) -> None:
    case_type = cases.case_type
    ref = case_type.subject(case)
    deadline = deadlines.last(uow.session, arm.kind, ref)
    scope = cases.scope(case)
    uow.publish(
        Draft(
            type=f"{case_type.service}.deadline.{what}.v1",
            subject=f"deadline/{deadline.id}",
            data={
                "deadline": deadline.id,
                "kind": arm.kind,
                "ref": ref,
                "zh": case_type.zh,
                "en": case_type.en,
                "due_at": deadline.due_at.isoformat(),
                "warn_at": None if deadline.warn_at is None else deadline.warn_at.isoformat(),
                "state": "FIRED" if what == "settled" and deadline.state in deadlines.OPEN else deadline.state,
                "acts": arm.then is not None,
                "units": sorted(scope.units),
                # Who must not know of a case yet is not named to others either.
                "persons": sorted(scope.persons) if scope.disclosed else [],
                "disclosed": scope.disclosed,
                "confidential": scope.confidential,
                "offices": _offices(case_type, arm.kind),
            },
            dataclass=CLASS,
        ),
        aside=True,
    )


def _offices(case_type: CaseType, kind: str) -> list[str]:
    """Return the roles of officers who can take a step that the deadline waits for."""
    return sorted(
        {
            role
            for action in case_type.actions.values()
            if kind in action.closes
            for role, reach in action.allow.items()
            if reach is Reach.OFFICE
        }
    )

"""What happens when a case's deadline passes: the system takes the declared step; and how deadlines follow the holidays."""

from collections.abc import Iterable

from citybus import deadlines
from citybus.calendar import Calendar
from citybus.cases import warned
from citybus.cases.declare import Arm
from citybus.cases.perform import Cases, system_actor
from citybus.deadlines import Deadline, Handler
from citybus.telemetry import logs, metrics
from citybus.unit_of_work import Context, UnitOfWork, Units

logger = logs.get(__name__)
_warned = metrics.counter("city_deadlines_warned_total", "Deadlines of cases that people were warned of", ("kind",))
_breached = metrics.counter("city_deadlines_breached_total", "Deadlines of cases that people let pass", ("kind",))


def handlers(bound: Iterable[Cases]) -> dict[str, Handler]:
    """Return deadline kind → handler for every deadline that the actions of `bound` arm.

    A deadline with a declared step takes it; one without only tells that people let it pass. A case that has moved on
    by itself is left alone.
    """
    return {
        arm.kind: _handler(cases, arm)
        for cases in bound
        for action in (cases.case_type.create, *cases.case_type.actions.values())
        for arm in action.arms
    }


def _handler(cases: Cases, arm: Arm) -> Handler:
    actor = system_actor(cases.case_type.service)

    def fire(uow: UnitOfWork, deadline: Deadline) -> None:
        if arm.then is None:
            logger.warning("deadline breached", kind=arm.kind, ref=deadline.ref)
            _breached.labels(arm.kind).inc()
            return
        case_id = deadline.ref.partition("/")[2]
        case = uow.session.get_one(cases.model, case_id, with_for_update=True)
        if cases.case_type.target(case.state, arm.then) is not None:
            cases.take(uow, case_id, arm.then, actor, {"reason": f"deadline {arm.kind}"}, firing=arm.kind)
        if arm.warn is not None:
            warned.tell_settled(uow, cases, case, arm.kind)

    def warn(uow: UnitOfWork, deadline: Deadline) -> None:
        logger.info("deadline near", kind=arm.kind, ref=deadline.ref)
        _warned.labels(arm.kind).inc()

    return Handler(fire=fire, warn=warn)


def follow_calendar(units: Units, bound: Iterable[Cases], calendar: Calendar) -> int:
    """Move the open deadlines that holidays unknown at the time have made later; return how many were moved.

    Each is moved in a transaction of its own, told of where people are warned of it, and moved once however many
    replicas look. One that fails is logged, and tried again when this is called again.
    """
    kinds = {
        arm.kind: cases
        for cases in bound
        for action in (cases.case_type.create, *cases.case_type.actions.values())
        for arm in action.arms
    }
    with units.sessions() as session:
        found = [each for each in deadlines.provisional(session) if each.kind in kinds]
    moved = 0
    for before in found:
        after = deadlines.recomputed(before, calendar)
        if after == before:
            continue
        with logs.bound(correlation_id=before.correlation_id, kind=before.kind, ref=before.ref):
            try:
                moved += _move(units, kinds[before.kind], before, after)
            except Exception:
                # One that fails holds up no other; it stays provisional, and is tried again.
                logger.exception("deadline not moved")
    return moved


def _move(units: Units, cases: Cases, before: Deadline, after: Deadline) -> bool:
    context = Context(
        actor=system_actor(cases.case_type.service).subject,
        roles=(),
        purpose="holidays published",
        correlation_id=before.correlation_id,
    )
    with units(context) as uow:
        case = uow.session.get_one(cases.model, before.ref.partition("/")[2], with_for_update=True)
        if not deadlines.move(uow.session, before, after):
            return False
        later = after.due_at != before.due_at
        if later:
            uow.audit("deadline.move", before.ref, written={"kind": before.kind, "due_at": after.due_at.isoformat()})
            if arm := next(warned.arms_of(cases.case_type, before.kind), None):
                warned.tell_armed(uow, cases, case, arm)
            logger.info("deadline moved", due_at=after.due_at.isoformat())
        uow.commit()
    return later

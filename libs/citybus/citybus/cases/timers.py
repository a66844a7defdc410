"""What happens when a case's deadline passes: the system takes the declared step."""

from collections.abc import Iterable

from citybus.cases import warned
from citybus.cases.declare import Arm
from citybus.cases.perform import Cases, system_actor
from citybus.deadlines import Deadline, Handler
from citybus.telemetry import logs, metrics
from citybus.unit_of_work import UnitOfWork

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

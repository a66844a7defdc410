"""Publish a bulletin when its time has come, unless something has come between; then it is held back."""

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.deadlines import Deadline, Handler
from citybus.errors import Refusal
from citybus.telemetry import logs
from citybus.unit_of_work import UnitOfWork
from supervision.domain.bulletin import HOLDING, PUBLISH

logger = logs.get(__name__)


def on_time(bulletins: Cases) -> dict[str, Handler]:
    """Return what happens at the time for which a bulletin was scheduled."""
    actor = system_actor("supervision")

    def fire(uow: UnitOfWork, deadline: Deadline) -> None:
        bulletin_id = deadline.ref.partition("/")[2]
        bulletin = uow.session.get_one(bulletins.model, bulletin_id, with_for_update=True)
        if bulletins.case_type.target(bulletin.state, "publish") is None:
            return
        try:
            bulletins.take(uow, bulletin_id, "publish", actor, {"reason": "as scheduled"}, firing=PUBLISH)
        except Refusal as refusal:
            if refusal.code not in HOLDING:
                raise
            logger.warning("bulletin held back", subject=deadline.ref, code=refusal.code)
            form = {"code": refusal.code, "reason": refusal.zh}
            bulletins.take(uow, bulletin_id, "hold", actor, form, firing=PUBLISH)

    return {PUBLISH: Handler(fire=fire)}

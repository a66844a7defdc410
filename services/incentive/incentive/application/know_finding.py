"""Keep each finding as supervision last published it, and see what that settles."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from incentive.application.follow_effects import settle
from incentive.persistence.models import FindingRow

_OF_PARTIES: Final = "supervision.finding.plea-received.v1"


def know_finding(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take over the finding's state. Who took a step on it as an officer must not verify or decide a case about it."""
    session, finding_id = uow.session, str(data["finding"])
    handlers = [] if event.type == _OF_PARTIES or event.actor.startswith("system:") else [event.actor]
    found = session.scalars(select(FindingRow).where(FindingRow.id == finding_id).with_for_update()).one_or_none()
    if found is None:
        found = FindingRow(id=finding_id, handlers=[])
        session.add(found)
    found.state, found.unit = data["state"], data["unit"]
    found.responsible = sorted({entry["cadre"] for entry in data["responsible"]})
    found.base_weight, found.effective_weight = data["base_weight"], data["effective_weight"]
    found.rectified_factor = data["rectified_factor"]
    found.served_on, found.verified_on = data["served_on"], data["verified_on"]
    new = sorted({*handlers, *data["handlers"]} - set(found.handlers))
    if new:
        found.handlers = [*found.handlers, *new]
    session.flush()
    settle(uow, [finding_id], event.id)

"""Keep the deadlines of all services as they tell of them, so that people can be warned (N4)."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from notification.domain.deadline import told
from notification.persistence.models import DeadlineRow

SERVICE: Final = "notification"
_OVER: Final = {"FIRED": "satisfy", "SATISFIED": "satisfy", "CANCELLED": "cancel"}


def watch_deadline(deadlines: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Arm, move, satisfy or cancel a deadline; each event has its whole state, so any may be the first that is heard.

    One whose owner acted because it passed is breached and done with: there is nobody left to be told.
    """
    actor = system_actor(SERVICE)
    deadline = str(data["deadline"])
    case = uow.session.get(DeadlineRow, deadline, with_for_update=True)
    if case is None:
        form = {**data, "service": event.type.partition(".")[0]}
        case = deadlines.open(uow, actor, form, deadline)
    elif data["state"] == "ARMED" and any(getattr(case, name) != value for name, value in told(data).items()):
        _take(deadlines, uow, case, "move", data)
    if data["state"] == "FIRED":
        _take(deadlines, uow, case, "breach", {})
    if data["state"] in _OVER:
        _take(deadlines, uow, case, _OVER[data["state"]], data)


def _take(deadlines: Cases, uow: UnitOfWork, case: DeadlineRow, action: str, form: Mapping[str, Any]) -> None:
    if deadlines.case_type.target(case.state, action) is not None:
        deadlines.take(uow, case.id, action, system_actor(SERVICE), form)

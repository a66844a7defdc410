"""Note that a measure was delivered, when notification says so (N3, S9)."""

from collections.abc import Mapping
from typing import Any

import structlog

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork
from supervision.persistence.models import MeasureRow

NOTICE = "MEASURE_NOTICE"

log = structlog.get_logger(__name__)


def serve_measure(measures: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `deliver`, of a second inquiry `deliver_again`, once; the rest, and what moved on, is let pass.

    Raises Invalid: `UNKNOWN_MEASURE`, `NOT_CONCERNED` (the recipient is somebody else), `NOT_SERVED` (no day of service).
    """
    kind, _, measure_id = data["ref"].partition("/")
    if data["document"] != NOTICE or kind != "measure":
        return
    measure = uow.session.get(MeasureRow, measure_id, with_for_update=True)
    if measure is None:
        raise Invalid("UNKNOWN_MEASURE")
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    if data["recipient"]["id"] != measure.cadre:
        raise Invalid("NOT_CONCERNED")
    again = measure.state == "SECOND_INQUIRY" and measure.reply_due is None
    action = "deliver_again" if again else "deliver"
    if measures.case_type.target(measure.state, action) is None:
        log.info("the measure has moved on", state=measure.state)
        return
    form = {"served_on": data["served_on"], "reason": event.subject}
    measures.take(uow, measure_id, action, system_actor("supervision"), form)

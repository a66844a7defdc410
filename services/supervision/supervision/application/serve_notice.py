"""Note that a notice was served on the cadre whom it concerns, when notification says so (N3)."""

from collections.abc import Mapping
from typing import Any, Final

import structlog

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork

NOTICES: Final[Mapping[str, str]] = {
    "ADJUSTMENT_NOTICE": "adjustment",
    "RECALL_NOTICE": "recall",
    "SANCTION_NOTICE": "sanction",
}

log = structlog.get_logger(__name__)


def serve_notice(cases: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `serve` of the case whose notice it is, once; other documents, and cases that are undone, are let pass.

    Raises Invalid: `UNKNOWN_CASE`, `NOT_CONCERNED` (the recipient is another), `NOT_SERVED` (no day of service).
    """
    kind, _, case_id = data["ref"].partition("/")
    if kind != cases.case_type.kind or NOTICES.get(data["document"]) != kind:
        return
    case = uow.session.get(cases.model, case_id, with_for_update=True)
    if case is None:
        raise Invalid("UNKNOWN_CASE")
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    if data["recipient"]["id"] != case.cadre:
        raise Invalid("NOT_CONCERNED")
    if case.served_on is not None:
        return
    if cases.case_type.target(case.state, "serve") is None:
        log.info("service came after the case was undone", kind=kind, state=case.state)
        return
    form = {"served_on": data["served_on"], "reason": event.subject}
    cases.take(uow, case_id, "serve", system_actor("supervision"), form)

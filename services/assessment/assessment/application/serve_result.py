"""Note that the result of a year was served, when notification says so (A15, N3)."""

from collections.abc import Mapping
from typing import Any, Final

from assessment.persistence.models import AnnualRow
from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.telemetry import logs
from citybus.unit_of_work import UnitOfWork

RESULT: Final = "ANNUAL_RESULT"

logger = logs.get(__name__)


def serve_result(annuals: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `serve`, once for each result; other documents, and what was served on paper before, are let pass.

    Raises Invalid: `UNKNOWN_ANNUAL`, `NOT_CONCERNED` (the recipient is not the subject), `NOT_SERVED` (no day).
    """
    kind, _, annual = data["ref"].partition("/")
    if data["document"] != RESULT or kind != "annual":
        return
    case = uow.session.get(AnnualRow, annual, with_for_update=True)
    if case is None:
        raise Invalid("UNKNOWN_ANNUAL")
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    if case.cadre is not None and case.cadre != data["recipient"]["id"]:
        raise Invalid("NOT_CONCERNED")
    if annuals.case_type.target(case.state, "serve") is None:
        logger.info("service came after the result was handed over", state=case.state)
        return
    annuals.take(uow, annual, "serve", system_actor(annuals.case_type.service), {"served_on": data["served_on"]})

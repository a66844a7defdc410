"""Note that a decision was served on who asked for it, when notification says so (N3, N4)."""

from collections.abc import Mapping
from typing import Any, Final

import structlog

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork
from incentive.domain.application import Applicant
from incentive.persistence.models import ToleranceRow

DOCUMENT: Final = "TOLERANCE_DECISION"

log = structlog.get_logger(__name__)


def serve_decision(tolerances: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `serve`, once; other documents, and cases that moved on, are let pass.

    Raises Invalid: `UNKNOWN_CASE`, `NOT_SERVED` (no day of service), `NOT_THE_RECIPIENT` (served on somebody else),
    `NOT_DECIDED` (there is no decision that could have been served).
    """
    kind, _, case_id = data["ref"].partition("/")
    if data["document"] != DOCUMENT or kind != "tolerance":
        return
    case = uow.session.get(ToleranceRow, case_id, with_for_update=True)
    if case is None:
        raise Invalid("UNKNOWN_CASE")
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    if not _is_recipient(case, data["recipient"]):
        raise Invalid("NOT_THE_RECIPIENT")
    if case.decision is None:
        raise Invalid("NOT_DECIDED")
    if tolerances.case_type.target(case.state, "serve") is None:
        log.info("service came again", state=case.state)
        return
    tolerances.take(uow, case.id, "serve", system_actor("incentive"), {"served_on": data["served_on"]})


def _is_recipient(case: ToleranceRow, recipient: Mapping[str, Any]) -> bool:
    """Say whether the decision is for the recipient: the cadre who asked, or else the unit that asked or is concerned."""
    if case.applicant_kind == Applicant.CADRE:
        return bool(recipient["kind"] == "CADRE" and recipient["id"] == case.applicant_id)
    return bool(recipient["kind"] == "UNIT" and recipient["id"] in (case.applicant_id, case.unit))

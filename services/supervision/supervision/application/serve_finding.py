"""Note that the notice of a finding was served on somebody, when notification says so (N3, N4)."""

from collections.abc import Mapping
from typing import Any

import structlog

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork
from supervision.persistence.models import FindingRow

NOTICE = "FINDING_NOTICE"

log = structlog.get_logger(__name__)


def serve_finding(findings: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `serve` for the recipient, once; other documents, and findings that moved on, are let pass.

    Raises Invalid: `UNKNOWN_FINDING`, `NOT_RESPONSIBLE` (the recipient has no part in the finding), `NOT_SERVED` (no
    day of service).
    """
    kind, _, finding_id = data["ref"].partition("/")
    if data["document"] != NOTICE or kind != "finding":
        return
    finding = uow.session.get(FindingRow, finding_id, with_for_update=True)
    if finding is None:
        raise Invalid("UNKNOWN_FINDING")
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    cadre = data["recipient"]["id"]
    entry = next((entry for entry in finding.responsible if entry["cadre"] == cadre), None)
    if entry is None:
        raise Invalid("NOT_RESPONSIBLE")
    if entry["served_on"] is not None:
        return
    if findings.case_type.target(finding.state, "serve") is None:
        log.info("service came after the finding was settled", state=finding.state)
        return
    form = {"cadre": cadre, "served_on": data["served_on"], "reason": event.subject}
    findings.take(uow, finding_id, "serve", system_actor("supervision"), form)

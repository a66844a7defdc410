"""Note that a decision, a refusal to accept, or the notice of a revocation was served on whom it is for, when notification says so (N3, N4)."""

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
REFUSAL: Final = "TOLERANCE_NOT_ACCEPTED"
NOTICE: Final = "TOLERANCE_REVOCATION_NOTICE"

log = structlog.get_logger(__name__)


def serve_decision(tolerances: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `serve`, `serve_refusal`, or `serve_notice` for each who is told of a revocation, once; else it is let pass.

    Raises Invalid: `UNKNOWN_CASE`, `NOT_SERVED` (no day of service), `NOT_THE_RECIPIENT` (served on somebody else),
    `NOT_DECIDED` (there is no decision that could have been served).
    """
    kind, _, case_id = data["ref"].partition("/")
    if data["document"] not in (DOCUMENT, NOTICE, REFUSAL) or kind != "tolerance":
        return
    case = uow.session.get(ToleranceRow, case_id, with_for_update=True)
    if case is None:
        raise Invalid("UNKNOWN_CASE")
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    if data["document"] == NOTICE:
        _serve_notice(tolerances, uow, case, data)
        return
    if not _is_recipient(case, data["recipient"]):
        raise Invalid("NOT_THE_RECIPIENT")
    if data["document"] == REFUSAL:
        _serve_refusal(tolerances, uow, case, data)
        return
    if case.decision is None:
        raise Invalid("NOT_DECIDED")
    if tolerances.case_type.target(case.state, "serve") is None:
        log.info("service came again", state=case.state)
        return
    tolerances.take(uow, case.id, "serve", system_actor("incentive"), {"served_on": data["served_on"]})


def _serve_refusal(tolerances: Cases, uow: UnitOfWork, case: ToleranceRow, data: Mapping[str, Any]) -> None:
    earlier = case.not_accepted_on is None or data["served_on"] < case.not_accepted_on
    again = case.refusal_served_on is not None
    if earlier or again or tolerances.case_type.target(case.state, "serve_refusal") is None:
        log.info("service came again", state=case.state)
        return
    tolerances.take(uow, case.id, "serve_refusal", system_actor("incentive"), {"served_on": data["served_on"]})


def _serve_notice(tolerances: Cases, uow: UnitOfWork, case: ToleranceRow, data: Mapping[str, Any]) -> None:
    recipient = {name: data["recipient"][name] for name in ("kind", "id")}
    waiting = [notice for notice in case.notices if not notice["served_on"]]
    if not any({name: notice[name] for name in recipient} == recipient for notice in case.notices):
        raise Invalid("NOT_THE_RECIPIENT")
    # One that was signed before the present notice was given was an earlier one.
    earlier = case.noticed_on is None or data["served_on"] < case.noticed_on
    again = not any({name: notice[name] for name in recipient} == recipient for notice in waiting)
    if earlier or again or tolerances.case_type.target(case.state, "serve_notice") is None:
        log.info("service came again", state=case.state)
        return
    form = {**recipient, "served_on": data["served_on"]}
    tolerances.take(uow, case.id, "serve_notice", system_actor("incentive"), form)


def _is_recipient(case: ToleranceRow, recipient: Mapping[str, Any]) -> bool:
    """Say whether the decision is for the recipient: the cadre who asked, or else the unit that asked or is concerned."""
    if case.applicant_kind == Applicant.CADRE:
        return bool(recipient["kind"] == "CADRE" and recipient["id"] == case.applicant_id)
    return bool(recipient["kind"] == "UNIT" and recipient["id"] in (case.applicant_id, case.unit))

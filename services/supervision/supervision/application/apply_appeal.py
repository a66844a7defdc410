"""Do what a review or an appeal came to, for the findings, measures, sanctions, adjustments and recalls it is about (A16)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from sqlalchemy import select

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid, Refusal
from citybus.unit_of_work import UnitOfWork
from supervision.application.adjustments import open_adjustment
from supervision.application.case_types import CaseTypes
from supervision.application.know_appeal import know_appeal
from supervision.application.recalls import AMENDMENTS
from supervision.domain.recall import APPEAL
from supervision.domain.sanction import Cause
from supervision.persistence.models import AdjustmentRow

OPEN: Final = frozenset({"FILED", "ACCEPTED", "UNDER_EXAMINATION"})
_SETTLED: Final = frozenset({"REJECTED", "WITHDRAWN"})
_DECIDED: Final = frozenset({"DECIDED", "EXECUTED"})

log = structlog.get_logger(__name__)


def apply_appeal(bound: CaseTypes, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Note an appeal that is open, and carry out what was decided, once; appeals about other matters are let pass.

    Nothing is suspended meanwhile. What the rules refuse (an amended kind whose length people must choose) stays for
    people: it is logged and audited. Raises Invalid: `UNKNOWN_CASE`.
    """
    kind, _, case_id = data["subject_ref"].partition("/")
    if kind == "sanction" and data["state"] in _DECIDED:
        _about_sanction(bound.sanctions, uow, case_id, data)
    elif kind == "adjustment":
        _about_adjustment(bound.adjustments, uow, case_id, data)
    elif kind == "recall" and data["state"] in _DECIDED:
        _about_recall(bound, uow, case_id, data)
    elif kind in ("finding", "measure"):
        know_appeal(bound, uow, event, data)
        if kind == "finding" and data["state"] in _DECIDED and data["decision"] == "AMENDED":
            _amend_finding(bound.findings, uow, case_id, data)


def _case(cases: Cases, uow: UnitOfWork, case_id: str) -> Any:
    case = uow.session.get(cases.model, case_id, with_for_update=True)
    if case is None:
        raise Invalid("UNKNOWN_CASE")
    return case


def _take(cases: Cases, uow: UnitOfWork, case: Any, action: str, form: Mapping[str, Any]) -> bool:
    """Take a step where it leads on from the present state; return whether it was taken."""
    if cases.case_type.target(case.state, action) is None:
        return False
    cases.take(uow, case.id, action, system_actor("supervision"), form)
    return True


def _or_leave_to_people(uow: UnitOfWork, ref: str, step: Callable[[], Any]) -> None:
    """Take a step, or say that people must where the rules refuse it."""
    try:
        with uow.session.begin_nested():
            step()
    except Refusal as refusal:
        log.warning("what an appeal amended waits for people", ref=ref, code=refusal.code)
        uow.audit("appeal.apply", ref, result=refusal.code)


def _about_sanction(sanctions: Cases, uow: UnitOfWork, case_id: str, data: Mapping[str, Any]) -> None:
    case, number = _case(sanctions, uow, case_id), f"appeal/{data['appeal']}"
    if data["decision"] == "REVOKED":
        _take(sanctions, uow, case, "revoke", {"reason": number})
    elif data["decision"] == "AMENDED" and case.decision_no != number:
        cause = Cause.REVIEW if data["type"] == "REVIEW" else Cause.APPEAL
        form = {"cause": cause, "decision_no": number, "kind": data["amended_to"], "reason": number}
        _or_leave_to_people(uow, f"sanction/{case_id}", lambda: _take(sanctions, uow, case, "modify", form))


def _about_adjustment(adjustments: Cases, uow: UnitOfWork, case_id: str, data: Mapping[str, Any]) -> None:
    case, appeal = _case(adjustments, uow, case_id), str(data["appeal"])
    number = {"reason": f"appeal/{appeal}"}
    if data["state"] in OPEN:
        if case.appeal is None:
            _take(adjustments, uow, case, "note_appeal", {"appeal": appeal, **number})
    elif data["state"] in _SETTLED or data["decision"] == "UPHELD":
        if case.appeal == appeal:
            _take(adjustments, uow, case, "settle_appeal", number)
    elif _take(adjustments, uow, case, "reverse", number) and data["decision"] == "AMENDED":
        # What takes its place is decided by people, as every adjustment is.
        again = {
            "cadre": case.cadre,
            "way": data["amended_to"],
            "reason_codes": case.reason_codes,
            "findings": case.findings,
            "recall": case.recall,
            "measure": case.measure,
            "basis": case.basis,
        }
        _or_leave_to_people(uow, f"adjustment/{case_id}", lambda: open_adjustment(adjustments, uow, **again))


def _amend_finding(findings: Cases, uow: UnitOfWork, case_id: str, data: Mapping[str, Any]) -> None:
    """Let the finding be as severe as was decided; one that has become as light meanwhile, or lighter, stays."""
    case, severity = _case(findings, uow, case_id), int(data["amended_to"])
    if severity < case.severity:
        form = {"severity": severity, "reason": f"appeal/{data['appeal']}"}
        _or_leave_to_people(uow, f"finding/{case_id}", lambda: _take(findings, uow, case, "amend", form))


def _about_recall(bound: CaseTypes, uow: UnitOfWork, case_id: str, data: Mapping[str, Any]) -> None:
    """Cancel the recall, open or decided, or amend its outcome; the adjustment that it led to is taken back."""
    case, number = _case(bound.recalls, uow, case_id), {"reason": f"appeal/{data['appeal']}"}
    if data["decision"] == "REVOKED":
        for action in ("cancel", "undo"):
            _take(bound.recalls, uow, case, action, {"cause": APPEAL, **number})
        _take_adjustments_back(bound, uow, case, number)
    elif data["decision"] == "AMENDED":
        action = AMENDMENTS.get(data["amended_to"], "")
        if bound.recalls.case_type.target(case.state, action) is not None:
            _or_leave_to_people(uow, f"recall/{case_id}", lambda: _amend_recall(bound, uow, case, action, number))


def _amend_recall(bound: CaseTypes, uow: UnitOfWork, case: Any, action: str, number: Mapping[str, Any]) -> None:
    # First, for what the other outcome leads to takes the place of what this one led to.
    _take_adjustments_back(bound, uow, case, number)
    _take(bound.recalls, uow, case, action, number)


def _take_adjustments_back(bound: CaseTypes, uow: UnitOfWork, case: Any, number: Mapping[str, Any]) -> None:
    row = AdjustmentRow
    led_to = select(row).where(row.recall == case.id).order_by(row.id).with_for_update()
    for adjustment in uow.session.scalars(led_to).all():
        for action in ("withdraw", "reverse"):
            _take(bound.adjustments, uow, adjustment, action, number)

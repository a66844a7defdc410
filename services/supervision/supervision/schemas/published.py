"""The data of the events that supervision publishes; their contracts are in contracts/schemas."""

from datetime import date
from typing import Any

from citybus.clock import ZONE
from supervision.domain.adjustment import Adjustment
from supervision.domain.bulletin import Bulletin
from supervision.domain.case_hold import CaseHold
from supervision.domain.finding import Finding
from supervision.domain.inspection import Inspection, Kind
from supervision.domain.measure import Measure
from supervision.domain.observation import missed
from supervision.domain.points import points
from supervision.domain.recall_record import Recall
from supervision.domain.rectification import Rectification
from supervision.domain.sanction import Sanction
from supervision.domain.signal import Signal
from supervision.domain.training import phases_passed


def inspection_state(case: Inspection) -> dict[str, Any]:
    """Return the state of an inspection. Where a covert one goes is not told before it has begun."""
    told = case.kind != Kind.COVERT or case.started_on is not None
    return {
        "inspection": case.id,
        "kind": case.kind,
        "theme": case.theme,
        "plan_date": case.plan_date.isoformat(),
        "units": sorted(case.units) if told else [],
        "notice_required": case.notice_required,
        "state": case.state,
    }


def finding_state(case: Finding) -> dict[str, Any]:
    """Return the state of a finding: codes, weights and days, never a text."""
    return {
        "finding": case.id,
        "inspection": case.inspection_id,
        "unit": case.unit,
        "type": case.type,
        "reason_codes": list(case.reason_codes),
        "severity": case.severity,
        "state": case.state,
        "base_weight": points(case.base_weight),
        "effective_weight": points(case.effective_weight),
        "responsible": [{"cadre": entry["cadre"], "role": entry["role"]} for entry in case.responsible],
        "notified_on": case.notified_on and case.notified_on.isoformat(),
        "served_on": case.served_on and case.served_on.isoformat(),
        "plea_until": case.plea_until and case.plea_until.isoformat(),
        "verified_on": case.verified_on and case.verified_on.isoformat(),
        "year": case.year,
        "tolerance": (
            None
            if case.tolerance_factor is None
            else {"case": case.tolerance_case, "factor": points(case.tolerance_factor)}
        ),
        "rectified_factor": None if case.rectified_factor is None else points(case.rectified_factor),
    }


def measure_state(case: Measure) -> dict[str, Any]:
    """Return the state of a measure: kind and days, never why or what was answered."""
    return {
        "measure": case.id,
        "kind": case.kind,
        "cadre": case.cadre,
        "findings": list(case.findings),
        "state": case.state,
        "delivered_on": case.delivered_on and case.delivered_on.isoformat(),
        "effect_until": case.effect_until and case.effect_until.isoformat(),
        "result": case.result,
        "reply_due": case.reply_due and case.reply_due.isoformat(),
        "revoked_for": case.revoked_for,
        "eased": case.eased,
    }


def rectification_state(case: Rectification) -> dict[str, Any]:
    """Return the state of a rectification: days and codes, never a text."""
    return {
        "rectification": case.id,
        "finding": case.finding_id,
        "unit": case.unit,
        "state": case.state,
        "due": case.due.isoformat(),
        "extended": case.extended,
        "overdue": case.overdue,
        "submitted_on": case.submitted_on and case.submitted_on.isoformat(),
        "in_time": case.in_time,
        "recheck_due": case.recheck_due and case.recheck_due.isoformat(),
        "result": case.result,
    }


def bulletin_state(case: Bulletin) -> dict[str, Any]:
    """Return the state of a bulletin with its approved, public text."""
    return {
        "bulletin": case.id,
        "findings": list(case.findings),
        "named": case.named,
        "channels": list(case.channels),
        "state": case.state,
        "title": case.title,
        "text": case.text,
        "legal_basis": case.legal_basis,
        "publish_at": case.publish_at and case.publish_at.astimezone(ZONE).isoformat(),
        "expire_at": case.expire_at and case.expire_at.astimezone(ZONE).isoformat(),
        "correction_text": case.correction_text,
        "reason_code": case.reason_code,
    }


def signal_state(case: Signal) -> dict[str, Any]:
    """Return what is told of a signal: that there is one about a unit, never what it says or of whom."""
    told = {"signal": case.id, "unit": case.unit, "source": case.source, "state": case.state}
    if case.finding_id is not None:
        handed = {"finding": case.finding_id, "severity": case.severity, "transferred_to": case.transferred_to}
        return told | handed
    return told | {"triaged_on": _day(case.triaged_on), "in_time": case.in_time, "finding": case.linked_finding}


def sanction_state(case: Sanction) -> dict[str, Any]:
    """Return the state of a sanction: codes and days, never what the decision says."""
    return {
        "sanction": case.id,
        "cadre": case.cadre,
        "regime": case.regime,
        "kind": case.kind,
        "organ": case.organ,
        "state": case.state,
        "decided_on": case.decided_on.isoformat(),
        "effective_on": case.effective_on.isoformat(),
        "end_on": case.end_on and case.end_on.isoformat(),
        "months": case.months,
        "watch_until": case.watch_until and case.watch_until.isoformat(),
        "restored_on": case.restored_on and case.restored_on.isoformat(),
        "affects_use": case.affects_use,
    }


def case_hold_state(case: CaseHold) -> dict[str, Any]:
    """Return that there is a hold on a cadre, and nothing else."""
    return {"case_hold": case.id, "cadre": case.cadre}


def adjustment_state(case: Adjustment) -> dict[str, Any]:
    """Return the state of an adjustment: what and when, no text and no reason that is sensitive by itself."""
    return {
        "adjustment": case.id,
        "cadre": case.cadre,
        "basis": case.basis,
        "findings": list(case.findings),
        "recall": case.recall,
        "way": case.way,
        "state": case.state,
        "reason_codes": list(case.told_codes),
        "decided_on": case.decided_on and case.decided_on.isoformat(),
        "executed_on": case.executed_on and case.executed_on.isoformat(),
    }


def recall_state(case: Recall) -> dict[str, Any]:
    """Return the state of a recall: codes and days, never a text nor a score."""
    return {
        "recall": case.id,
        "cadre": case.cadre,
        "unit": case.unit,
        "findings": list(case.findings),
        "circumstances": list(case.circumstances),
        "state": case.state,
        "proposed_on": case.proposed_on.isoformat(),
        "notified_on": _day(case.notified_on),
        "plea_until": _day(case.plea_until),
        "approved_on": _day(case.approved_on),
        "class": case.class_id,
        "attempt": case.attempt,
        "phases_passed": phases_passed(case),
        "observe_from": _day(case.observe_from),
        "observe_until": _day(case.observe_until),
        "reports_missed": missed(case),
        "proposal": case.proposal,
        "outcome": case.outcome,
        "outcome_on": _day(case.outcome_on),
        "cancel_reason": case.cancel_reason,
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

"""The data of the events that incentive publishes; their contracts are in contracts/schemas."""

from datetime import date
from typing import Any

from incentive.domain.application import Tolerance
from incentive.domain.batch import Batch
from incentive.domain.candidate import Candidate
from incentive.domain.correction import Correction
from incentive.domain.points import points


def tolerance_state(case: Tolerance) -> dict[str, Any]:
    """Return the state of a case: codes, days and the factor, never a text."""
    return {
        "case": case.id,
        "finding": case.finding_id,
        "applicant": {"kind": case.applicant_kind, "id": case.applicant_id},
        "unit": case.unit,
        "circumstance": case.circumstance,
        "state": case.state,
        "decision": case.decision,
        "factor": None if case.factor is None else points(case.factor),
        "filed_on": _day(case.filed_on),
        "decided_on": _day(case.decided_on),
        "served_on": _day(case.served_on),
        "effective_on": _day(case.effective_on),
        "recipients": [{"kind": notice["kind"], "id": notice["id"]} for notice in case.notices],
        "revoked_on": _day(case.revoked_on),
    }


def correction_state(case: Correction) -> dict[str, Any]:
    """Return the state of a correction plan: whose, for which case, and until when."""
    return {
        "correction": case.id,
        "case": case.tolerance_id,
        "unit": case.unit,
        "state": case.state,
        "due": case.due_on.isoformat(),
        "done_on": _day(case.done_on),
    }


def batch_state(case: Batch) -> dict[str, Any]:
    """Return the state of a batch: how many posts of which units, never who stands for them."""
    return {
        "batch": case.id,
        "kind": case.kind,
        "year": case.year,
        "state": case.state,
        "units": list(case.units),
        "slots": sum(position["slots"] for position in case.positions),
        "publicized_on": _day(case.publicized_on),
        "publicity_until": _day(case.publicity_until),
        "decided_on": _day(case.decided_on),
        "implemented_on": _day(case.implemented_on),
        "reviewed_on": _day(case.reviewed_on),
    }


def candidate_state(case: Candidate) -> dict[str, Any]:
    """Return that a candidate is stopped: by which codes, and until when."""
    return {
        "candidate": case.id,
        "batch": case.batch_id,
        "cadre": case.cadre,
        "state": case.state,
        "verdict": case.verdict,
        "reasons": [{"code": reason["code"], "until": reason["until"]} for reason in case.reasons],
    }


def gate_state(row: Any) -> dict[str, Any]:
    """Return what the gate answered about a candidate (a row of `gate_evaluations`)."""
    return {
        "evaluation": row.id,
        "candidate": row.candidate_id,
        "batch": row.batch_id,
        "cadre": row.cadre,
        "purpose": row.purpose,
        "as_of": row.as_of.isoformat(),
        "verdict": row.verdict,
        "occasion": row.occasion,
        "reasons": [{"code": reason["code"], "until": reason["until"]} for reason in row.reasons],
    }


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()

"""The data of the events that incentive publishes; their contracts are in contracts/schemas."""

from datetime import date
from typing import Any

from incentive.domain.application import Tolerance
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
    }


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()

"""Have a decision on fault tolerance served on who asked for it (N3, M8)."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.cases import Cases
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from notification.application.deliver import deliver
from notification.domain.delivery import Recipient
from notification.domain.document import Document

REVIEWED: Final = "incentive.tolerance.reviewed.v1"


def tell_decision(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver the decision, and later that of a review: to the cadre or unit that asked; where an organ did, to the unit."""
    tolerance, applicant = str(data["case"]), data["applicant"]
    by_organ = applicant["kind"] == "ORGAN"
    recipient = (Recipient.UNIT, data["unit"]) if by_organ else (Recipient(applicant["kind"]), applicant["id"])
    particulars = {
        "case": tolerance,
        "finding": str(data["finding"]),
        "circumstance": data["circumstance"],
        "decision": data["decision"],
        "factor": data["factor"] or "1.0",
        "decided_on": data["decided_on"].isoformat(),
    }
    occasion = "REVIEW" if event.type == REVIEWED else ""
    deliver(deliveries, uow, Document.TOLERANCE_DECISION, f"tolerance/{tolerance}", recipient, particulars, occasion)

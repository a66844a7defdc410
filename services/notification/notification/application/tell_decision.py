"""Have a decision on fault tolerance served on who asked for it, and its revocation on all whom that concerns (N3, M8, I6)."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.cases import Cases
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from notification.application.deliver import deliver
from notification.domain.delivery import Recipient
from notification.domain.document import Document

NOTICED: Final = "incentive.tolerance.revocation-noticed.v1"
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


def tell_refusal(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver that an application is not accepted, each time: to the cadre or unit that asked; an organ knows it."""
    tolerance, applicant = str(data["case"]), data["applicant"]
    if applicant["kind"] == "ORGAN":
        return
    recipient = (Recipient(applicant["kind"]), applicant["id"])
    told_on = event.time.astimezone(ZONE).date().isoformat()
    particulars = {"case": tolerance, "finding": str(data["finding"]), "told_on": told_on}
    ref = f"tolerance/{tolerance}"
    deliver(deliveries, uow, Document.TOLERANCE_NOT_ACCEPTED, ref, recipient, particulars, occasion=event.id)


def tell_tolerance_revoked(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver the notice that a tolerance is to be revoked, each time that one is given, or that it was revoked."""
    tolerance, day = str(data["case"]), event.time.astimezone(ZONE).date()
    matter = {"case": tolerance, "finding": str(data["finding"])}
    if event.type == NOTICED:
        document, particulars = Document.TOLERANCE_REVOCATION_NOTICE, matter | {"told_on": day.isoformat()}
        occasion = event.id
    else:
        document, occasion = Document.TOLERANCE_REVOCATION, ""
        particulars = matter | {"revoked_on": (data["revoked_on"] or day).isoformat()}
    for each in data["recipients"]:
        recipient = (Recipient(each["kind"]), each["id"])
        deliver(deliveries, uow, document, f"tolerance/{tolerance}", recipient, particulars, occasion)

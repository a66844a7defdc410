"""Have everybody who is held responsible for a finding served with the notice of it (N3, S5)."""

from collections.abc import Mapping
from typing import Any

from citybus.cases import Cases
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from notification.application.deliver import deliver
from notification.domain.delivery import Recipient
from notification.domain.document import Document


def notify_responsible(deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Deliver a notice to each cadre that the event names."""
    finding = str(data["finding"])
    for entry in data["responsible"]:
        particulars = {
            "finding": finding,
            "role": entry["role"],
            "severity": data["severity"],
            "notified_on": data["notified_on"].isoformat(),
        }
        recipient = (Recipient.CADRE, entry["cadre"])
        deliver(deliveries, uow, Document.FINDING_NOTICE, f"finding/{finding}", recipient, particulars)

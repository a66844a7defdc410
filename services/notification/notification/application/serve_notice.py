"""Have the documents about measures, recalls, sanctions, adjustments, grades and appeals served on whom they concern (N3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from citybus.cases import Cases
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from notification.application.deliver import deliver
from notification.domain.delivery import Recipient
from notification.domain.document import PARTICULARS, TOLD_ON, Document


@dataclass(frozen=True, slots=True)
class Notice:
    """A document that an event brings: its subject is what the document is about, `recipient` reads whom it is for.

    `occasion` tells apart when it is served again on the same matter. Where any of several steps may bring it,
    whichever comes first (`any_step`), the day on which it is told is that of sending, and not a step's.
    """

    document: Document
    recipient: Callable[[Mapping[str, Any]], tuple[Recipient, str]]
    occasion: Callable[[Mapping[str, Any]], str] = lambda _data: ""
    any_step: bool = False

    def __call__(self, deliveries: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
        """Deliver the document, once for each matter."""
        particulars = {
            name: plain(event.time.astimezone(ZONE).date() if name == TOLD_ON else data[name])
            for name in sorted(PARTICULARS[self.document] - ({TOLD_ON} if self.any_step else set()))
        }
        deliver(deliveries, uow, self.document, event.subject, self.recipient(data), particulars, self.occasion(data))


def cadre(data: Mapping[str, Any]) -> tuple[Recipient, str]:
    """Return the cadre."""
    return Recipient.CADRE, str(data["cadre"])


def cadre_or_unit(data: Mapping[str, Any]) -> tuple[Recipient, str]:
    """Return the cadre, or for a leading group its unit."""
    return (Recipient.UNIT, data["unit"]) if data["cadre"] is None else cadre(data)


def unit(data: Mapping[str, Any]) -> tuple[Recipient, str]:
    """Return the unit."""
    return Recipient.UNIT, str(data["unit"])


def revision(data: Mapping[str, Any]) -> str:
    """Return which revision of a result is served: one that was corrected is served anew."""
    return f"revision/{data['revision']}"


def inquiry(data: Mapping[str, Any]) -> str:
    """Return which inquiry is served: the second one is served anew."""
    return "inquiry/2" if data["state"] == "SECOND_INQUIRY" else ""


def outcome(data: Mapping[str, Any]) -> str:
    """Return which outcome is served: one that an appeal made lighter is served anew."""
    return f"outcome/{data['outcome']}"


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


# The roster's queue skips what a newer step overtakes: the later steps bring the document as well, once.
NOTICES: Final[Mapping[str, Notice]] = {
    "supervision.recall.notified.v1": Notice(Document.RECALL_NOTICE, cadre),
    "supervision.recall.outcome.v1": Notice(Document.RECALL_OUTCOME, cadre, outcome),
    "supervision.recall.unit-warned.v1": Notice(Document.UNIT_WARNING, unit),
    "supervision.measure.approved.v1": Notice(Document.MEASURE_NOTICE, cadre, inquiry),
    "supervision.sanction.recorded.v1": Notice(Document.SANCTION_NOTICE, cadre),
    "supervision.adjustment.decided.v1": Notice(Document.ADJUSTMENT_NOTICE, cadre),
    "assessment.annual.approved.v1": Notice(Document.ANNUAL_RESULT, cadre_or_unit, revision, any_step=True),
    "assessment.annual.corrected.v1": Notice(Document.ANNUAL_RESULT, cadre_or_unit, revision, any_step=True),
    "assessment.annual.notified.v1": Notice(Document.ANNUAL_RESULT, cadre_or_unit, revision, any_step=True),
    "assessment.annual.finalized.v1": Notice(Document.ANNUAL_RESULT, cadre_or_unit, revision, any_step=True),
    "assessment.appeal.decided.v1": Notice(Document.APPEAL_DECISION, cadre, any_step=True),
    "assessment.appeal.executed.v1": Notice(Document.APPEAL_DECISION, cadre, any_step=True),
}

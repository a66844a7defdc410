"""Ease a finding's weight when a fault-tolerance case has become effective (I5)."""

from collections.abc import Mapping
from typing import Any

from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork
from supervision.application.adjustments import drop_ungrounded
from supervision.application.case_types import CaseTypes
from supervision.application.know_tolerance import know_tolerance
from supervision.application.measures import ground_changed
from supervision.application.recalls import cancel_ungrounded
from supervision.application.take_back import take_back
from supervision.domain.finding import is_lighter
from supervision.domain.recall import TOLERANCE
from supervision.persistence.models import FindingRow


def apply_tolerance(bound: CaseTypes, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `apply_tolerance`, unless the case was denied or eases nothing that is not eased already.

    What was made public about the finding is withdrawn as the rules say for the decision; adjustments and
    recalls that rest on nothing else fall.

    Raises Invalid: `UNKNOWN_FINDING`, `FACTOR_MISSING` (granted, but by how much is not said).
    """
    know_tolerance(bound, uow, event, data)
    if data["decision"] == "DENY":
        return
    if data["factor"] is None:
        raise Invalid("FACTOR_MISSING")
    finding = uow.session.get(FindingRow, str(data["finding"]), with_for_update=True)
    if finding is None:
        raise Invalid("UNKNOWN_FINDING")
    take_back(bound.bulletins, uow, finding.id, data["decision"])
    ground_changed(bound.measures, uow, finding.id, data["decision"])
    if not is_lighter(finding, data["factor"]):
        uow.audit("finding.apply_tolerance", f"finding/{finding.id}", result="NOT_LIGHTER")
        return
    form = {"case": str(data["case"]), "factor": data["factor"], "reason": event.subject}
    bound.findings.take(uow, finding.id, "apply_tolerance", system_actor("supervision"), form)
    drop_ungrounded(bound.adjustments, uow, finding.id)
    cancel_ungrounded(bound.recalls, uow, finding.id, TOLERANCE)

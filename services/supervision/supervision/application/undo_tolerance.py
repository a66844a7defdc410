"""Let a finding weigh again what it would without a fault-tolerance case that was revoked (I6, fraud)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork
from supervision.application.case_types import CaseTypes
from supervision.application.know_tolerance import know_tolerance
from supervision.domain.bulletin import EASING
from supervision.persistence.models import FindingRow, ToleranceRow


def undo_tolerance(bound: CaseTypes, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the step `undo_tolerance`, unless what eases the finding is another case.

    The lightest of the other cases that hold takes the place of the revoked one. What was withdrawn, cancelled or reversed
    because of it does not come back by itself: people decide about it anew. Raises Invalid: `UNKNOWN_FINDING`.
    """
    know_tolerance(bound, uow, event, data)
    finding = uow.session.get(FindingRow, str(data["finding"]), with_for_update=True)
    if finding is None:
        raise Invalid("UNKNOWN_FINDING")
    if finding.tolerance_case != str(data["case"]):
        uow.audit("finding.undo_tolerance", f"finding/{finding.id}", result="NOT_APPLIED")
        return
    row = ToleranceRow
    left = uow.session.execute(
        select(row.id, row.factor)
        .where(row.finding_id == finding.id, row.state.in_(sorted(EASING)), row.factor < 1)
        .order_by(row.factor, row.id)
        .limit(1)
    ).one_or_none()
    form = {"case": left.id if left else None, "factor": left.factor if left else None, "reason": event.subject}
    bound.findings.take(uow, finding.id, "undo_tolerance", system_actor("supervision"), form)

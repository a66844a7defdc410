"""Keep what assessment says of reviews and appeals, and follow their decisions on findings and measures (A16, M3, M4)."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy.dialects.postgresql import insert

from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from supervision.application.case_types import CaseTypes
from supervision.application.measures import ease_measure, take_back_measure
from supervision.application.take_back import hold_back
from supervision.domain.bulletin import PENDING_APPEAL
from supervision.domain.finding import Basis
from supervision.domain.measure import Cause
from supervision.persistence.models import AppealRow, FindingRow, MeasureRow

log = structlog.get_logger(__name__)


def know_appeal(bound: CaseTypes, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the appeal as it is now; while it is open nothing is made public about its finding.

    A decision to revoke revokes the finding or the measure; one to amend eases a measure (of a finding: `apply_appeal`).
    What is not ours is let pass.
    """
    kind, _, about = data["subject_ref"].partition("/")
    if kind not in ("finding", "measure"):
        return
    known = {"subject_ref": data["subject_ref"], "state": data["state"], "decision": data["decision"]}
    statement = insert(AppealRow).values(id=str(data["appeal"]), **known)
    uow.session.execute(statement.on_conflict_do_update(index_elements=[AppealRow.id], set_=known))
    if kind == "finding" and data["state"] in PENDING_APPEAL:
        hold_back(bound.bulletins, uow, about, "APPEAL_PENDING")
    if kind == "finding" and data["decision"] == "REVOKED":
        _revoke(bound, uow, about, str(data["appeal"]))
    if kind == "measure" and data["decision"] in ("REVOKED", "AMENDED"):
        measure = uow.session.get(MeasureRow, about, with_for_update=True)
        if measure is None:
            log.warning("an appeal about no measure of ours", subject=f"appeal/{data['appeal']}")
        elif data["decision"] == "REVOKED":
            take_back_measure(bound.measures, uow, measure, Cause.APPEAL.value)
        else:
            ease_measure(bound.measures, uow, measure)


def _revoke(bound: CaseTypes, uow: UnitOfWork, finding_id: str, appeal: str) -> None:
    finding = uow.session.get(FindingRow, finding_id, with_for_update=True)
    if finding is None or bound.findings.case_type.target(finding.state, "revoke") is None:
        log.warning("an appeal about nothing that could be revoked", subject=f"appeal/{appeal}")
        return
    form = {"basis": Basis.APPEAL.value, "reference": f"appeal/{appeal}", "reason": "APPEAL"}
    bound.findings.take(uow, finding_id, "revoke", system_actor("supervision"), form)

"""Keep what incentive says of fault-tolerance cases, as far as it holds bulletins back (I3, S8)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from supervision.application.case_types import CaseTypes
from supervision.application.take_back import hold_back
from supervision.domain.bulletin import PENDING_TOLERANCE
from supervision.persistence.models import ToleranceRow


def know_tolerance(bound: CaseTypes, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the case as it is now. While it is open nothing is made public about its finding."""
    finding = str(data["finding"])
    known = {"finding_id": finding, "state": data["state"], "decision": data["decision"], "factor": data["factor"]}
    statement = insert(ToleranceRow).values(id=str(data["case"]), **known)
    uow.session.execute(statement.on_conflict_do_update(index_elements=[ToleranceRow.id], set_=known))
    if data["state"] in PENDING_TOLERANCE:
        hold_back(bound.bulletins, uow, finding, "TOLERANCE_PENDING")

"""Hand a matter of discipline over to the discipline commission, when a finding is refused for being one (S1, S5)."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import select

from citybus.cases import Cases, Step
from citybus.cases.perform import system_actor
from citybus.unit_of_work import UnitOfWork
from supervision.domain.signal import TO_DISCIPLINE
from supervision.persistence.models import FindingRow, SignalRow

_SYSTEM: Final = system_actor("supervision")


def transfers(signals: Cases) -> Callable[[UnitOfWork, Step], None]:
    """Return what records the signal about the finding that a step is about; the finding stays as it is."""
    return lambda uow, step: transfer(signals, uow, step.case.id)


def transfer(signals: Cases, uow: UnitOfWork, finding_id: str) -> None:
    """Open a signal and hand it over, once for each finding, with its audit entries and its event."""
    # Held, so that two who are refused at once send one signal.
    case = uow.session.get_one(FindingRow, finding_id, with_for_update=True)
    subject = f"finding/{case.id}"
    if uow.session.scalars(select(SignalRow.id).where(SignalRow.finding_id == case.id)).one_or_none():
        uow.audit("signal.transfer", subject, result="KNOWN")
        return
    sent = {
        "refused": case.id,
        "unit": case.unit,
        "source": case.source,
        "type": case.type,
        "reason_codes": list(case.reason_codes),
        "severity": case.severity,
    }
    signal: SignalRow = signals.open(uow, _SYSTEM, sent)
    uow.audit("signal.transfer", subject, written={"signal": signal.id, "to": TO_DISCIPLINE})
    signals.take(uow, signal.id, "hand_over", _SYSTEM, {})

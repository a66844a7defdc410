"""Hand a matter of discipline over to the discipline commission, when a finding is refused for being one (S1, S5)."""

from sqlalchemy.dialects.postgresql import insert

from citybus.cases import Step
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork
from supervision.domain.finding import Finding
from supervision.domain.signal import EVENT, Signal
from supervision.persistence.models import SignalRow
from supervision.schemas.published import signal_state


def transfer_signal(uow: UnitOfWork, step: Step) -> None:
    """Record the signal about the finding that the step is about; the case stays as it is."""
    transfer(uow, step.case, step)


def transfer(uow: UnitOfWork, case: Finding, step: Step) -> None:
    """Record the signal, once for each finding, with its audit entry and its event."""
    signal = Signal(
        id=new_id(),
        finding=case.id,
        unit=case.unit,
        source=case.source,
        type=case.type,
        reason_codes=tuple(case.reason_codes),
        severity=case.severity,
    )
    made = uow.session.execute(
        insert(SignalRow)
        .values(
            id=signal.id,
            finding_id=signal.finding,
            unit=signal.unit,
            source=signal.source,
            type=signal.type,
            reason_codes=list(signal.reason_codes),
            severity=signal.severity,
            state=signal.state,
            transferred_to=signal.to,
            transferred_at=step.at,
        )
        .on_conflict_do_nothing(index_elements=[SignalRow.finding_id])
        .returning(SignalRow.id)
    ).one_or_none()
    subject = f"finding/{case.id}"
    if made is None:
        uow.audit("signal.transfer", subject, result="KNOWN")
        return
    uow.audit("signal.transfer", subject, written={"signal": signal.id, "to": signal.to})
    uow.publish(
        Draft(
            type=EVENT,
            subject=f"signal/{signal.id}",
            data=signal_state(signal),
            dataclass="L3",
            rulepack=" ".join(sorted(step.cited)) or None,
            # The commission reads signals here; no service consumes them yet.
            mandatory=False,
        )
    )

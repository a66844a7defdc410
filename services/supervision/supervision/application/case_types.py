"""Every case type of the service, bound to its table, forms and facts: what routes, queues and timers are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from citybus.cases import Cases, Step
from citybus.unit_of_work import UnitOfWork
from supervision.application.adjustments import adjustments, drop_ungrounded
from supervision.application.bulletins import bulletins
from supervision.application.case_holds import case_holds
from supervision.application.findings import findings
from supervision.application.informant_accesses import informant_accesses
from supervision.application.inspections import inspections
from supervision.application.measures import ground_changed, measures
from supervision.application.recalls import cancel_ungrounded, recalls
from supervision.application.rectifications import cancel_with_finding, rectifications
from supervision.application.rulebook import Rulebook
from supervision.application.sanctions import sanctions
from supervision.application.signals import signals
from supervision.application.take_back import take_back
from supervision.application.training_classes import training_classes
from supervision.domain.measure import Cause
from supervision.domain.recall import FINDING_REVOKED


def bind(rulebook: Rulebook) -> "CaseTypes":
    """Return all case types under the rules of `rulebook`."""

    def finding_revoked(uow: UnitOfWork, step: Step) -> None:
        cancel_with_finding(bound.rectifications, uow, step.case.id)
        take_back(bound.bulletins, uow, step.case.id, "REVOKED")
        ground_changed(bound.measures, uow, step.case.id, Cause.REVOKED)
        drop_ungrounded(bound.adjustments, uow, step.case.id)
        cancel_ungrounded(bound.recalls, uow, step.case.id, FINDING_REVOKED)

    signal_cases = signals(rulebook)
    finding_cases = findings(rulebook, signal_cases, finding_revoked)
    sanction_cases = sanctions(rulebook)
    adjustment_cases = adjustments(rulebook, sanction_cases, signal_cases)
    recall_cases = recalls(rulebook, adjustment_cases, signal_cases)
    bound = CaseTypes(
        adjustments=adjustment_cases,
        bulletins=bulletins(rulebook),
        case_holds=case_holds(rulebook),
        findings=finding_cases,
        informant_accesses=informant_accesses(rulebook),
        inspections=inspections(rulebook),
        measures=measures(rulebook, adjustment_cases),
        recalls=recall_cases,
        rectifications=rectifications(rulebook, finding_cases),
        sanctions=sanction_cases,
        signals=signal_cases,
        training_classes=training_classes(rulebook, recall_cases),
    )
    return bound


@dataclass(frozen=True)
class CaseTypes:
    """The case types by name; iterating gives each."""

    adjustments: Cases
    bulletins: Cases
    case_holds: Cases
    findings: Cases
    informant_accesses: Cases
    inspections: Cases
    measures: Cases
    rectifications: Cases
    sanctions: Cases
    signals: Cases
    recalls: Cases
    training_classes: Cases

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))

"""Every case type of the service, bound to its table, forms and facts: what routes, queues and timers are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from citybus.cases import Cases
from supervision.application.adjustments import adjustments
from supervision.application.bulletins import bulletins
from supervision.application.case_holds import case_holds
from supervision.application.findings import findings
from supervision.application.inspections import inspections
from supervision.application.recalls import recalls
from supervision.application.rulebook import Rulebook
from supervision.application.sanctions import sanctions
from supervision.application.training_classes import training_classes


def bind(rulebook: Rulebook) -> "CaseTypes":
    """Return all case types under the rules of `rulebook`."""
    sanction_cases = sanctions(rulebook)
    adjustment_cases = adjustments(rulebook, sanction_cases)
    recall_cases = recalls(rulebook, adjustment_cases)
    return CaseTypes(
        adjustments=adjustment_cases,
        bulletins=bulletins(rulebook),
        case_holds=case_holds(rulebook),
        findings=findings(rulebook),
        inspections=inspections(rulebook),
        recalls=recall_cases,
        sanctions=sanction_cases,
        training_classes=training_classes(rulebook, recall_cases),
    )


@dataclass(frozen=True)
class CaseTypes:
    """The case types by name; iterating gives each."""

    adjustments: Cases
    bulletins: Cases
    case_holds: Cases
    findings: Cases
    inspections: Cases
    sanctions: Cases
    recalls: Cases
    training_classes: Cases

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))

"""Every case type of the service, bound to its table, forms and facts: what routes, queues and timers are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from citybus.cases import Cases
from supervision.application.adjustments import adjustments
from supervision.application.bulletins import bulletins
from supervision.application.case_holds import case_holds
from supervision.application.findings import findings
from supervision.application.inspections import inspections
from supervision.application.rulebook import Rulebook
from supervision.application.sanctions import sanctions


def bind(rulebook: Rulebook) -> "CaseTypes":
    """Return all case types under the rules of `rulebook`."""
    sanction_cases = sanctions(rulebook)
    return CaseTypes(
        adjustments=adjustments(rulebook, sanction_cases),
        bulletins=bulletins(rulebook),
        case_holds=case_holds(rulebook),
        findings=findings(rulebook),
        inspections=inspections(rulebook),
        sanctions=sanction_cases,
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

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))

"""Every case type of the service, bound to its table, forms and facts: what routes, queues and timers are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from citybus.cases import Cases
from supervision.application.bulletins import bulletins
from supervision.application.findings import findings
from supervision.application.inspections import inspections
from supervision.application.rulebook import Rulebook


def bind(rulebook: Rulebook) -> "CaseTypes":
    """Return all case types under the rules of `rulebook`."""
    return CaseTypes(bulletins=bulletins(rulebook), findings=findings(rulebook), inspections=inspections(rulebook))


@dataclass(frozen=True)
class CaseTypes:
    """The case types by name; iterating gives each."""

    bulletins: Cases
    findings: Cases
    inspections: Cases

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))

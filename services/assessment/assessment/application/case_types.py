"""All case types of assessment, bound: what the routes, the deadlines and the events work on."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from assessment.application.constraints import constraints
from assessment.application.rulebook import Rulebook
from citybus.cases import Cases


@dataclass(frozen=True, slots=True)
class CaseTypes:
    """The case types, by what they are."""

    constraints: Cases

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))


def case_types(rulebook: Rulebook) -> CaseTypes:
    """Return all case types, bound to the rules of the city."""
    return CaseTypes(constraints=constraints(rulebook))

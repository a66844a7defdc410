"""Every case type of the service, bound to its table, forms and facts: what routes, queues and timers are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from citybus.cases import Cases
from incentive.application.batches import batches
from incentive.application.candidates import candidates
from incentive.application.corrections import corrections
from incentive.application.rulebook import Rulebook
from incentive.application.tolerances import tolerances


def bind(rulebook: Rulebook) -> "CaseTypes":
    """Return all case types under the rules of `rulebook`."""
    chosen = candidates(rulebook)
    # A plan moves its case along, and a case opens its plan.
    plans = corrections(rulebook, lambda: cases)
    cases = tolerances(rulebook, plans)
    return CaseTypes(batches=batches(rulebook, chosen), candidates=chosen, corrections=plans, tolerances=cases)


@dataclass(frozen=True)
class CaseTypes:
    """The case types by name; iterating gives each."""

    batches: Cases
    candidates: Cases
    corrections: Cases
    tolerances: Cases

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))

"""All case types of assessment, bound: what the routes, the deadlines and the events work on."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from assessment.application.absences import absences
from assessment.application.annuals import annuals
from assessment.application.appeals import appeals
from assessment.application.cadres import cadres, roster_exports
from assessment.application.constraints import constraints
from assessment.application.duty_lists import duty_lists
from assessment.application.indicators import indicators
from assessment.application.quotas import quotas
from assessment.application.rulebook import Rulebook
from assessment.application.schemes import schemes
from citybus.cases import Cases


@dataclass(frozen=True, slots=True)
class CaseTypes:
    """The case types, by what they are."""

    absences: Cases
    annuals: Cases
    appeals: Cases
    cadres: Cases
    constraints: Cases
    duty_lists: Cases
    indicators: Cases
    joint_reviews: Cases
    roster_exports: Cases
    quotas: Cases
    schemes: Cases

    def __iter__(self) -> Iterator[Cases]:
        return (getattr(self, field.name) for field in fields(self))


def case_types(rulebook: Rulebook) -> CaseTypes:
    """Return all case types, bound to the rules of the city."""
    bound_schemes, bound_quotas = schemes(rulebook), quotas(rulebook)
    lists, reviews = duty_lists(rulebook)
    bound_annuals = annuals(rulebook, bound_schemes, bound_quotas)
    return CaseTypes(
        absences=absences(rulebook),
        annuals=bound_annuals,
        appeals=appeals(rulebook, bound_annuals),
        constraints=constraints(rulebook),
        duty_lists=lists,
        indicators=indicators(rulebook),
        joint_reviews=reviews,
        cadres=cadres(rulebook),
        roster_exports=roster_exports(rulebook),
        quotas=bound_quotas,
        schemes=bound_schemes,
    )

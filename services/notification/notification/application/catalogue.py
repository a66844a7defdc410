"""What there is to subscribe to: the contracts of events, and the departments that have a queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from citybus.contracts import Contract
from citybus.rulepack import Rules
from notification.domain.sharing import SHAREABLE, kind_of, subject_classes


@dataclass(frozen=True)
class Catalogue:
    """The contracts by event type, and the names of departments with a queue on the bus."""

    contracts: Mapping[str, Contract]
    departments: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def classes(self) -> Mapping[str, Mapping[str, str]]:
        """The class of each field of each event type."""
        return {event_type: contract.fields for event_type, contract in self.contracts.items()}

    def offered(self, rules: Rules) -> dict[str, Any]:
        """Return what a department may ask for under `rules`, with labels."""
        shareable = rules[SHAREABLE]
        return {
            "departments": sorted(self.departments),
            "items": [
                {
                    "type": event_type,
                    **contract.title,
                    "subject_class": max(subject_classes(event_type, contract.fields, shareable).values()),
                    "fields": [
                        {
                            "name": name,
                            "zh": described["x-zh"]["title"],
                            "en": described["title"],
                            "dataclass": described["x-dataclass"],
                        }
                        for name, described in contract.schema["properties"].items()
                    ],
                }
                for event_type, contract in sorted(self.contracts.items())
                if kind_of(event_type) in shareable
            ],
        }

"""Who acts: a person with roles and a data scope, or a service itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who takes a step or asks for something.

    `units` is the data scope as unit codes, None where it is every unit; `unit` is the unit to which the actor belongs
    and `person` the actor's own id among those whom cases concern, both None where there is none. `system`: a service
    itself acts, by a deadline or in answer to an event.
    """

    subject: str
    roles: frozenset[str] = frozenset()
    units: frozenset[str] | None = frozenset()
    unit: str | None = None
    person: str | None = None
    system: bool = False

    def has(self, role: str) -> bool:
        """Say whether the actor holds `role`.

        An office holds its parts: `ORG` holds `ORG.assess`. `ORG.*` asks for the office or any part of it.
        """
        if role.endswith(".*"):
            office = role[:-2]
            return any(held == office or held.startswith(f"{office}.") for held in self.roles)
        return role in self.roles or any(role.startswith(f"{held}.") for held in self.roles)

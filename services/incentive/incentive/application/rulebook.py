"""The rules of this city, as of a day."""

from dataclasses import dataclass
from datetime import date

from citybus.rulepack import RulePacks, Rules


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All packs, and the city whose rules are asked for."""

    packs: RulePacks
    city: str

    def on(self, day: date) -> Rules:
        """Return the rules in force on a day."""
        return self.packs.at(day, self.city)

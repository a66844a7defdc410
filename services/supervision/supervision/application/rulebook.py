"""The rules of this city, as of a day."""

from dataclasses import dataclass
from datetime import date

from citybus.rulepack import MissingRule, Rule, RulePacks, Rules


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All packs, and the city whose rules are asked for."""

    packs: RulePacks
    city: str

    def on(self, day: date) -> Rules:
        """Return the rules in force on a day: for procedure."""
        return self.packs.at(day, self.city)

    def substance(self, key: str, *, conduct: date, decision: date) -> Rule | None:
        """Return the rule of substance for a conduct (从旧兼从轻); None where none was in force then."""
        try:
            return self.packs.substance(key, self.city, conduct=conduct, decision=decision)
        except MissingRule:
            return None

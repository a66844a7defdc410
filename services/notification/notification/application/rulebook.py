"""The rules of this city, as of a day."""

from dataclasses import dataclass
from datetime import date

from citybus.rulepack import RulePackError, RulePacks, Rules
from notification.domain.document import Document, template_faults, template_key


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All packs, and the city whose rules are asked for."""

    packs: RulePacks
    city: str

    def on(self, day: date) -> Rules:
        """Return the rules in force on a day."""
        return self.packs.at(day, self.city)

    def check_templates(self) -> None:
        """Raise RulePackError where a template of any pack names what it may not: no process starts with one."""
        documents = {template_key(document): document for document in Document}
        problems = [
            f"{rule.pack.cite}: {rule.key}: {fault}"
            for rule in self.packs.rules
            if rule.key in documents
            for fault in template_faults(documents[rule.key], rule.value)
        ]
        if problems:
            raise RulePackError(problems)

"""The free texts of forms, which must not bear marks of state secrets (X13)."""

from typing import Final

from citybus.cases.declare import Step
from citybus.secrecy import refuse_marked

TEXTS: Final = ("statement", "late_cause", "new_facts", "deviation", "reason", "grounds", "answer")
"""The fields of forms that hold free text. All of it is sensitive (L4): it stays here and enters no event."""


def plain_texts(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where a text that is given for a step bears a mark of a state secret."""
    refuse_marked([step.form.get(name) for name in TEXTS], step.rules)

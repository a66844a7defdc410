"""The free texts of forms, which must not bear marks of state secrets (X13)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from citybus.cases.declare import Action, Step
from citybus.secrecy import refuse_marked

TEXTS: Final = ("purpose", "legal_basis", "agreement_no", "reason")
"""The fields of forms that hold free text."""


def plain_texts(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where a text that is given for a step bears a mark of a state secret."""
    refuse_marked([step.form.get(name) for name in TEXTS], step.rules)


def with_plain_texts(actions: Mapping[str, Action]) -> dict[str, Action]:
    """Return `actions`, each of which now looks at its texts first."""
    return {name: replace(action, guards=(plain_texts, *action.guards)) for name, action in actions.items()}

"""What a free text must not hold: marks of state secrets (X13)."""

from collections.abc import Iterable
from typing import Final

from citybus.cases.declare import Step
from citybus.errors import Refusal
from citybus.rulepack import Rules

TEXTS: Final = ("statement", "late_cause", "new_facts", "deviation", "reason", "grounds", "answer")
"""The fields of forms that hold free text. All of it is sensitive (L4): it stays here and enters no event."""


def refuse_marked(texts: Iterable[str | None], rules: Rules) -> None:
    """Raise 451 `SECRECY_LEVEL` where one of `texts` bears a mark of a state secret.

    Marks, and words that look like one and are none (工作秘密, 商业秘密), are rules. Source: 保守国家秘密法, article 30: what
    is classified is handled in classified systems alone.
    """
    for text in texts:
        rest = text or ""
        for word in rules["secrecy.harmless"]:
            rest = rest.replace(word, "")
        found = [mark for mark in rules["secrecy.marks"] if mark in rest]
        if found:
            raise Refusal(
                "SECRECY_LEVEL",
                zh="内容带有国家秘密标志，本系统不得处理，请改在涉密系统办理。",
                en="It bears a mark of state secrets; this system must not hold it. Use the classified one.",
                status=451,
                marks=found,
            )


def plain_texts(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where a text that is given for a step bears a mark of a state secret."""
    refuse_marked([step.form.get(name) for name in TEXTS], step.rules)

"""What no text may hold: marks of state secrets (X13)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from citybus.cases.declare import Action, Step
from citybus.errors import Refusal
from citybus.rulepack import Rules


def refuse_marked(texts: Iterable[str | None], rules: Rules) -> None:
    """Raise 451 `SECRECY_LEVEL` where one of `texts` bears a mark of a state secret.

    The marks, and words that hold one and are none (工作秘密, 商业秘密), are the rules `secrecy.marks` and
    `secrecy.harmless`. Source: 保守国家秘密法, article 30: what is classified is handled in classified systems alone.
    """
    marks, harmless = rules["secrecy.marks"], rules["secrecy.harmless"]
    found: set[str] = set()
    for text in texts:
        if not text or text.isascii():
            continue
        rest = text
        for word in harmless:
            rest = rest.replace(word, "")
        found.update(mark for mark in marks if mark in rest)
    if found:
        raise Refusal(
            "SECRECY_LEVEL",
            zh="内容带有国家秘密标志，本系统不得处理，请改在涉密系统办理。",
            en="It bears a mark of state secrets; this system must not hold it. Use the classified one.",
            status=451,
            marks=sorted(found),
        )


def refuse_marked_reason(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where the reason that is given for a step bears a mark of a state secret."""
    refuse_marked([step.form.get("reason")], step.rules)


def with_plain_reasons(actions: Mapping[str, Action]) -> dict[str, Action]:
    """Return `actions`, each of which now looks at its reason first."""
    return {name: replace(action, guards=(refuse_marked_reason, *action.guards)) for name, action in actions.items()}

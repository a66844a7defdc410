"""What a free text must not hold: marks of state secrets (X13)."""

from collections.abc import Iterable

from citybus.cases.declare import Step
from citybus.errors import Refusal


def refuse_secrecy_marks(step: Step, texts: Iterable[str | None]) -> None:
    """Raise 451 `SECRECY_LEVEL` where one of `texts` bears a mark of a state secret.

    Marks and the words that are no such mark (工作秘密, 商业秘密) are rules. Source: 保守国家秘密法, article 30: what is
    classified is handled in classified systems alone.
    """
    marks, harmless = step.rule("secrecy.marks"), step.rule("secrecy.harmless")
    for text in texts:
        rest = text or ""
        for word in harmless:
            rest = rest.replace(word, "")
        found = [mark for mark in marks if mark in rest]
        if found:
            raise Refusal(
                "SECRECY_LEVEL",
                zh="内容带有国家秘密标志,本系统不得处理,请改在涉密系统办理。",
                en="The text bears a mark of state secrets; this system must not hold it. Use the classified one.",
                status=451,
                marks=found,
            )

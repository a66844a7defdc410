"""Which texts bear a mark of state secrets."""

from types import SimpleNamespace
from typing import Any

import pytest

from citybus.cases import Action
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons

RULES: Any = {"secrecy.marks": ["绝密", "机密", "秘密"], "secrecy.harmless": ["工作秘密", "商业秘密"]}


@pytest.mark.parametrize(
    "texts", [[], [None, ""], ["plain"], ["普通文字"], ["属工作秘密，请勿外传"], ["商业秘密与工作秘密"]]
)
def test_plain_texts_pass(texts: list[str | None]) -> None:
    refuse_marked(texts, RULES)


@pytest.mark.parametrize(
    ("texts", "marks"),
    [(["机密★五年"], ["机密"]), (["无", "绝密", "秘密"], ["秘密", "绝密"]), (["工作秘密之外的秘密"], ["秘密"])],
)
def test_marked_texts_are_refused_with_their_marks(texts: list[str | None], marks: list[str]) -> None:
    with pytest.raises(Refusal) as caught:
        refuse_marked(texts, RULES)
    assert (caught.value.code, caught.value.status, caught.value.figures) == ("SECRECY_LEVEL", 451, {"marks": marks})


def test_every_action_looks_at_its_reason_first() -> None:
    def later(step: Any) -> None:
        raise AssertionError

    (action,) = with_plain_reasons({"close": Action(zh="结", en="close", guards=(later,))}).values()
    step: Any = SimpleNamespace(form={"reason": "机密"}, rules=RULES)
    assert action.guards == (refuse_marked_reason, later)
    with pytest.raises(Refusal, match="SECRECY_LEVEL"):
        action.guards[0](step)

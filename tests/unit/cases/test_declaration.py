"""A declaration that does not fit its machine is refused when it is made; one that does can be drawn."""

from dataclasses import replace

import pytest

from citybus.cases import Action, Arm
from citybus.cases.diagram import mermaid
from tests.support.permits import PERMIT


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"actions": {**PERMIT.actions, "fly": Action("飞", "fly")}}, "action fly has no transition"),
        (
            {"actions": {name: action for name, action in PERMIT.actions.items() if name != "note"}},
            "transition note has no action",
        ),
        (
            {"states": {name: label for name, label in PERMIT.states.items() if name != "DRAFT"}},
            "state DRAFT has no label",
        ),
        ({"states": {**PERMIT.states, "GONE": ("无", "gone")}}, "label GONE has no state"),
        (
            {"create": Action("起草", "draft", arms=(Arm("permit.start", "permit.limit", then="fly"),))},
            "deadline permit.start of create fires fly",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        replace(PERMIT, **changes)


def test_the_diagram_shows_every_state_and_transition() -> None:
    drawn = mermaid(PERMIT)
    assert drawn.startswith("stateDiagram-v2\n")
    assert "[*] --> DRAFT: create" in drawn
    assert "SUBMITTED --> APPROVED: approve 批准 [BOARD ×2]" in drawn
    assert "APPROVED --> EXPIRED: expire 到期 [system]" in drawn
    assert "EXPIRED --> [*]" in drawn

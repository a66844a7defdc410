"""Each code that a rule refuses with is declared for its readers, and the catalogues of rules are bilingual."""

import ast
from datetime import date
from pathlib import Path

import assessment
from assessment.application.case_types import case_types
from assessment.entrypoints.problems import PROBLEMS
from citybus.http.problems import COMMON
from tests.support.assessment import rulebook
from tests.support.sources import nodes

PACKAGE = Path(assessment.__file__).parent


def raised_codes() -> set[str]:
    """Return the codes of all refusals in the service's source."""
    codes = set()
    for node in nodes(PACKAGE):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
            code = node.args[0]
            if isinstance(code, ast.Constant):
                codes.add(str(code.value))
    return codes


def test_every_refusal_is_declared_on_the_page_of_problems() -> None:
    declared = {kind.code for kind in (*PROBLEMS, *COMMON)}
    twice = {
        action.same_code
        for cases in case_types(rulebook())
        for action in cases.case_type.actions.values()
        if action.eyes > 1
    }
    assert raised_codes() | twice <= declared
    assert [kind.code for kind in PROBLEMS] == sorted({kind.code for kind in PROBLEMS})


def test_every_catalogue_is_bilingual() -> None:
    rules = rulebook().on(date(2025, 3, 4))
    for key in ("absence.kinds", "constraint.reasons"):
        assert all(entry["zh"] and entry["en"] for entry in rules[key].values()), key

"""The machine as the domain draws it, the rule pack, and that each code is declared for its readers."""

import ast
from pathlib import Path

import incentive
from citybus.http.problems import COMMON
from incentive.application.case_types import bind
from incentive.domain.tolerance import TOLERANCE
from incentive.entrypoints.problems import PROBLEMS
from tests.support.incentive import MONDAY, rulebook
from tests.support.sources import nodes

PACKAGE = Path(incentive.__file__).parent
RULES = rulebook().on(MONDAY.date())
CASE_TYPES = [cases.case_type for cases in bind(rulebook())]

LEADS_ON = {
    ("DRAFT", "revise", "DRAFT"),
    ("DRAFT", "discard", "WITHDRAWN"),
    ("DRAFT", "file", "FILED"),
    ("FILED", "attach", "FILED"),
    ("FILED", "accept", "ACCEPTED"),
    ("FILED", "not_accept", "NOT_ACCEPTED"),
    ("FILED", "withdraw", "WITHDRAWN"),
    ("NOT_ACCEPTED", "serve_refusal", "NOT_ACCEPTED"),
    ("NOT_ACCEPTED", "refile", "FILED"),
    ("ACCEPTED", "attach", "ACCEPTED"),
    ("ACCEPTED", "assign", "VERIFYING"),
    ("ACCEPTED", "withdraw", "WITHDRAWN"),
    ("VERIFYING", "attach", "VERIFYING"),
    ("VERIFYING", "reassign", "VERIFYING"),
    ("VERIFYING", "extend", "VERIFYING"),
    ("VERIFYING", "verify", "DELIBERATING"),
    ("VERIFYING", "withdraw", "WITHDRAWN"),
    ("DELIBERATING", "decide", "DECIDED"),
    ("DECIDED", "serve", "SERVED"),
    ("SERVED", "ask_review", "SERVED"),
    ("SERVED", "review", "REVIEWED"),
    ("SERVED", "take_effect", "EFFECTIVE"),
    ("REVIEWED", "take_effect", "EFFECTIVE"),
    ("EFFECTIVE", "correct", "CORRECTING"),
    ("CORRECTING", "close", "CLOSED"),
    *(
        (state, action, state)
        for state in ("EFFECTIVE", "CORRECTING", "CLOSED")
        for action in ("give_notice", "serve_notice", "answer")
    ),
    *((state, "revoke", "REVOKED") for state in ("EFFECTIVE", "CORRECTING", "CLOSED")),
}


def test_the_machine_has_these_transitions_and_no_other() -> None:
    assert set(TOLERANCE.transitions) == LEADS_ON


def raised_codes() -> set[str]:
    """Return the codes of all refusals in the service's source."""
    codes = set()
    for node in nodes(PACKAGE):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
            code = node.args[0]
            if isinstance(code, ast.JoinedStr):
                codes |= {f"EXCLUDED_{each}" for each in RULES["tolerance.exclusions"]}
            else:
                assert isinstance(code, ast.Constant)
                codes.add(code.value)
    actions = [action for case_type in CASE_TYPES for action in case_type.actions.values()]
    return codes | {action.same_code for action in actions if action.eyes > 1}


def test_every_refusal_is_declared_on_the_page_of_problems() -> None:
    declared = {kind.code for kind in (*PROBLEMS, *COMMON)}
    assert raised_codes() <= declared
    own = {kind.code for kind in PROBLEMS} - {"APPROVAL_DIFFERS", "REASON_MISSING"}
    assert own <= raised_codes(), "a code that nothing raises"


def test_every_rule_of_the_pack_is_asked_for() -> None:
    asked = {node.value for node in nodes(PACKAGE) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(RULES) <= asked | {f"tolerance.factor.{decision}" for decision in ("exempt", "mitigate", "deny")}


def test_every_catalogue_is_bilingual() -> None:
    for key in ("tolerance.circumstances", "tolerance.exclusions"):
        for code, entry in RULES[key].items():
            assert set(entry) == {"zh", "en"}, f"{key} {code}"
            assert all(entry.values())
    assert list(RULES["tolerance.circumstances"]) == list(range(1, 10))


def test_the_domain_imports_no_machinery() -> None:
    banned = {"sqlalchemy", "marshmallow", "nameko", "flask", "pika", "eventlet"}
    for path in (PACKAGE / "domain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & banned, path.name

"""The machines as the domain draws them, the rule pack, and that each code is declared for its readers."""

import ast
from pathlib import Path

import pytest

import notification
from citybus.cases import CaseType, Reach
from citybus.http.problems import COMMON
from notification.domain.deadline import DEADLINE
from notification.domain.delivery import DELIVERY
from notification.domain.document import Document, template_key
from notification.domain.publication import PUBLICATION
from notification.domain.subscription import SUBSCRIPTION
from notification.entrypoints.problems import PROBLEMS
from tests.support.notification import MONDAY, rulebook
from tests.support.sources import nodes

PACKAGE = Path(notification.__file__).parent

LEADS_ON = {
    "deadline": {
        ("ARMED", "move", "ARMED"),
        ("WARNED", "move", "ARMED"),
        ("ARMED", "warn", "WARNED"),
        ("ARMED", "breach", "BREACHED"),
        ("WARNED", "breach", "BREACHED"),
        ("BREACHED", "tell_head", "BREACHED"),
        ("BREACHED", "tell_supervision", "BREACHED"),
        ("BREACHED", "yellow_card", "BREACHED"),
        *((state, "satisfy", "SATISFIED") for state in ("ARMED", "WARNED", "BREACHED")),
        *((state, "cancel", "CANCELLED") for state in ("ARMED", "WARNED", "BREACHED")),
    },
    "delivery": {
        ("QUEUED", "dispatch", "SENT"),
        ("SENT", "open", "OPENED"),
        ("SENT", "paper_due", "PAPER_DUE"),
        ("OPENED", "sign", "SIGNED"),
        ("OPENED", "refuse", "REFUSED"),
        ("OPENED", "paper_due", "PAPER_DUE"),
        ("PAPER_DUE", "open", "PAPER_DUE"),
        ("PAPER_DUE", "sign", "SIGNED"),
        ("PAPER_DUE", "refuse", "REFUSED"),
        ("PAPER_DUE", "substitute", "SUBSTITUTED"),
    },
    "publication": {
        ("PENDING", "post", "POSTED"),
        ("PENDING", "correct", "PENDING"),
        ("PENDING", "fail", "FAILED"),
        ("PENDING", "withdraw", "WITHDRAWING"),
        ("PENDING", "expire", "EXPIRED"),
        ("POSTED", "confirm", "CONFIRMED"),
        ("POSTED", "correct", "PENDING"),
        ("POSTED", "fail", "FAILED"),
        ("POSTED", "withdraw", "WITHDRAWING"),
        ("POSTED", "expire", "EXPIRED"),
        ("CONFIRMED", "correct", "PENDING"),
        ("CONFIRMED", "withdraw", "WITHDRAWING"),
        ("CONFIRMED", "expire", "EXPIRED"),
        ("FAILED", "confirm", "CONFIRMED"),
        ("FAILED", "correct", "PENDING"),
        ("FAILED", "replay", "PENDING"),
        ("FAILED", "withdraw", "WITHDRAWING"),
        ("FAILED", "expire", "EXPIRED"),
        ("EXPIRED", "withdraw", "WITHDRAWING"),
        ("WITHDRAWING", "issue", "WITHDRAWING"),
        ("WITHDRAWING", "fail", "WITHDRAWAL_FAILED"),
        ("WITHDRAWING", "retract", "WITHDRAWN"),
        ("WITHDRAWAL_FAILED", "replay", "WITHDRAWING"),
        ("WITHDRAWAL_FAILED", "retract", "WITHDRAWN"),
    },
    "subscription": {
        ("REQUESTED", "approve", "APPROVED"),
        ("REQUESTED", "expire", "EXPIRED"),
        ("APPROVED", "activate", "ACTIVE"),
        ("APPROVED", "expire", "EXPIRED"),
        ("ACTIVE", "suspend", "SUSPENDED"),
        ("ACTIVE", "expire", "EXPIRED"),
        ("SUSPENDED", "resume", "ACTIVE"),
        ("SUSPENDED", "expire", "EXPIRED"),
    },
}


@pytest.mark.parametrize(
    "case_type", [DEADLINE, DELIVERY, PUBLICATION, SUBSCRIPTION], ids=lambda case_type: case_type.kind
)
def test_the_machine_has_these_transitions_and_no_other(case_type: CaseType) -> None:
    assert set(case_type.transitions) == LEADS_ON[case_type.kind]


def test_no_officer_can_read_or_move_a_delivery() -> None:
    for action in DELIVERY.actions.values():
        assert Reach.OFFICE not in action.allow.values()


def raised_codes() -> set[str]:
    """Return the codes of all refusals in the service's source."""
    codes = set()
    for node in nodes(PACKAGE):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
            assert isinstance(node.args[0], ast.Constant)
            codes.add(str(node.args[0].value))
    return codes


def test_every_refusal_is_declared_on_the_page_of_problems() -> None:
    assert raised_codes() <= {kind.code for kind in (*PROBLEMS, *COMMON)}
    own = {kind.code for kind in PROBLEMS} - {"REASON_MISSING"}
    assert own <= raised_codes(), "a code that nothing raises"


def test_every_rule_of_the_pack_is_asked_for() -> None:
    texts = {node.value for node in nodes(PACKAGE) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    asked = texts | {template_key(document) for document in Document}
    assert set(rulebook().on(MONDAY.date())) <= asked


def test_the_domain_imports_no_machinery() -> None:
    banned = {"sqlalchemy", "marshmallow", "nameko", "flask", "pika", "eventlet"}
    for path in (PACKAGE / "domain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & banned, path.name

"""The machines as the domain draws them, the rule pack, and that each code is declared for its readers."""

import ast
from pathlib import Path

import pytest

import supervision
from citybus.http.problems import COMMON
from supervision.application.case_types import bind
from supervision.domain import adjustment
from supervision.domain.recall import RECALL
from supervision.entrypoints.problems import PROBLEMS
from tests.support.sources import nodes
from tests.support.supervision import MONDAY, rulebook

CASE_TYPES = {cases.case_type.kind: cases.case_type for cases in bind(rulebook())}
PACKAGE = Path(supervision.__file__).parent

IN_FORCE = ("IN_EFFECT", "MODIFIED", "POST_WATCH")
STANDING = ("RECORDED", *IN_FORCE, "EXPIRED")
OPEN_RECALLS = RECALL.states.keys() - {"RESTORED", "ADJUSTED", "REMOVED", "DEMOTED", "CANCELLED", "TRANSFERRED"}
WHILE_OBSERVING = ("extend", "report_month", "miss_month", "warn_unit", "review", "unit_opinion")
LEADS_ON = {
    "adjustment": {
        ("PROPOSED", "start_verification", "VERIFYING"),
        ("VERIFYING", "recommend", "RECOMMENDED"),
        ("RECOMMENDED", "send_back", "VERIFYING"),
        ("RECOMMENDED", "decide", "DECIDED"),
        ("DECIDED", "talk", "TALKED"),
        ("TALKED", "execute", "EXECUTED"),
        ("EXECUTED", "close", "CLOSED"),
        ("EXECUTED", "note_appeal", "APPEALED"),
        ("CLOSED", "note_appeal", "APPEALED"),
        ("APPEALED", "settle_appeal", "EXECUTED"),
        *((state, action, state) for state in ("DECIDED", "TALKED") for action in ("note_appeal", "settle_appeal")),
        ("EXECUTED", "settle_appeal", "EXECUTED"),
        *((state, "serve", state) for state in adjustment.STANDING),
        *((state, "reverse", "REVERSED") for state in adjustment.STANDING),
        *((state, "dismiss", "DISMISSED") for state in adjustment.UNDECIDED),
        *((state, "withdraw", "WITHDRAWN") for state in adjustment.UNDECIDED),
    },
    "case-hold": {("OPEN", "close", "CLOSED")},
    "informant-access": {
        ("REQUESTED", "grant", "GRANTED"),
        ("REQUESTED", "refuse", "REFUSED"),
        ("GRANTED", "expire", "EXPIRED"),
    },
    "signal": {
        ("RECEIVED", "triage", "TRIAGED"),
        ("RECEIVED", "hand_over", "TRANSFERRED"),
        ("RECEIVED", "merge", "MERGED"),
        ("TRIAGED", "link", "LINKED"),
        ("TRIAGED", "transfer", "TRANSFERRED"),
        ("TRIAGED", "dismiss", "DISMISSED"),
        *((state, "absorb", state) for state in ("RECEIVED", "TRIAGED", "LINKED", "TRANSFERRED")),
    },
    "sanction": {
        ("ENTERED", "revise", "ENTERED"),
        ("DISCARDED", "revise", "ENTERED"),
        ("ENTERED", "discard", "DISCARDED"),
        ("ENTERED", "confirm", "RECORDED"),
        ("RECORDED", "take_effect", "IN_EFFECT"),
        ("RECORDED", "modify", "RECORDED"),
        ("IN_EFFECT", "extend_watch", "IN_EFFECT"),
        ("MODIFIED", "extend_watch", "MODIFIED"),
        ("IN_EFFECT", "restore_rights", "POST_WATCH"),
        ("MODIFIED", "restore_rights", "POST_WATCH"),
        ("IN_EFFECT", "modify", "MODIFIED"),
        ("MODIFIED", "modify", "MODIFIED"),
        ("POST_WATCH", "modify", "POST_WATCH"),
        ("EXPIRED", "modify", "EXPIRED"),
        ("EXPIRED", "resume", "MODIFIED"),
        ("EXPIRED", "flag_use", "EXPIRED"),
        ("EXPIRED", "review_use", "EXPIRED"),
        ("EXPIRED", "clear_use", "EXPIRED"),
        ("REVOKED", "note_restored", "REVOKED"),
        *((state, "near_end", state) for state in IN_FORCE),
        *((state, "expire", "EXPIRED") for state in IN_FORCE),
        *((state, "serve", state) for state in STANDING),
        *((state, "note_executed", state) for state in STANDING),
        *((state, "reckon", state) for state in STANDING),
        *((state, "revoke", "REVOKED") for state in STANDING),
    },
    "recall": {
        ("PROPOSED", "notify", "NOTIFIED"),
        ("NOTIFIED", "serve", "NOTIFIED"),
        ("NOTIFIED", "plea", "NOTIFIED"),
        ("NOTIFIED", "approve", "APPROVED"),
        ("APPROVED", "enrol", "ENROLLED"),
        ("ENROLLED", "start", "IN_TRAINING"),
        ("IN_TRAINING", "reflect", "IN_TRAINING"),
        ("IN_TRAINING", "pass_phase", "IN_TRAINING"),
        ("IN_TRAINING", "advance", "IN_TRAINING"),
        ("IN_TRAINING", "complete", "TRAINING_PASSED"),
        ("IN_TRAINING", "fail", "TRAINING_FAILED"),
        ("TRAINING_FAILED", "retrain", "ENROLLED"),
        ("TRAINING_FAILED", "conclude", "EVALUATED"),
        ("TRAINING_PASSED", "observe", "OBSERVING"),
        ("OBSERVING", "evaluate", "EVALUATED"),
        ("EVALUATED", "restore", "RESTORED"),
        ("EVALUATED", "adjust", "ADJUSTED"),
        ("EVALUATED", "remove", "REMOVED"),
        ("EVALUATED", "demote", "DEMOTED"),
        *(("OBSERVING", action, "OBSERVING") for action in WHILE_OBSERVING),
        *((state, "cancel", "CANCELLED") for state in OPEN_RECALLS),
        *((state, "to_discipline", "TRANSFERRED") for state in OPEN_RECALLS),
        *((state, "undo", "CANCELLED") for state in ("RESTORED", "ADJUSTED", "REMOVED", "DEMOTED")),
        *((state, "amend_restore", "RESTORED") for state in ("ADJUSTED", "REMOVED", "DEMOTED")),
        *((state, "amend_adjust", "ADJUSTED") for state in ("REMOVED", "DEMOTED")),
        ("DEMOTED", "amend_remove", "REMOVED"),
    },
    "training-class": {
        ("PLANNED", "revise", "PLANNED"),
        ("PLANNED", "open", "OPEN"),
        ("OPEN", "staff", "OPEN"),
        ("OPEN", "enlarge", "OPEN"),
        ("OPEN", "start", "RUNNING"),
        ("RUNNING", "staff", "RUNNING"),
        ("RUNNING", "complete", "COMPLETED"),
    },
    "inspection": {
        ("PLANNED", "revise", "PLANNED"),
        ("PLANNED", "approve", "APPROVED"),
        ("PLANNED", "cancel", "CANCELLED"),
        ("APPROVED", "start", "IN_PROGRESS"),
        ("APPROVED", "cancel", "CANCELLED"),
        ("IN_PROGRESS", "report", "REPORTED"),
        ("REPORTED", "close", "CLOSED"),
    },
    "finding": {
        ("DRAFT", "revise", "DRAFT"),
        ("DRAFT", "attach", "DRAFT"),
        ("DRAFT", "notify", "NOTIFIED"),
        ("NOTIFIED", "attach", "NOTIFIED"),
        ("NOTIFIED", "serve", "NOTIFIED"),
        ("NOTIFIED", "plea", "PLEA_RECEIVED"),
        ("NOTIFIED", "sign", "NOTIFIED"),
        ("NOTIFIED", "verify", "VERIFIED"),
        ("NOTIFIED", "reject", "REJECTED"),
        *((state, "undo_tolerance", state) for state in ("NOTIFIED", "PLEA_RECEIVED", "VERIFIED", "REJECTED")),
        ("NOTIFIED", "apply_tolerance", "NOTIFIED"),
        ("PLEA_RECEIVED", "attach", "PLEA_RECEIVED"),
        ("PLEA_RECEIVED", "serve", "PLEA_RECEIVED"),
        ("PLEA_RECEIVED", "plea", "PLEA_RECEIVED"),
        ("PLEA_RECEIVED", "sign", "PLEA_RECEIVED"),
        ("PLEA_RECEIVED", "verify", "VERIFIED"),
        ("PLEA_RECEIVED", "reject", "REJECTED"),
        ("PLEA_RECEIVED", "apply_tolerance", "PLEA_RECEIVED"),
        ("VERIFIED", "apply_tolerance", "VERIFIED"),
        ("REJECTED", "apply_tolerance", "REJECTED"),
        ("VERIFIED", "rectify", "RECTIFYING"),
        ("REOPENED", "rectify", "RECTIFYING"),
        ("RECTIFYING", "rectified", "RECTIFIED"),
        ("RECTIFIED", "close", "CLOSED"),
        ("RECTIFIED", "reopen", "REOPENED"),
        ("RECTIFIED", "reweigh", "RECTIFIED"),
        ("REOPENED", "reweigh", "REOPENED"),
        ("VERIFIED", "revoke", "REVOKED"),
        ("RECTIFYING", "revoke", "REVOKED"),
        ("RECTIFIED", "revoke", "REVOKED"),
        ("REOPENED", "revoke", "REVOKED"),
        ("CLOSED", "revoke", "REVOKED"),
        ("RECTIFYING", "apply_tolerance", "RECTIFYING"),
        ("RECTIFYING", "undo_tolerance", "RECTIFYING"),
        ("RECTIFIED", "apply_tolerance", "RECTIFIED"),
        ("RECTIFIED", "undo_tolerance", "RECTIFIED"),
        ("REOPENED", "apply_tolerance", "REOPENED"),
        ("REOPENED", "undo_tolerance", "REOPENED"),
        ("CLOSED", "apply_tolerance", "CLOSED"),
        ("CLOSED", "undo_tolerance", "CLOSED"),
        ("REVOKED", "apply_tolerance", "REVOKED"),
        ("REVOKED", "undo_tolerance", "REVOKED"),
        *((state, "amend", state) for state in ("VERIFIED", "RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED")),
    },
}


@pytest.mark.parametrize("kind", sorted(LEADS_ON))
def test_the_machine_has_these_transitions_and_no_other(kind: str) -> None:
    assert set(CASE_TYPES[kind].transitions) == LEADS_ON[kind]


def raised_codes() -> set[str]:
    """Return the codes of all refusals in the service's source."""
    codes = set()
    for node in nodes(PACKAGE):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
            assert isinstance(node.args[0], ast.Constant)
            codes.add(str(node.args[0].value))
    return codes | {
        action.same_code
        for case_type in CASE_TYPES.values()
        for action in case_type.actions.values()
        if action.eyes > 1
    }


def test_every_refusal_is_declared_on_the_page_of_problems() -> None:
    declared = {kind.code for kind in (*PROBLEMS, *COMMON)}
    assert raised_codes() <= declared
    own = {kind.code for kind in PROBLEMS} - {"APPROVAL_DIFFERS", "REASON_MISSING"}
    assert own <= raised_codes(), "a code that nothing raises"


def asked_rules() -> set[str]:
    """Return the keys of rules that the source names, in calls of `rule`, `due` and in deadlines."""
    keys = set()
    for node in nodes(PACKAGE):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            keys.add(node.value)
    return keys


BY_KIND = (
    "adjustment.reasons.",
    "adjustment.ways.",
    "sanction.kinds.",
    "sanction.months.",
    "sanction.after_watch.",
    "sanction.post_months.",
    "sanction.cap.",
    "signal.triage.",
)


def test_every_rule_of_the_pack_is_asked_for() -> None:
    asked = asked_rules() | {f"finding.weight.severity_{severity}" for severity in range(1, 6)}
    found = set(rulebook().on(MONDAY.date()))
    # Which of these is asked for depends on the kind of sanction or basis: their own tests ask for each.
    asked |= {key for key in found if key.startswith(BY_KIND)}
    assert found <= asked


def test_every_catalogue_is_bilingual() -> None:
    rules = rulebook().on(MONDAY.date())
    catalogues = [key for key in rules if key.startswith(("adjustment.reasons.", "sanction.kinds."))]
    for key in (
        "inspection.themes",
        "finding.types",
        "finding.reason_codes",
        *("recall.circumstances", "training.phases"),
        *catalogues,
    ):
        for code, entry in rules[key].items():
            assert all((entry["zh"], entry["en"])), f"{key} {code}"


def test_every_kind_of_sanction_has_its_place_from_light_to_heavy() -> None:
    rules = rulebook().on(MONDAY.date())
    for regime, order in rules["sanction.burdens"].items():
        assert sorted(order) == sorted(rules[f"sanction.kinds.{regime.lower()}"])


def test_what_is_above_the_discipline_threshold_is_in_the_catalogues() -> None:
    rules = rulebook().on(MONDAY.date())
    assert set(rules["finding.discipline_threshold.types"]) <= set(rules["finding.types"])
    assert set(rules["finding.discipline_threshold.reason_codes"]) <= set(rules["finding.reason_codes"])


def test_the_ten_circumstances_of_recall_are_among_the_reason_codes() -> None:
    rules = rulebook().on(MONDAY.date())
    codes = rules["finding.reason_codes"]
    assert sorted(entry["recall"] for entry in codes.values() if "recall" in entry) == list(range(1, 11))
    assert sorted(rules["recall.circumstances"]) == list(range(1, 11))


def test_the_domain_imports_no_machinery() -> None:
    banned = {"sqlalchemy", "marshmallow", "nameko", "flask", "pika", "eventlet"}
    for path in (PACKAGE / "domain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & banned, path.name

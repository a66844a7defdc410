"""Templates and what is made of them."""

import hashlib
from typing import Any

import pytest

from citybus.errors import Invalid
from notification.domain.document import (
    LABELS,
    PARTICULARS,
    Document,
    fingerprint,
    render,
    template_faults,
    template_key,
)
from tests.support.notification import MONDAY, rulebook

RULES = rulebook().on(MONDAY.date())
LABELLED = RULES[LABELS]
VALUES: dict[Document, dict[str, Any]] = {
    Document.FINDING_NOTICE: {"finding": "F-1", "role": "DIRECT", "severity": 3, "notified_on": "2024-03-04"},
    Document.TOLERANCE_DECISION: {
        "case": "T-1",
        "finding": "F-1",
        "circumstance": 2,
        "decision": "MITIGATE",
        "factor": "0.5",
        "decided_on": "2024-04-22",
    },
    Document.FINDING_CORRECTION: {
        "finding": "F-1",
        "correction": "WEIGHED_LESS",
        "weight": "1.0",
        "told_on": "2024-05-20",
    },
    Document.RECALL_NOTICE: {"recall": "R-1", "circumstances": "2、8", "told_on": "2024-03-05"},
    Document.RECALL_OUTCOME: {"recall": "R-1", "outcome": "RESTORED", "outcome_on": "2024-07-29"},
    Document.UNIT_WARNING: {"recall": "R-1", "reports_missed": 2, "told_on": "2024-06-06"},
    Document.MEASURE_NOTICE: {"measure": "M-1", "kind": "INQUIRE", "reply_due": "2024-04-15", "told_on": "2024-04-01"},
    Document.SANCTION_NOTICE: {
        "sanction": "S-1",
        "regime": "GOV",
        "kind": "DEMERIT",
        "decided_on": "2024-01-10",
        "effective_on": "2024-01-15",
        "end_on": "2025-01-15",
    },
    Document.ADJUSTMENT_NOTICE: {"adjustment": "A-1", "way": "TRANSFER", "decided_on": "2024-06-03"},
    Document.ANNUAL_RESULT: {
        "annual": "N-1",
        "year": 2024,
        "grade": "BASICALLY_COMPETENT",
        "grade_status": "GRADED",
        "told_on": "2025-03-10",
    },
    Document.APPEAL_DECISION: {
        "appeal": "P-1",
        "type": "REVIEW",
        "subject_ref": "annual/N-1",
        "decision": "UPHELD",
        "told_on": "2025-04-20",
    },
    Document.NOTICE_CORRECTION: {
        "matter": "sanction",
        "number": "S-1",
        "change": "MATTER_MODIFIED",
        "until": "2024-10-15",
        "told_on": "2024-06-03",
    },
    Document.TOLERANCE_NOT_ACCEPTED: {"case": "T-1", "finding": "F-1", "told_on": "2024-03-08"},
    Document.TOLERANCE_REVOCATION_NOTICE: {"case": "T-1", "finding": "F-1", "told_on": "2024-07-01"},
    Document.TOLERANCE_REVOCATION: {"case": "T-1", "finding": "F-1", "revoked_on": "2024-07-08"},
}
ADDRESSED = {"name": "张甲", "unit": "市发改委"}
SOUND = {"zh": "致${name}", "en": "to ${name}"}


@pytest.mark.parametrize("document", Document)
def test_the_text_is_chinese_then_english_with_every_particular(document: Document) -> None:
    text = render(document, RULES[template_key(document)], VALUES[document] | ADDRESSED, LABELLED)
    chinese, english = text[: text.index("(市发改委)")], text[text.index("(市发改委)") :]
    for value in (*VALUES[document].values(), *ADDRESSED.values()):
        shown = LABELLED.get(str(value), {"zh": str(value), "en": str(value)})
        assert shown["zh"] in chinese
        assert shown["en"] in text
    assert "$" not in text
    assert english.endswith("\n")


@pytest.mark.parametrize("document", Document)
def test_our_templates_have_no_faults_and_use_all_that_is_told(document: Document) -> None:
    template = RULES[template_key(document)]
    assert template_faults(document, template) == []
    for text in template.values():
        assert all(f"${{{name}}}" in text for name in PARTICULARS[document])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"zh": "致${name}：${facts}"}, "zh: unknown variable facts"),
        ({"en": "to ${statement}"}, "en: unknown variable statement"),
        ({"en": ""}, "no text in en"),
        ({"zh": "罚款 $ 5"}, "zh: a $ that begins no variable"),
    ],
)
def test_a_template_with_a_fault_serves_nothing(changes: dict[str, str], fault: str) -> None:
    template = SOUND | changes
    assert fault in template_faults(Document.FINDING_NOTICE, template)
    with pytest.raises(Invalid) as caught:
        render(Document.FINDING_NOTICE, template, VALUES[Document.FINDING_NOTICE] | ADDRESSED, LABELLED)
    assert caught.value.reason == "TEMPLATE"


def test_a_language_that_is_missing_is_a_fault() -> None:
    assert template_faults(Document.FINDING_NOTICE, {"zh": "致${name}"}) == ["no text in en"]


def test_a_particular_that_is_not_known_serves_nothing() -> None:
    values = VALUES[Document.FINDING_NOTICE] | ADDRESSED
    del values["severity"]
    with pytest.raises(Invalid, match="no value for severity"):
        render(Document.FINDING_NOTICE, SOUND, values, LABELLED)


def test_what_looks_like_a_variable_in_a_name_stays_as_it_is() -> None:
    values = VALUES[Document.FINDING_NOTICE] | {"name": "${severity}", "unit": "u"}
    assert render(Document.FINDING_NOTICE, SOUND, values, LABELLED) == "致${severity}\n\nto ${severity}\n"


def test_a_list_is_shown_whole_and_what_there_is_not_as_a_dash() -> None:
    values = {"measure": "M-1", "kind": ["REMIND", "other"], "reply_due": None, "told_on": [], **ADDRESSED}
    template = {"zh": "${kind} ${reply_due} ${told_on}", "en": "${kind} ${reply_due} ${told_on}"}
    assert render(Document.MEASURE_NOTICE, template, values, LABELLED) == "提醒、other — —\n\nreminder、other — —\n"


def test_the_fingerprint_is_of_the_utf_8_text() -> None:
    assert fingerprint("告知书\n") == hashlib.sha256("告知书\n".encode()).hexdigest()

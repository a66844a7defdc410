"""Documents that are served: which there are, what their templates may name, and how their text is made.

A template is a rule: dated, with its source, and of another wording in another city. It names what is listed here and
nothing else, which is of class L3 at most: what a finding says, what somebody answered or stated never gets here.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from string import Template
from types import MappingProxyType
from typing import Any, Final

from citybus.errors import Invalid

LANGUAGES: Final = ("zh", "en")


class Document(StrEnum):
    """The documents."""

    FINDING_NOTICE = "FINDING_NOTICE"
    TOLERANCE_DECISION = "TOLERANCE_DECISION"
    FINDING_CORRECTION = "FINDING_CORRECTION"
    RECALL_NOTICE = "RECALL_NOTICE"
    RECALL_OUTCOME = "RECALL_OUTCOME"
    UNIT_WARNING = "UNIT_WARNING"
    MEASURE_NOTICE = "MEASURE_NOTICE"
    SANCTION_NOTICE = "SANCTION_NOTICE"
    ADJUSTMENT_NOTICE = "ADJUSTMENT_NOTICE"
    ANNUAL_RESULT = "ANNUAL_RESULT"
    APPEAL_DECISION = "APPEAL_DECISION"
    NOTICE_CORRECTION = "NOTICE_CORRECTION"
    TOLERANCE_NOT_ACCEPTED = "TOLERANCE_NOT_ACCEPTED"
    TOLERANCE_REVOCATION_NOTICE = "TOLERANCE_REVOCATION_NOTICE"
    TOLERANCE_REVOCATION = "TOLERANCE_REVOCATION"


ADDRESS: Final = frozenset({"name", "unit"})
"""What every template may name of the recipient."""
PARTICULARS: Final[Mapping[Document, frozenset[str]]] = MappingProxyType(
    {
        Document.FINDING_NOTICE: frozenset({"finding", "role", "severity", "notified_on"}),
        Document.TOLERANCE_DECISION: frozenset({"case", "finding", "circumstance", "decision", "factor", "decided_on"}),
        Document.FINDING_CORRECTION: frozenset({"finding", "correction", "weight", "told_on"}),
        Document.RECALL_NOTICE: frozenset({"recall", "circumstances", "told_on"}),
        Document.RECALL_OUTCOME: frozenset({"recall", "outcome", "outcome_on"}),
        Document.UNIT_WARNING: frozenset({"recall", "reports_missed", "told_on"}),
        Document.MEASURE_NOTICE: frozenset({"measure", "kind", "reply_due", "told_on"}),
        Document.SANCTION_NOTICE: frozenset({"sanction", "regime", "kind", "decided_on", "effective_on", "end_on"}),
        Document.ADJUSTMENT_NOTICE: frozenset({"adjustment", "way", "decided_on"}),
        Document.ANNUAL_RESULT: frozenset({"annual", "year", "grade", "grade_status", "told_on"}),
        Document.APPEAL_DECISION: frozenset({"appeal", "type", "subject_ref", "decision", "told_on"}),
        Document.NOTICE_CORRECTION: frozenset({"matter", "number", "change", "until", "told_on"}),
        Document.TOLERANCE_NOT_ACCEPTED: frozenset({"case", "finding", "told_on"}),
        Document.TOLERANCE_REVOCATION_NOTICE: frozenset({"case", "finding", "told_on"}),
        Document.TOLERANCE_REVOCATION: frozenset({"case", "finding", "revoked_on"}),
    }
)
"""What the template of each document may name of its matter."""
LABELS: Final = "document.labels"
TOLD_ON: Final = "told_on"
"""The day on which somebody is told: that of sending, where the matter itself names none."""


def template_key(document: Document) -> str:
    """Return the key of the rule that holds the template of `document`: `{zh: …, en: …}`."""
    return f"document.{document.value.lower()}"


def template_faults(document: Document, template: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a template: a language that is missing, a variable that it may not name."""
    known = ADDRESS | PARTICULARS[document]
    faults = []
    for language in LANGUAGES:
        text = Template(template.get(language, ""))
        if not text.template.strip():
            faults.append(f"no text in {language}")
        elif not text.is_valid():
            faults.append(f"{language}: a $ that begins no variable")
        faults += [f"{language}: unknown variable {name}" for name in sorted(set(text.get_identifiers()) - known)]
    return faults


def render(
    document: Document,
    template: Mapping[str, str],
    values: Mapping[str, Any],
    labels: Mapping[str, Mapping[str, str]],
) -> str:
    """Return the text of a document: Chinese, then English. A value that has a label is shown by it.

    Raises Invalid `TEMPLATE` where the template names what it may not, or what is not known: nothing is served with a
    gap in it.
    """
    faults = template_faults(document, template)
    faults += [f"no value for {name}" for name in sorted((ADDRESS | PARTICULARS[document]) - set(values))]
    if faults:
        raise Invalid("TEMPLATE", f"{document}: {'; '.join(faults)}")
    parts = []
    for language in LANGUAGES:
        shown = {name: _shown(value, labels, language) for name, value in values.items()}
        parts.append(Template(template[language]).substitute(shown).strip())
    return "\n\n".join(parts) + "\n"


def _shown(value: Any, labels: Mapping[str, Mapping[str, str]], language: str) -> str:
    """Return a value in words: of a list all, and a dash for what there is not."""
    if isinstance(value, list):
        return "、".join(_shown(each, labels, language) for each in value) or "—"
    return "—" if value is None else labels.get(str(value), {}).get(language, str(value))


def fingerprint(text: str) -> str:
    """Return the SHA-256 sum of a document's text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()

"""What is read beside the cases themselves; every look at a text is recorded (X1)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import false, or_, select, true

from citybus.cases import Actor, Cases
from citybus.errors import Refusal
from citybus.rulepack import Rules
from citybus.unit_of_work import UnitOfWork
from supervision.application.inspections import OFFICERS
from supervision.domain.finding import SEVERITIES, weight_key
from supervision.domain.inspection import KINDS
from supervision.domain.points import points
from supervision.domain.sanction import Basis, Regime, kinds_key
from supervision.persistence.models import EvidenceRow, FindingRow, InspectionRow, PleaRow, RectificationRow, SignalRow


def pleas(findings: Cases, uow: UnitOfWork, finding_id: str, actor: Actor) -> Sequence[PleaRow]:
    """Return the answers to a finding that `actor` may read: an officer all, whom it concerns those of their own.

    Raises Refusal: 404, 403 `DATA_SCOPE`.
    """
    finding: FindingRow = findings.read(uow, finding_id, actor)
    found = select(PleaRow).where(PleaRow.finding_id == finding.id).order_by(PleaRow.id)
    if not any(actor.has(role) for role in OFFICERS) or findings.scope(finding).concerns(actor):
        found = found.where(PleaRow.cadre == actor.person)
    uow.audit("finding.pleas.read", f"finding/{finding.id}", read=["text"])
    return uow.session.scalars(found).all()


def report(inspections: Cases, uow: UnitOfWork, inspection_id: str, actor: Actor) -> InspectionRow:
    """Return an inspection whose report `actor` may read: nobody of an inspected unit.

    Raises Refusal: 404 (no report yet), 403 `DATA_SCOPE`.
    """
    inspection: InspectionRow = inspections.read(uow, inspection_id, actor)
    if inspections.scope(inspection).concerns(actor):
        raise Refusal(
            "DATA_SCOPE", zh="该报告不在您的数据权限范围内。", en="The report is outside your data scope.", status=403
        )
    if inspection.summary is None:
        raise Refusal("NOT_FOUND", zh="尚无报告。", en="There is no report yet.", status=404)
    uow.audit("inspection.report.read", f"inspection/{inspection.id}", read=["summary"])
    return inspection


def evidence(uow: UnitOfWork, digest: str, actor: Actor) -> EvidenceRow:
    """Return a file that `actor` uploaded, or for an officer one that belongs to a finding or rectification in reach.

    Naming a file by its hash in a case of one's own opens it to nobody.

    Raises Refusal: 404 `NOT_FOUND`, 403 `DATA_SCOPE`.
    """
    row = uow.session.get(EvidenceRow, digest)
    if row is None:
        raise Refusal("NOT_FOUND", zh="没有该证据文件。", en="There is no such evidence.", status=404)
    within = true() if actor.units is None else FindingRow.unit.in_(sorted(actor.units))
    apart = true() if actor.unit is None else FindingRow.unit != actor.unit
    party = FindingRow.responsible.contains([{"cadre": actor.person}]) if actor.person else false()
    attached = select(FindingRow.id).where(FindingRow.evidence.contains([digest]), within, apart, ~party).limit(1)
    rectified = RectificationRow.unit.in_(sorted(actor.units)) if actor.units is not None else true()
    proving = select(RectificationRow.id).where(RectificationRow.proof.contains([digest]), rectified).limit(1)
    officer = any(actor.has(role) for role in OFFICERS)
    seen = officer and any(uow.session.execute(found).one_or_none() for found in (attached, proving))
    if row.uploaded_by != actor.subject and not seen:
        raise Refusal(
            "DATA_SCOPE", zh="该证据不在您的数据权限范围内。", en="The evidence is outside your data scope.", status=403
        )
    uow.audit("evidence.read", f"evidence/{digest}", read=["content"])
    return row


def signal_texts(signals: Cases, uow: UnitOfWork, signal_id: str, actor: Actor) -> Sequence[SignalRow]:
    """Return a signal and the duplicates that went into it, as far as they have a text. Raises Refusal: 404, 403 `DATA_SCOPE`."""
    signal: SignalRow = signals.read(uow, signal_id, actor)
    row = SignalRow
    found = signals.listing(actor).where(or_(row.id == signal.id, row.merged_into == signal.id), row.text.is_not(None))
    uow.audit("signal.texts.read", f"signal/{signal.id}", read=["text"])
    return uow.session.scalars(found.order_by(row.created_at, row.id)).all()


def catalogue(rules: Rules) -> dict[str, Any]:
    """Return what the forms may name under `rules`, with labels."""

    def entries(key: str) -> list[dict[str, str]]:
        return [{"code": code, "zh": entry["zh"], "en": entry["en"]} for code, entry in rules[key].items()]

    return {
        "kinds": [{"code": kind.value, "zh": zh, "en": en} for kind, (zh, en) in KINDS.items()],
        "themes": entries("inspection.themes"),
        "finding_types": entries("finding.types"),
        "reason_codes": entries("finding.reason_codes"),
        "sanction_kinds": {regime.value: entries(kinds_key(regime)) for regime in Regime},
        "adjustment_reasons": {basis.value: entries(f"adjustment.reasons.{basis.lower()}") for basis in Basis},
        "adjustment_ways": {basis.value: list(rules[f"adjustment.ways.{basis.lower()}"]) for basis in Basis},
        "recall_circumstances": entries("recall.circumstances"),
        "training_phases": entries("training.phases"),
        "weights": {str(severity): points(rules[weight_key(severity)]) for severity in SEVERITIES},
    }

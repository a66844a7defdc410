"""The tables: inspections, findings with pleas, bulletins, evidence, signals, and what is known of units and cadres."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from citybus.cases import CaseColumns
from citybus.tables import NAMING

_ID = UUID(as_uuid=False)
_INSTANT = DateTime(timezone=True)
_POINTS = Numeric(8, 4)
_SCORE = Numeric(5, 2)


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(naming_convention=NAMING)


class InspectionRow(CaseColumns, Base):
    """An inspection; `summary` is the report's text (L4)."""

    __tablename__ = "inspections"
    __table_args__ = (Index("ix_inspections_units", "units", postgresql_using="gin"),)

    kind: Mapped[str] = mapped_column(Text)
    theme: Mapped[str] = mapped_column(Text)
    plan_date: Mapped[date] = mapped_column(Date)
    end_date: Mapped[date] = mapped_column(Date)
    team: Mapped[list[str]] = mapped_column(ARRAY(Text))
    units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    notice_required: Mapped[bool] = mapped_column(Boolean)
    approved_on: Mapped[date | None] = mapped_column(Date)
    started_on: Mapped[date | None] = mapped_column(Date)
    ended_on: Mapped[date | None] = mapped_column(Date)
    reported_on: Mapped[date | None] = mapped_column(Date)
    report_late: Mapped[bool | None] = mapped_column(Boolean)
    summary: Mapped[str | None] = mapped_column(Text)


class FindingRow(CaseColumns, Base):
    """A finding; `facts` is text (L4), `responsible` a list of `{cadre, role, served_on, pleaded_on}`."""

    __tablename__ = "findings"
    __table_args__ = (
        CheckConstraint("severity BETWEEN 1 AND 5", name="severity"),
        CheckConstraint("effective_weight BETWEEN 0 AND base_weight", name="weight"),
        Index(
            "ix_findings_responsible",
            "responsible",
            postgresql_using="gin",
            postgresql_ops={"responsible": "jsonb_path_ops"},
        ),
        Index("ix_findings_unit", "unit"),
        Index("ix_findings_evidence", "evidence", postgresql_using="gin"),
    )

    inspection_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("inspections.id"), index=True)
    source: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    reason_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    facts: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(SmallInteger)
    occurred_on: Mapped[date] = mapped_column(Date)
    responsible: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text))
    base_weight: Mapped[Decimal] = mapped_column(_POINTS)
    effective_weight: Mapped[Decimal] = mapped_column(_POINTS)
    weight_pack: Mapped[str] = mapped_column(Text)
    notified_on: Mapped[date | None] = mapped_column(Date)
    served_on: Mapped[date | None] = mapped_column(Date)
    plea_until: Mapped[date | None] = mapped_column(Date)
    signed_by: Mapped[str | None] = mapped_column(Text)
    verified_on: Mapped[date | None] = mapped_column(Date)
    year: Mapped[int | None] = mapped_column(Integer)
    tolerance_case: Mapped[str | None] = mapped_column(_ID)
    tolerance_factor: Mapped[Decimal | None] = mapped_column(Numeric(4, 3))
    rectified_factor: Mapped[Decimal | None] = mapped_column(Numeric(4, 3))
    relapses: Mapped[int] = mapped_column(SmallInteger, default=0)
    revoked_on: Mapped[date | None] = mapped_column(Date)
    revocation: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))


class MeasureRow(CaseColumns, Base):
    """A reminder, inquiry, admonition or criticism; `cause` and `reply` are texts (L4)."""

    __tablename__ = "measures"
    __table_args__ = (Index("ix_measures_findings", "findings", postgresql_using="gin"),)

    kind: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str] = mapped_column(Text, index=True)
    unit: Mapped[str] = mapped_column(Text)
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    cause: Mapped[str] = mapped_column(Text)
    suggested: Mapped[bool] = mapped_column(Boolean)
    approved_on: Mapped[date | None] = mapped_column(Date)
    delivered_on: Mapped[date | None] = mapped_column(Date)
    effect_until: Mapped[date | None] = mapped_column(Date)
    eased: Mapped[bool] = mapped_column(Boolean)
    inquiries: Mapped[int] = mapped_column(SmallInteger)
    reply_due: Mapped[date | None] = mapped_column(Date)
    replied_on: Mapped[date | None] = mapped_column(Date)
    reply: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)
    closed_on: Mapped[date | None] = mapped_column(Date)
    revoked_for: Mapped[str | None] = mapped_column(Text)


class RectificationRow(CaseColumns, Base):
    """What a unit does about a finding; `plan` and `report` are texts (L4)."""

    __tablename__ = "rectifications"
    __table_args__ = (
        Index(
            "uq_rectifications_open",
            "finding_id",
            unique=True,
            postgresql_where=text("state NOT IN ('RECHECKED', 'CANCELLED')"),
        ),
        Index("ix_rectifications_unit", "unit"),
    )

    finding_id: Mapped[str] = mapped_column(_ID, ForeignKey("findings.id"), index=True)
    unit: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    plan: Mapped[str] = mapped_column(Text)
    planned_on: Mapped[date] = mapped_column(Date)
    due: Mapped[date] = mapped_column(Date)
    extended: Mapped[bool] = mapped_column(Boolean)
    overdue: Mapped[bool] = mapped_column(Boolean)
    report: Mapped[str | None] = mapped_column(Text)
    proof: Mapped[list[str]] = mapped_column(ARRAY(Text))
    submitted_on: Mapped[date | None] = mapped_column(Date)
    accepted_on: Mapped[date | None] = mapped_column(Date)
    in_time: Mapped[bool | None] = mapped_column(Boolean)
    recheck_due: Mapped[date | None] = mapped_column(Date)
    rechecked_on: Mapped[date | None] = mapped_column(Date)
    result: Mapped[str | None] = mapped_column(Text)


class BulletinRow(CaseColumns, Base):
    """A bulletin: public once it is published. `approvals`, `channel_states` and `correction` are as the domain has them."""

    __tablename__ = "bulletins"
    __table_args__ = (Index("ix_bulletins_findings", "findings", postgresql_using="gin"),)

    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    persons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    named: Mapped[bool] = mapped_column(Boolean)
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    unnamed_title: Mapped[str | None] = mapped_column(Text)
    unnamed_text: Mapped[str | None] = mapped_column(Text)
    legal_basis: Mapped[str] = mapped_column(Text)
    approvals: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    publish_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    published_on: Mapped[date | None] = mapped_column(Date)
    expire_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    channel_states: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSONB)
    correction: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    correction_text: Mapped[str | None] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)
    held_for: Mapped[str | None] = mapped_column(Text)


class AppealRow(Base):
    """A review or an appeal that assessment hears, where it is about a finding or a measure."""

    __tablename__ = "appeals"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    subject_ref: Mapped[str] = mapped_column(Text, index=True)
    state: Mapped[str] = mapped_column(Text)
    decision: Mapped[str | None] = mapped_column(Text)


class ToleranceRow(Base):
    """A fault-tolerance case of incentive, as far as it bears on a finding."""

    __tablename__ = "tolerance_cases"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    finding_id: Mapped[str] = mapped_column(_ID, index=True)
    state: Mapped[str] = mapped_column(Text)
    decision: Mapped[str | None] = mapped_column(Text)
    factor: Mapped[Decimal | None] = mapped_column(Numeric(4, 3))


class PleaRow(Base):
    """What a responsible cadre answered (L4): it stays here."""

    __tablename__ = "pleas"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    finding_id: Mapped[str] = mapped_column(_ID, ForeignKey("findings.id"), index=True)
    cadre: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(_INSTANT)


class EvidenceRow(Base):
    """A file of evidence (L4), known by the SHA-256 sum of its content and kept once."""

    __tablename__ = "evidence_files"

    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    uploaded_by: Mapped[str] = mapped_column(Text)
    uploaded_at: Mapped[datetime] = mapped_column(_INSTANT)


class SignalRow(CaseColumns, Base):
    """A signal; `text` is sensitive (L4). One that a refused finding sent has its `finding_id`: once for each finding."""

    __tablename__ = "signals"
    __table_args__ = (
        UniqueConstraint("finding_id"),
        Index("ix_signals_subject", "unit", "cadre", "type"),
        Index("ix_signals_posted_by", "posted_by"),
    )

    finding_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("findings.id"))
    unit: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str | None] = mapped_column(Text)
    cadre_unit: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    reason_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    severity: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[str | None] = mapped_column(Text)
    posted_by: Mapped[str | None] = mapped_column(Text)
    posted_unit: Mapped[str | None] = mapped_column(Text)
    has_informant: Mapped[bool] = mapped_column(Boolean)
    received_on: Mapped[date] = mapped_column(Date)
    triaged_on: Mapped[date | None] = mapped_column(Date)
    in_time: Mapped[bool | None] = mapped_column(Boolean)
    settled_on: Mapped[date | None] = mapped_column(Date)
    linked_finding: Mapped[str | None] = mapped_column(_ID, ForeignKey("findings.id"), index=True)
    transferred_to: Mapped[str | None] = mapped_column(Text)
    transferred_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    merged_into: Mapped[str | None] = mapped_column(_ID, ForeignKey("signals.id"), index=True)
    merged: Mapped[int] = mapped_column(Integer)


class InformantRow(Base):
    """Who told of a clue (L4): sealed, and read by nobody but through an access that a custodian granted."""

    __tablename__ = "signal_informants"

    signal_id: Mapped[str] = mapped_column(_ID, ForeignKey("signals.id"), primary_key=True)
    identity: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)


class InformantAccessRow(CaseColumns, Base):
    """An access to an informant's identity; `purpose` is text (L4), `units` and `persons` are those of the signal."""

    __tablename__ = "informant_accesses"

    signal_id: Mapped[str] = mapped_column(_ID, ForeignKey("signals.id"), index=True)
    units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    persons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    purpose: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(Text)
    granted_on: Mapped[date | None] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)


class UnitRow(Base):
    """A unit as assessment registered it."""

    __tablename__ = "units"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)


class CadreRow(Base):
    """A cadre as assessment registered one: the id, the unit, and whether they left: all that the rules here ask for."""

    __tablename__ = "cadres"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text)
    has_left: Mapped[bool] = mapped_column(Boolean, server_default=false())


class BarRow(Base):
    """What bars a cadre (S16): one interval `[start_on, until)` of one source, for the purposes named."""

    __tablename__ = "bars"
    __table_args__ = (
        CheckConstraint("until IS NULL OR until > start_on", name="interval"),
        Index("ix_bars_cadre_until", "cadre", "until"),
        Index("ix_bars_source", "source"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    start_on: Mapped[date] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)


class SanctionRow(CaseColumns, Base):
    """A sanction with its period `[effective_on, end_on)`; `revisions` is what it was before."""

    __tablename__ = "sanctions"
    __table_args__ = (
        CheckConstraint("end_on IS NULL OR end_on > effective_on", name="period"),
        Index("ix_sanctions_cadre", "cadre", "regime"),
        Index("ix_sanctions_decision", "decision_no"),
    )

    cadre: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    regime: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    basis: Mapped[str | None] = mapped_column(Text)
    organ: Mapped[str] = mapped_column(Text)
    decision_no: Mapped[str] = mapped_column(Text)
    legal_basis: Mapped[str] = mapped_column(Text)
    conduct_on: Mapped[date | None] = mapped_column(Date)
    decided_on: Mapped[date] = mapped_column(Date)
    effective_on: Mapped[date] = mapped_column(Date)
    offences: Mapped[int] = mapped_column(SmallInteger)
    months: Mapped[int | None] = mapped_column(SmallInteger)
    after_months: Mapped[int | None] = mapped_column(SmallInteger)
    post_months: Mapped[int | None] = mapped_column(SmallInteger)
    cap_months: Mapped[int | None] = mapped_column(SmallInteger)
    adds_up: Mapped[bool] = mapped_column(Boolean)
    rule_pack: Mapped[str] = mapped_column(Text)
    end_on: Mapped[date | None] = mapped_column(Date)
    post_until: Mapped[date | None] = mapped_column(Date)
    watch_until: Mapped[date | None] = mapped_column(Date)
    restored_on: Mapped[date | None] = mapped_column(Date)
    remainder_of: Mapped[str | None] = mapped_column(_ID)
    recorded_on: Mapped[date | None] = mapped_column(Date)
    recorded_late: Mapped[bool] = mapped_column(Boolean)
    served_on: Mapped[date | None] = mapped_column(Date)
    executed_on: Mapped[date | None] = mapped_column(Date)
    affects_use: Mapped[bool] = mapped_column(Boolean)
    affects_use_from: Mapped[date | None] = mapped_column(Date)
    revisions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class CaseHoldRow(CaseColumns, Base):
    """An investigation of a cadre (L4): that there is one is known to the discipline commission."""

    __tablename__ = "case_holds"
    __table_args__ = (Index("ix_case_holds_cadre", "cadre"),)

    cadre: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    organ: Mapped[str] = mapped_column(Text)
    case_no: Mapped[str] = mapped_column(Text)
    opened_on: Mapped[date] = mapped_column(Date)
    closed_on: Mapped[date | None] = mapped_column(Date)
    result: Mapped[str | None] = mapped_column(Text)


class AdjustmentRow(CaseColumns, Base):
    """An adjustment; `opinion` and `talk_summary` are texts (L4)."""

    __tablename__ = "adjustments"
    __table_args__ = (
        Index("ix_adjustments_cadre", "cadre"),
        Index("ix_adjustments_findings", "findings", postgresql_using="gin"),
    )

    cadre: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    basis: Mapped[str] = mapped_column(Text)
    way: Mapped[str] = mapped_column(Text)
    reason_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    told_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recall: Mapped[str | None] = mapped_column(_ID)
    measure: Mapped[str | None] = mapped_column(_ID)
    opinion: Mapped[str | None] = mapped_column(Text)
    months: Mapped[int | None] = mapped_column(SmallInteger)
    decision_no: Mapped[str | None] = mapped_column(Text)
    decided_on: Mapped[date | None] = mapped_column(Date)
    members: Mapped[int | None] = mapped_column(SmallInteger)
    present: Mapped[int | None] = mapped_column(SmallInteger)
    in_favour: Mapped[int | None] = mapped_column(SmallInteger)
    served_on: Mapped[date | None] = mapped_column(Date)
    talkers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    talked_on: Mapped[date | None] = mapped_column(Date)
    talk_summary: Mapped[str | None] = mapped_column(Text)
    executed_on: Mapped[date | None] = mapped_column(Date)
    executed_late: Mapped[bool | None] = mapped_column(Boolean)
    sanction: Mapped[str | None] = mapped_column(_ID)
    appeal: Mapped[str | None] = mapped_column(_ID)
    appealed_on: Mapped[date | None] = mapped_column(Date)


class RecallRow(CaseColumns, Base):
    """A recall (S12 to S14); its texts are in `recall_texts`. A cadre has one open recall at most."""

    __tablename__ = "recalls"
    __table_args__ = (
        Index("ix_recalls_findings", "findings", postgresql_using="gin"),
        Index("ix_recalls_unit", "unit"),
        Index("ix_recalls_class_id", "class_id"),
        Index(
            "uq_recalls_open",
            "cadre",
            unique=True,
            postgresql_where=text(
                "state NOT IN ('RESTORED', 'ADJUSTED', 'REMOVED', 'DEMOTED', 'CANCELLED', 'TRANSFERRED')"
            ),
        ),
    )

    cadre: Mapped[str] = mapped_column(Text, index=True)
    unit: Mapped[str] = mapped_column(Text)
    findings: Mapped[list[str]] = mapped_column(ARRAY(_ID))
    circumstances: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    proposed_on: Mapped[date] = mapped_column(Date)
    notified_on: Mapped[date | None] = mapped_column(Date)
    served_on: Mapped[date | None] = mapped_column(Date)
    plea_until: Mapped[date | None] = mapped_column(Date)
    pleaded_on: Mapped[date | None] = mapped_column(Date)
    approved_on: Mapped[date | None] = mapped_column(Date)
    class_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("training_classes.id"))
    trainers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attempt: Mapped[int] = mapped_column(Integer)
    phases: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reflected: Mapped[int] = mapped_column(Integer)
    failed_on: Mapped[date | None] = mapped_column(Date)
    observe_from: Mapped[date | None] = mapped_column(Date)
    observe_until: Mapped[date | None] = mapped_column(Date)
    observe_months: Mapped[int | None] = mapped_column(Integer)
    extensions: Mapped[int] = mapped_column(Integer)
    reports: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    unit_warned_on: Mapped[date | None] = mapped_column(Date)
    mid_score: Mapped[Decimal | None] = mapped_column(_SCORE)
    mid_review_on: Mapped[date | None] = mapped_column(Date)
    unit_score: Mapped[Decimal | None] = mapped_column(_SCORE)
    final_score: Mapped[Decimal | None] = mapped_column(_SCORE)
    evaluated_on: Mapped[date | None] = mapped_column(Date)
    proposal: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    outcome_on: Mapped[date | None] = mapped_column(Date)
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    closed_on: Mapped[date | None] = mapped_column(Date)


class RecallTextRow(Base):
    """A text of a recall (L4): an answer, a self-criticism, a report, an evaluation. It stays here."""

    __tablename__ = "recall_texts"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    recall_id: Mapped[str] = mapped_column(_ID, ForeignKey("recalls.id"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer)
    month: Mapped[str | None] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(_INSTANT)


class TrainingClassRow(CaseColumns, Base):
    """A training class (S13); who is in it is told by the recalls."""

    __tablename__ = "training_classes"
    __table_args__ = (CheckConstraint("capacity > 0", name="capacity"),)

    title: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text)
    starts: Mapped[date] = mapped_column(Date)
    ends: Mapped[date] = mapped_column(Date)
    capacity: Mapped[int] = mapped_column(Integer)
    trainers: Mapped[list[str]] = mapped_column(ARRAY(Text))

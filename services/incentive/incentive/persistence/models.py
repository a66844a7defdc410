"""The tables: tolerance cases with evidence and effects, batches with candidates, and what is known from other services."""

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
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from citybus.cases import CaseColumns
from citybus.tables import NAMING

_ID = UUID(as_uuid=False)
_INSTANT = DateTime(timezone=True)
_POINTS = Numeric(8, 4)
_FACTOR = Numeric(4, 3)


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(naming_convention=NAMING)


class ToleranceRow(CaseColumns, Base):
    """A tolerance case. `statement`, `late_cause`, `new_facts`, `deviation`, `review_grounds` and `answer` are texts (L4)."""

    __tablename__ = "tolerances"
    __table_args__ = (
        CheckConstraint("factor BETWEEN 0 AND 1", name="factor"),
        # Whoever asks about a finding asks once, unless it was withdrawn.
        Index(
            "uq_tolerances_applicant",
            "finding_id",
            "applicant_kind",
            "applicant_id",
            unique=True,
            postgresql_where=text("state <> 'WITHDRAWN'"),
        ),
        Index("ix_tolerances_unit", "unit"),
        Index("ix_tolerances_persons", "persons", postgresql_using="gin"),
        Index("ix_tolerances_evidence", "evidence", postgresql_using="gin"),
    )

    finding_id: Mapped[str] = mapped_column(_ID, ForeignKey("findings.id"))
    applicant_kind: Mapped[str] = mapped_column(Text)
    applicant_id: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    persons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    circumstance: Mapped[int] = mapped_column(SmallInteger)
    statement: Mapped[str] = mapped_column(Text)
    late_cause: Mapped[str | None] = mapped_column(Text)
    new_facts: Mapped[str | None] = mapped_column(Text)
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text))
    account_stage: Mapped[str | None] = mapped_column(Text)
    late: Mapped[bool] = mapped_column(Boolean)
    filed_on: Mapped[date | None] = mapped_column(Date)
    not_accepted_on: Mapped[date | None] = mapped_column(Date)
    refusal_served_on: Mapped[date | None] = mapped_column(Date)
    refiled: Mapped[bool] = mapped_column(Boolean)
    assigned_on: Mapped[date | None] = mapped_column(Date)
    verify_by: Mapped[date | None] = mapped_column(Date)
    extended_until: Mapped[date | None] = mapped_column(Date)
    verifiers: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    factors: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    exclusions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    advice: Mapped[str | None] = mapped_column(Text)
    advice_grounds: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    panel: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    decision: Mapped[str | None] = mapped_column(Text)
    factor: Mapped[Decimal | None] = mapped_column(_FACTOR)
    deviation: Mapped[str | None] = mapped_column(Text)
    decided_on: Mapped[date | None] = mapped_column(Date)
    served_on: Mapped[date | None] = mapped_column(Date)
    review_until: Mapped[date | None] = mapped_column(Date)
    effective_on: Mapped[date | None] = mapped_column(Date)
    review_asked_on: Mapped[date | None] = mapped_column(Date)
    review_grounds: Mapped[str | None] = mapped_column(Text)
    reviewed_on: Mapped[date | None] = mapped_column(Date)
    first_decision: Mapped[str | None] = mapped_column(Text)
    revocation_ground: Mapped[str | None] = mapped_column(Text)
    noticed_on: Mapped[date | None] = mapped_column(Date)
    notices: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    answer_until: Mapped[date | None] = mapped_column(Date)
    answer: Mapped[str | None] = mapped_column(Text)
    revoked_on: Mapped[date | None] = mapped_column(Date)


class CorrectionRow(CaseColumns, Base):
    """A correction plan: `measures` and `note` are texts (L4), `proof` sums of evidence."""

    __tablename__ = "corrections"
    __table_args__ = (
        Index("uq_corrections_tolerance_id", "tolerance_id", unique=True),
        Index("ix_corrections_unit", "unit"),
    )

    tolerance_id: Mapped[str] = mapped_column(_ID, ForeignKey("tolerances.id"))
    unit: Mapped[str] = mapped_column(Text)
    persons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    owner: Mapped[str] = mapped_column(Text)
    measures: Mapped[list[str]] = mapped_column(ARRAY(Text))
    note: Mapped[str | None] = mapped_column(Text)
    proof: Mapped[list[str]] = mapped_column(ARRAY(Text))
    opened_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    planned_on: Mapped[date | None] = mapped_column(Date)
    done_on: Mapped[date | None] = mapped_column(Date)


class LinkRow(Base):
    """Something that names findings as its ground, as its service told it last: such as a bulletin or a recall."""

    __tablename__ = "finding_links"
    __table_args__ = (Index("ix_finding_links_findings", "findings", postgresql_using="gin"),)

    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    cadre: Mapped[str | None] = mapped_column(Text, index=True)
    named: Mapped[bool] = mapped_column(Boolean)
    source: Mapped[str | None] = mapped_column(Text)


class EffectRow(Base):
    """One thing that an effective, or a revoked, case must lead to elsewhere.

    What the finding (`cadre` None) or the record of a cadre must weigh, `at_most` or `at_least`; or what `subject` names and
    must be settled; or neither, for the gate of a cadre.
    """

    __tablename__ = "effect_steps"
    __table_args__ = (Index("ix_effect_steps_outstanding", "finding_id", postgresql_where=text("done_at IS NULL")),)

    case_id: Mapped[str] = mapped_column(_ID, ForeignKey("tolerances.id"), primary_key=True)
    step: Mapped[str] = mapped_column(Text, primary_key=True)
    finding_id: Mapped[str] = mapped_column(_ID, ForeignKey("findings.id"))
    cadre: Mapped[str | None] = mapped_column(Text)
    at_most: Mapped[Decimal | None] = mapped_column(_POINTS)
    at_least: Mapped[Decimal | None] = mapped_column(_POINTS)
    subject: Mapped[str | None] = mapped_column(Text)
    outstanding_since: Mapped[datetime] = mapped_column(_INSTANT)
    done_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    by_event: Mapped[str | None] = mapped_column(_ID)


class EvidenceRow(Base):
    """A file of evidence (L4), known by the SHA-256 sum of its content and kept once."""

    __tablename__ = "evidence_files"

    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class UploadRow(Base):
    """That somebody uploaded a file, under a name of theirs: who has not may not name it as evidence."""

    __tablename__ = "evidence_uploads"

    sha256: Mapped[str] = mapped_column(Text, ForeignKey("evidence_files.sha256"), primary_key=True)
    uploaded_by: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    uploaded_at: Mapped[datetime] = mapped_column(_INSTANT)


class FindingRow(Base):
    """A finding as supervision last published it; `handlers` are the subjects who took a step on it.

    `rectified_factor` is that of a rectification in time, None without one; it is in the effective weight already.
    """

    __tablename__ = "findings"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    responsible: Mapped[list[str]] = mapped_column(ARRAY(Text))
    handlers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    base_weight: Mapped[Decimal] = mapped_column(_POINTS)
    effective_weight: Mapped[Decimal] = mapped_column(_POINTS)
    rectified_factor: Mapped[Decimal | None] = mapped_column(_FACTOR)
    served_on: Mapped[date | None] = mapped_column(Date)
    verified_on: Mapped[date | None] = mapped_column(Date)


class DeductionRow(Base):
    """How much a finding weighs in the annual record of a cadre, as assessment last published it."""

    __tablename__ = "deduction_items"

    cadre: Mapped[str] = mapped_column(Text, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    finding_id: Mapped[str] = mapped_column(_ID, primary_key=True, index=True)
    effective_weight: Mapped[Decimal] = mapped_column(_POINTS)


class CadreRow(Base):
    """A cadre as assessment registered one: the id and the unit, for that is all that the rules here ask for."""

    __tablename__ = "cadres"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text)


class BatchRow(CaseColumns, Base):
    """A batch of the six-batch programme. `units` are those of its positions; ages of groups are in `positions` alone."""

    __tablename__ = "batches"

    kind: Mapped[str] = mapped_column(Text)
    year: Mapped[int] = mapped_column(SmallInteger)
    title: Mapped[str] = mapped_column(Text)
    positions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    publicized_on: Mapped[date | None] = mapped_column(Date)
    publicity_until: Mapped[date | None] = mapped_column(Date)
    decided_on: Mapped[date | None] = mapped_column(Date)
    implemented_on: Mapped[date | None] = mapped_column(Date)
    reviewed_on: Mapped[date | None] = mapped_column(Date)


class CandidateRow(CaseColumns, Base):
    """A candidate. Birth, and who somebody from outside is, are in no event."""

    __tablename__ = "candidates"
    __table_args__ = (
        CheckConstraint("(cadre IS NULL) <> (external IS NULL)", name="person"),
        Index(
            "uq_candidates_cadre",
            "batch_id",
            "cadre",
            unique=True,
            postgresql_where=text("state <> 'DROPPED' AND cadre IS NOT NULL"),
        ),
        Index("ix_candidates_batch_id", "batch_id"),
        Index("ix_candidates_cadre", "cadre"),
    )

    batch_id: Mapped[str] = mapped_column(_ID, ForeignKey("batches.id"))
    kind: Mapped[str] = mapped_column(Text)
    position: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str | None] = mapped_column(Text)
    external: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    born_on: Mapped[date] = mapped_column(Date)
    specialty: Mapped[str | None] = mapped_column(Text)
    verdict: Mapped[str | None] = mapped_column(Text)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    checked_on: Mapped[date | None] = mapped_column(Date)
    to_confirm: Mapped[bool] = mapped_column(Boolean)
    appointed_on: Mapped[date | None] = mapped_column(Date)


class StandingPartRow(Base):
    """One part of what is known of a cadre: bars, a year's result or the roster's entry, as its subject told it last."""

    __tablename__ = "standing_parts"
    __table_args__ = (Index("ix_standing_parts_cadre", "cadre"),)

    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    cadre: Mapped[str] = mapped_column(Text)
    part: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)


class GateEvaluationRow(Base):
    """What the gate answered about a candidate, and on which occasion."""

    __tablename__ = "gate_evaluations"
    __table_args__ = (Index("ix_gate_evaluations_candidate_id", "candidate_id"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    candidate_id: Mapped[str] = mapped_column(_ID, ForeignKey("candidates.id"))
    batch_id: Mapped[str] = mapped_column(_ID, ForeignKey("batches.id"))
    cadre: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    as_of: Mapped[date] = mapped_column(Date)
    verdict: Mapped[str] = mapped_column(Text)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    occasion: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(_INSTANT)

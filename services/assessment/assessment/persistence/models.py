"""The tables: units, cadres, imports of rosters, findings as far as they weigh on a year, records, duty lists, assessments."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
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
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from citybus.cases import CaseColumns
from citybus.tables import NAMING

_ID = UUID(as_uuid=False)


_INSTANT = DateTime(timezone=True)


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(naming_convention=NAMING)


class UploadColumns:
    """What is kept of every workbook that is uploaded. `workbook` is sealed, and gone once its job has ended."""

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    workbook: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    job_id: Mapped[str] = mapped_column(_ID)
    uploaded_by: Mapped[str] = mapped_column(Text)
    uploaded_at: Mapped[datetime] = mapped_column(_INSTANT)
    ended_at: Mapped[datetime | None] = mapped_column(_INSTANT)


class ImportRow(UploadColumns, Base):
    """An upload of a roster. `faults` never repeat a cell."""

    __tablename__ = "roster_imports"

    units_new: Mapped[int | None] = mapped_column(Integer)
    units_same: Mapped[int | None] = mapped_column(Integer)
    cadres_new: Mapped[int | None] = mapped_column(Integer)
    cadres_same: Mapped[int | None] = mapped_column(Integer)
    fault_count: Mapped[int | None] = mapped_column(Integer)
    faults: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB, deferred=True)
    rule_pack: Mapped[str | None] = mapped_column(Text)


class UnitRow(Base):
    """A unit (L1)."""

    __tablename__ = "units"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    sector: Mapped[str] = mapped_column(Text)
    registered_at: Mapped[datetime] = mapped_column(_INSTANT)
    import_id: Mapped[str] = mapped_column(_ID, ForeignKey("roster_imports.id"))


class CadreRow(CaseColumns, Base):
    """A cadre (L3). `id_no` is sealed for this very row; `id_no_index` is a keyed hash, which alone is compared.

    What is here holds now, from `effective_on`; what held before is in `cadre_changes`.
    """

    __tablename__ = "cadres"

    name: Mapped[str] = mapped_column(Text)
    id_no: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    id_no_index: Mapped[bytes] = mapped_column(LargeBinary, unique=True, deferred=True)
    birth: Mapped[date] = mapped_column(Date)
    unit: Mapped[str] = mapped_column(Text, ForeignKey("units.code"), index=True)
    post: Mapped[str] = mapped_column(Text)
    post_since: Mapped[date] = mapped_column(Date)
    rank: Mapped[str] = mapped_column(Text)
    party_member: Mapped[bool] = mapped_column(Boolean)
    manage_level: Mapped[str] = mapped_column(Text)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    effective_on: Mapped[date] = mapped_column(Date)
    registered_at: Mapped[datetime] = mapped_column(_INSTANT)
    import_id: Mapped[str] = mapped_column(_ID, ForeignKey("roster_imports.id"))


class FindingRow(Base):
    """A verified finding, as supervision last published it: only what a deduction is reckoned from.

    A finding that was never verified leaves no trace here.
    """

    __tablename__ = "findings"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    base_weight: Mapped[Decimal] = mapped_column(Numeric)
    effective_weight: Mapped[Decimal] = mapped_column(Numeric)
    verified_on: Mapped[date | None] = mapped_column(Date)
    year: Mapped[int | None] = mapped_column(SmallInteger)
    tolerance_case: Mapped[str | None] = mapped_column(_ID)
    tolerance_factor: Mapped[Decimal | None] = mapped_column(Numeric)


class ResponsibilityRow(Base):
    """That a finding holds a cadre responsible in a role."""

    __tablename__ = "responsibilities"

    cadre: Mapped[str] = mapped_column(_ID, primary_key=True)
    finding: Mapped[str] = mapped_column(_ID, ForeignKey("findings.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(Text, primary_key=True)


class AnnualRecordRow(Base):
    """One version of a cadre's annual record. A version is never changed; the highest is in force."""

    __tablename__ = "annual_records"
    __table_args__ = (CheckConstraint("deduction BETWEEN 0 AND cap", name="deduction"),)

    cadre: Mapped[str] = mapped_column(_ID, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    deduction: Mapped[Decimal] = mapped_column(Numeric)
    points: Mapped[Decimal] = mapped_column(Numeric)
    cap: Mapped[Decimal] = mapped_column(Numeric)
    cap_pack: Mapped[str] = mapped_column(Text)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)
    cause: Mapped[str] = mapped_column(_ID)
    correlation_id: Mapped[str] = mapped_column(Text)


class DutyListRow(CaseColumns, Base):
    """A duty list (A2); `items` and `amendment` are as `domain.duty_list.DutyList` tells."""

    __tablename__ = "duty_lists"
    __table_args__ = (
        UniqueConstraint("owner", "year", "kind", "owner_kind", name="uq_duty_lists_owner"),
        Index("ix_duty_lists_items", "items", postgresql_using="gin", postgresql_ops={"items": "jsonb_path_ops"}),
    )

    owner_kind: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text, ForeignKey("units.code"), index=True)
    year: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str] = mapped_column(Text)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    round: Mapped[int] = mapped_column(SmallInteger)
    list_version: Mapped[int] = mapped_column(SmallInteger)
    cosigned_by: Mapped[str | None] = mapped_column(Text)
    submitted_on: Mapped[date | None] = mapped_column(Date)
    late: Mapped[bool] = mapped_column(Boolean)
    approved_on: Mapped[date | None] = mapped_column(Date)
    locked_on: Mapped[date | None] = mapped_column(Date)
    closed_on: Mapped[date | None] = mapped_column(Date)
    review: Mapped[str | None] = mapped_column(_ID)
    amendments: Mapped[int] = mapped_column(SmallInteger)
    amendment: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class DutyListVersionRow(Base):
    """A version of a locked duty list, as it was adopted. It is never changed."""

    __tablename__ = "duty_list_versions"

    duty_list_id: Mapped[str] = mapped_column(_ID, ForeignKey("duty_lists.id"), primary_key=True)
    version: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reason: Mapped[str | None] = mapped_column(Text)
    review: Mapped[str | None] = mapped_column(_ID)
    adopted_at: Mapped[datetime] = mapped_column(_INSTANT)


class JointReviewRow(CaseColumns, Base):
    """A joint review (A3) of a duty list or of an amendment; `members` are as `domain.joint_review.JointReview` tells."""

    __tablename__ = "joint_reviews"

    duty_list_id: Mapped[str] = mapped_column(_ID, ForeignKey("duty_lists.id"), index=True)
    round: Mapped[int] = mapped_column(SmallInteger)
    amendment: Mapped[bool] = mapped_column(Boolean)
    unit: Mapped[str] = mapped_column(Text, index=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    members: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    due_on: Mapped[date] = mapped_column(Date)
    conclusion: Mapped[str | None] = mapped_column(Text)
    concluded_on: Mapped[date | None] = mapped_column(Date)


class ReviewOpinionRow(Base):
    """What a member of a joint review thinks, with comments `{item, text}`. It is never changed; the latest counts."""

    __tablename__ = "review_opinions"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    review_id: Mapped[str] = mapped_column(_ID, ForeignKey("joint_reviews.id"), index=True)
    cadre: Mapped[str] = mapped_column(_ID)
    capacity: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(Text)
    comments: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(_INSTANT)


class ConstraintSourceRow(Base):
    """What a source (a subject such as `recall/<id>`) wants of a cadre's grades, and the findings that this rests on."""

    __tablename__ = "constraint_sources"
    __table_args__ = (Index("ix_constraint_sources_findings", "findings", postgresql_using="gin"),)

    source: Mapped[str] = mapped_column(Text, primary_key=True)
    cadre: Mapped[str] = mapped_column(_ID)
    wanted: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))


class ConstraintRow(CaseColumns, Base):
    """A constraint on a grade (L3): it counts from `active_at` until `lifted_at`. `cause` is the event that led to it."""

    __tablename__ = "constraints"
    __table_args__ = (
        CheckConstraint("(grade IS NOT NULL) = (kind IN ('CAP', 'FORCED'))", name="grade"),
        Index("ix_constraints_cadre", "cadre", "year"),
        Index("ix_constraints_source", "source"),
    )

    cadre: Mapped[str] = mapped_column(_ID)
    year: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str] = mapped_column(Text)
    grade: Mapped[str | None] = mapped_column(Text)
    reason_code: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    open_ended: Mapped[bool] = mapped_column(Boolean)
    hidden: Mapped[bool] = mapped_column(Boolean)
    rule_packs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    active_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    lifted_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    cause: Mapped[str | None] = mapped_column(_ID)
    # Read with the row, so that a change of unit changes at once who may see it.
    unit: Mapped[str | None] = column_property(
        select(CadreRow.unit).where(CadreRow.id == cadre).correlate_except(CadreRow).scalar_subquery()
    )


class SchemeRow(CaseColumns, Base):
    """A scheme of a year; `weights` and `bands` are decimal texts by code."""

    __tablename__ = "schemes"
    __table_args__ = (UniqueConstraint("year", "target_kind"),)

    year: Mapped[int] = mapped_column(SmallInteger)
    target_kind: Mapped[str] = mapped_column(Text)
    weights: Mapped[dict[str, str]] = mapped_column(JSONB)
    bands: Mapped[dict[str, str]] = mapped_column(JSONB)


class QuotaRow(CaseColumns, Base):
    """How many of a pool may be excellent; `unit` is null where the city is one pool."""

    __tablename__ = "quotas"
    __table_args__ = (
        Index("uq_quotas_city", "year", "category", unique=True, postgresql_where=text("unit IS NULL")),
        Index("uq_quotas_unit", "year", "category", "unit", unique=True, postgresql_where=text("unit IS NOT NULL")),
    )

    year: Mapped[int] = mapped_column(SmallInteger)
    category: Mapped[str] = mapped_column(Text)
    unit: Mapped[str | None] = mapped_column(Text, ForeignKey("units.code"))
    group_grade: Mapped[str | None] = mapped_column(Text)
    approved_higher: Mapped[bool] = mapped_column(Boolean)
    ratio: Mapped[Decimal] = mapped_column(Numeric)
    rounding: Mapped[str] = mapped_column(Text)
    counts_no_grade: Mapped[bool] = mapped_column(Boolean)
    base: Mapped[int] = mapped_column(Integer)
    most: Mapped[int] = mapped_column(Integer)


class BallotSessionRow(Base):
    """A counted session of democratic evaluation; `classes` are `{name, expected, counts}`, no voter is known."""

    __tablename__ = "ballot_sessions"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    subject_kind: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str | None] = mapped_column(_ID, index=True)
    unit: Mapped[str] = mapped_column(Text, index=True)
    year: Mapped[int] = mapped_column(SmallInteger)
    held_on: Mapped[date] = mapped_column(Date)
    classes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    turnout: Mapped[Decimal] = mapped_column(Numeric)
    valid: Mapped[bool] = mapped_column(Boolean)
    score: Mapped[Decimal] = mapped_column(Numeric)
    flagged: Mapped[bool] = mapped_column(Boolean)
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text))
    rule_packs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recorded_by: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)


class RoutineGradeRow(Base):
    """The routine grade of a cadre's quarter."""

    __tablename__ = "routine_grades"

    cadre: Mapped[str] = mapped_column(_ID, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    quarter: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    unit: Mapped[str] = mapped_column(Text)
    grade: Mapped[str] = mapped_column(Text)
    score: Mapped[Decimal] = mapped_column(Numeric)
    basis: Mapped[list[str]] = mapped_column(ARRAY(Text))
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text))
    rule_packs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recorded_by: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)


class TalkRow(Base):
    """A talk about a subject; `summary` (L4) is in no event and no audit entry."""

    __tablename__ = "talks"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    subject_kind: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str | None] = mapped_column(_ID, index=True)
    unit: Mapped[str] = mapped_column(Text, index=True)
    year: Mapped[int] = mapped_column(SmallInteger)
    held_on: Mapped[date] = mapped_column(Date)
    interviewers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    summary: Mapped[str] = mapped_column(Text, deferred=True)
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recorded_by: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)


class AnnualRow(CaseColumns, Base):
    """An annual assessment of a cadre, or of a unit's group (`cadre` is null)."""

    __tablename__ = "annuals"
    __table_args__ = (
        Index("uq_annuals_cadre", "year", "cadre", unique=True, postgresql_where=text("cadre IS NOT NULL")),
        Index("uq_annuals_group", "year", "unit", unique=True, postgresql_where=text("cadre IS NULL")),
        Index("ix_annuals_pool", "year", "quota_category", "unit"),
        Index("ix_annuals_state", "year", "state", "id"),
        Index("ix_annuals_person", "cadre"),
        Index("ix_annuals_unit", "unit"),
    )

    subject_kind: Mapped[str] = mapped_column(Text)
    cadre: Mapped[str | None] = mapped_column(_ID)
    unit: Mapped[str] = mapped_column(Text)
    year: Mapped[int] = mapped_column(SmallInteger)
    scheme_id: Mapped[str] = mapped_column(_ID, ForeignKey("schemes.id"))
    head: Mapped[bool] = mapped_column(Boolean)
    head_of: Mapped[str | None] = mapped_column(Text)
    quota_category: Mapped[str] = mapped_column(Text)
    self_report: Mapped[str | None] = mapped_column(Text, deferred=True)
    reported_on: Mapped[date | None] = mapped_column(Date)
    ballot_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("ballot_sessions.id"))
    ballot_flagged: Mapped[bool] = mapped_column(Boolean)
    scores: Mapped[dict[str, str]] = mapped_column(JSONB)
    cutoff_on: Mapped[date | None] = mapped_column(Date)
    record_version: Mapped[int | None] = mapped_column(Integer)
    deduction: Mapped[Decimal | None] = mapped_column(Numeric)
    composite: Mapped[Decimal | None] = mapped_column(Numeric)
    band: Mapped[str | None] = mapped_column(Text)
    engine_grade: Mapped[str | None] = mapped_column(Text)
    proposed_grade: Mapped[str | None] = mapped_column(Text)
    proposed_status: Mapped[str | None] = mapped_column(Text)
    limits: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    notes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    quota_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("quotas.id"))
    publicity_until: Mapped[date | None] = mapped_column(Date)
    grade: Mapped[str | None] = mapped_column(Text)
    grade_status: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(Integer)
    approved_on: Mapped[date | None] = mapped_column(Date)
    served_on: Mapped[date | None] = mapped_column(Date)
    clock_from: Mapped[date | None] = mapped_column(Date)
    appeal_until: Mapped[date | None] = mapped_column(Date)
    cause: Mapped[str | None] = mapped_column(_ID)
    pending_cause: Mapped[str | None] = mapped_column(_ID)
    hold_closed_on: Mapped[date | None] = mapped_column(Date)
    # What the list is filtered by.
    pending_decision: Mapped[bool] = column_property(pending_cause.is_not(None))


class AnnualResultRow(Base):
    """One revision of a decided result, with all that explains it. It is never changed; the highest is in force."""

    __tablename__ = "annual_results"

    annual_id: Mapped[str] = mapped_column(_ID, ForeignKey("annuals.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    grade: Mapped[str | None] = mapped_column(Text)
    grade_status: Mapped[str] = mapped_column(Text)
    explanation: Mapped[dict[str, Any]] = mapped_column(JSONB)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)
    cause: Mapped[str | None] = mapped_column(_ID)
    correlation_id: Mapped[str] = mapped_column(Text)


class IndicatorRow(CaseColumns, Base):
    """An indicator (A5)."""

    __tablename__ = "indicators"
    __table_args__ = (
        UniqueConstraint("year", "code", name="uq_indicators_code"),
        UniqueConstraint("year", "title", name="uq_indicators_title"),
    )

    year: Mapped[int] = mapped_column(SmallInteger)
    code: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    level: Mapped[str] = mapped_column(Text)
    unit_of_measure: Mapped[str] = mapped_column(Text)
    target: Mapped[Decimal] = mapped_column(Numeric)
    baseline: Mapped[Decimal | None] = mapped_column(Numeric)
    lead_unit: Mapped[str] = mapped_column(Text, ForeignKey("units.code"), index=True)
    co_units: Mapped[list[str]] = mapped_column(ARRAY(Text))


class CadreChangeRow(Base):
    """What held of a cadre from `effective_on`, as it was recorded: the first is the registration. It is never changed."""

    __tablename__ = "cadre_changes"

    cadre: Mapped[str] = mapped_column(_ID, ForeignKey("cadres.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    change: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text, index=True)
    post: Mapped[str] = mapped_column(Text)
    post_since: Mapped[date] = mapped_column(Date)
    rank: Mapped[str] = mapped_column(Text)
    manage_level: Mapped[str] = mapped_column(Text)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    effective_on: Mapped[date] = mapped_column(Date)
    how: Mapped[str | None] = mapped_column(Text)
    document: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(_INSTANT)
    recorded_by: Mapped[str] = mapped_column(Text)


class RosterExportRow(CaseColumns, Base):
    """An export of the roster that was asked for; the workbook is made when it is fetched, and not kept."""

    __tablename__ = "roster_exports"

    purpose: Mapped[str] = mapped_column(Text)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    id_numbers: Mapped[bool] = mapped_column(Boolean)
    count: Mapped[int] = mapped_column(Integer)
    needs_approval: Mapped[bool] = mapped_column(Boolean)
    requested_by: Mapped[str] = mapped_column(Text)


class CloseItemRow(Base):
    """One assessment in the plan of a job that proposes a year's grades at once; kept until the next is made."""

    __tablename__ = "annual_close_items"
    __table_args__ = (Index("uq_annual_close_items_annual", "job_id", "annual_id", unique=True),)

    job_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    annual_id: Mapped[str] = mapped_column(_ID)
    composite: Mapped[Decimal] = mapped_column(Numeric)
    engine_grade: Mapped[str | None] = mapped_column(Text)
    proposed_grade: Mapped[str | None] = mapped_column(Text)
    quota_full: Mapped[bool] = mapped_column(Boolean)
    quota_id: Mapped[str | None] = mapped_column(_ID)
    taken: Mapped[bool] = mapped_column(Boolean)


class AnnualSheetRow(UploadColumns, Base):
    """An upload of a year's sheet. `faults` never repeat a cell."""

    __tablename__ = "annual_sheets"

    rows_new: Mapped[int] = mapped_column(Integer)
    rows_same: Mapped[int] = mapped_column(Integer)
    rows_refused: Mapped[int] = mapped_column(Integer)
    fault_count: Mapped[int | None] = mapped_column(Integer)
    faults: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)


class RoundRow(Base):
    """A round: one action of the annual assessment, asked for on everybody whom it waits for."""

    __tablename__ = "annual_rounds"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger)
    subject_kind: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    job_id: Mapped[str] = mapped_column(_ID)
    planned: Mapped[int] = mapped_column(Integer)
    started_by: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(_INSTANT)


class RoundItemRow(Base):
    """Somebody in a round, in its order, and the outcome: TAKEN, or REFUSED with code and figures; null while it is due.

    `version` is that of the assessment when the round was asked for; of who is to be assessed there is none yet.
    """

    __tablename__ = "annual_round_items"

    round_id: Mapped[str] = mapped_column(_ID, ForeignKey("annual_rounds.id"), primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    annual_id: Mapped[str | None] = mapped_column(_ID)
    cadre: Mapped[str | None] = mapped_column(_ID)
    unit: Mapped[str] = mapped_column(Text)
    version: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    zh: Mapped[str | None] = mapped_column(Text)
    en: Mapped[str | None] = mapped_column(Text)
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class MatterRow(Base):
    """A decision of supervision on a cadre, as far as appeals ask for it. `deciders` are the people who took it."""

    __tablename__ = "matters"

    ref: Mapped[str] = mapped_column(Text, primary_key=True)
    cadre: Mapped[str] = mapped_column(_ID, primary_key=True)
    scale: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    what: Mapped[str | None] = mapped_column(Text)
    decided_on: Mapped[date | None] = mapped_column(Date)
    deciders: Mapped[list[str]] = mapped_column(ARRAY(Text))


class ServedRow(Base):
    """When a document about a matter was served on a cadre, last."""

    __tablename__ = "served_documents"

    ref: Mapped[str] = mapped_column(Text, primary_key=True)
    document: Mapped[str] = mapped_column(Text, primary_key=True)
    cadre: Mapped[str] = mapped_column(Text, primary_key=True)
    served_on: Mapped[date] = mapped_column(Date)


class AppealRow(CaseColumns, Base):
    """A review or an appeal; `grounds` is text (L4)."""

    __tablename__ = "appeals"
    __table_args__ = (Index("ix_appeals_subject_ref", "subject_ref"), Index("ix_appeals_cadre", "cadre"))

    type: Mapped[str] = mapped_column(Text)
    subject_ref: Mapped[str] = mapped_column(Text)
    scale: Mapped[str] = mapped_column(Text)
    original: Mapped[str | None] = mapped_column(Text)
    cadre: Mapped[str] = mapped_column(_ID)
    grounds: Mapped[str] = mapped_column(Text)
    review: Mapped[str | None] = mapped_column(_ID, ForeignKey("appeals.id"))
    service_on: Mapped[date | None] = mapped_column(Date)
    file_until: Mapped[date | None] = mapped_column(Date)
    filed_on: Mapped[date] = mapped_column(Date)
    accepted_on: Mapped[date | None] = mapped_column(Date)
    due_on: Mapped[date | None] = mapped_column(Date)
    extended: Mapped[bool] = mapped_column(Boolean)
    examiner: Mapped[str | None] = mapped_column(Text)
    decision: Mapped[str | None] = mapped_column(Text)
    amended_to: Mapped[str | None] = mapped_column(Text)
    decided_on: Mapped[date | None] = mapped_column(Date)
    executed_on: Mapped[date | None] = mapped_column(Date)
    rejected_for: Mapped[str | None] = mapped_column(Text)
    unit: Mapped[str | None] = column_property(
        select(CadreRow.unit).where(CadreRow.id == cadre).correlate_except(CadreRow).scalar_subquery()
    )


class AbsenceRow(CaseColumns, Base):
    """A leave, from its first to its last day, and the unit that it was taken from (L3)."""

    __tablename__ = "absences"

    cadre: Mapped[str] = mapped_column(_ID, ForeignKey("cadres.id"), index=True)
    unit: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    begins: Mapped[date] = mapped_column(Date)
    ends: Mapped[date] = mapped_column(Date)

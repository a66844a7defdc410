"""The tables: units, cadres, imports of rosters, findings as far as they weigh on a year, and annual records."""

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
    select,
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


class ImportRow(Base):
    """An upload of a roster. `workbook` is sealed, and gone once the import has ended; `faults` never repeat a cell."""

    __tablename__ = "roster_imports"

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


class CadreRow(Base):
    """A cadre (L3). `id_no` is sealed for this very row; `id_no_index` is a keyed hash, which alone is compared."""

    __tablename__ = "cadres"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
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

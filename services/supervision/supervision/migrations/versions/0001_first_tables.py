"""The first tables: those of the mechanism, inspections, findings and what is kept beside them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from citybus.migrations import create_bus_tables, drop_bus_tables

revision = "0001"
down_revision = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create everything."""
    create_bus_tables(op)
    op.create_table(
        "units",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_units"),
    )
    op.create_table(
        "cadres",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cadres"),
    )
    op.create_table(
        "evidence_files",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_evidence_files"),
    )
    op.create_table(
        "inspections",
        *_case_columns(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("plan_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("team", ARRAY(sa.Text()), nullable=False),
        sa.Column("units", ARRAY(sa.Text()), nullable=False),
        sa.Column("notice_required", sa.Boolean(), nullable=False),
        sa.Column("approved_on", sa.Date()),
        sa.Column("started_on", sa.Date()),
        sa.Column("ended_on", sa.Date()),
        sa.Column("reported_on", sa.Date()),
        sa.Column("report_late", sa.Boolean()),
        sa.Column("summary", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_inspections"),
    )
    op.create_index("ix_inspections_units", "inspections", ["units"], postgresql_using="gin")
    op.create_table(
        "findings",
        *_case_columns(),
        sa.Column("inspection_id", _ID),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason_codes", ARRAY(sa.Text()), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("responsible", JSONB(), nullable=False),
        sa.Column("evidence", ARRAY(sa.Text()), nullable=False),
        sa.Column("base_weight", sa.Numeric(8, 4), nullable=False),
        sa.Column("effective_weight", sa.Numeric(8, 4), nullable=False),
        sa.Column("weight_pack", sa.Text(), nullable=False),
        sa.Column("notified_on", sa.Date()),
        sa.Column("served_on", sa.Date()),
        sa.Column("plea_until", sa.Date()),
        sa.Column("signed_by", sa.Text()),
        sa.Column("verified_on", sa.Date()),
        sa.Column("year", sa.Integer()),
        sa.Column("tolerance_case", _ID),
        sa.Column("tolerance_factor", sa.Numeric(4, 3)),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
        sa.ForeignKeyConstraint(["inspection_id"], ["inspections.id"], name="fk_findings_inspection_id"),
        sa.CheckConstraint("severity BETWEEN 1 AND 5", name=op.f("ck_findings_severity")),
        sa.CheckConstraint("effective_weight BETWEEN 0 AND base_weight", name=op.f("ck_findings_weight")),
    )
    op.create_index("ix_findings_inspection_id", "findings", ["inspection_id"])
    op.create_index("ix_findings_unit", "findings", ["unit"])
    op.create_index("ix_findings_evidence", "findings", ["evidence"], postgresql_using="gin")
    op.create_index(
        "ix_findings_responsible",
        "findings",
        ["responsible"],
        postgresql_using="gin",
        postgresql_ops={"responsible": "jsonb_path_ops"},
    )
    op.create_table(
        "pleas",
        sa.Column("id", _ID, nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pleas"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_pleas_finding_id"),
    )
    op.create_index("ix_pleas_finding_id", "pleas", ["finding_id"])
    op.create_table(
        "signals",
        sa.Column("id", _ID, nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason_codes", ARRAY(sa.Text()), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("transferred_to", sa.Text(), nullable=False),
        sa.Column("transferred_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signals"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_signals_finding_id"),
        sa.UniqueConstraint("finding_id", name="uq_signals_finding_id"),
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("signals", "pleas", "findings", "inspections", "evidence_files", "cadres", "units"):
        op.drop_table(table)
    drop_bus_tables(op)


def _case_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
    ]

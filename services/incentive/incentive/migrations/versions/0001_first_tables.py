"""The first tables: those of the mechanism, tolerance cases, their evidence and effects, and what is known of others."""

from collections.abc import Sequence

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
_POINTS = sa.Numeric(8, 4)


def upgrade() -> None:
    """Create everything."""
    create_bus_tables(op)
    op.create_table(
        "cadres",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cadres"),
    )
    op.create_table(
        "findings",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("responsible", ARRAY(sa.Text()), nullable=False),
        sa.Column("handlers", ARRAY(sa.Text()), nullable=False),
        sa.Column("base_weight", _POINTS, nullable=False),
        sa.Column("effective_weight", _POINTS, nullable=False),
        sa.Column("served_on", sa.Date()),
        sa.Column("verified_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
    )
    op.create_table(
        "deduction_items",
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("effective_weight", _POINTS, nullable=False),
        sa.PrimaryKeyConstraint("cadre", "year", "finding_id", name="pk_deduction_items"),
    )
    op.create_index("ix_deduction_items_finding_id", "deduction_items", ["finding_id"])
    op.create_table(
        "evidence_files",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_evidence_files"),
    )
    op.create_table(
        "evidence_uploads",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uploaded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "uploaded_by", name="pk_evidence_uploads"),
        sa.ForeignKeyConstraint(["sha256"], ["evidence_files.sha256"], name="fk_evidence_uploads_sha256"),
    )
    op.create_table(
        "tolerances",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("applicant_kind", sa.Text(), nullable=False),
        sa.Column("applicant_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("persons", ARRAY(sa.Text()), nullable=False),
        sa.Column("circumstance", sa.SmallInteger(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("late_cause", sa.Text()),
        sa.Column("new_facts", sa.Text()),
        sa.Column("evidence", ARRAY(sa.Text()), nullable=False),
        sa.Column("account_stage", sa.Text()),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("filed_on", sa.Date()),
        sa.Column("not_accepted_on", sa.Date()),
        sa.Column("refiled", sa.Boolean(), nullable=False),
        sa.Column("assigned_on", sa.Date()),
        sa.Column("verify_by", sa.Date()),
        sa.Column("extended_until", sa.Date()),
        sa.Column("verifiers", JSONB(), nullable=False),
        sa.Column("factors", JSONB()),
        sa.Column("exclusions", ARRAY(sa.Text()), nullable=False),
        sa.Column("advice", sa.Text()),
        sa.Column("advice_grounds", JSONB()),
        sa.Column("panel", JSONB(), nullable=False),
        sa.Column("decision", sa.Text()),
        sa.Column("factor", sa.Numeric(4, 3)),
        sa.Column("deviation", sa.Text()),
        sa.Column("decided_on", sa.Date()),
        sa.Column("served_on", sa.Date()),
        sa.Column("review_until", sa.Date()),
        sa.Column("effective_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_tolerances"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_tolerances_finding_id"),
        sa.CheckConstraint("factor BETWEEN 0 AND 1", name=op.f("ck_tolerances_factor")),
    )
    op.create_index(
        "uq_tolerances_applicant",
        "tolerances",
        ["finding_id", "applicant_kind", "applicant_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'WITHDRAWN'"),
    )
    op.create_index("ix_tolerances_unit", "tolerances", ["unit"])
    op.create_index("ix_tolerances_persons", "tolerances", ["persons"], postgresql_using="gin")
    op.create_index("ix_tolerances_evidence", "tolerances", ["evidence"], postgresql_using="gin")
    op.create_table(
        "effect_steps",
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("cadre", sa.Text()),
        sa.Column("at_most", _POINTS, nullable=False),
        sa.Column("outstanding_since", _INSTANT, nullable=False),
        sa.Column("done_at", _INSTANT),
        sa.Column("by_event", _ID),
        sa.PrimaryKeyConstraint("case_id", "step", name="pk_effect_steps"),
        sa.ForeignKeyConstraint(["case_id"], ["tolerances.id"], name="fk_effect_steps_case_id"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_effect_steps_finding_id"),
    )
    op.create_index(
        "ix_effect_steps_outstanding", "effect_steps", ["finding_id"], postgresql_where=sa.text("done_at IS NULL")
    )


def downgrade() -> None:
    """Drop everything."""
    for table in (
        "effect_steps",
        "tolerances",
        "evidence_uploads",
        "evidence_files",
        "deduction_items",
        "findings",
        "cadres",
    ):
        op.drop_table(table)
    drop_bus_tables(op)

"""Schemes, quotas, recorded facts, annual assessments and their results."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0003"
down_revision = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "schemes",
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("weights", JSONB, nullable=False),
        sa.Column("bands", JSONB, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schemes"),
        sa.UniqueConstraint("year", "target_kind", name="uq_schemes_year_target_kind"),
    )
    op.create_table(
        "quotas",
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text()),
        sa.Column("group_grade", sa.Text()),
        sa.Column("approved_higher", sa.Boolean(), nullable=False),
        sa.Column("ratio", sa.Numeric(), nullable=False),
        sa.Column("rounding", sa.Text(), nullable=False),
        sa.Column("counts_no_grade", sa.Boolean(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quotas"),
        sa.ForeignKeyConstraint(["unit"], ["units.code"], name="fk_quotas_unit"),
    )
    op.create_index(
        "uq_quotas_city", "quotas", ["year", "category"], unique=True, postgresql_where=sa.text("unit IS NULL")
    )
    op.create_index(
        "uq_quotas_unit",
        "quotas",
        ["year", "category", "unit"],
        unique=True,
        postgresql_where=sa.text("unit IS NOT NULL"),
    )
    op.create_table(
        "ballot_sessions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("cadre", _ID),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("classes", JSONB, nullable=False),
        sa.Column("turnout", sa.Numeric(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Numeric(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("evidence", ARRAY(sa.Text()), nullable=False),
        sa.Column("rule_packs", ARRAY(sa.Text()), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ballot_sessions"),
    )
    op.create_index("ix_ballot_sessions_cadre", "ballot_sessions", ["cadre"])
    op.create_index("ix_ballot_sessions_unit", "ballot_sessions", ["unit"])
    op.create_table(
        "routine_grades",
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("quarter", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("score", sa.Numeric(), nullable=False),
        sa.Column("basis", ARRAY(sa.Text()), nullable=False),
        sa.Column("evidence", ARRAY(sa.Text()), nullable=False),
        sa.Column("rule_packs", ARRAY(sa.Text()), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("cadre", "year", "quarter", name="pk_routine_grades"),
    )
    op.create_table(
        "talks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("cadre", _ID),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("interviewers", ARRAY(sa.Text()), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("evidence", ARRAY(sa.Text()), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_talks"),
    )
    op.create_index("ix_talks_cadre", "talks", ["cadre"])
    op.create_index("ix_talks_unit", "talks", ["unit"])
    op.create_table(
        "annuals",
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("cadre", _ID),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("scheme_id", _ID, nullable=False),
        sa.Column("head", sa.Boolean(), nullable=False),
        sa.Column("quota_category", sa.Text(), nullable=False),
        sa.Column("self_report", sa.Text()),
        sa.Column("reported_on", sa.Date()),
        sa.Column("ballot_id", _ID),
        sa.Column("ballot_flagged", sa.Boolean(), nullable=False),
        sa.Column("scores", JSONB, nullable=False),
        sa.Column("cutoff_on", sa.Date()),
        sa.Column("record_version", sa.Integer()),
        sa.Column("deduction", sa.Numeric()),
        sa.Column("composite", sa.Numeric()),
        sa.Column("band", sa.Text()),
        sa.Column("engine_grade", sa.Text()),
        sa.Column("proposed_grade", sa.Text()),
        sa.Column("proposed_status", sa.Text()),
        sa.Column("limits", JSONB, nullable=False),
        sa.Column("notes", ARRAY(sa.Text()), nullable=False),
        sa.Column("quota_id", _ID),
        sa.Column("publicity_until", sa.Date()),
        sa.Column("grade", sa.Text()),
        sa.Column("grade_status", sa.Text()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("approved_on", sa.Date()),
        sa.Column("served_on", sa.Date()),
        sa.Column("clock_from", sa.Date()),
        sa.Column("appeal_until", sa.Date()),
        sa.Column("cause", _ID),
        sa.Column("pending_cause", _ID),
        sa.Column("hold_closed_on", sa.Date()),
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annuals"),
        sa.ForeignKeyConstraint(["scheme_id"], ["schemes.id"], name="fk_annuals_scheme_id"),
        sa.ForeignKeyConstraint(["ballot_id"], ["ballot_sessions.id"], name="fk_annuals_ballot_id"),
        sa.ForeignKeyConstraint(["quota_id"], ["quotas.id"], name="fk_annuals_quota_id"),
    )
    op.create_index("ix_annuals_person", "annuals", ["cadre"])
    op.create_index("ix_annuals_pool", "annuals", ["year", "quota_category", "unit"])
    op.create_index("ix_annuals_state", "annuals", ["year", "state", "id"])
    op.create_index("ix_annuals_unit", "annuals", ["unit"])
    op.create_index(
        "uq_annuals_cadre", "annuals", ["year", "cadre"], unique=True, postgresql_where=sa.text("cadre IS NOT NULL")
    )
    op.create_index(
        "uq_annuals_group", "annuals", ["year", "unit"], unique=True, postgresql_where=sa.text("cadre IS NULL")
    )
    op.create_table(
        "annual_results",
        sa.Column("annual_id", _ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("grade", sa.Text()),
        sa.Column("grade_status", sa.Text(), nullable=False),
        sa.Column("explanation", JSONB, nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("cause", _ID),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("annual_id", "revision", name="pk_annual_results"),
        sa.ForeignKeyConstraint(["annual_id"], ["annuals.id"], name="fk_annual_results_annual_id"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("annual_results", "annuals", "talks", "routine_grades", "ballot_sessions", "quotas", "schemes"):
        op.drop_table(table)

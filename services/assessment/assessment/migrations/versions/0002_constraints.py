"""Constraints on grades, and what their sources want."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0002"
down_revision = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the two tables."""
    op.create_table(
        "constraint_sources",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("wanted", JSONB(), nullable=False),
        sa.Column("findings", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_constraint_sources"),
    )
    op.create_index("ix_constraint_sources_findings", "constraint_sources", ["findings"], postgresql_using="gin")
    op.create_table(
        "constraints",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text()),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("findings", ARRAY(sa.Text()), nullable=False),
        sa.Column("open_ended", sa.Boolean(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("rule_packs", ARRAY(sa.Text()), nullable=False),
        sa.Column("active_at", _INSTANT),
        sa.Column("lifted_at", _INSTANT),
        sa.Column("cause", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_constraints"),
        sa.CheckConstraint("(grade IS NOT NULL) = (kind IN ('CAP', 'FORCED'))", name=op.f("ck_constraints_grade")),
    )
    op.create_index("ix_constraints_cadre", "constraints", ["cadre", "year"])
    op.create_index("ix_constraints_source", "constraints", ["source"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("constraints")
    op.drop_table("constraint_sources")

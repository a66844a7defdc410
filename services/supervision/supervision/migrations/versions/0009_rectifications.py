"""Rectifications (S7), and what they and a revocation change of a finding."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0009"
down_revision = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns and create the table."""
    op.add_column("findings", sa.Column("rectified_factor", sa.Numeric(4, 3)))
    op.add_column("findings", sa.Column("relapses", sa.SmallInteger(), nullable=False, server_default="0"))
    op.alter_column("findings", "relapses", server_default=None)
    op.add_column("findings", sa.Column("revoked_on", sa.Date()))
    op.add_column("findings", sa.Column("revocation", JSONB()))
    op.create_table(
        "rectifications",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("planned_on", sa.Date(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("extended", sa.Boolean(), nullable=False),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("report", sa.Text()),
        sa.Column("proof", ARRAY(sa.Text()), nullable=False),
        sa.Column("submitted_on", sa.Date()),
        sa.Column("accepted_on", sa.Date()),
        sa.Column("in_time", sa.Boolean()),
        sa.Column("recheck_due", sa.Date()),
        sa.Column("rechecked_on", sa.Date()),
        sa.Column("result", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_rectifications"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_rectifications_finding_id"),
    )
    op.create_index("ix_rectifications_finding_id", "rectifications", ["finding_id"])
    op.create_index("ix_rectifications_unit", "rectifications", ["unit"])
    op.create_index(
        "uq_rectifications_open",
        "rectifications",
        ["finding_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('RECHECKED', 'CANCELLED')"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("rectifications")
    for column in ("revocation", "revoked_on", "relapses", "rectified_factor"):
        op.drop_column("findings", column)

"""Adjustments (S11)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0005"
down_revision = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "adjustments",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("reason_codes", ARRAY(sa.Text()), nullable=False),
        sa.Column("told_codes", ARRAY(sa.Text()), nullable=False),
        sa.Column("findings", ARRAY(sa.Text()), nullable=False),
        sa.Column("recall", _ID),
        sa.Column("measure", _ID),
        sa.Column("opinion", sa.Text()),
        sa.Column("months", sa.SmallInteger()),
        sa.Column("decision_no", sa.Text()),
        sa.Column("decided_on", sa.Date()),
        sa.Column("members", sa.SmallInteger()),
        sa.Column("present", sa.SmallInteger()),
        sa.Column("in_favour", sa.SmallInteger()),
        sa.Column("served_on", sa.Date()),
        sa.Column("talkers", ARRAY(sa.Text()), nullable=False),
        sa.Column("talked_on", sa.Date()),
        sa.Column("talk_summary", sa.Text()),
        sa.Column("executed_on", sa.Date()),
        sa.Column("executed_late", sa.Boolean()),
        sa.Column("sanction", _ID),
        sa.Column("appeal", _ID),
        sa.Column("appealed_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_adjustments"),
    )
    op.create_index("ix_adjustments_cadre", "adjustments", ["cadre"])
    op.create_index("ix_adjustments_findings", "adjustments", ["findings"], postgresql_using="gin")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("adjustments")

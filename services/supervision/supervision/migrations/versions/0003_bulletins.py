"""Bulletins (S8), and the fault-tolerance cases that hold them back."""

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
    """Create both tables."""
    op.create_table(
        "bulletins",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("findings", ARRAY(sa.Text()), nullable=False),
        sa.Column("units", ARRAY(sa.Text()), nullable=False),
        sa.Column("persons", ARRAY(sa.Text()), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("channels", ARRAY(sa.Text()), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("unnamed_title", sa.Text()),
        sa.Column("unnamed_text", sa.Text()),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("approvals", JSONB(), nullable=False),
        sa.Column("publish_at", _INSTANT),
        sa.Column("published_on", sa.Date()),
        sa.Column("expire_at", _INSTANT),
        sa.Column("channel_states", JSONB(), nullable=False),
        sa.Column("correction", JSONB()),
        sa.Column("correction_text", sa.Text()),
        sa.Column("reason_code", sa.Text()),
        sa.Column("held_for", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_bulletins"),
    )
    op.create_index("ix_bulletins_findings", "bulletins", ["findings"], postgresql_using="gin")
    op.create_table(
        "tolerance_cases",
        sa.Column("id", _ID, nullable=False),
        sa.Column("finding_id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_tolerance_cases"),
    )
    op.create_index("ix_tolerance_cases_finding_id", "tolerance_cases", ["finding_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("tolerance_cases")
    op.drop_table("bulletins")

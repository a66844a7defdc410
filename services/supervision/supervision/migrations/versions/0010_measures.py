"""Reminders, inquiries, admonitions and criticism (S9)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0010"
down_revision = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "measures",
        sa.Column("id", UUID(as_uuid=False), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("findings", ARRAY(sa.Text()), nullable=False),
        sa.Column("reason_codes", ARRAY(sa.Text()), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("suggested", sa.Boolean(), nullable=False),
        sa.Column("approved_on", sa.Date()),
        sa.Column("delivered_on", sa.Date()),
        sa.Column("effect_until", sa.Date()),
        sa.Column("eased", sa.Boolean(), nullable=False),
        sa.Column("inquiries", sa.SmallInteger(), nullable=False),
        sa.Column("reply_due", sa.Date()),
        sa.Column("replied_on", sa.Date()),
        sa.Column("reply", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("closed_on", sa.Date()),
        sa.Column("revoked_for", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_measures"),
    )
    op.create_index("ix_measures_cadre", "measures", ["cadre"])
    op.create_index("ix_measures_findings", "measures", ["findings"], postgresql_using="gin")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("measures")

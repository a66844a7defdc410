"""What bars a cadre from promotion and other purposes (S16)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0002"
down_revision = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the table of bars."""
    op.create_table(
        "bars",
        sa.Column("id", UUID(as_uuid=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("purposes", ARRAY(sa.Text()), nullable=False),
        sa.Column("start_on", sa.Date(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_bars"),
        sa.CheckConstraint("until IS NULL OR until > start_on", name=op.f("ck_bars_interval")),
    )
    op.create_index("ix_bars_cadre_until", "bars", ["cadre", "until"])
    op.create_index("ix_bars_source", "bars", ["source"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("bars")

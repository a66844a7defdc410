"""What is known of reviews and appeals (A16)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0011"
down_revision = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "appeals",
        sa.Column("id", UUID(as_uuid=False), nullable=False),
        sa.Column("subject_ref", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_appeals"),
    )
    op.create_index("ix_appeals_subject_ref", "appeals", ["subject_ref"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("appeals")

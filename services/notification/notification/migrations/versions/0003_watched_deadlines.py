"""Deadlines of all services of which people are warned."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0003"
down_revision = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "watched_deadlines",
        sa.Column("id", UUID(as_uuid=False), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("warn_at", _INSTANT),
        sa.Column("acts", sa.Boolean(), nullable=False),
        sa.Column("units", ARRAY(sa.Text()), nullable=False),
        sa.Column("persons", ARRAY(sa.Text()), nullable=False),
        sa.Column("disclosed", sa.Boolean(), nullable=False),
        sa.Column("offices", ARRAY(sa.Text()), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("light", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_watched_deadlines"),
    )
    for column in ("units", "persons"):
        op.create_index(f"ix_watched_deadlines_{column}", "watched_deadlines", [column], postgresql_using="gin")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("watched_deadlines")

"""Rounds: one step of the annual assessment taken on many cases, and what came of each."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0010"
down_revision = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "annual_rounds",
        sa.Column("id", _ID, nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annual_rounds"),
    )
    op.create_table(
        "annual_round_items",
        sa.Column("round_id", _ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("annual_id", _ID),
        sa.Column("cadre", _ID),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("outcome", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("zh", sa.Text()),
        sa.Column("en", sa.Text()),
        sa.Column("figures", JSONB()),
        sa.PrimaryKeyConstraint("round_id", "place", name="pk_annual_round_items"),
        sa.ForeignKeyConstraint(["round_id"], ["annual_rounds.id"], name="fk_annual_round_items_round_id"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("annual_round_items")
    op.drop_table("annual_rounds")

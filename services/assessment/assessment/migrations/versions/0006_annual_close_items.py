"""The plan of a job that proposes a year's grades at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0006"
down_revision = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "annual_close_items",
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("annual_id", _ID, nullable=False),
        sa.Column("composite", sa.Numeric(), nullable=False),
        sa.Column("engine_grade", sa.Text()),
        sa.Column("proposed_grade", sa.Text()),
        sa.Column("quota_full", sa.Boolean(), nullable=False),
        sa.Column("quota_id", _ID),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "place", name="pk_annual_close_items"),
    )
    op.create_index("uq_annual_close_items_annual", "annual_close_items", ["job_id", "annual_id"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("annual_close_items")

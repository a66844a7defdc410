"""Uploads of the sheet of a year, and a way to find what was recorded from one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0011"
down_revision = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "annual_sheets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("workbook", sa.LargeBinary()),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("rows_new", sa.Integer(), nullable=False),
        sa.Column("rows_same", sa.Integer(), nullable=False),
        sa.Column("rows_refused", sa.Integer(), nullable=False),
        sa.Column("fault_count", sa.Integer()),
        sa.Column("faults", JSONB()),
        sa.PrimaryKeyConstraint("id", name="pk_annual_sheets"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("annual_sheets")

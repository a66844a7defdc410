"""Indicators (A5), and the index that finds the duty items linked to one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0005"
down_revision = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table and the index."""
    op.create_table(
        "indicators",
        sa.Column("id", UUID(as_uuid=False), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("unit_of_measure", sa.Text(), nullable=False),
        sa.Column("target", sa.Numeric(), nullable=False),
        sa.Column("baseline", sa.Numeric()),
        sa.Column("lead_unit", sa.Text(), nullable=False),
        sa.Column("co_units", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_indicators"),
        sa.ForeignKeyConstraint(["lead_unit"], ["units.code"], name="fk_indicators_lead_unit"),
        sa.UniqueConstraint("year", "code", name="uq_indicators_code"),
        sa.UniqueConstraint("year", "title", name="uq_indicators_title"),
    )
    op.create_index("ix_indicators_lead_unit", "indicators", ["lead_unit"])
    op.create_index(
        "ix_duty_lists_items",
        "duty_lists",
        ["items"],
        postgresql_using="gin",
        postgresql_ops={"items": "jsonb_path_ops"},
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_duty_lists_items", table_name="duty_lists")
    op.drop_table("indicators")

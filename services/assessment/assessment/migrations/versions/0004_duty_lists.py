"""Duty lists, their versions, joint reviews and opinions (A2, A3)."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0004"
down_revision = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "duty_lists",
        *_case_columns(),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("items", JSONB(), nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("list_version", sa.SmallInteger(), nullable=False),
        sa.Column("cosigned_by", sa.Text()),
        sa.Column("submitted_on", sa.Date()),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("approved_on", sa.Date()),
        sa.Column("locked_on", sa.Date()),
        sa.Column("closed_on", sa.Date()),
        sa.Column("review", _ID),
        sa.Column("amendments", sa.SmallInteger(), nullable=False),
        sa.Column("amendment", JSONB()),
        sa.PrimaryKeyConstraint("id", name="pk_duty_lists"),
        sa.ForeignKeyConstraint(["unit"], ["units.code"], name="fk_duty_lists_unit"),
        sa.UniqueConstraint("owner", "year", "kind", "owner_kind", name="uq_duty_lists_owner"),
    )
    op.create_index("ix_duty_lists_unit", "duty_lists", ["unit"])
    op.create_table(
        "duty_list_versions",
        sa.Column("duty_list_id", _ID, nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("items", JSONB(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("review", _ID),
        sa.Column("adopted_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("duty_list_id", "version", name="pk_duty_list_versions"),
        sa.ForeignKeyConstraint(["duty_list_id"], ["duty_lists.id"], name="fk_duty_list_versions_duty_list_id"),
    )
    op.create_table(
        "joint_reviews",
        *_case_columns(),
        sa.Column("duty_list_id", _ID, nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("amendment", sa.Boolean(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("members", JSONB(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("conclusion", sa.Text()),
        sa.Column("concluded_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_joint_reviews"),
        sa.ForeignKeyConstraint(["duty_list_id"], ["duty_lists.id"], name="fk_joint_reviews_duty_list_id"),
    )
    op.create_index("ix_joint_reviews_duty_list_id", "joint_reviews", ["duty_list_id"])
    op.create_index("ix_joint_reviews_unit", "joint_reviews", ["unit"])
    op.create_table(
        "review_opinions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("review_id", _ID, nullable=False),
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("comments", JSONB(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review_opinions"),
        sa.ForeignKeyConstraint(["review_id"], ["joint_reviews.id"], name="fk_review_opinions_review_id"),
    )
    op.create_index("ix_review_opinions_review_id", "review_opinions", ["review_id"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("review_opinions", "joint_reviews", "duty_list_versions", "duty_lists"):
        op.drop_table(table)


def _case_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
    ]

"""Recalls with their texts, and training classes (S12 to S14)."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0007"
down_revision = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)
_SCORE = sa.Numeric(5, 2)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "training_classes",
        *_case_columns(),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("trainers", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_training_classes"),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_training_classes_capacity")),
    )
    op.create_table(
        "recalls",
        *_case_columns(),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("findings", ARRAY(_ID), nullable=False),
        sa.Column("circumstances", ARRAY(sa.Integer()), nullable=False),
        sa.Column("proposed_on", sa.Date(), nullable=False),
        sa.Column("notified_on", sa.Date()),
        sa.Column("served_on", sa.Date()),
        sa.Column("plea_until", sa.Date()),
        sa.Column("pleaded_on", sa.Date()),
        sa.Column("approved_on", sa.Date()),
        sa.Column("class_id", _ID),
        sa.Column("trainers", ARRAY(sa.Text()), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("phases", JSONB(), nullable=False),
        sa.Column("reflected", sa.Integer(), nullable=False),
        sa.Column("failed_on", sa.Date()),
        sa.Column("observe_from", sa.Date()),
        sa.Column("observe_until", sa.Date()),
        sa.Column("observe_months", sa.Integer()),
        sa.Column("extensions", sa.Integer(), nullable=False),
        sa.Column("reports", JSONB(), nullable=False),
        sa.Column("unit_warned_on", sa.Date()),
        sa.Column("mid_score", _SCORE),
        sa.Column("mid_review_on", sa.Date()),
        sa.Column("unit_score", _SCORE),
        sa.Column("final_score", _SCORE),
        sa.Column("evaluated_on", sa.Date()),
        sa.Column("proposal", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("outcome_on", sa.Date()),
        sa.Column("cancel_reason", sa.Text()),
        sa.Column("closed_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_recalls"),
        sa.ForeignKeyConstraint(["class_id"], ["training_classes.id"], name="fk_recalls_class_id"),
    )
    op.create_index("ix_recalls_cadre", "recalls", ["cadre"])
    op.create_index("ix_recalls_unit", "recalls", ["unit"])
    op.create_index("ix_recalls_class_id", "recalls", ["class_id"])
    op.create_index("ix_recalls_findings", "recalls", ["findings"], postgresql_using="gin")
    op.create_index(
        "uq_recalls_open",
        "recalls",
        ["cadre"],
        unique=True,
        postgresql_where=sa.text(
            "state NOT IN ('RESTORED', 'ADJUSTED', 'REMOVED', 'DEMOTED', 'CANCELLED', 'TRANSFERRED')"
        ),
    )
    op.create_table(
        "recall_texts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("recall_id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text()),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recall_texts"),
        sa.ForeignKeyConstraint(["recall_id"], ["recalls.id"], name="fk_recall_texts_recall_id"),
    )
    op.create_index("ix_recall_texts_recall_id", "recall_texts", ["recall_id"])


def downgrade() -> None:
    """Drop them."""
    for table in ("recall_texts", "recalls", "training_classes"):
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

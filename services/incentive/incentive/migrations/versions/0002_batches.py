"""Batches of the six-batch programme with their candidates, and what the gate decides from."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0002"
down_revision = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def _case() -> list[sa.Column[object]]:
    return [
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
    ]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "batches",
        *_case(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("positions", JSONB(), nullable=False),
        sa.Column("units", ARRAY(sa.Text()), nullable=False),
        sa.Column("publicized_on", sa.Date()),
        sa.Column("publicity_until", sa.Date()),
        sa.Column("decided_on", sa.Date()),
        sa.Column("implemented_on", sa.Date()),
        sa.Column("reviewed_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_table(
        "candidates",
        *_case(),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("cadre", sa.Text()),
        sa.Column("external", JSONB()),
        sa.Column("born_on", sa.Date(), nullable=False),
        sa.Column("specialty", sa.Text()),
        sa.Column("verdict", sa.Text()),
        sa.Column("reasons", JSONB(), nullable=False),
        sa.Column("checked_on", sa.Date()),
        sa.Column("to_confirm", sa.Boolean(), nullable=False),
        sa.Column("appointed_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_candidates_batch_id"),
        sa.CheckConstraint("(cadre IS NULL) <> (external IS NULL)", name=op.f("ck_candidates_person")),
    )
    op.create_index(
        "uq_candidates_cadre",
        "candidates",
        ["batch_id", "cadre"],
        unique=True,
        postgresql_where=sa.text("state <> 'DROPPED' AND cadre IS NOT NULL"),
    )
    op.create_index("ix_candidates_batch_id", "candidates", ["batch_id"])
    op.create_index("ix_candidates_cadre", "candidates", ["cadre"])
    op.create_table(
        "standing_parts",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_standing_parts"),
    )
    op.create_index("ix_standing_parts_cadre", "standing_parts", ["cadre"])
    op.create_table(
        "gate_evaluations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("candidate_id", _ID, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reasons", JSONB(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gate_evaluations"),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name="fk_gate_evaluations_candidate_id"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_gate_evaluations_batch_id"),
    )
    op.create_index("ix_gate_evaluations_candidate_id", "gate_evaluations", ["candidate_id"])


def downgrade() -> None:
    """Drop everything."""
    for table in ("gate_evaluations", "standing_parts", "candidates", "batches"):
        op.drop_table(table)

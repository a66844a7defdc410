"""What comes after a decision: reviews, revocations, correction plans, and what rests on findings elsewhere."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0003"
down_revision = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)
_POINTS = sa.Numeric(8, 4)
_ADDED = {
    "review_asked_on": sa.Date,
    "review_grounds": sa.Text,
    "reviewed_on": sa.Date,
    "first_decision": sa.Text,
    "revocation_ground": sa.Text,
    "noticed_on": sa.Date,
    "answer_until": sa.Date,
    "answer": sa.Text,
    "revoked_on": sa.Date,
}


def upgrade() -> None:
    """Add columns and tables."""
    for name, kind in _ADDED.items():
        op.add_column("tolerances", sa.Column(name, kind()))
    op.create_table(
        "corrections",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("tolerance_id", _ID, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("persons", ARRAY(sa.Text()), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("measures", ARRAY(sa.Text()), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("proof", ARRAY(sa.Text()), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("planned_on", sa.Date()),
        sa.Column("done_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_corrections"),
        sa.ForeignKeyConstraint(["tolerance_id"], ["tolerances.id"], name="fk_corrections_tolerance_id"),
    )
    op.create_index("uq_corrections_tolerance_id", "corrections", ["tolerance_id"], unique=True)
    op.create_index("ix_corrections_unit", "corrections", ["unit"])
    op.create_table(
        "finding_links",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("findings", ARRAY(sa.Text()), nullable=False),
        sa.Column("cadre", sa.Text()),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text()),
        sa.PrimaryKeyConstraint("subject", name="pk_finding_links"),
    )
    op.create_index("ix_finding_links_findings", "finding_links", ["findings"], postgresql_using="gin")
    op.create_index("ix_finding_links_cadre", "finding_links", ["cadre"])
    op.alter_column("effect_steps", "at_most", existing_type=_POINTS, nullable=True)
    op.add_column("effect_steps", sa.Column("at_least", _POINTS))
    op.add_column("effect_steps", sa.Column("subject", sa.Text()))


def downgrade() -> None:
    """Drop them; steps that are told by no weight are forgotten."""
    op.execute("DELETE FROM effect_steps WHERE at_most IS NULL")
    op.drop_column("effect_steps", "subject")
    op.drop_column("effect_steps", "at_least")
    op.alter_column("effect_steps", "at_most", existing_type=_POINTS, nullable=False)
    op.drop_table("finding_links")
    op.drop_table("corrections")
    for name in _ADDED:
        op.drop_column("tolerances", name)

"""Reviews and appeals, the matters that they are about, and when those were served."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0007"
down_revision = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "matters",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("what", sa.Text()),
        sa.Column("decided_on", sa.Date()),
        sa.Column("deciders", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("ref", "cadre", name="pk_matters"),
    )
    op.create_table(
        "served_documents",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("served_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("ref", "document", "cadre", name="pk_served_documents"),
    )
    op.create_table(
        "appeals",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject_ref", sa.Text(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("original", sa.Text()),
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("review", _ID),
        sa.Column("service_on", sa.Date()),
        sa.Column("file_until", sa.Date()),
        sa.Column("filed_on", sa.Date(), nullable=False),
        sa.Column("accepted_on", sa.Date()),
        sa.Column("due_on", sa.Date()),
        sa.Column("extended", sa.Boolean(), nullable=False),
        sa.Column("examiner", sa.Text()),
        sa.Column("decision", sa.Text()),
        sa.Column("amended_to", sa.Text()),
        sa.Column("decided_on", sa.Date()),
        sa.Column("executed_on", sa.Date()),
        sa.Column("rejected_for", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_appeals"),
        sa.ForeignKeyConstraint(["review"], ["appeals.id"], name="fk_appeals_review"),
    )
    op.create_index("ix_appeals_subject_ref", "appeals", ["subject_ref"])
    op.create_index("ix_appeals_cadre", "appeals", ["cadre"])


def downgrade() -> None:
    """Drop them."""
    for table in ("appeals", "served_documents", "matters"):
        op.drop_table(table)

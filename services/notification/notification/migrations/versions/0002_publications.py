"""Publications: bulletins, what became of them on each channel, and proofs. A document may be served again on a new occasion."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0002"
down_revision = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, and the occasion of deliveries."""
    op.create_table(
        "bulletins",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("channels", ARRAY(sa.Text()), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("correction_text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("published_on", sa.Date()),
        sa.Column("corrected_on", sa.Date()),
        sa.Column("ended_on", sa.Date()),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bulletins"),
    )
    op.create_table(
        "publications",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("bulletin", _ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried", sa.Boolean(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.Column("claimed_until", _INSTANT),
        sa.Column("external_id", sa.Text()),
        sa.Column("url", sa.Text()),
        sa.Column("posted_on", sa.Date()),
        sa.Column("confirmed_on", sa.Date()),
        sa.Column("withdrawn_on", sa.Date()),
        sa.Column("proof_sha256", sa.Text()),
        sa.Column("failure", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_publications"),
        sa.ForeignKeyConstraint(["bulletin"], ["bulletins.id"], name="fk_publications_bulletin"),
        sa.UniqueConstraint("bulletin", "channel", name="uq_publications_channel"),
    )
    op.create_index("ix_publications_waiting", "publications", ["id"], postgresql_where=sa.text("waiting"))
    op.create_table(
        "proofs",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_proofs"),
    )
    op.add_column("deliveries", sa.Column("occasion", sa.Text(), nullable=False, server_default=""))
    op.drop_constraint("uq_deliveries_document", "deliveries", type_="unique")
    op.create_unique_constraint(
        "uq_deliveries_document_occasion",
        "deliveries",
        ["document", "ref", "occasion", "recipient_kind", "recipient_id"],
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_constraint("uq_deliveries_document_occasion", "deliveries", type_="unique")
    op.create_unique_constraint(
        "uq_deliveries_document", "deliveries", ["document", "ref", "recipient_kind", "recipient_id"]
    )
    op.drop_column("deliveries", "occasion")
    for table in ("proofs", "publications", "bulletins"):
        op.drop_table(table)

"""The first tables: those of the mechanism, deliveries, subscriptions and what is kept beside them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from citybus.migrations import create_bus_tables, drop_bus_tables

revision = "0001"
down_revision = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create everything."""
    create_bus_tables(op)
    op.create_table(
        "units",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_units"),
    )
    op.create_table(
        "cadres",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cadres"),
    )
    op.create_table(
        "deliveries",
        *_case_columns(),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("recipient_kind", sa.Text(), nullable=False),
        sa.Column("recipient_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text()),
        sa.Column("particulars", JSONB(), nullable=False),
        sa.Column("content", sa.Text()),
        sa.Column("sha256", sa.Text()),
        sa.Column("sent_on", sa.Date()),
        sa.Column("opened_on", sa.Date()),
        sa.Column("paper_due_on", sa.Date()),
        sa.Column("served_on", sa.Date()),
        sa.Column("witness", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("document", "ref", "recipient_kind", "recipient_id", name="uq_deliveries_document"),
    )
    op.create_index("ix_deliveries_recipient_id", "deliveries", ["recipient_id"])
    op.create_index("ix_deliveries_unit", "deliveries", ["unit"])
    op.create_index("ix_deliveries_queued", "deliveries", ["id"], postgresql_where=sa.text("state = 'QUEUED'"))
    op.create_table(
        "subscriptions",
        *_case_columns(),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("event_types", ARRAY(sa.Text()), nullable=False),
        sa.Column("fields", JSONB(), nullable=False),
        sa.Column("max_class", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text()),
        sa.Column("agreement_no", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("activated_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
    )
    op.create_index(
        "ix_subscriptions_active",
        "subscriptions",
        ["event_types"],
        postgresql_using="gin",
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "subscription_deliveries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("fields", ARRAY(sa.Text()), nullable=False),
        sa.Column("dataclass", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_deliveries"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name="fk_subscription_deliveries_subscription_id"
        ),
        sa.UniqueConstraint("subscription_id", "event_id", name="uq_subscription_deliveries_event"),
    )
    op.create_index("ix_subscription_deliveries_at", "subscription_deliveries", ["at"])


def downgrade() -> None:
    """Drop everything."""
    for table in ("subscription_deliveries", "subscriptions", "deliveries", "cadres", "units"):
        op.drop_table(table)
    drop_bus_tables(op)


def _case_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
    ]

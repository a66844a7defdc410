"""The register of sanctions (S10) and investigation holds (S15)."""

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
    """Create both tables."""
    op.create_table(
        "sanctions",
        *_case_columns(),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text()),
        sa.Column("organ", sa.Text(), nullable=False),
        sa.Column("decision_no", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("conduct_on", sa.Date()),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("offences", sa.SmallInteger(), nullable=False),
        sa.Column("months", sa.SmallInteger()),
        sa.Column("after_months", sa.SmallInteger()),
        sa.Column("post_months", sa.SmallInteger()),
        sa.Column("cap_months", sa.SmallInteger()),
        sa.Column("adds_up", sa.Boolean(), nullable=False),
        sa.Column("rule_pack", sa.Text(), nullable=False),
        sa.Column("end_on", sa.Date()),
        sa.Column("post_until", sa.Date()),
        sa.Column("watch_until", sa.Date()),
        sa.Column("restored_on", sa.Date()),
        sa.Column("remainder_of", _ID),
        sa.Column("recorded_on", sa.Date()),
        sa.Column("recorded_late", sa.Boolean(), nullable=False),
        sa.Column("served_on", sa.Date()),
        sa.Column("affects_use", sa.Boolean(), nullable=False),
        sa.Column("affects_use_from", sa.Date()),
        sa.Column("revisions", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sanctions"),
        sa.CheckConstraint("end_on IS NULL OR end_on > effective_on", name=op.f("ck_sanctions_period")),
    )
    op.create_index("ix_sanctions_cadre", "sanctions", ["cadre", "regime"])
    op.create_index("ix_sanctions_decision", "sanctions", ["decision_no"])
    op.create_table(
        "case_holds",
        *_case_columns(),
        sa.Column("cadre", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("organ", sa.Text(), nullable=False),
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date()),
        sa.Column("result", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_case_holds"),
    )
    op.create_index("ix_case_holds_cadre", "case_holds", ["cadre"])


def downgrade() -> None:
    """Drop both."""
    for table in ("case_holds", "sanctions"):
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

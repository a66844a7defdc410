"""What changes of a cadre, with what held before, and exports of the roster (A1)."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0009"
down_revision = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)
_ADDED: dict[str, tuple[Any, str]] = {
    "version": (sa.Integer(), "1"),
    "created_at": (_INSTANT, "registered_at"),
    "changed_at": (_INSTANT, "registered_at"),
    "correlation_id": (sa.Text(), "'roster-import/' || import_id"),
    "effective_on": (sa.Date(), "post_since"),
}


def upgrade() -> None:
    """Make cadres cases; their registration is the first of what is kept of them."""
    for name, (kind, _) in _ADDED.items():
        op.add_column("cadres", sa.Column(name, kind))
    op.execute("UPDATE cadres SET " + ", ".join(f"{name} = {value}" for name, (_, value) in _ADDED.items()))
    for name in _ADDED:
        op.alter_column("cadres", name, nullable=False)
    op.create_table(
        "cadre_changes",
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("post", sa.Text(), nullable=False),
        sa.Column("post_since", sa.Date(), nullable=False),
        sa.Column("rank", sa.Text(), nullable=False),
        sa.Column("manage_level", sa.Text(), nullable=False),
        sa.Column("categories", ARRAY(sa.Text()), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("how", sa.Text()),
        sa.Column("document", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cadre", "number", name="pk_cadre_changes"),
        sa.ForeignKeyConstraint(["cadre"], ["cadres.id"], name="fk_cadre_changes_cadre"),
    )
    op.create_index("ix_cadre_changes_unit", "cadre_changes", ["unit"])
    op.execute(
        "INSERT INTO cadre_changes (cadre, number, change, state, unit, post, post_since, rank, manage_level, categories,"
        " effective_on, recorded_at, recorded_by)"
        " SELECT cadres.id, 1, 'REGISTER', cadres.state, unit, post, post_since, rank, manage_level, categories,"
        " effective_on, registered_at, uploaded_by FROM cadres JOIN roster_imports ON roster_imports.id = import_id"
    )
    op.create_table(
        "roster_exports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("filters", JSONB(), nullable=False),
        sa.Column("id_numbers", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roster_exports"),
    )


def downgrade() -> None:
    """Forget what changed."""
    op.drop_table("roster_exports")
    op.drop_table("cadre_changes")
    for name in _ADDED:
        op.drop_column("cadres", name)

"""Signals as cases, informants' identities apart from them, and who may read those."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0013"
down_revision = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = UUID(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)
_Type = sa.types.TypeEngine[Any]
# What a signal that is there already is given: each was handed over in the moment in which it was made.
_WANTED: tuple[tuple[str, _Type, str], ...] = (
    ("version", sa.Integer(), "1"),
    ("created_at", _INSTANT, "transferred_at"),
    ("changed_at", _INSTANT, "transferred_at"),
    ("correlation_id", sa.Text(), "id::text"),
    ("has_informant", sa.Boolean(), "false"),
    ("received_on", sa.Date(), "(transferred_at AT TIME ZONE 'Asia/Shanghai')::date"),
    ("merged", sa.Integer(), "0"),
)
_OPTIONAL: tuple[tuple[str, _Type], ...] = (
    ("cadre", sa.Text()),
    ("cadre_unit", sa.Text()),
    ("text", sa.Text()),
    ("posted_by", sa.Text()),
    ("posted_unit", sa.Text()),
    ("triaged_on", sa.Date()),
    ("in_time", sa.Boolean()),
    ("settled_on", sa.Date()),
    ("linked_finding", _ID),
    ("merged_into", _ID),
)
_POSTED_WITHOUT: tuple[tuple[str, _Type], ...] = (
    ("finding_id", _ID),
    ("transferred_to", sa.Text()),
    ("transferred_at", _INSTANT),
)


def upgrade() -> None:
    """Widen the table of signals, and create the others."""
    for name, kind in _OPTIONAL:
        op.add_column("signals", sa.Column(name, kind))
    for name, kind, _ in _WANTED:
        op.add_column("signals", sa.Column(name, kind))
    given = ", ".join(f"{name} = {value}" for name, _, value in _WANTED)
    op.execute(f"UPDATE signals SET {given}, settled_on = (transferred_at AT TIME ZONE 'Asia/Shanghai')::date")
    for name, kind, _ in _WANTED:
        op.alter_column("signals", name, existing_type=kind, nullable=False)
    for name, kind in _POSTED_WITHOUT:
        op.alter_column("signals", name, existing_type=kind, nullable=True)
    op.create_foreign_key("fk_signals_linked_finding", "signals", "findings", ["linked_finding"], ["id"])
    op.create_foreign_key("fk_signals_merged_into", "signals", "signals", ["merged_into"], ["id"])
    op.create_index("ix_signals_subject", "signals", ["unit", "cadre", "type"])
    for name in ("posted_by", "linked_finding", "merged_into"):
        op.create_index(f"ix_signals_{name}", "signals", [name])
    op.create_table(
        "signal_informants",
        sa.Column("signal_id", _ID, nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signal_informants"),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.id"], name="fk_signal_informants_signal_id"),
    )
    op.create_table(
        "informant_accesses",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("signal_id", _ID, nullable=False),
        sa.Column("units", ARRAY(sa.Text()), nullable=False),
        sa.Column("persons", ARRAY(sa.Text()), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("granted_on", sa.Date()),
        sa.Column("until", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_informant_accesses"),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.id"], name="fk_informant_accesses_signal_id"),
    )
    op.create_index("ix_informant_accesses_signal_id", "informant_accesses", ["signal_id"])


def downgrade() -> None:
    """Keep of the signals those that refused findings sent."""
    op.drop_table("informant_accesses")
    op.drop_table("signal_informants")
    op.execute("DELETE FROM signals WHERE finding_id IS NULL")
    for name in ("subject", "posted_by", "linked_finding", "merged_into"):
        op.drop_index(f"ix_signals_{name}", "signals")
    for name in [*(name for name, _ in _OPTIONAL), *(name for name, *_ in _WANTED)]:
        op.drop_column("signals", name)
    for name, kind in _POSTED_WITHOUT:
        op.alter_column("signals", name, existing_type=kind, nullable=False)

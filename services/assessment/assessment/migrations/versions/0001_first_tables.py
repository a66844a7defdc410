"""The first tables: those of the mechanism, the roster and its imports, findings, annual records."""

from collections.abc import Sequence

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
        "roster_imports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("workbook", sa.LargeBinary()),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("units_new", sa.Integer()),
        sa.Column("units_same", sa.Integer()),
        sa.Column("cadres_new", sa.Integer()),
        sa.Column("cadres_same", sa.Integer()),
        sa.Column("fault_count", sa.Integer()),
        sa.Column("faults", JSONB()),
        sa.Column("rule_pack", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_roster_imports"),
    )
    op.create_table(
        "units",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("registered_at", _INSTANT, nullable=False),
        sa.Column("import_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_units"),
        sa.ForeignKeyConstraint(["import_id"], ["roster_imports.id"], name="fk_units_import_id"),
    )
    op.create_table(
        "cadres",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id_no", sa.LargeBinary(), nullable=False),
        sa.Column("id_no_index", sa.LargeBinary(), nullable=False),
        sa.Column("birth", sa.Date(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("post", sa.Text(), nullable=False),
        sa.Column("post_since", sa.Date(), nullable=False),
        sa.Column("rank", sa.Text(), nullable=False),
        sa.Column("party_member", sa.Boolean(), nullable=False),
        sa.Column("manage_level", sa.Text(), nullable=False),
        sa.Column("categories", ARRAY(sa.Text()), nullable=False),
        sa.Column("registered_at", _INSTANT, nullable=False),
        sa.Column("import_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cadres"),
        sa.UniqueConstraint("id_no_index", name="uq_cadres_id_no_index"),
        sa.ForeignKeyConstraint(["unit"], ["units.code"], name="fk_cadres_unit"),
        sa.ForeignKeyConstraint(["import_id"], ["roster_imports.id"], name="fk_cadres_import_id"),
    )
    op.create_index("ix_cadres_unit", "cadres", ["unit"])
    op.create_table(
        "findings",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base_weight", sa.Numeric(), nullable=False),
        sa.Column("effective_weight", sa.Numeric(), nullable=False),
        sa.Column("verified_on", sa.Date()),
        sa.Column("year", sa.SmallInteger()),
        sa.Column("tolerance_case", _ID),
        sa.Column("tolerance_factor", sa.Numeric()),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
    )
    op.create_table(
        "responsibilities",
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("finding", _ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cadre", "finding", "role", name="pk_responsibilities"),
        sa.ForeignKeyConstraint(["finding"], ["findings.id"], name="fk_responsibilities_finding"),
    )
    op.create_index("ix_responsibilities_finding", "responsibilities", ["finding"])
    op.create_table(
        "annual_records",
        sa.Column("cadre", _ID, nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("deduction", sa.Numeric(), nullable=False),
        sa.Column("points", sa.Numeric(), nullable=False),
        sa.Column("cap", sa.Numeric(), nullable=False),
        sa.Column("cap_pack", sa.Text(), nullable=False),
        sa.Column("items", JSONB(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("cause", _ID, nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cadre", "year", "version", name="pk_annual_records"),
        sa.CheckConstraint("deduction BETWEEN 0 AND cap", name=op.f("ck_annual_records_deduction")),
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("annual_records", "responsibilities", "findings", "cadres", "units", "roster_imports"):
        op.drop_table(table)
    drop_bus_tables(op)

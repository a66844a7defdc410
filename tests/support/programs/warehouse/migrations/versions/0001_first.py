"""Create the mechanism's tables and the counters."""

import sqlalchemy as sa
from alembic import op

from citybus.migrations import bus_tables_to_2, create_bus_tables, drop_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    create_bus_tables(op)
    bus_tables_to_2(op)
    op.create_table(
        "counters", sa.Column("name", sa.Text(), primary_key=True), sa.Column("value", sa.Integer(), nullable=False)
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("counters")
    drop_bus_tables(op)

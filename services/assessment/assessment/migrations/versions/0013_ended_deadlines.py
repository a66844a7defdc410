"""Find what became of a deadline that is over without reading all of them."""

from collections.abc import Sequence

from alembic import op

from citybus.migrations import bus_tables_to_1, bus_tables_to_2

revision = "0013"
down_revision = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the index."""
    bus_tables_to_2(op)


def downgrade() -> None:
    """Drop it."""
    bus_tables_to_1(op)

"""Whose group somebody headed in the year that is assessed: a head who moved is bound by the group that was headed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the unit; of those who are assessed already it is their own."""
    op.add_column("annuals", sa.Column("head_of", sa.Text()))
    op.execute("UPDATE annuals SET head_of = unit WHERE head")


def downgrade() -> None:
    """Drop the unit."""
    op.drop_column("annuals", "head_of")

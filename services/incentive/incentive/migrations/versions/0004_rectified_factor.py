"""By how much a rectification in time eases a finding: what a revoked tolerance brings back is eased by that still."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column. What is known already gets it with the next event of the finding."""
    op.add_column("findings", sa.Column("rectified_factor", sa.Numeric(4, 3)))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("findings", "rectified_factor")

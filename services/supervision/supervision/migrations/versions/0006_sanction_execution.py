"""When a sanction was carried out (1.4)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the day."""
    op.add_column("sanctions", sa.Column("executed_on", sa.Date()))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("sanctions", "executed_on")

"""On whom the notice of a revocation is served, and when: the time to answer it runs from then."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column. A notice that was given before keeps the time to answer that it had."""
    op.add_column("tolerances", sa.Column("notices", JSONB(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("tolerances", "notices")

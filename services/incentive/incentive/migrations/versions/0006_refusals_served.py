"""When it was served that an application is not accepted: the time to file again runs from then."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column. Of what was refused before no document is served: the time runs as it did."""
    op.add_column("tolerances", sa.Column("refusal_served_on", sa.Date()))
    op.execute("UPDATE tolerances SET refusal_served_on = not_accepted_on WHERE state = 'NOT_ACCEPTED'")


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("tolerances", "refusal_served_on")

"""Which deadlines the officers of the unit must not learn of: the matter is the person's alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = ("measure", "sanction", "appeal")


def upgrade() -> None:
    """Add the column; what is watched already of these kinds is confidential at once."""
    op.add_column(
        "watched_deadlines", sa.Column("confidential", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    for kind in _KINDS:
        op.execute(
            sa.text("UPDATE watched_deadlines SET confidential = true WHERE ref LIKE :ref").bindparams(ref=f"{kind}/%")
        )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("watched_deadlines", "confidential")

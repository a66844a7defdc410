"""By which factor a fault-tolerance case eases a finding, so that what is left can be told when one is revoked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the factor; of a case that eases a finding it is known."""
    op.add_column("tolerance_cases", sa.Column("factor", sa.Numeric(4, 3)))
    op.execute(
        "UPDATE tolerance_cases SET factor = findings.tolerance_factor FROM findings"
        " WHERE findings.tolerance_case = tolerance_cases.id"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("tolerance_cases", "factor")

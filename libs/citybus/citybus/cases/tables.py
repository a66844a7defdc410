"""What the mechanism keeps of every case: the columns of its own row, its steps, and approvals that wait for another person."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.orm import Mapped, mapped_column

from citybus.tables import metadata


class CaseColumns:
    """Columns of every case's table. `version` counts transitions; the ETag of a case is its version."""

    id: Mapped[str] = mapped_column(UUID(as_uuid=False), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    correlation_id: Mapped[str] = mapped_column(Text)


case_steps = Table(
    "case_steps",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("case_id", UUID(as_uuid=False), nullable=False),
    Column("version", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("reason", Text),
    Column("rule_packs", ARRAY(Text), nullable=False),
    Column("event_cause", Text),
    Index("uq_case_steps_version", "case_id", "version", unique=True),
)

case_approvals = Table(
    "case_approvals",
    metadata,
    Column("case_id", UUID(as_uuid=False), primary_key=True),
    Column("action", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

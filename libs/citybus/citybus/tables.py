"""The tables that the mechanism keeps in every service's database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

_Instant = DateTime(timezone=True)
_Id = UUID(as_uuid=False)

outbox_messages = Table(
    "outbox_messages",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=True),
    Column("id", _Id, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("routing_key", Text, nullable=False),
    Column("mandatory", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("created_at", _Instant, nullable=False, server_default=text("now()")),
    Column("published_at", _Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", _Instant),
    Column("last_error", Text),
    # Rows that never failed (no next attempt) lie together, in order: the relay reads them without passing the others.
    Index(
        "ix_outbox_messages_unpublished", "next_attempt_at", "position", postgresql_where=text("published_at IS NULL")
    ),
    Index(
        "ix_outbox_messages_backing_off",
        "subject",
        postgresql_where=text("published_at IS NULL AND next_attempt_at IS NOT NULL"),
    ),
)

subject_sequences = Table(
    "subject_sequences",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

inbox_messages = Table(
    "inbox_messages",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", _Id, primary_key=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("received_at", _Instant, nullable=False, server_default=text("now()")),
)

subject_cursors = Table(
    "subject_cursors",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("blocked_by", _Id),
)

waiting_events = Table(
    "waiting_events",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("event_id", _Id, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("since", _Instant, nullable=False, server_default=text("now()")),
    Column("alerted_at", _Instant),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", _Instant, nullable=False, server_default=text("now()")),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("chain", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("at", _Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("read_fields", ARRAY(Text), nullable=False),
    Column("written", JSONB, nullable=False),
    Column("result", Text, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("chain", "number"),
    Index("ix_audit_entries_target", "target"),
)

audit_chains = Table(
    "audit_chains",
    metadata,
    Column("chain", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _Instant, nullable=False),
    Column("heads", JSONB, nullable=False),
    Column("before", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

deadlines = Table(
    "deadlines",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("due_at", _Instant, nullable=False),
    Column("warn_at", _Instant),
    Column("state", Text, nullable=False),
    Column("data", JSONB, nullable=False, server_default="{}"),
    Column("correlation_id", Text, nullable=False),
    Column("claimed_until", _Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Index(
        "uq_deadlines_open",
        "kind",
        "ref",
        unique=True,
        postgresql_where=text("state IN ('ARMED', 'WARNED')"),
    ),
    Index("ix_deadlines_due", "due_at", postgresql_where=text("state IN ('ARMED', 'WARNED')")),
    Index("ix_deadlines_warn", "warn_at", postgresql_where=text("state = 'ARMED'")),
    # What became of a deadline is looked up long after it is over.
    Index("ix_deadlines_ref", "ref", "kind"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("progress", Integer, nullable=False, server_default="0"),
    Column("total", Integer),
    Column("result", JSONB),
    Column("created_at", _Instant, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("claimed_until", _Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Index("ix_jobs_open", "id", postgresql_where=text("state IN ('QUEUED', 'RUNNING')")),
)

projection_heartbeats = Table(
    "projection_heartbeats",
    metadata,
    Column("source", Text, primary_key=True),
    Column("last_seen", _Instant, nullable=False),
)

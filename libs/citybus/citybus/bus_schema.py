"""The tables of the mechanism as they were created: frozen text, which later versions only add to.

A change of `citybus.tables` never changes a statement here: it gets a new tuple, a new function beside
`citybus.migrations.create_bus_tables`, and a revision in each service.
"""

from typing import Final

VERSION_1: Final = (
    """
    CREATE TABLE outbox_messages (
        position BIGSERIAL NOT NULL,
        id UUID NOT NULL,
        type TEXT NOT NULL,
        subject TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        exchange TEXT NOT NULL,
        routing_key TEXT NOT NULL,
        mandatory BOOLEAN NOT NULL,
        body BYTEA NOT NULL,
        correlation_id TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        published_at TIMESTAMP WITH TIME ZONE,
        attempts INTEGER DEFAULT '0' NOT NULL,
        next_attempt_at TIMESTAMP WITH TIME ZONE,
        last_error TEXT,
        CONSTRAINT pk_outbox_messages PRIMARY KEY (position),
        CONSTRAINT uq_outbox_messages_id UNIQUE (id)
    )
    """,
    "CREATE INDEX ix_outbox_messages_backing_off ON outbox_messages (subject) WHERE published_at IS NULL AND next_attempt_at IS NOT NULL",
    "CREATE INDEX ix_outbox_messages_unpublished ON outbox_messages (next_attempt_at, position) WHERE published_at IS NULL",
    """
    CREATE TABLE subject_sequences (
        subject TEXT NOT NULL,
        last BIGINT NOT NULL,
        CONSTRAINT pk_subject_sequences PRIMARY KEY (subject)
    )
    """,
    """
    CREATE TABLE inbox_messages (
        consumer TEXT NOT NULL,
        event_id UUID NOT NULL,
        type TEXT NOT NULL,
        subject TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_inbox_messages PRIMARY KEY (consumer, event_id)
    )
    """,
    """
    CREATE TABLE subject_cursors (
        consumer TEXT NOT NULL,
        subject TEXT NOT NULL,
        last BIGINT NOT NULL,
        blocked_by UUID,
        CONSTRAINT pk_subject_cursors PRIMARY KEY (consumer, subject)
    )
    """,
    """
    CREATE TABLE waiting_events (
        consumer TEXT NOT NULL,
        subject TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        event_id UUID NOT NULL,
        body BYTEA NOT NULL,
        since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        alerted_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_waiting_events PRIMARY KEY (consumer, subject, sequence)
    )
    """,
    """
    CREATE TABLE idempotency_keys (
        caller TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        status INTEGER NOT NULL,
        headers JSONB NOT NULL,
        body BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_idempotency_keys PRIMARY KEY (caller, key)
    )
    """,
    """
    CREATE TABLE audit_entries (
        id UUID NOT NULL,
        chain SMALLINT NOT NULL,
        number BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        actor TEXT NOT NULL,
        roles TEXT[] NOT NULL,
        purpose TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        correlation_id TEXT NOT NULL,
        read_fields TEXT[] NOT NULL,
        written JSONB NOT NULL,
        result TEXT NOT NULL,
        prev_hash BYTEA NOT NULL,
        hash BYTEA NOT NULL,
        CONSTRAINT pk_audit_entries PRIMARY KEY (id),
        CONSTRAINT uq_audit_entries_chain_number UNIQUE (chain, number)
    )
    """,
    "CREATE INDEX ix_audit_entries_target ON audit_entries (target)",
    """
    CREATE TABLE audit_chains (
        chain SMALLINT NOT NULL,
        number BIGINT NOT NULL,
        hash BYTEA NOT NULL,
        CONSTRAINT pk_audit_chains PRIMARY KEY (chain)
    )
    """,
    """
    CREATE TABLE audit_checkpoints (
        number BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        heads JSONB NOT NULL,
        before BYTEA NOT NULL,
        signature BYTEA NOT NULL,
        CONSTRAINT pk_audit_checkpoints PRIMARY KEY (number)
    )
    """,
    """
    CREATE TABLE deadlines (
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        ref TEXT NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        warn_at TIMESTAMP WITH TIME ZONE,
        state TEXT NOT NULL,
        data JSONB DEFAULT '{}' NOT NULL,
        correlation_id TEXT NOT NULL,
        claimed_until TIMESTAMP WITH TIME ZONE,
        attempts INTEGER DEFAULT '0' NOT NULL,
        last_error TEXT,
        CONSTRAINT pk_deadlines PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_deadlines_due ON deadlines (due_at) WHERE state IN ('ARMED', 'WARNED')",
    "CREATE INDEX ix_deadlines_warn ON deadlines (warn_at) WHERE state = 'ARMED'",
    "CREATE UNIQUE INDEX uq_deadlines_open ON deadlines (kind, ref) WHERE state IN ('ARMED', 'WARNED')",
    """
    CREATE TABLE jobs (
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        payload JSONB NOT NULL,
        progress INTEGER DEFAULT '0' NOT NULL,
        total INTEGER,
        result JSONB,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        created_by TEXT NOT NULL,
        correlation_id TEXT NOT NULL,
        claimed_until TIMESTAMP WITH TIME ZONE,
        attempts INTEGER DEFAULT '0' NOT NULL,
        last_error TEXT,
        CONSTRAINT pk_jobs PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_jobs_open ON jobs (id) WHERE state IN ('QUEUED', 'RUNNING')",
    """
    CREATE TABLE projection_heartbeats (
        source TEXT NOT NULL,
        last_seen TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_projection_heartbeats PRIMARY KEY (source)
    )
    """,
    """
    CREATE TABLE case_steps (
        number BIGSERIAL NOT NULL,
        kind TEXT NOT NULL,
        case_id UUID NOT NULL,
        version INTEGER NOT NULL,
        action TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT NOT NULL,
        actor TEXT NOT NULL,
        roles TEXT[] NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        reason TEXT,
        rule_packs TEXT[] NOT NULL,
        event_cause TEXT,
        CONSTRAINT pk_case_steps PRIMARY KEY (number)
    )
    """,
    "CREATE UNIQUE INDEX uq_case_steps_version ON case_steps (case_id, version)",
    """
    CREATE TABLE case_approvals (
        case_id UUID NOT NULL,
        action TEXT NOT NULL,
        actor TEXT NOT NULL,
        kind TEXT NOT NULL,
        content BYTEA NOT NULL,
        version INTEGER NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_case_approvals PRIMARY KEY (case_id, action, actor)
    )
    """,
)

VERSION_2: Final = ("CREATE INDEX ix_deadlines_ref ON deadlines (ref, kind)",)
BACK_TO_1: Final = ("DROP INDEX ix_deadlines_ref",)

TABLES_1: Final = (
    "outbox_messages",
    "subject_sequences",
    "inbox_messages",
    "subject_cursors",
    "waiting_events",
    "idempotency_keys",
    "audit_entries",
    "audit_chains",
    "audit_checkpoints",
    "deadlines",
    "jobs",
    "projection_heartbeats",
    "case_steps",
    "case_approvals",
)

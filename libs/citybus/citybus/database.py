"""The engine of a process: psycopg2, with time-outs, so that no query and no lock is waited for without end."""

from sqlalchemy import Engine, create_engine

LOCK_TIMEOUT_SECONDS = 10
STATEMENT_TIMEOUT_SECONDS = 60


def engine(url: str, *, application: str, pool_size: int = 5, max_overflow: int = 10) -> Engine:
    """Return an engine for `url` whose connections name themselves `application` in pg_stat_activity.

    `url` names psycopg2 (`postgresql+psycopg2://…`): psycopg 3's waiting blocks the eventlet hub.
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        # What is bound to a statement may be personal: it stays out of error texts.
        hide_parameters=True,
        connect_args={
            "application_name": application,
            "connect_timeout": 5,
            "options": (
                f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s "
                "-c idle_in_transaction_session_timeout=60s -c timezone=Asia/Shanghai"
            ),
            # A server that vanished without a word is noticed within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30000,
        },
    )

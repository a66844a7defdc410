"""Leadership: of several like processes one works and the others stand by, by a PostgreSQL advisory lock."""

import select
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import psycopg2
import psycopg2.extensions
from sqlalchemy import make_url

from citybus.errors import Transient
from citybus.telemetry import logs

logger = logs.get(__name__)

# The first half of the lock's key, the letters "city": apart from locks that others take in the same database.
LOCK_SPACE: Final = 0x63697479


_TRY: Final = "SELECT pg_try_advisory_lock(%s, %s)"


class LeadershipLost(Transient):
    """The database is away, or the lock that it held for us is gone. What was not marked yet is another's to do."""


def _run(
    connection: psycopg2.extensions.connection, statement: str, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


class Leadership(Protocol):
    """Decides which of several processes works."""

    def lead(self) -> bool:
        """Return whether this process leads; try to become the leader if it does not. Never waits for another leader.

        Raises LeadershipLost when the database cannot be reached.
        """
        ...

    def resign(self) -> None:
        """Let another one lead."""
        ...


class LeaderSession:
    """A database session that holds the leader's lock, and is the only one through which a leader works.

    The lock lives exactly as long as the session. Whoever writes through `execute` therefore holds the lock at that
    moment: a process that was cut off cannot write, even if it does not know yet. Both ends notice a silent peer
    within about ten seconds. The URL must lead to PostgreSQL itself, not to a pooler that shares sessions.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        channel: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """`name` is the office to hold, one holder per database. `channel` is listened to while leading.

        `parameters` are PostgreSQL settings of the session.
        """
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._name = name
        self._key = zlib.crc32(name.encode()) & 0x7FFFFFFF
        self._channel = channel
        self._parameters = {
            "lock_timeout": "5s",
            "statement_timeout": "10s",
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "10s",
            **(parameters or {}),
        }
        self._connection: psycopg2.extensions.connection | None = None
        self._leads = False
        self._away = False  # said so already

    def lead(self) -> bool:
        try:
            connection = self._connection = self._connection or self._connect()
            self._away = False
            if not self._leads and _run(connection, _TRY, (LOCK_SPACE, self._key))[0][0]:
                if self._channel is not None:
                    _run(connection, f'LISTEN "{self._channel}"')
                self._leads = True
                logger.info("leads", where=self._name)
        except psycopg2.Error as error:
            raise self._lost(error) from error
        return self._leads

    def resign(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._leads = False

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement as the leader, committed by itself, and return its rows.

        Raises LeadershipLost when this process does not lead or no longer can: it then has resigned.
        """
        try:
            return _run(self._held(), statement, parameters)
        except psycopg2.Error as error:
            raise self._lost(error) from error

    def wait(self, seconds: float) -> None:
        """Wait until someone notifies the channel, for at most `seconds`. A notice that came earlier counts.

        When the session ends meanwhile it returns at once, and raises LeadershipLost then or when next called.
        """
        connection = self._held()
        try:
            if not connection.notifies:
                select.select([connection], [], [], seconds)
                connection.poll()
            connection.notifies.clear()
        except psycopg2.Error as error:
            raise self._lost(error) from error

    def _connect(self) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(
            self._dsn,
            application_name=self._name,
            options=" ".join(f"-c {name}={value}" for name, value in self._parameters.items()),
            connect_timeout=5,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )
        connection.autocommit = True
        return connection

    def _held(self) -> psycopg2.extensions.connection:
        if self._connection is None or not self._leads:
            raise LeadershipLost("only the leader may do this")
        return self._connection

    def _lost(self, error: psycopg2.Error) -> LeadershipLost:
        """Resign and return what to raise. An error in which the server speaks of the statement is raised as it is."""
        # A connection that breaks in the middle of an answer is a plain DatabaseError to psycopg2, without a code.
        gone = (psycopg2.OperationalError, psycopg2.InterfaceError)
        if not isinstance(error, gone) and type(error) is not psycopg2.DatabaseError:
            raise error
        if self._connection is not None or not self._away:
            logger.warning(
                "leadership lost" if self._leads else "database away", where=self._name, reason=logs.mask(str(error))
            )
        self._away = True
        self.resign()
        return LeadershipLost(type(error).__name__)

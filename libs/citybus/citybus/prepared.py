"""Prepared statements: those of every commit, which the server parses and plans once per connection, not each time."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

_INFO: Final = "city.prepared"
# SQLSTATE: the server does not know a statement that we believe prepared, or knows one that we believe it does not.
_UNLIKE_OURS: Final = frozenset({"26000", "42P05"})


class PreparedStatement:
    """A statement that each connection prepares when it first needs it, and from then on executes by its name.

    PostgreSQL keeps it until the connection ends, also when the transaction that prepared it is rolled back, and plans it
    anew when a table changes. What a connection has prepared is noted in its `info`, which SQLAlchemy empties when it
    connects anew. A pooler between us and the server must therefore keep to one session per connection.
    """

    def __init__(self, name: str, statement: str, parameters: Mapping[str, str]) -> None:
        """`name` is unique among all of a process; `parameters` gives each `%(parameter)s` of `statement` its type."""
        self._name = name
        numbered = statement % {each: f"${number}" for number, each in enumerate(parameters, 1)}
        self._prepare = f"PREPARE {name} ({', '.join(parameters.values())}) AS {numbered}"
        self._execute = f"EXECUTE {name} ({', '.join(f'%({each})s::{kind}' for each, kind in parameters.items())})"

    def execute(self, session: Session, parameters: Mapping[str, Any]) -> CursorResult[*tuple[Any, ...]]:
        """Run it in the session's transaction.

        Raises what the database raises. Where somebody else prepared or discarded statements on this connection, the
        transaction fails and the connection is not used again.
        """
        connection = session.connection()
        prepared: set[str] = connection.info.setdefault(_INFO, set())
        try:
            if self._name not in prepared:
                connection.exec_driver_sql(self._prepare)
                prepared.add(self._name)
            return connection.exec_driver_sql(self._execute, dict(parameters))
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) in _UNLIKE_OURS:
                connection.invalidate(error)
            raise

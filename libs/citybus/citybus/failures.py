"""What a failure means for a message: is the database away, and can no retry mend it."""

from typing import Final

from marshmallow import ValidationError
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from citybus.errors import Invalid, Refusal

# SQLSTATE classes and codes that speak of the server and not of the statement: connection, resources, shutdown,
# start-up, a standby that was promoted away.
_AWAY_CLASSES: Final = ("08", "53")
_AWAY_CODES: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25006", "28000", "28P01", "3D000"})


def database_away(error: BaseException) -> bool:
    """Return whether `error` says that the database cannot be worked with at all, whatever the message."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "pgcode", None)
    if code is None:
        # psycopg2 gives no code where the server gave none: it was not reached, or was lost.
        # A connection that breaks in the middle of an answer is a plain DatabaseError.
        return isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError
    return code.startswith(_AWAY_CLASSES) or code in _AWAY_CODES


def permanent_reason(error: BaseException) -> str | None:
    """Return the reason code of an error that no retry can mend, or None where a retry may."""
    if isinstance(error, Invalid):
        return error.reason
    if isinstance(error, Refusal):
        return error.code
    if isinstance(error, ValidationError):
        return "SCHEMA"
    if isinstance(error, DataError):
        return "DATA_ERROR"
    return None

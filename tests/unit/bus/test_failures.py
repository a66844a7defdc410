"""What a failure means for a message."""

import psycopg2
import psycopg2.errors
import pytest
from marshmallow import ValidationError
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from citybus.errors import Invalid, Refusal, Transient
from citybus.failures import database_away, permanent_reason


class Coded(psycopg2.OperationalError):
    """An error of the driver with a code that the server gave."""

    def __init__(self, code: str | None) -> None:
        super().__init__("person 420200198001010011")
        self.code = code

    @property
    def pgcode(self) -> str | None:  # type: ignore[override]  # psycopg2 sets it where only a server can
        return self.code


def coded(code: str | None, kind: type[DBAPIError] = OperationalError, *, invalidated: bool = False) -> DBAPIError:
    return kind("SELECT 1", {}, Coded(code), connection_invalidated=invalidated)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (coded(None), True),
        (coded(None, InterfaceError), True),
        (coded(None, ProgrammingError), False),
        (coded(None, DatabaseError), True),
        (coded("08006"), True),
        (coded("53300"), True),
        (coded("53100"), True),
        (coded("57P01"), True),
        (coded("57P03"), True),
        (coded("25006"), True),
        (coded("28P01"), True),
        (coded("40P01"), False),
        (coded("40001"), False),
        (coded("55P03"), False),
        (coded("57014"), False),
        (coded("23505", IntegrityError), False),
        (coded("40P01", invalidated=True), True),
        (PoolTimeout("QueuePool limit"), True),
        (KeyError("x"), False),
        (Transient("later"), False),
    ],
)
def test_database_is_away_only_where_no_statement_could_succeed(error: Exception, away: bool) -> None:
    assert database_away(error) is away


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Invalid("UNDECODABLE"), "UNDECODABLE"),
        (Refusal("STOCK_FULL", zh="满", en="full"), "STOCK_FULL"),
        (ValidationError("no"), "SCHEMA"),
        (coded("22003", DataError), "DATA_ERROR"),
        (coded("40P01"), None),
        (coded("23505", IntegrityError), None),
        (Transient("later"), None),
        (KeyError("x"), None),
    ],
)
def test_only_what_no_retry_can_mend_is_permanent(error: Exception, reason: str | None) -> None:
    assert permanent_reason(error) == reason

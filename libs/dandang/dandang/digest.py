"""A hash of a service's business state that knows no generated id and no wall time: the same year gives the same hash.

Every row is reckoned as what it says. An id that names a row stands for what that row says; one that names nothing that is
known stands for itself being there. Instants, sealed values and running numbers are left out, and of the steps of cases
those that the system took: which of two came first hangs on which message did; what they led to is in the cases. For the
same reason only the last version counts of what is kept in versions.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from citybus import tables
from citybus.cases.tables import case_approvals

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNKNOWN: Final = "?"
ROUNDS: Final = 4
"""How many rows away a difference is seen through the ids that lead there."""

_MECHANISM: Final = frozenset(table.name for table in tables.metadata.tables.values() if table.name != "case_steps") | {
    case_approvals.name,
    "alembic_version",
}
_STEPS: Final = "case_steps"
_BY_PEOPLE: Final = "WHERE actor NOT LIKE 'system:%'"
_LEFT_OUT: Final = frozenset({"correlation_id", "cause", "event_cause"})
_COLUMNS: Final = text("""
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND is_identity = 'NO' AND coalesce(column_default, '') NOT LIKE 'nextval%'
      AND data_type NOT IN ('timestamp with time zone', 'bytea')
    ORDER BY table_name, ordinal_position
""")


_KEYS: Final = text("""
    SELECT columns.attname FROM pg_index AS key
    JOIN pg_attribute AS columns ON columns.attrelid = key.indrelid AND columns.attnum = ANY(key.indkey)
    WHERE key.indisprimary AND key.indrelid = to_regclass('public.' || :table)
""")


@dataclass
class Digest:
    """The hashes of the services that were looked at so far, and what the ids that they brought stand for."""

    services: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    """The hash of each table that holds a row, by service: where two hashes differ, these say in what."""
    _known: dict[str, str] = field(default_factory=dict)

    def add(self, service: str, connection: Connection) -> str:
        """Reckon the service whose database this is, and return its hash. Its owner of an id comes before who borrows it."""
        found = [
            (table, row) for table, columns in _tables(connection).items() for row in _rows(connection, table, columns)
        ]
        labels: dict[str, str] = {}
        for _ in range(ROUNDS):
            seen = {**labels, **self._known}
            labels = {row["id"]: _label(table, row, seen) for table, row in found if _is_id(row.get("id"))}
        seen = {**labels, **self._known}
        said: dict[str, list[str]] = {}
        for table, row in found:
            said.setdefault(table, []).append(_label(table, row, seen))
        self._known = seen
        self.rows[service] = len(found)
        self.tables[service] = {table: _hash(labels) for table, labels in said.items()}
        self.services[service] = _hash(label for each in said.values() for label in each)
        return self.services[service]


def _tables(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(_COLUMNS):
        if table not in _MECHANISM and column not in _LEFT_OUT:
            found.setdefault(table, []).append(column)
    for columns in found.values():
        # The sum of a text that is reckoned anyway would only tell the ids in it.
        if {"content", "sha256"} <= set(columns):
            columns.remove("sha256")
    if _STEPS in found:
        found[_STEPS].remove("version")
    return found


def _rows(connection: Connection, table: str, columns: Iterable[str]) -> list[dict[str, Any]]:
    which = _BY_PEOPLE if table == _STEPS else _only_the_last(connection, table)
    # How many versions there were hangs on what came together as well.
    told = [column for column in columns if not (which and column == "version")]
    listed = ", ".join(f'"{column}"' for column in told)
    chosen = text(f'SELECT row_to_json(said) FROM (SELECT {listed} FROM "{table}" {which}) AS said')
    return list(connection.execute(chosen).scalars())


def _only_the_last(connection: Connection, table: str) -> str:
    """Return the condition that leaves only the last version of what a table keeps in versions."""
    key = list(connection.execute(_KEYS, {"table": table}).scalars())
    if "version" not in key:
        return ""
    same = " AND ".join(f'later."{name}" = "{table}"."{name}"' for name in key if name != "version")
    return f'WHERE NOT EXISTS (SELECT FROM "{table}" AS later WHERE {same} AND later.version > "{table}".version)'


def _hash(labels: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(labels)).encode()).hexdigest()


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _label(table: str, row: Mapping[str, Any], known: Mapping[str, str]) -> str:
    said = {column: _canonical(value, known) for column, value in row.items() if column != "id" or not _is_id(value)}
    return hashlib.sha256(orjson.dumps([table, said], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(value: Any, known: Mapping[str, str]) -> Any:
    """Return a value in which every id is replaced by what it stands for; lists that ids had put in order are sorted anew."""
    if isinstance(value, str):
        return _ID.sub(lambda match: known.get(match[0], _UNKNOWN), value)
    if isinstance(value, dict):
        pairs = ((_canonical(key, known), _canonical(inner, known)) for key, inner in value.items())
        return dict(sorted(pairs, key=lambda pair: str(pair[0])))
    if isinstance(value, list):
        inner = [_canonical(each, known) for each in value]
        held = any(_ID.search(orjson.dumps(each).decode()) for each in value)
        return sorted(inner, key=lambda each: orjson.dumps(each, option=orjson.OPT_SORT_KEYS)) if held else inner
    return value

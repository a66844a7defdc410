"""The roster (A1): what a row of a workbook must be to register a unit or a cadre, and what is registered already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, Generic, TypeVar

from assessment.domain.cells import Catalogue, Reader
from assessment.domain.columns import CADRES, UNITS, Table
from assessment.domain.faults import Fault, fault


class CadreState(StrEnum):
    """States of a cadre in the roster (`cadre.py`). Nobody is ever deleted."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    LEFT = "LEFT"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit. `kind` and `sector` are codes of the catalogues `roster.unit_kinds` and `roster.sectors`."""

    code: str
    name: str
    kind: str
    sector: str


@dataclass(frozen=True, slots=True)
class Cadre:
    """A cadre as a row tells of one. `id_no` is in its normal form; `rank`, `manage_level`, `categories` are codes."""

    name: str
    id_no: str
    birth: date
    unit: str
    post: str
    post_since: date
    rank: str
    party_member: bool
    manage_level: str
    categories: tuple[str, ...]


Entry = TypeVar("Entry", Unit, Cadre)


@dataclass(frozen=True, slots=True)
class Row(Generic[Entry]):
    """A row that is right in itself."""

    sheet: str
    number: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Standards:
    """What rows are held to: the day of the import, the least age for a post in years, the values of each column."""

    today: date
    least_age: int
    catalogues: Mapping[str, Catalogue]


def standards(rules: Mapping[str, Any], today: date) -> Standards:
    """Return the standards of an import under `rules`."""
    keys = {column.catalogue for kind in (UNITS, CADRES) for column in kind.columns if column.catalogue}
    return Standards(today, rules["roster.least_age"].amount, {key: Catalogue(rules[key]) for key in keys})


def check_units(
    table: Table, rows: Sequence[tuple[int, Sequence[Any]]], held_to: Standards
) -> tuple[list[Row[Unit]], list[Fault]]:
    """Return those of `rows` that are units, and what is wrong with the others."""
    good: list[Row[Unit]] = []
    faults: list[Fault] = []
    for number, cells in rows:
        reader = Reader(table, number, cells, held_to)
        code, name = reader.code("code"), reader.text("name")
        kind, sector = reader.choice("kind"), reader.choice("sector")
        if reader.faults:
            faults += reader.faults
        else:
            good.append(Row(table.sheet, number, Unit(code, name, kind, sector)))
    return good, faults


def check_cadres(
    table: Table, rows: Sequence[tuple[int, Sequence[Any]]], held_to: Standards
) -> tuple[list[Row[Cadre]], list[Fault]]:
    """Return those of `rows` that are cadres, and what is wrong with the others."""
    good: list[Row[Cadre]] = []
    faults: list[Fault] = []
    for number, cells in rows:
        reader = Reader(table, number, cells, held_to)
        name = reader.name("name")
        id_no, birth = reader.identity("id_no")
        unit, post = reader.code("unit"), reader.text("post")
        post_since = reader.day("post_since")
        rank, manage_level = reader.choice("rank"), reader.choice("manage_level")
        party_member, categories = reader.flag("party_member"), reader.choices("categories")
        said = reader.day("birth")
        if birth and said and birth != said:
            reader.complain("birth", "BIRTH_MISMATCH")
        if birth and post_since and post_since < _birthday(birth, held_to.least_age):
            reader.complain("post_since", "POST_BEFORE_ADULT", age=held_to.least_age)
        if reader.faults or birth is None or post_since is None:
            faults += reader.faults
            continue
        cadre = Cadre(name, id_no, birth, unit, post, post_since, rank, bool(party_member), manage_level, categories)
        good.append(Row(table.sheet, number, cadre))
    return good, faults


def repeated(rows: Iterable[Row[Entry]], field: str, place: int) -> list[Fault]:
    """Return a fault `DUPLICATE_ROW` for each row whose `field`, in column `place`, an earlier row has as well."""
    first: dict[Any, int] = {}
    faults = []
    for row in rows:
        earlier = first.setdefault(getattr(row.entry, field), row.number)
        if earlier != row.number:
            faults.append(fault("DUPLICATE_ROW", row.sheet, row.number, place, first=earlier))
    return faults


def homeless(rows: Iterable[Row[Cadre]], units: frozenset[str] | set[str], place: int) -> list[Fault]:
    """Return a fault `UNKNOWN_UNIT` for each cadre whose unit is not among `units`."""
    return [fault("UNKNOWN_UNIT", row.sheet, row.number, place) for row in rows if row.entry.unit not in units]


def difference(entry: Entry, registered: Mapping[str, Any]) -> list[str]:
    """Return the fields in which `entry` differs from what is registered; the identity number is the key and not asked."""
    return [
        field.name
        for field in fields(entry)
        if field.name != "id_no" and getattr(entry, field.name) != registered[field.name]
    ]


def already_registered(row: Row[Entry], table: Table, differing: Sequence[str]) -> Fault:
    """Return the fault `ALREADY_REGISTERED` of a row that differs in fields `differing` from what is registered.

    A change of post, unit or name has grounds and a decision of its own; a roster does not bring it about.
    """
    columns = [column for column in table.kind.columns if column.field in differing]
    return fault(
        "ALREADY_REGISTERED",
        row.sheet,
        row.number,
        table.columns.get(columns[0].field),
        columns[0].zh,
        fields="、".join(column.zh for column in columns),
        english=", ".join(column.en for column in columns),
    )


def _birthday(birth: date, age: int) -> date:
    """Return the day on which somebody born on `birth` is `age` years old."""
    try:
        return birth.replace(year=birth.year + age)
    except ValueError:
        return date(birth.year + age, 3, 1)

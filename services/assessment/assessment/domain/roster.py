"""The roster (A1): what a row of a workbook must be to register a unit or a cadre, and what is registered already."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from assessment.domain import identity
from assessment.domain.columns import CADRES, UNITS, Column, Table
from assessment.domain.faults import Fault, fault

MOST_CHARACTERS: Final = 100
_CODE: Final = re.compile(r"[0-9A-Z][0-9A-Z-]{1,31}")
_DAY: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?")
_SEPARATORS: Final = re.compile(r"[、，,;；/\n]+")
_BESIDE_LETTERS: Final = frozenset("·•‧．.()（） -'’")
_YES: Final = frozenset({"是", "yes", "y", "true", "1", "中共党员", "党员"})
_NO: Final = frozenset({"否", "no", "n", "false", "0", "非党员"})


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


class Catalogue:
    """The values of one column: codes, found by code or by any label."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._codes = {
            _label(name): code
            for code, entry in entries.items()
            for name in (code, entry["zh"], entry["en"], *entry.get("also", ()))
        }
        self.zh = [str(entry["zh"]) for entry in entries.values()]
        self.en = [str(entry["en"]) for entry in entries.values()]

    def find(self, text: str) -> str | None:
        """Return the code that `text` stands for."""
        return self._codes.get(_label(text))


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
        reader = _Reader(table, number, cells, held_to)
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
        reader = _Reader(table, number, cells, held_to)
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


class _Reader:
    """Reads the cells of one row by field and notes what is wrong; a wrong cell reads as empty."""

    def __init__(self, table: Table, number: int, cells: Sequence[Any], held_to: Standards) -> None:
        self._table = table
        self._number = number
        self._cells = cells
        self._held_to = held_to
        self.faults: list[Fault] = []

    def complain(self, field: str, code: str, **more: Any) -> None:
        """Note a fault in the cell of `field`."""
        place = self._table.columns.get(field)
        self.faults.append(fault(code, self._table.sheet, self._number, place, _column(self._table, field).zh, **more))

    def text(self, field: str) -> str:
        """Return a short text, trimmed."""
        value = self._present(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.complain(field, "TEXT_WANTED")
            return ""
        if len(value) > MOST_CHARACTERS:
            self.complain(field, "TOO_LONG", most=MOST_CHARACTERS)
            return ""
        return value

    def name(self, field: str) -> str:
        """Return a person's name; spaces that only make a Chinese name wider are taken out (王　伟)."""
        name = " ".join(self.text(field).split())
        letters = [letter for letter in name if letter not in _BESIDE_LETTERS]
        if any(not letter.isalpha() for letter in letters) or (name and not letters):
            self.complain(field, "NAME_FORMAT")
            return ""
        return name if any(letter.isascii() for letter in letters) else name.replace(" ", "")

    def code(self, field: str) -> str:
        """Return a unit's code. A code of digits alone may be stored as a number."""
        value = self._present(field)
        if value is None:
            return ""
        if isinstance(value, float) and value.is_integer():
            value = str(int(value))
        text = unicodedata.normalize("NFKC", str(value)).upper()
        if isinstance(value, bool) or not _CODE.fullmatch(text):
            self.complain(field, "CODE_FORMAT")
            return ""
        return text

    def choice(self, field: str) -> str:
        """Return the code of a value of the column's catalogue."""
        text = self.text(field)
        return self._find(field, text) if text else ""

    def choices(self, field: str) -> tuple[str, ...]:
        """Return the codes of several values, sorted, each once."""
        parts = [part.strip() for part in _SEPARATORS.split(self.text(field))]
        return tuple(sorted({self._find(field, part) for part in parts if part}))

    def flag(self, field: str) -> bool | None:
        """Return yes or no."""
        value = self._present(field)
        if value is None or isinstance(value, bool):
            return value
        text = _label(f"{value:g}" if isinstance(value, float) else str(value))
        if text not in _YES | _NO:
            self.complain(field, "FLAG_FORMAT")
        return text in _YES

    def day(self, field: str) -> date | None:
        """Return a day that is not in the future. A month alone (2019.05) means its first day."""
        value = self._present(field)
        if value is None:
            return None
        if isinstance(value, datetime):
            day: date | None = value.date()
        elif isinstance(value, date):
            day = value
        elif isinstance(value, str):
            day = _day(value)
        else:
            self.complain(field, "DATE_AS_NUMBER")
            return None
        if day is None:
            self.complain(field, "DATE_FORMAT")
        elif day > self._held_to.today:
            self.complain(field, "DATE_IN_FUTURE")
            return None
        return day

    def identity(self, field: str) -> tuple[str, date | None]:
        """Return an identity number in its normal form and the birth date in it."""
        value = self._present(field)
        if value is None:
            return "", None
        if not isinstance(value, str):
            self.complain(field, "ID_NUMBER_AS_NUMBER")
            return "", None
        number = identity.normal(value)
        try:
            return number, identity.birth_of(number, self._held_to.today)
        except identity.IdentityProblem as problem:
            self.complain(field, problem.code)
            return "", None

    def _present(self, field: str) -> Any:
        """Return what the cell holds, None for nothing; an empty cell of a required column is a fault."""
        place = self._table.columns.get(field)
        if place is None:
            return None
        unusable = self._table.unusable.get((self._number, place))
        if unusable is not None:
            self.complain(field, unusable)
            return None
        value = self._cells[place] if place < len(self._cells) else None
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            if _column(self._table, field).required:
                self.complain(field, "REQUIRED")
            return None
        return value

    def _find(self, field: str, text: str) -> str:
        catalogue = self._held_to.catalogues[str(_column(self._table, field).catalogue)]
        code = catalogue.find(text)
        if code is None:
            self.complain(field, "UNKNOWN_VALUE", choices="、".join(catalogue.zh), english=", ".join(catalogue.en))
        return code or ""


def _column(table: Table, field: str) -> Column:
    return next(column for column in table.kind.columns if column.field == field)


def _label(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def _day(text: str) -> date | None:
    match = _DAY.fullmatch("".join(unicodedata.normalize("NFKC", text).split()))
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3] or 1))
    except ValueError:
        return None


def _birthday(birth: date, age: int) -> date:
    """Return the day on which somebody born on `birth` is `age` years old."""
    try:
        return birth.replace(year=birth.year + age)
    except ValueError:
        return date(birth.year + age, 3, 1)

"""Reading the cells of a row by field: what is wrong with one is noted with its place, and it reads as empty."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final, Protocol

from assessment.domain import identity
from assessment.domain.columns import Column, Table
from assessment.domain.faults import Fault, fault

MOST_CHARACTERS: Final = 100
MOST_COUNTED: Final = 100_000
_CODE: Final = re.compile(r"[0-9A-Z][0-9A-Z-]{1,31}")
_DAY: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?")
_SEPARATORS: Final = re.compile(r"[、，,;；/\n]+")
_BESIDE_LETTERS: Final = frozenset("·•‧．.()（） -'’")
_YES: Final = frozenset({"是", "yes", "y", "true", "1", "中共党员", "党员"})
_NO: Final = frozenset({"否", "no", "n", "false", "0", "非党员"})


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


class Held(Protocol):
    """What cells are held to: the day of the import, and the values of the columns that have a catalogue."""

    @property
    def today(self) -> date: ...

    @property
    def catalogues(self) -> Mapping[str, Catalogue]: ...


class Reader:
    """Reads the cells of one row by field and notes what is wrong; a wrong cell reads as empty."""

    def __init__(self, table: Table, number: int, cells: Sequence[Any], held_to: Held) -> None:
        self._table = table
        self._number = number
        self._cells = cells
        self._held_to = held_to
        self.faults: list[Fault] = []

    def complain(self, field: str, code: str, **more: Any) -> None:
        """Note a fault in the cell of `field`."""
        place = self._table.columns.get(field)
        self.faults.append(fault(code, self._table.sheet, self._number, place, _column(self._table, field).zh, **more))

    def text(self, field: str, most: int = MOST_CHARACTERS) -> str:
        """Return a text of `most` characters at most, trimmed."""
        value = self._present(field)
        if value is None:
            return ""
        if not isinstance(value, str) or "\x00" in value:
            self.complain(field, "TEXT_WANTED")
            return ""
        if len(value) > most:
            self.complain(field, "TOO_LONG", most=most)
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

    def count(self, field: str, least: int = 0, most: int = MOST_COUNTED) -> int | None:
        """Return a whole number from `least` to `most`; a text of digits is one as well."""
        value = self._present(field)
        if value is None:
            return None
        number = _number(value)
        if number is None or number != number.to_integral_value() or not least <= number <= most:
            self.complain(field, "COUNT_FORMAT", least=least, most=most)
            return None
        return int(number)

    def score(self, field: str) -> Decimal | None:
        """Return a score from 0 to 100, rounded half-up to two places."""
        value = self._present(field)
        if value is None:
            return None
        number = _number(value)
        if number is None or not 0 <= number <= 100:
            self.complain(field, "SCORE_FORMAT")
            return None
        return number.quantize(Decimal("0.01"), ROUND_HALF_UP)

    def identities(self, field: str) -> tuple[str, ...]:
        """Return several identity numbers in their normal form, in the cell's order."""
        value = self._present(field)
        if value is None:
            return ()
        if not isinstance(value, str):
            self.complain(field, "ID_NUMBER_AS_NUMBER")
            return ()
        found = tuple(self._identity(field, part)[0] for part in _SEPARATORS.split(value) if part.strip())
        return () if "" in found else found

    def identity(self, field: str) -> tuple[str, date | None]:
        """Return an identity number in its normal form and the birth date in it."""
        value = self._present(field)
        if value is None:
            return "", None
        if not isinstance(value, str):
            self.complain(field, "ID_NUMBER_AS_NUMBER")
            return "", None
        return self._identity(field, value)

    def _identity(self, field: str, value: str) -> tuple[str, date | None]:
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


def _number(value: Any) -> Decimal | None:
    """Return the number that a cell holds: a number, or a text of one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(unicodedata.normalize("NFKC", str(value)).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


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

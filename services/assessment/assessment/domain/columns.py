"""The sheets of workbooks: the two of a roster with their columns, and how any sheet's headers are understood."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assessment.domain.faults import Fault, fault

Place = tuple[int, int]
"""A cell: its row, from 1, and its column, from 0."""

_BESIDE: Final = re.compile(r"[(\[【].*?[)\]】]|[\s*:_]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its field, its header in Chinese and English, other headers in use, and a word on how to fill it.

    `catalogue` is the key of the rule that lists its values.
    """

    field: str
    zh: str
    en: str
    required: bool
    also: tuple[str, ...] = ()
    catalogue: str | None = None
    note_zh: str = ""
    note_en: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class SheetKind:
    """One kind of sheet: its name, other names in use, and its columns in the template's order."""

    zh: str
    en: str
    also: tuple[str, ...]
    columns: tuple[Column, ...]


UNITS: Final = SheetKind(
    "单位",
    "units",
    ("单位名册", "单位信息"),
    (
        Column(
            "code",
            "单位代码",
            "unit code",
            True,
            ("代码", "code", "unit"),
            note_zh="县(市、区)用行政区划代码，其余用本市自编代码",
            note_en="the division code for a county, else the city's own code",
            example="420202",
        ),
        Column("name", "单位名称", "unit name", True, ("名称", "name"), example="黄石港区"),
        Column("kind", "单位类别", "kind", True, ("类别", "unit kind"), "roster.unit_kinds", example="县(市、区)"),
        Column("sector", "所属系统", "sector", True, ("系统", "领域"), "roster.sectors", example="县(市、区)"),
    ),
)
CADRES: Final = SheetKind(
    "干部",
    "cadres",
    ("干部名册", "干部信息", "人员名册"),
    (
        Column("name", "姓名", "name", True, ("干部姓名",), example="张三（虚构）"),
        Column(
            "id_no",
            "公民身份号码",
            "identity number",
            True,
            ("身份证号", "身份证号码", "身份号码", "id number", "id no"),
            note_zh="18 位，单元格须为文本；加密保存，仅凭用途查阅",
            note_en="18 characters, as text; kept encrypted, shown for a stated purpose only",
            example="420202198003150003",
        ),
        Column("birth", "出生日期", "birth date", False, ("出生年月日", "birth"), note_zh="可不填，以身份号码为准"),
        Column("unit", "单位代码", "unit code", True, ("所在单位代码", "unit"), example="420202"),
        Column("post", "现任职务", "post", True, ("职务",), example="副区长"),
        Column(
            "post_since",
            "任现职时间",
            "post since",
            True,
            ("任职时间",),
            note_zh="日期，或文本 2019.05（按当月 1 日计）",
            note_en="a date, or the text 2019.05 (the first of the month is meant)",
            example="2019.05",
        ),
        Column(
            "rank", "职务层次或职级", "rank", True, ("职级", "级别", "职务层次"), "roster.ranks", example="县处级副职"
        ),
        Column(
            "party_member",
            "中共党员",
            "party member",
            True,
            ("是否中共党员", "党员"),
            note_zh="是或否",
            note_en="是 or 否 (yes or no)",
            example="是",
        ),
        Column("manage_level", "管理级别", "managed by", True, ("管理权限",), "roster.manage_levels", example="市管"),
        Column(
            "categories",
            "干部类别",
            "categories",
            False,
            ("类别",),
            "roster.categories",
            note_zh="可多选，以顿号分隔",
            note_en="several are separated by 、 or a comma",
            example="班子成员、公务员",
        ),
    ),
)
KINDS: Final = (UNITS, CADRES)
IGNORED: Final = ("填表说明", "目录")
"""The template's own sheets of instructions and choices."""


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet with its headers understood. `columns` gives each field's place, from 0; `rows` the number, from 1, and cells.

    `unusable` gives the code of what is wrong with a cell as such (`FORMULA`, `CELL_ERROR`), by its place.
    """

    kind: SheetKind
    sheet: str
    columns: Mapping[str, int]
    headers: Sequence[str]
    rows: Sequence[tuple[int, Sequence[Any]]]
    unusable: Mapping[Place, str] = field(default_factory=dict)


def plain(text: str) -> str:
    """Return a header or a sheet's name for comparison: without width, case, spaces, stars and what is in brackets."""
    return _BESIDE.sub("", unicodedata.normalize("NFKC", text)).casefold()


def kind_of(sheet: str, kinds: Sequence[SheetKind] = KINDS) -> SheetKind | None:
    """Return which of `kinds` a sheet of this name is; None if that cannot be told."""
    wanted = plain(sheet)
    for kind in kinds:
        if wanted in map(plain, (kind.zh, kind.en, *kind.also)):
            return kind
    return None


def understand(
    kind: SheetKind, sheet: str, cells: Sequence[Sequence[Any]], unusable: Mapping[Place, str]
) -> tuple[Table, list[Fault]]:
    """Return the table in `cells`, whose first row are the headers, and what is wrong with these.

    Rows without any content are left out. Faults: `COLUMN_MISSING`, `COLUMN_UNKNOWN`, `COLUMN_REPEATED`.
    """
    known = {plain(name): column for column in kind.columns for name in (column.zh, column.en, *column.also)}
    headers = [_text(cell) for cell in cells[0]] if cells else []
    columns: dict[str, int] = {}
    faults: list[Fault] = []
    for place, header in enumerate(headers):
        column = known.get(plain(header)) if header else None
        if column is None:
            if any(_text(row[place]) for row in cells):
                faults.append(fault("COLUMN_UNKNOWN", sheet, 1, place, header or None))
        elif column.field in columns:
            faults.append(fault("COLUMN_REPEATED", sheet, 1, place, column.zh, english=column.en))
        else:
            columns[column.field] = place
    faults += [
        fault("COLUMN_MISSING", sheet, 1, header=column.zh, english=column.en)
        for column in kind.columns
        if column.required and column.field not in columns
    ]
    told = {number for number, row in enumerate(cells, start=1) if any(cell is not None and cell != "" for cell in row)}
    # A cell that holds a formula or an error may read as empty: its row must not be passed over for that.
    told |= {number for number, _ in unusable}
    rows = [(number, cells[number - 1] if number <= len(cells) else ()) for number in sorted(told) if number > 1]
    return Table(kind, sheet, columns, headers, rows, unusable), faults


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()

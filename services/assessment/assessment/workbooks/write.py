"""Writing workbooks: the empty template with its choices, the roster, and the list of what is wrong with an upload."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any, Final

from xlsxwriter import Workbook

from assessment.domain.columns import CADRES, IGNORED, KINDS, UNITS, Column, SheetKind

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TEMPLATE_ROWS: Final = 20_000
_HEADERS: Final = (
    ("工作表 sheet", 14),
    ("行 row", 8),
    ("列 column", 10),
    ("标题 header", 18),
    ("代码 code", 24),
    ("说明", 60),
    ("message", 70),
)
EXPORTED: Final = tuple(column.field for column in CADRES.columns if column.field != "id_no")
STATES: Final = {"ACTIVE": "在职", "SUSPENDED": "停职", "LEFT": "已离开"}
_INSTRUCTIONS, _CHOICES = IGNORED
_CATALOGUES: Final = sorted(
    {column.catalogue for kind in KINDS for column in kind.columns if column.catalogue is not None}
)


def template(rules: Mapping[str, Any]) -> bytes:
    """Return the workbook to be filled in: a sheet of units, one of cadres, instructions, and the choices of `rules`."""
    return empty(KINDS, {key: [entry["zh"] for entry in rules[key].values()] for key in _CATALOGUES})


def empty(kinds: Sequence[SheetKind], labels: Mapping[str, Sequence[str]]) -> bytes:
    """Return a workbook to be filled in: a sheet of each of `kinds`, instructions, and the labels of each catalogue."""
    output = io.BytesIO()
    with _book(output) as book:
        head = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True, "valign": "top"})
        text = book.add_format({"num_format": "@"})
        ranges = {}
        sheets = {kind: book.add_worksheet(kind.zh) for kind in kinds}
        _instruct(kinds, book.add_worksheet(_INSTRUCTIONS), book.add_format({"text_wrap": True, "valign": "top"}), head)
        choices = book.add_worksheet(_CHOICES)
        choices.hide()
        for place, (key, values) in enumerate(labels.items()):
            choices.write_column(0, place, values)
            letter = chr(ord("A") + place)
            ranges[key] = f"={_CHOICES}!${letter}$1:${letter}${len(values)}"
        for kind, sheet in sheets.items():
            sheet.freeze_panes(1, 0)
            for place, column in enumerate(kind.columns):
                sheet.set_column(place, place, 22, text)
                sheet.write_string(0, place, f"{column.zh}{'*' if column.required else ''}", head)
                sheet.data_validation(1, place, TEMPLATE_ROWS - 1, place, _validation(column, ranges))
    return output.getvalue()


def fault_list(faults: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a workbook with a row for each of `faults`: where, which code, and what to do in both languages."""
    output = io.BytesIO()
    with _book(output, constant_memory=True) as book:
        sheet = book.add_worksheet("错误 errors")
        head = book.add_format({"bold": True, "bg_color": "#FCE4D6", "border": 1})
        sheet.freeze_panes(1, 0)
        for place, (title, width) in enumerate(_HEADERS):
            sheet.set_column(place, place, width)
            sheet.write_string(0, place, title, head)
        for number, each in enumerate(faults, start=1):
            sheet.write_string(number, 0, each["sheet"])
            if each["row"] is not None:
                sheet.write_number(number, 1, each["row"])
            for place, name in enumerate(("column", "header", "code", "zh", "en"), start=2):
                sheet.write_string(number, place, each[name] or "")
        sheet.autofilter(0, 0, len(faults), len(_HEADERS) - 1)
    return output.getvalue()


def roster(
    rules: Mapping[str, Any], units: Iterable[Any], cadres: Iterable[Any], id_numbers: Mapping[str, str] | None
) -> bytes:
    """Return a workbook of units and cadres with the labels of `rules`.

    With `id_numbers`, by cadre's id, its columns are the template's, so that it can be imported elsewhere; without, the
    column of identity numbers is left out and one of states is added.
    """
    output = io.BytesIO()
    with _book(output, constant_memory=True) as book:
        head = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for kind, rows in ((UNITS, units), (CADRES, cadres)):
            fields = [column for column in kind.columns if column.field != "id_no" or id_numbers is not None]
            with_state = kind is CADRES and id_numbers is None
            sheet = book.add_worksheet(kind.zh)
            sheet.freeze_panes(1, 0)
            titles = [column.zh for column in fields] + (["状态"] if with_state else [])
            sheet.set_column(0, len(titles) - 1, 20)
            for place, title in enumerate(titles):
                sheet.write_string(0, place, title, head)
            for number, row in enumerate(rows, start=1):
                for place, column in enumerate(fields):
                    _write_cell(sheet, number, place, _shown(column, row, rules, id_numbers), day)
                if with_state:
                    sheet.write_string(number, len(fields), STATES[row.state])
    return output.getvalue()


def _shown(column: Column, row: Any, rules: Mapping[str, Any], id_numbers: Mapping[str, str] | None) -> Any:
    if column.field == "id_no":
        return (id_numbers or {})[row.id]
    value = getattr(row, column.field)
    if isinstance(value, bool):
        return "是" if value else "否"
    if column.catalogue is None:
        return value
    labels = rules[column.catalogue]
    codes = value if isinstance(value, list | tuple) else [value]
    # A code that the catalogue no longer has is shown as it is.
    return "、".join(labels[code]["zh"] if code in labels else code for code in codes)


def _write_cell(sheet: Any, number: int, place: int, value: Any, day: Any) -> None:
    if isinstance(value, date):
        sheet.write_datetime(number, place, datetime.combine(value, time.min), day)
    else:
        sheet.write_string(number, place, value)


@contextmanager
def _book(output: io.BytesIO, **options: Any) -> Iterator[Workbook]:
    # Nothing that is written is a formula or a link, whatever it looks like.
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = Workbook(output, {"in_memory": True, **plain, **options})
    yield book
    book.close()


def _validation(column: Column, ranges: Mapping[str, str]) -> dict[str, Any]:
    told = {
        "input_title": f"{column.zh} {column.en}"[:32],
        "input_message": "\n".join(part for part in (column.note_zh, column.note_en, column.example) if part)[:255],
    }
    if column.field in ("categories", "basis"):
        return {"validate": "any", **told}
    if column.catalogue:
        return {"validate": "list", "source": ranges[column.catalogue], "error_type": "warning", **told}
    if column.field == "party_member":
        return {"validate": "list", "source": ["是", "否"], **told}
    if column.field == "id_no":
        return {"validate": "length", "criteria": "==", "value": 18, "error_title": "18 位", **told}
    return {"validate": "any", **told}


def _instruct(kinds: Sequence[SheetKind], sheet: Any, wrapped: Any, head: Any) -> None:
    sheet.set_column(0, 0, 12)
    sheet.set_column(1, 1, 24)
    sheet.set_column(2, 4, 46)
    titles = ("工作表 sheet", "列 column", "说明", "how to fill it", "示例 example")
    for place, title in enumerate(titles):
        sheet.write_string(0, place, title, head)
    number = 1
    for kind in kinds:
        for column in kind.columns:
            for place, value in enumerate(_told(kind, column)):
                sheet.write_string(number, place, value, wrapped)
            number += 1


def _told(kind: SheetKind, column: Column) -> tuple[str, ...]:
    must_zh, must_en = ("必填", "required") if column.required else ("选填", "optional")
    return (
        kind.zh,
        f"{column.zh} {column.en}",
        "；".join(part for part in (must_zh, column.note_zh) if part),
        "; ".join(part for part in (must_en, column.note_en) if part),
        column.example,
    )

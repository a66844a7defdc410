"""Writing workbooks: the empty template with its choices, and the list of what is wrong with an upload."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
_INSTRUCTIONS, _CHOICES = IGNORED
_CATALOGUES: Final = sorted(
    {column.catalogue for kind in KINDS for column in kind.columns if column.catalogue is not None}
)


def template(rules: Mapping[str, Any]) -> bytes:
    """Return the workbook to be filled in: a sheet of units, one of cadres, instructions, and the choices of `rules`."""
    output = io.BytesIO()
    with _book(output) as book:
        head = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True, "valign": "top"})
        text = book.add_format({"num_format": "@"})
        ranges = {}
        sheets = {kind: book.add_worksheet(kind.zh) for kind in KINDS}
        _instruct(book.add_worksheet(_INSTRUCTIONS), book.add_format({"text_wrap": True, "valign": "top"}), head)
        choices = book.add_worksheet(_CHOICES)
        choices.hide()
        for place, key in enumerate(_CATALOGUES):
            labels = [entry["zh"] for entry in rules[key].values()]
            choices.write_column(0, place, labels)
            letter = chr(ord("A") + place)
            ranges[key] = f"={_CHOICES}!${letter}$1:${letter}${len(labels)}"
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
    if column.field == "categories":
        return {"validate": "any", **told}
    if column.catalogue:
        return {"validate": "list", "source": ranges[column.catalogue], "error_type": "warning", **told}
    if column.field == "party_member":
        return {"validate": "list", "source": ["是", "否"], **told}
    if column.field == "id_no":
        return {"validate": "length", "criteria": "==", "value": 18, "error_title": "18 位", **told}
    return {"validate": "any", **told}


def _instruct(sheet: Any, wrapped: Any, head: Any) -> None:
    sheet.set_column(0, 0, 12)
    sheet.set_column(1, 1, 24)
    sheet.set_column(2, 4, 46)
    titles = ("工作表 sheet", "列 column", "说明", "how to fill it", "示例 example")
    for place, title in enumerate(titles):
        sheet.write_string(0, place, title, head)
    number = 1
    for kind in (UNITS, CADRES):
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

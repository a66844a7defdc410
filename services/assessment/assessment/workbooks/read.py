"""Reading a workbook's sheets into tables."""

import io
from collections.abc import Sequence
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from assessment.domain.columns import IGNORED, KINDS, SheetKind, Table, kind_of, understand
from assessment.domain.faults import Fault, fault
from assessment.workbooks.scan import scan, unreadable


def read_tables(content: bytes, kinds: Sequence[SheetKind] = KINDS) -> tuple[list[Table], list[Fault]]:
    """Return the tables of a workbook that was looked through, in the order of `kinds`, and what is wrong with its sheets.

    Faults: `SHEET_MISSING`, `SHEET_UNKNOWN`, `SHEET_REPEATED`, and those of headers. Raises Refusal as `scan` does.
    """
    unusable = scan(content).unusable
    tables: dict[SheetKind, Table] = {}
    faults: list[Fault] = []
    zh, en = "或".join(f"“{kind.zh}”" for kind in kinds), " or ".join(kind.zh for kind in kinds)
    for name, cells in _sheets(content):
        kind = kind_of(name, kinds)
        if kind is None:
            if name not in IGNORED and any(any(cell != "" for cell in row) for row in cells):
                faults.append(fault("SHEET_UNKNOWN", name, sheets=zh, english=en))
        elif kind in tables:
            faults.append(fault("SHEET_REPEATED", name))
        else:
            tables[kind], wrong = understand(kind, name, cells, unusable.get(name, {}))
            faults += wrong
    if not tables:
        faults.append(fault("SHEET_MISSING", "", sheets=zh, english=en))
    return sorted(tables.values(), key=lambda table: kinds.index(table.kind)), faults


def _sheets(content: bytes) -> list[tuple[str, Sequence[Sequence[Any]]]]:
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as book:
            return [
                (sheet.name, book.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False))
                for sheet in book.sheets_metadata
                if sheet.typ == SheetTypeEnum.WorkSheet
            ]
    except CalamineError as error:
        raise unreadable() from error

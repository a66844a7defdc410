"""Uploads are looked through before anything is kept: no macros, no bombs, no tricks with names, every text seen."""

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import date

import pytest

from assessment.workbooks import scan as module
from assessment.workbooks.read import read_tables
from assessment.workbooks.scan import scan
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked
from tests.support.assessment import UNIT_HEADERS, rulebook, workbook

SHEET = "xl/worksheets/sheet1.xml"
PLAIN = workbook(("单位", [UNIT_HEADERS, ["U1", "甲局", "市直部门", "政府系统"]]))
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def changed(
    add: Mapping[str, bytes] | None = None, edit: Mapping[str, Callable[[bytes], bytes]] | None = None
) -> bytes:
    """Return the plain workbook with parts added, and parts edited."""
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(PLAIN)) as old, zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, (edit or {}).get(name, lambda content: content)(old.read(name)))
        for name, content in (add or {}).items():
            new.writestr(name, content)
    return output.getvalue()


def sheet(cells: str) -> bytes:
    return changed(
        edit={SHEET: lambda _: f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'.encode()}
    )


def code_of(content: bytes) -> tuple[str, int]:
    with pytest.raises(Refusal) as refused:
        scan(content)
    return refused.value.code, refused.value.status


def test_a_plain_workbook_passes_and_its_texts_are_seen() -> None:
    found = scan(PLAIN)
    assert {"单位", "甲局", "市直部门"} <= set(found.texts)
    assert found.unusable == {"单位": {}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        PLAIN[:-100],
        PLAIN[:200] + b"\xff" + PLAIN[201:],
        changed(edit={SHEET: lambda content: content[:-20]}),
        changed(edit={SHEET: lambda content: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}),
        changed(add={"XL/WORKBOOK.XML": b"<x/>"}),
    ],
    ids=["empty", "no zip", "cut off", "damaged", "broken xml", "document type", "two parts of one name"],
)
def test_what_is_no_whole_workbook_is_unreadable(content: bytes) -> None:
    assert code_of(content) == ("WORKBOOK_UNREADABLE", 422)


def test_a_zip_that_is_no_workbook_is_unreadable() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as other:
        other.writestr("word/document.xml", "<x/>")
    assert code_of(output.getvalue()) == ("WORKBOOK_UNREADABLE", 422)


@pytest.mark.parametrize(
    "part",
    [
        "xl/vbaProject.bin",
        "xl/embeddings/oleObject1.bin",
        "xl/activeX/activeX1.bin",
        "xl/worksheets/sheet2.bin",
        "a.exe",
    ],
)
def test_macros_and_embedded_objects_are_refused(part: str) -> None:
    assert code_of(changed(add={part: b"x"})) == ("WORKBOOK_ACTIVE", 422)


def test_pictures_and_printer_settings_do_no_harm() -> None:
    scan(changed(add={"xl/media/logo.png": b"x", "xl/printerSettings/printerSettings1.bin": b"x"}))


def test_what_would_be_too_large_when_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed(add={"xl/big.xml": b" " * (module.MOST_UNPACKED_BYTES + 1)})
    assert len(bomb) < 1 << 20
    assert code_of(bomb) == ("WORKBOOK_TOO_LARGE", 413)
    monkeypatch.setattr(module, "MOST_PARTS", 3)
    assert code_of(PLAIN) == ("WORKBOOK_TOO_LARGE", 413)


@pytest.mark.parametrize(
    "cells",
    [
        f'<row r="{module.MOST_ROWS + 1}"><c r="A{module.MOST_ROWS + 1}"><v>1</v></c></row>',
        '<row r="2"><c r="XFD2"><v>1</v></c></row>',
        '<row r="1048576"><c r="A1048576"><f>1</f></c></row>',
        f'<row r="{module.MOST_ROWS}"/><row><c><v>1</v></c></row>',
    ],
)
def test_a_cell_far_out_is_refused_before_room_is_made_for_it(cells: str) -> None:
    assert code_of(sheet(cells)) == ("WORKBOOK_TOO_LARGE", 413)


def test_empty_cells_with_a_style_may_reach_far_out() -> None:
    scan(sheet('<row r="1048576"><c r="XFD1048576" s="1"/></row>'))


def test_formulas_and_errors_are_found_where_they_stand() -> None:
    content = workbook(("干部", [["x"], ["=1+1", "", "y"]]), ("备注", [["z"]]))
    assert scan(content).unusable == {"干部": {(2, 0): "FORMULA"}, "备注": {}}
    # Cells need not say where they are.
    cells = '<row><c><v>1</v></c></row><row><c/><c t="e"><v>#N/A</v></c><c><f>A1</f></c></row>'
    assert scan(sheet(cells)).unusable == {"单位": {(2, 1): "CELL_ERROR", (2, 2): "FORMULA"}}


def refuse(content: bytes) -> None:
    rules = rulebook().on(date(2024, 3, 4))
    refuse_marked(scan(content).texts, rules)


@pytest.mark.parametrize(
    "content",
    [
        workbook(("单位", [["机密"]])),
        workbook(("单位", [["本表为绝密★启用前"]])),
        workbook(("机密名单", [["x"]])),
        workbook(("单位", [["x"]]), ("附表", [["秘密"]])),
        sheet('<row><c t="inlineStr"><is><r><t>机</t></r><r><rPr><b/></rPr><t>密</t></r></is></c></row>'),
        changed(add={"xl/comments1.xml": "<comments><t>此件机密</t></comments>".encode()}),
        changed(add={"docProps/custom.xml": '<p><x name="密级">绝密</x></p>'.encode()}),
        changed(add={"xl/worksheets/sheet9.xml": "<a><oddHeader>&amp;C秘密</oddHeader></a>".encode()}),
    ],
)
def test_a_mark_is_found_wherever_it_stands(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        refuse(content)
    assert (refused.value.code, refused.value.status) == ("SECRECY_LEVEL", 451)


@pytest.mark.parametrize(
    "content",
    [PLAIN, workbook(("单位", [["工作秘密", "商业秘密保护科"]])), workbook(("单位", [["奥秘", "密云"], ["机", "密"]]))],
)
def test_what_is_no_mark_passes(content: bytes) -> None:
    refuse(content)


def test_sheets_are_read_by_kind_units_first() -> None:
    tables, wrong = read_tables(workbook(("干部", [["姓名"]]), ("单位", [UNIT_HEADERS]), ("目录", [["x"]]), ("空", [])))
    assert [table.sheet for table in tables] == ["单位", "干部"]
    assert {fault.code for fault in wrong} == {"COLUMN_MISSING"}


def test_sheets_that_are_not_known_or_there_twice_are_named() -> None:
    _, wrong = read_tables(workbook(("单位", [UNIT_HEADERS]), ("units", [UNIT_HEADERS]), ("名单", [["x"]])))
    assert [(fault.sheet, fault.code) for fault in wrong] == [("units", "SHEET_REPEATED"), ("名单", "SHEET_UNKNOWN")]

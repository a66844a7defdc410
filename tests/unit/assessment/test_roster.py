"""Rows of a roster: each cell that is right in some usual way is taken, each that is wrong is named."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pytest

from assessment.domain import faults
from assessment.domain.columns import CADRES, UNITS, SheetKind, Table, kind_of, understand
from assessment.domain.faults import Fault, letters
from assessment.domain.roster import (
    Row,
    Unit,
    already_registered,
    check_cadres,
    check_units,
    difference,
    homeless,
    repeated,
    standards,
)
from tests.support.assessment import CADRE_HEADERS, UNIT_HEADERS, cadre_row, id_number, rulebook

TODAY = date(2024, 3, 4)
HELD_TO = standards(rulebook().on(TODAY), TODAY)


def table_of(kind: SheetKind, *rows: list[Any], unusable: Mapping[tuple[int, int], str] | None = None) -> Table:
    headers = UNIT_HEADERS if kind is UNITS else CADRE_HEADERS
    table, wrong = understand(kind, kind.zh, [headers, *rows], unusable or {})
    assert wrong == []
    return table


def cadre_of(**changes: Any) -> Any:
    table = table_of(CADRES, cadre_row(**changes))
    good, wrong = check_cadres(table, table.rows, HELD_TO)
    assert wrong == []
    return good[0].entry


def faults_of(**changes: Any) -> list[tuple[str | None, str]]:
    table = table_of(CADRES, cadre_row(**changes))
    good, wrong = check_cadres(table, table.rows, HELD_TO)
    assert good == []
    return [(fault.header, fault.code) for fault in wrong]


def test_a_row_becomes_a_cadre() -> None:
    cadre = cadre_of()
    assert (cadre.name, cadre.id_no, cadre.birth) == ("张三（虚构）", id_number(), date(1980, 3, 15))
    assert (cadre.unit, cadre.post, cadre.post_since) == ("420202", "副区长", date(2019, 5, 1))
    assert (cadre.rank, cadre.party_member, cadre.manage_level) == ("COUNTY_DEPUTY", True, "CITY")
    assert cadre.categories == ("CIVIL_SERVANT", "GROUP_MEMBER")


@pytest.mark.parametrize(
    ("changes", "field", "read"),
    [
        ({"name": "王　伟"}, "name", "王伟"),
        ({"name": " 阿卜杜拉·买买提 "}, "name", "阿卜杜拉·买买提"),
        ({"name": "John  Smith"}, "name", "John Smith"),
        ({"unit": 420202.0}, "unit", "420202"),
        ({"unit": "４２０２－119"}, "unit", "4202-119"),
        ({"post_since": date(2019, 5, 1)}, "post_since", date(2019, 5, 1)),
        ({"post_since": datetime(2019, 5, 1, 8)}, "post_since", date(2019, 5, 1)),  # noqa: DTZ001  a cell has no zone
        ({"post_since": "2019/5/1"}, "post_since", date(2019, 5, 1)),
        ({"post_since": "2019.05"}, "post_since", date(2019, 5, 1)),
        ({"post_since": "2019年5月"}, "post_since", date(2019, 5, 1)),
        ({"post_since": "2019年5月3日"}, "post_since", date(2019, 5, 3)),
        ({"post_since": TODAY}, "post_since", TODAY),
        ({"birth": "1980-03-15"}, "birth", date(1980, 3, 15)),
        ({"rank": "COUNTY_DEPUTY"}, "rank", "COUNTY_DEPUTY"),
        ({"rank": "副处级"}, "rank", "COUNTY_DEPUTY"),
        ({"rank": "deputy county chief"}, "rank", "COUNTY_DEPUTY"),
        ({"party_member": True}, "party_member", True),
        ({"party_member": "否"}, "party_member", False),
        ({"party_member": 0.0}, "party_member", False),
        ({"categories": ""}, "categories", ()),
        ({"categories": "公务员，公务员; 一把手"}, "categories", ("CIVIL_SERVANT", "GROUP_HEAD")),
        ({"id_no": id_number(date(1970, 1, 10)).lower()}, "id_no", id_number(date(1970, 1, 10))),
    ],
)
def test_usual_ways_to_write_are_understood(changes: dict[str, Any], field: str, read: Any) -> None:
    assert getattr(cadre_of(**changes), field) == read


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, [("姓名", "REQUIRED")]),
        ({"name": "  "}, [("姓名", "REQUIRED")]),
        ({"name": 7.0}, [("姓名", "TEXT_WANTED")]),
        ({"name": "李4"}, [("姓名", "NAME_FORMAT")]),
        ({"name": "（）"}, [("姓名", "NAME_FORMAT")]),
        ({"post": "长" * 101}, [("现任职务", "TOO_LONG")]),
        ({"unit": "单位"}, [("单位代码", "CODE_FORMAT")]),
        ({"unit": 1.5}, [("单位代码", "CODE_FORMAT")]),
        ({"unit": True}, [("单位代码", "CODE_FORMAT")]),
        ({"id_no": 4.2020219800315e17}, [("公民身份号码", "ID_NUMBER_AS_NUMBER")]),
        ({"id_no": "420202"}, [("公民身份号码", "ID_NUMBER_FORMAT")]),
        ({"id_no": "420202198013150003"}, [("公民身份号码", "ID_NUMBER_BIRTH")]),
        ({"id_no": "420202198003150004"}, [("公民身份号码", "ID_NUMBER_CHECK_DIGIT")]),
        ({"birth": "1980-03-16"}, [("出生日期", "BIRTH_MISMATCH")]),
        ({"post_since": "上个月"}, [("任现职时间", "DATE_FORMAT")]),
        ({"post_since": "2019-02-30"}, [("任现职时间", "DATE_FORMAT")]),
        ({"post_since": 2019.1}, [("任现职时间", "DATE_AS_NUMBER")]),
        ({"post_since": date(2024, 3, 5)}, [("任现职时间", "DATE_IN_FUTURE")]),
        ({"post_since": "1998-03-14"}, [("任现职时间", "POST_BEFORE_ADULT")]),
        ({"rank": "总经理"}, [("职务层次或职级", "UNKNOWN_VALUE")]),
        ({"categories": "公务员、某某"}, [("干部类别", "UNKNOWN_VALUE")]),
        ({"party_member": "也许"}, [("中共党员", "FLAG_FORMAT")]),
        ({"party_member": None}, [("中共党员", "REQUIRED")]),
        (
            {"name": "", "rank": "", "manage_level": "国管"},
            [("姓名", "REQUIRED"), ("职务层次或职级", "REQUIRED"), ("管理级别", "UNKNOWN_VALUE")],
        ),
    ],
)
def test_what_is_wrong_is_named_once_and_where(changes: dict[str, Any], expected: Any) -> None:
    assert faults_of(**changes) == expected


def test_a_post_may_begin_on_the_birthday_of_coming_of_age() -> None:
    assert cadre_of(post_since="1998-03-15").post_since == date(1998, 3, 15)
    leap = id_number(date(1980, 2, 29))
    assert cadre_of(id_no=leap, post_since="1998-03-01").post_since == date(1998, 3, 1)
    assert faults_of(id_no=leap, post_since="1998-02-28") == [("任现职时间", "POST_BEFORE_ADULT")]


def test_a_cell_with_a_formula_is_a_fault_even_if_it_reads_as_empty() -> None:
    table = table_of(CADRES, cadre_row(), unusable={(2, 0): "FORMULA", (2, 9): "CELL_ERROR", (5, 4): "FORMULA"})
    assert [number for number, _ in table.rows] == [2, 5]
    good, wrong = check_cadres(table, table.rows, HELD_TO)
    assert good == []
    assert [(fault.row, fault.column, fault.code) for fault in wrong if fault.code != "REQUIRED"] == [
        (2, "A", "FORMULA"),
        (2, "J", "CELL_ERROR"),
        (5, "E", "FORMULA"),
    ]


def test_a_row_becomes_a_unit_and_codes_of_digits_may_be_numbers() -> None:
    table = table_of(UNITS, [420202.0, "黄石港区", "县区", "COUNTY"], ["", "", "", ""], ["x", "", "市", "政府"])
    good, wrong = check_units(table, table.rows, HELD_TO)
    assert good == [Row("单位", 2, Unit("420202", "黄石港区", "COUNTY", "COUNTY"))]
    assert [(fault.row, fault.code) for fault in wrong] == [
        (4, "CODE_FORMAT"),
        (4, "REQUIRED"),
        (4, "UNKNOWN_VALUE"),
        (4, "UNKNOWN_VALUE"),
    ]


def unit_row(number: int, code: str = "U1", name: str = "甲") -> Row[Unit]:
    return Row("单位", number, Unit(code, name, "CITY_DEPT", "GOVERNMENT"))


def test_the_second_of_two_equal_rows_is_named() -> None:
    found = repeated([unit_row(2), unit_row(3, "U2"), unit_row(4), unit_row(5)], "code", 0)
    assert [(fault.row, fault.code) for fault in found] == [(4, "DUPLICATE_ROW"), (5, "DUPLICATE_ROW")]
    assert "第 2 行" in found[0].zh


def test_a_cadre_without_a_registered_unit_is_named() -> None:
    table = table_of(CADRES, cadre_row())
    rows, _ = check_cadres(table, table.rows, HELD_TO)
    assert homeless(rows, {"420202"}, 3) == []
    assert [fault.code for fault in homeless(rows, {"420203"}, 3)] == ["UNKNOWN_UNIT"]


def test_what_differs_from_the_roster_is_named_by_its_headers() -> None:
    registered = {"code": "U1", "name": "乙", "kind": "CITY_DEPT", "sector": "PARTY"}
    row = unit_row(7)
    differing = difference(row.entry, registered)
    assert differing == ["name", "sector"]
    assert difference(row.entry, registered | {"name": "甲", "sector": "GOVERNMENT"}) == []
    fault = already_registered(row, table_of(UNITS), differing)
    assert (fault.row, fault.column, fault.header) == (7, "B", "单位名称")
    assert "单位名称、所属系统" in fault.zh
    assert "unit name, sector" in fault.en


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("单位", UNITS),
        ("Units", UNITS),
        ("干部名册", CADRES),
        (" cadres ", CADRES),
        ("干部（2024）", CADRES),
        ("Sheet1", None),
    ],
)
def test_a_sheet_is_known_by_its_name(name: str, kind: SheetKind | None) -> None:
    assert kind_of(name) is kind


def test_headers_are_understood_in_both_languages_and_any_order() -> None:
    headers = ["Post", "身份证号（18位）", "Name*", "unit_code", "任职时间", "级别", "党员", "管理权限"]
    table, wrong = understand(CADRES, "干部", [headers], {})
    assert wrong == []
    assert table.columns["id_no"] == 1
    assert "birth" not in table.columns


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["单位代码", "单位名称", "单位类别"], [(None, "COLUMN_MISSING")]),
        ([*UNIT_HEADERS, "名称"], [("E", "COLUMN_REPEATED")]),
        ([*UNIT_HEADERS, "备注"], [("E", "COLUMN_UNKNOWN")]),
        ([*UNIT_HEADERS, ""], []),
        ([], [(None, "COLUMN_MISSING")] * 4),
    ],
)
def test_wrong_headers_are_named(headers: list[str], expected: Any) -> None:
    _, wrong = understand(UNITS, "单位", [headers], {})
    assert [(fault.column, fault.code) for fault in wrong] == expected


def test_a_column_without_header_is_a_fault_once_something_stands_in_it() -> None:
    _, wrong = understand(UNITS, "单位", [[*UNIT_HEADERS, ""], ["U1", "甲", "市直部门", "政府系统", "x"]], {})
    assert [fault.code for fault in wrong] == ["COLUMN_UNKNOWN"]


@pytest.mark.parametrize(("column", "shown"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_have_their_letters(column: int, shown: str) -> None:
    assert letters(column) == shown


def test_every_message_is_in_both_languages() -> None:
    filled = {"header": "姓名", "english": "name", "most": 9, "choices": "甲", "age": 18, "first": 2, "fields": "职务"}
    filled |= {"least": 0, "sheets": "“单位”"}
    for zh, en in faults.MESSAGES.values():
        assert "{" not in zh.format(**filled)
        assert "{" not in en.format(**filled)
        assert any("一" <= letter <= "鿿" for letter in zh)
    assert isinstance(faults.fault("REQUIRED", "单位", 2, 0, "单位代码"), Fault)

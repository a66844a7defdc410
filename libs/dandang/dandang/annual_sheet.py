"""The sheet of a year (年度考核汇总表) as an .xlsx workbook, as the assessors fill in its template."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from xlsxwriter import Workbook

SHEET: Final = "年度考核汇总表"
_GRADES: Final = ("优秀", "称职", "基本称职", "不称职")
_QUARTERS: Final = ("一季度平时考核", "二季度平时考核", "三季度平时考核", "四季度平时考核")


@dataclass(frozen=True, slots=True)
class Votes:
    """The ballots of a class of voters (A, B, C): how many were expected, and how many there are of each grade, best first."""

    name: str
    expected: int
    counts: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Talk:
    """A talk that two people held, named by their identity numbers."""

    held_on: date
    interviewers: tuple[str, str]
    summary: str


@dataclass(frozen=True, slots=True)
class SubjectYear:
    """What a row tells of a subject's year: of the cadre with `id_no`, or of the group of `unit`.

    `routine` are the grades of the quarters (好, 较好, 一般, 较差; empty for none), `basis` what they rest on (谈话, 走访, 督查,
    进展); `scores` are by the dimension's code, such as ACHIEVEMENT. Without `report` it was handed in before.
    """

    year: int
    ballot_on: date
    votes: tuple[Votes, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    id_no: str = ""
    unit: str = ""
    report: str = ""
    routine: tuple[str, ...] = ()
    basis: str = "谈话"
    talks: tuple[Talk, ...] = ()


def annual_sheet(rows: Sequence[SubjectYear]) -> bytes:
    """Return the sheet with `rows`; the same rows give the same bytes."""
    classes = sorted({votes.name for row in rows for votes in row.votes})
    talks = max((len(row.talks) for row in rows), default=0)
    dimensions = sorted({name for row in rows for name in row.scores})
    columns = [*_headers(classes, talks), *dimensions]
    output = io.BytesIO()
    book = Workbook(output, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": SHEET, "created": datetime(2024, 1, 1)})  # noqa: DTZ001  no zone there
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet(SHEET)
    sheet.write_row(0, 0, columns)
    for number, row in enumerate(rows, start=1):
        cells = _cells(row)
        for place, name in enumerate(columns):
            value = cells.get(name, "")
            if isinstance(value, date):
                sheet.write_datetime(number, place, datetime.combine(value, datetime.min.time()), day)
            elif isinstance(value, int | float):
                sheet.write_number(number, place, value)
            elif value:
                sheet.write_string(number, place, value)
    book.close()
    return output.getvalue()


def _headers(classes: Sequence[str], talks: int) -> list[str]:
    votes = [header for name in classes for header in (f"{name}类应到", *(f"{name}类{grade}" for grade in _GRADES))]
    told = [f"谈话{number}{part}" for number in range(1, talks + 1) for part in ("日期", "谈话人", "内容")]
    return ["年度", "公民身份号码", "单位代码", "述职报告", *_QUARTERS, "平时考核依据", "测评日期", *votes, *told]


def _cells(row: SubjectYear) -> dict[str, Any]:
    """Return the row's cells by header."""
    cells: dict[str, Any] = {
        "年度": row.year,
        "公民身份号码": row.id_no,
        "单位代码": row.unit,
        "述职报告": row.report,
        "平时考核依据": row.basis if any(row.routine) else "",
        "测评日期": row.ballot_on,
        **row.scores,
        **dict(zip(_QUARTERS, row.routine, strict=False)),
    }
    for votes in row.votes:
        cells[f"{votes.name}类应到"] = votes.expected
        cells |= {f"{votes.name}类{grade}": count for grade, count in zip(_GRADES, votes.counts, strict=True)}
    for number, talk in enumerate(row.talks, start=1):
        cells[f"谈话{number}日期"] = talk.held_on
        cells[f"谈话{number}谈话人"] = "、".join(talk.interviewers)
        cells[f"谈话{number}内容"] = talk.summary
    return cells

"""The sheet of a year (年度考核汇总表): a row for each subject, with report, routine grades, ballot, talks and scores.

Which classes of voters and which dimensions there are, the rules say, so the sheet's columns follow them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from assessment.domain.annual import DERIVED
from assessment.domain.cells import Catalogue, Reader
from assessment.domain.columns import Column, SheetKind, Table
from assessment.domain.faults import Fault, fault
from assessment.domain.grading import GRADES, SubjectKind
from assessment.domain.recorded import VoterClass

QUARTERS: Final = (1, 2, 3, 4)
TALKS: Final = (1, 2, 3, 4)
MOST_TEXT: Final = 20_000
_YEARS: Final = (2000, 9999)
_ROUTINE: Final[Mapping[str, tuple[str, str]]] = {
    "GOOD": ("好", "good"),
    "FAIRLY_GOOD": ("较好", "fairly good"),
    "ORDINARY": ("一般", "ordinary"),
    "POOR": ("较差", "poor"),
}
_BASIS: Final[Mapping[str, tuple[str, str]]] = {
    "TALK": ("谈话", "talk"),
    "VISIT": ("走访", "visit"),
    "INSPECTION": ("督查", "inspection"),
    "PROGRESS": ("进展", "progress"),
}
_BALLOTS: Final = (("优秀", "优秀"), ("称职", "良好"), ("基本称职", "一般"), ("不称职", "较差"))
"""What the grades are called on a ballot, for a cadre and for a group, the best first."""


@dataclass(frozen=True, slots=True)
class SheetRules:
    """What the rules say of a sheet: classes of voters, dimensions with their labels, catalogues of grades and bases."""

    classes: tuple[str, ...]
    dimensions: Mapping[str, Mapping[str, str]]
    catalogues: Mapping[str, Catalogue]


@dataclass(frozen=True, slots=True)
class Held:
    """What rows are held to: the day, and the values of the columns that have a catalogue."""

    today: date
    catalogues: Mapping[str, Catalogue]


@dataclass(frozen=True, slots=True)
class SheetTalk:
    """A talk as a row tells of it; interviewers by identity number. `number` is its place in the row, from 1."""

    number: int
    held_on: date
    interviewers: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that is right in itself. A cadre is named by `id_no`, a group by `unit`; `routine` has a grade by quarter."""

    number: int
    kind: SubjectKind
    year: int
    id_no: str
    unit: str
    report: str
    routine: Mapping[int, str]
    basis: tuple[str, ...]
    held_on: date
    classes: tuple[VoterClass, ...]
    talks: tuple[SheetTalk, ...]
    scores: Mapping[str, Decimal]

    @property
    def key(self) -> tuple[int, str]:
        """What no other row of the sheet may have."""
        return self.year, self.id_no or self.unit


def sheet_rules(rules: Mapping[str, Any]) -> SheetRules:
    """Return what `rules` say of a sheet."""
    dimensions = {
        code: entry
        for kind in ("group", "cadre")
        for code, entry in rules[f"annual.dimensions.{kind}"].items()
        if code not in DERIVED
    }
    return SheetRules(
        classes=tuple(rules["ballot.class_weights"]),
        dimensions=dimensions,
        catalogues={
            "routine.points": _catalogue(rules["routine.points"], _ROUTINE),
            "routine.basis": _catalogue(rules["routine.basis"], _BASIS),
        },
    )


def _catalogue(codes: Iterable[str], labels: Mapping[str, tuple[str, str]]) -> Catalogue:
    named = {code: labels.get(code, (code, code)) for code in codes}
    return Catalogue({code: {"zh": zh, "en": en} for code, (zh, en) in named.items()})


def sheet_kind(rules: SheetRules) -> SheetKind:
    """Return the columns of a sheet, in the template's order."""
    columns = [
        Column("year", "年度", "year", True, example="2023"),
        Column(
            "id_no",
            "公民身份号码",
            "identity number",
            False,
            ("身份证号", "身份证号码", "身份号码"),
            note_zh="干部填此项，单元格须为文本；班子留空",
            note_en="of a cadre, as text; empty for a group",
            example="420202198003150003",
        ),
        Column(
            "unit",
            "单位代码",
            "unit code",
            False,
            ("代码", "unit"),
            note_zh="班子填此项；干部留空",
            note_en="of a group; empty for a cadre",
        ),
        Column(
            "report",
            "述职报告",
            "self-report",
            False,
            ("述职",),
            note_zh="已述职的留空",
            note_en="empty where the report was handed in",
            example="本年度履职情况……",
        ),
    ]
    columns += [
        Column(
            f"q{quarter}", f"{zh}季度平时考核", f"routine grade Q{quarter}", False, (f"Q{quarter}",), "routine.points"
        )
        for quarter, zh in zip(QUARTERS, "一二三四", strict=True)
    ]
    columns.append(
        Column(
            "basis",
            "平时考核依据",
            "basis of routine grades",
            False,
            ("评定依据",),
            "routine.basis",
            note_zh="可多选，以顿号分隔",
            note_en="several are separated by 、 or a comma",
            example="谈话、督查",
        )
    )
    columns.append(Column("ballot_on", "测评日期", "ballot held on", True, ("民主测评日期",), example="2024-01-05"))
    for name in rules.classes:
        columns.append(Column(f"expected_{name}", f"{name}类应到", f"{name} expected", False, (f"{name}应到",)))
        for place, (zh, of_group) in enumerate(_BALLOTS):
            grades = [GRADES[kind][place] for kind in SubjectKind]
            same = zh == of_group
            columns.append(
                Column(
                    f"votes_{name}_{place}",
                    f"{name}类{zh}",
                    f"{name} {grades[0]}",
                    False,
                    (f"{name}类{of_group}", f"{name} {grades[1]}"),
                    note_zh="" if same else f"班子为{of_group}",
                    note_en="" if same else f"{grades[1]} for a group",
                )
            )
    for number in TALKS:
        columns += [
            Column(f"talk{number}_on", f"谈话{number}日期", f"talk {number} held on", False, example="2024-01-08"),
            Column(
                f"talk{number}_by",
                f"谈话{number}谈话人",
                f"talk {number} interviewers",
                False,
                note_zh="两名谈话人的公民身份号码，以顿号分隔",
                note_en="identity numbers of the two interviewers, separated by 、",
            ),
            Column(f"talk{number}_text", f"谈话{number}内容", f"talk {number} summary", False),
        ]
    columns += [
        Column(
            f"score_{code}",
            f"评分:{entry['zh']}",
            f"score {entry['en']}",
            False,
            (entry["zh"], code),
            note_zh="0 至 100，所用方案的每一维度都要填",
            note_en="0 to 100; every dimension that the scheme weighs",
        )
        for code, entry in rules.dimensions.items()
    ]
    return SheetKind("年度考核汇总表", "annual sheet", ("年度考核", "汇总表"), tuple(columns))


def read_rows(table: Table, rules: SheetRules, today: date) -> tuple[list[SheetRow], list[Fault]]:
    """Return the rows of `table` that are right in themselves, and what is wrong with the others.

    Faults: those of cells, `SUBJECT_ONE`, `NOT_FOR_GROUP`, and `DUPLICATE_ROW` for a subject's second row of a year.
    """
    good: list[SheetRow] = []
    faults: list[Fault] = []
    held_to = Held(today, rules.catalogues)
    first: dict[tuple[int, str], int] = {}
    for number, cells in table.rows:
        reader = Reader(table, number, cells, held_to)
        row = _read(reader, number, rules)
        faults += reader.faults
        if row is None or reader.faults:
            continue
        earlier = first.setdefault(row.key, number)
        if earlier != number:
            place = table.columns.get("id_no" if row.id_no else "unit")
            faults.append(fault("DUPLICATE_ROW", table.sheet, number, place, first=earlier))
        else:
            good.append(row)
    return good, faults


def _read(reader: Reader, number: int, rules: SheetRules) -> SheetRow | None:
    year = reader.count("year", *_YEARS)
    id_no, _ = reader.identity("id_no")
    unit = reader.code("unit")
    if not reader.faults and bool(id_no) == bool(unit):
        reader.complain("id_no", "SUBJECT_ONE")
    kind = SubjectKind.GROUP if unit and not id_no else SubjectKind.CADRE
    report = reader.text("report", MOST_TEXT)
    routine, basis = _routine(reader, kind)
    held_on = reader.day("ballot_on")
    classes = _classes(reader, kind, rules)
    talks = _talks(reader)
    given = {code: reader.score(f"score_{code}") for code in rules.dimensions}
    if year is None or held_on is None:
        return None
    scores = {code: score for code, score in given.items() if score is not None}
    return SheetRow(number, kind, year, id_no, unit, report, routine, basis, held_on, classes, talks, scores)


def _routine(reader: Reader, kind: SubjectKind) -> tuple[dict[int, str], tuple[str, ...]]:
    given = {quarter: reader.choice(f"q{quarter}") for quarter in QUARTERS}
    routine = {quarter: grade for quarter, grade in given.items() if grade}
    basis = reader.choices("basis")
    if routine and kind == SubjectKind.GROUP:
        reader.complain(f"q{next(iter(routine))}", "NOT_FOR_GROUP")
    elif routine and not basis and not reader.faults:
        reader.complain("basis", "REQUIRED")
    return routine, basis


def _classes(reader: Reader, kind: SubjectKind, rules: SheetRules) -> tuple[VoterClass, ...]:
    found = []
    for name in rules.classes:
        expected = reader.count(f"expected_{name}")
        votes = {grade: reader.count(f"votes_{name}_{place}") for place, grade in enumerate(GRADES[kind])}
        counts = {grade: count for grade, count in votes.items() if count}
        if expected is not None:
            found.append(VoterClass(name, expected, counts))
        elif counts:
            reader.complain(f"expected_{name}", "REQUIRED")
    if not found and not reader.faults:
        reader.complain(f"expected_{rules.classes[0]}", "REQUIRED")
    return tuple(found)


def _talks(reader: Reader) -> tuple[SheetTalk, ...]:
    found = []
    for number in TALKS:
        before = len(reader.faults)
        held_on, by = reader.day(f"talk{number}_on"), reader.identities(f"talk{number}_by")
        summary = reader.text(f"talk{number}_text", MOST_TEXT)
        parts: Sequence[tuple[str, Any]] = (("on", held_on), ("by", by), ("text", summary))
        if len(reader.faults) > before or not any(value for _, value in parts):
            continue
        for name, value in parts:
            if not value:
                reader.complain(f"talk{number}_{name}", "REQUIRED")
        if held_on is not None and by and summary:
            found.append(SheetTalk(number, held_on, by, summary))
    return tuple(found)

"""The sheet of a year is recorded as single requests would have done it, once, and not at all where a row is wrong (A8)."""

import io
import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select, update
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from assessment.application import run_sheet as module
from assessment.application.forget_uploads import forget_uploads
from assessment.application.run_import import id_index
from assessment.application.run_sheet import run_sheet
from assessment.application.start_sheet import JOB, start_sheet
from assessment.domain.annual_sheet import sheet_kind, sheet_rules
from assessment.persistence.models import (
    AnnualRow,
    AnnualSheetRow,
    BallotSessionRow,
    CadreRow,
    RoutineGradeRow,
    TalkRow,
)
from citybus import tables
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.jobs import Runner
from dandang.annual_sheet import SubjectYear as Row
from dandang.annual_sheet import Talk, Votes, annual_sheet
from tests.support.annual import ASSESSOR, SECOND, YEAR, Year, bound, officer
from tests.support.assessment import City, cadre_row, id_number, roster, rulebook, workbook
from tests.support.grades import ASSESSOR as ASSESSOR_CLAIMS
from tests.support.grades import COMMITTEE, OTHER_UNIT, Client, problem
from tests.support.waiting import eventually

SCORES = {"ACHIEVEMENT": 88.125, "LEADER": 80}
GROUP_SCORES = {"POLITICS": 80, "LEADERSHIP": 80, "ACHIEVEMENT": 80, "CLEANNESS": 80, "STYLE": 80}
TALKERS = (id_number(date(1966, 1, 1)), id_number(date(1966, 1, 2)))


@pytest.fixture(scope="module")
def year(module_city: City) -> Year:
    made = Year(module_city)
    enrolled(made, "S-9", *TALKERS)
    made.scheme()
    made.scheme("GROUP")
    return made


@pytest.fixture(autouse=True)
def _on_time(city: City) -> None:
    """Every test begins on the same day."""


def enrolled(year: Year, unit: str, *numbers: str) -> list[str]:
    """Put cadres of `unit` with these identity numbers into the roster and return their ids."""
    people = [cadre_row(unit=unit, id_no=number, name="某某（虚构）") for number in numbers]
    assert year.city.import_(roster([[unit, unit, "市直部门", "政府系统"]], people)).state == "IMPORTED"
    rows = {bytes(row.id_no_index): row.id for row in year.city.rows(CadreRow.__table__)}
    return [str(rows[id_index(year.city.vault, number)]) for number in numbers]


def people(year: Year, unit: str, count: int = 1, month: int = 1, born: int = 1970) -> list[tuple[str, Any]]:
    """Return the identity numbers of cadres of `unit`, each with the assessment that waits for them."""
    numbers = [id_number(date(born, month, day)) for day in range(1, count + 1)]
    return [(number, year.annual(cadre)) for number, cadre in zip(numbers, enrolled(year, unit, *numbers), strict=True)]


def row_of(id_no: str = "", **changes: Any) -> Row:
    made = Row(
        year=YEAR,
        id_no=id_no,
        report="本年度述职",
        routine=("好", "较好", "一般", "较差"),
        basis="谈话、督查",
        ballot_on=date(2024, 1, 5),
        votes=(Votes("A", 10, (6, 3, 1, 0)), Votes("B", 6, (6, 0, 0, 0))),
        talks=(Talk(date(2024, 1, 8), TALKERS, "谈话一"), Talk(date(2024, 1, 9), TALKERS, "谈话二")),
        scores=SCORES,
    )
    return replace(made, **changes)


def upload(year: Year, content: bytes, actor: Actor = ASSESSOR) -> str:
    with year.city.acting(actor.subject, *actor.roles) as uow:
        row = start_sheet(rulebook(), year.city.vault, uow, actor, file_name="汇总表.xlsx", content=content)
        uow.commit()
        return row.id


def work(year: Year, chunk: int = 100) -> None:
    handlers = {JOB: lambda run: run_sheet(rulebook(), year.city.vault, bound(), run, chunk=chunk)}
    assert Runner(year.city.engine, year.city.units, handlers).run_one()


def ended(year: Year, sheet: str) -> Any:
    (row,) = year.city.rows(AnnualSheetRow.__table__, AnnualSheetRow.id == sheet)
    return row


def played(year: Year, *rows: Row, actor: Actor = ASSESSOR) -> Any:
    sheet = upload(year, annual_sheet(rows), actor)
    work(year)
    return ended(year, sheet)


def codes(row: Any) -> list[tuple[int, str, str]]:
    return [(each["row"], each["header"], each["code"]) for each in row.faults or ()]


def facts(year: Year, case: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Return quarters, ballots and talks of a cadre's year."""
    grades, ballots, talks = RoutineGradeRow.__table__, BallotSessionRow.__table__, TalkRow.__table__
    found = [year.city.rows(table, table.c.cadre == case.cadre) for table in (grades, ballots, talks)]
    return found[0], found[1], found[2]


def test_a_row_becomes_the_facts_and_the_evaluation_that_single_requests_would_make(year: Year) -> None:
    ((number, case),) = people(year, "S-1")
    year.units("S-1")
    group = year.group("S-1")
    row = played(year, row_of(number), row_of(unit="S-1", routine=(), scores=GROUP_SCORES))
    assert (row.state, row.rows_new, row.rows_same, row.rows_refused) == ("RECORDED", 2, 0, 0), row.faults
    assert row.workbook is None
    grades, (ballot,), talks = facts(year, case)
    assert [(each.quarter, each.grade, each.basis) for each in sorted(grades, key=lambda each: each.quarter)] == [
        (1, "GOOD", ["INSPECTION", "TALK"]),
        (2, "FAIRLY_GOOD", ["INSPECTION", "TALK"]),
        (3, "ORDINARY", ["INSPECTION", "TALK"]),
        (4, "POOR", ["INSPECTION", "TALK"]),
    ]
    assert ballot.classes == [
        {"name": "A", "expected": 10, "counts": {"EXCELLENT": 6, "COMPETENT": 3, "BASICALLY_COMPETENT": 1}},
        {"name": "B", "expected": 6, "counts": {"EXCELLENT": 6}},
    ]
    assert sorted(each.summary for each in talks) == ["谈话一", "谈话二"]
    assert {tuple(each.evidence) for each in (*grades, ballot, *talks)} == {(row.sha256,)}
    assert {each.recorded_by for each in (*grades, ballot, *talks)} == {"assessor"}
    found = year.again(case)
    assert (found.state, found.ballot_id) == ("EVALUATED", ballot.id)
    assert found.scores == {"ACHIEVEMENT": "88.13", "BALLOT": str(ballot.score), "ROUTINE": "75", "LEADER": "80"}
    assert year.again(group).state == "EVALUATED"
    assert year.told(case) == ["opened", "self-reported", "evaluated"]
    audit = tables.audit_entries
    taken = year.city.rows(audit, audit.c.target == f"annual/{case.id}", audit.c.action == "annual.evaluate")
    assert [(entry.actor, entry.roles) for entry in taken] == [("assessor", ["ORG.assess"])]
    # Nothing that is told or logged says what was said.
    everything = [event.to_json().decode() for event in year.city.outbox()]
    everything += [str(entry) for entry in year.city.rows(audit)] + [str(job) for job in year.city.rows(tables.jobs)]
    assert not any(text in line for line in everything for text in ("谈话一", "本年度述职", number))


def test_the_same_file_again_records_nothing(year: Year) -> None:
    ((number, case),) = people(year, "S-2", month=2)
    assert played(year, row_of(number)).rows_new == 1
    again = played(year, row_of(number))
    assert (again.state, again.rows_new, again.rows_same) == ("RECORDED", 0, 1)
    assert [len(each) for each in facts(year, case)] == [4, 1, 2]
    # Another file about the same year is no repetition.
    other = played(year, row_of(number, report="另一份"))
    assert (other.state, codes(other)) == (
        "REJECTED",
        [(2, "述职报告", "INVALID_TRANSITION"), *((2, f"{q}季度平时考核", "DUPLICATE") for q in "一二三四")],
    )


def test_one_wrong_row_keeps_everything_out_and_every_row_is_told(year: Year) -> None:
    made = people(year, "S-3", 9, month=3)
    numbers = [number for number, _ in made]
    stranger = id_number(date(1966, 3, 3))
    unopened = id_number(date(1966, 3, 4))
    enrolled(year, "S-3", unopened)
    own = id_number(date(1966, 3, 5))
    enrolled(year, "4202-102", own)
    one_talk = (Talk(date(2024, 1, 8), TALKERS, "谈话"),)
    sheet = played(
        year,
        row_of(numbers[0]),
        row_of(stranger),
        row_of(unopened),
        row_of(own),
        row_of(numbers[1], votes=(Votes("A", 2, (6, 0, 0, 0)),)),
        row_of(numbers[2], votes=(Votes("A", 30, (6, 0, 0, 0)),)),
        row_of(numbers[3], routine=("好",)),
        row_of(numbers[4], talks=one_talk),
        row_of(numbers[5], talks=(*one_talk, Talk(date(2024, 1, 8), (TALKERS[0], numbers[0]), "谈话"))),
        row_of(numbers[6], scores={"ACHIEVEMENT": 80}),
        row_of(numbers[7], ballot_on=date(2022, 1, 5)),
        row_of(numbers[8], report=""),
        row_of(unit="S-404", routine=()),
    )
    assert (sheet.state, sheet.fault_count, sheet.rows_new) == ("REJECTED", 12, 0)
    assert codes(sheet) == [
        (3, "公民身份号码", "UNKNOWN_CADRE"),
        (4, "公民身份号码", "ANNUAL_MISSING"),
        (5, "公民身份号码", "AVOIDANCE"),
        (6, "测评日期", "MORE_THAN_EXPECTED"),
        (7, "公民身份号码", "BALLOT_INVALID"),
        (8, "公民身份号码", "ROUTINE_MISSING"),
        (9, "公民身份号码", "TALKS_MISSING"),
        (10, "谈话2谈话人", "AVOIDANCE"),
        (11, "公民身份号码", "SCORES_MISSING"),
        (12, "测评日期", "DATE_RANGE"),
        (13, "公民身份号码", "INVALID_TRANSITION"),
        (14, "单位代码", "UNKNOWN_UNIT"),
    ]
    assert not any(number in str(sheet.faults) for number in (*numbers, stranger))
    for _, case in made:
        assert year.again(case).state == "OPEN"
        assert [len(each) for each in facts(year, case)] == [0, 0, 0]


def test_a_cell_or_row_that_cannot_be_meant_is_told(year: Year) -> None:
    (number, _), (other, _) = people(year, "S-4", 2, month=4)
    sheet = played(
        year,
        row_of(number, votes=()),
        row_of(number, unit="S-4"),
        row_of(routine=()),
        row_of(number[:-1] + ("0" if number[-1] != "0" else "1")),
        row_of(other, routine=("优",)),
        row_of(other, scores={"ACHIEVEMENT": 101, "LEADER": 80}),
        row_of(other, votes=(Votes("A", 10, (6, -1, 0, 0)),)),
        row_of(unit="S-4", scores=GROUP_SCORES),
        row_of(other, talks=(Talk(date(2024, 1, 8), TALKERS, ""),)),
        row_of(other, year=199),
        row_of(other),
        row_of(other),
    )
    assert (sheet.state, codes(sheet)) == (
        "REJECTED",
        [
            (2, "A类应到", "REQUIRED"),
            (3, "公民身份号码", "SUBJECT_ONE"),
            (4, "公民身份号码", "SUBJECT_ONE"),
            (5, "公民身份号码", "ID_NUMBER_CHECK_DIGIT"),
            (6, "一季度平时考核", "UNKNOWN_VALUE"),
            (7, "评分:工作实绩(绩)", "SCORE_FORMAT"),
            (8, "A类称职", "COUNT_FORMAT"),
            (9, "一季度平时考核", "NOT_FOR_GROUP"),
            (10, "谈话1内容", "REQUIRED"),
            (11, "年度", "COUNT_FORMAT"),
            (13, None, "DUPLICATE_ROW"),
        ],
    )
    empty = upload(year, workbook(("名册", [["x"]])))
    work(year)
    assert [each["code"] for each in ended(year, empty).faults] == ["SHEET_UNKNOWN", "SHEET_MISSING"]


def test_who_reported_already_is_evaluated(year: Year) -> None:
    ((number, case),) = people(year, "S-5", month=5)
    year.take(case, "self_report", SECOND, text="自己的述职")
    assert played(year, row_of(number, report="")).state == "RECORDED"
    assert year.again(case).state == "EVALUATED"


def test_a_job_that_dies_goes_on_at_its_chunk_and_does_nothing_twice(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = people(year, "S-6", 7, month=6)
    sheet = upload(year, annual_sheet([row_of(number) for number, _ in made]))
    real, calls = module._record, iter(range(100))

    def dying(*args: Any) -> None:
        if next(calls) == 2:
            raise RuntimeError("the process is gone")
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_record", dying)
        work(year, chunk=2)
    row = ended(year, sheet)
    (job,) = year.city.rows(tables.jobs, tables.jobs.c.id == row.job_id)
    assert (row.state, row.rows_new, job.progress, job.total) == ("RECORDING", 4, 11, 14)
    with year.city.acting() as uow:
        uow.session.execute(update(tables.jobs).where(tables.jobs.c.id == row.job_id).values(claimed_until=None))
        uow.commit()
    work(year, chunk=2)
    row = ended(year, sheet)
    assert (row.state, row.rows_new, row.rows_same, row.fault_count) == ("RECORDED", 7, 0, 0)
    for _, case in made:
        assert [len(each) for each in facts(year, case)] == [4, 1, 2]
        assert year.told(case) == ["opened", "self-reported", "evaluated"]


def test_a_process_that_is_killed_in_the_midst_is_followed_by_one_that_does_the_rest(year: Year) -> None:
    made = people(year, "S-14", 7, born=1971)
    sheet = upload(year, annual_sheet([row_of(number) for number, _ in made]))
    job = ended(year, sheet).job_id
    url = year.city.engine.url.render_as_string(hide_password=False)
    with year.city.engine.connect() as other:
        # The third chunk waits for a row that somebody holds; there the process is killed.
        other.execute(select(AnnualRow.id).where(AnnualRow.id == made[4][1].id).with_for_update())
        command = [sys.executable, "-m", "tests.support.bulk_process", url, year.city.units.source, "2"]
        process = subprocess.Popen(command)
        try:
            eventually(lambda: job_row(year, job).progress == 11, within=60, what="the checks and two chunks are done")
        finally:
            process.kill()
            process.wait()
    assert [year.again(case).state for _, case in made] == ["EVALUATED"] * 4 + ["OPEN"] * 3
    with year.city.acting() as uow:
        uow.session.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(claimed_until=None))
        uow.commit()
    work(year, chunk=2)
    row = ended(year, sheet)
    assert (row.state, row.rows_new, row.rows_same, job_row(year, job).attempts) == ("RECORDED", 7, 0, 2)
    for _, case in made:
        assert [len(each) for each in facts(year, case)] == [4, 1, 2]
        assert year.told(case) == ["opened", "self-reported", "evaluated"]


def job_row(year: Year, job: str) -> Any:
    (row,) = year.city.rows(tables.jobs, tables.jobs.c.id == job)
    return row


def test_a_job_that_dies_while_it_checks_has_not_passed_what_is_wrong(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = people(year, "S-7", 4, month=7)
    rows = [row_of(number) for number, _ in made]
    sheet = upload(year, annual_sheet([*rows[:3], replace(rows[3], scores={})]))

    def die(*_: Any) -> None:
        raise RuntimeError("the process is gone")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_end", die)
        work(year, chunk=2)
    with year.city.acting() as uow:
        uow.session.execute(update(tables.jobs).where(tables.jobs.c.state == "QUEUED").values(claimed_until=None))
        uow.commit()
    work(year, chunk=2)
    row = ended(year, sheet)
    assert (row.state, codes(row)) == ("REJECTED", [(5, "公民身份号码", "SCORES_MISSING")])
    assert year.again(made[0][1]).state == "OPEN"


def test_a_row_that_somebody_overtook_is_listed_and_stops_no_other(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, mine), (second, taken) = people(year, "S-8", 2, month=8)
    sheet = upload(year, annual_sheet([row_of(first), row_of(second)]))
    real = module._record_all

    def overtaken(*args: Any) -> Any:
        year.take(taken, "self_report", SECOND, text="自己的述职")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_record_all", overtaken)
        work(year)
    row = ended(year, sheet)
    assert (row.state, row.rows_new, row.rows_refused) == ("PARTLY", 1, 1)
    assert codes(row) == [(3, "公民身份号码", "INVALID_TRANSITION")]
    assert (year.again(mine).state, year.again(taken).state) == ("EVALUATED", "SELF_REPORTED")
    assert [len(each) for each in facts(year, taken)] == [0, 0, 0]


def test_a_mark_of_secrecy_is_refused_with_its_rows_and_nothing_is_kept(year: Year) -> None:
    (first, _), (second, case) = people(year, "S-10", 2, month=9)
    before = len(year.city.rows(AnnualSheetRow.__table__))
    with pytest.raises(Refusal) as refused:
        upload(year, annual_sheet([row_of(first), row_of(second, report="机密★述职")]))
    assert (refused.value.code, refused.value.status) == ("SECRECY_LEVEL", 451)
    assert refused.value.figures == {"marks": ["机密"], "rows": [3]}
    assert len(year.city.rows(AnnualSheetRow.__table__)) == before
    # What passes as it is uploaded, and is marked by the rules of the day on which it is recorded, is told of its row.
    content = annual_sheet([row_of(first), row_of(second, report="述职甲乙")])
    sheet = upload(year, content)
    sealed = year.city.vault.seal(
        module.place_of(sheet), annual_sheet([row_of(first), row_of(second, report="机密★述职")])
    )
    with year.city.acting() as uow:
        uow.session.execute(update(AnnualSheetRow).where(AnnualSheetRow.id == sheet).values(workbook=sealed))
        uow.commit()
    work(year)
    assert codes(ended(year, sheet)) == [(3, "述职报告", "SECRECY_LEVEL")]
    assert year.again(case).state == "OPEN"


def test_the_sheet_stays_within_the_data_scope(year: Year) -> None:
    ((number, _),) = people(year, "S-11", month=10)
    narrow = officer("narrow", "ORG.assess", units=frozenset({"S-1"}))
    assert codes(played(year, row_of(number), actor=narrow)) == [(2, "公民身份号码", "DATA_SCOPE")]


def test_the_filled_in_template_is_recorded(year: Year) -> None:
    ((number, case),) = people(year, "S-12", month=11)
    client = Client(year.city)
    answer = client.get(ASSESSOR_CLAIMS, "/annual-sheet-template.xlsx")
    assert answer.status_code == 200
    with CalamineWorkbook.from_filelike(io.BytesIO(answer.data)) as book:
        assert book.sheet_names == ["年度考核汇总表", "填表说明", "目录"]
        headers = book.get_sheet_by_index(0).to_python()[0]
    columns = sheet_kind(sheet_rules(rulebook().on(date(2024, 3, 4)))).columns
    assert headers == [f"{column.zh}{'*' if column.required else ''}" for column in columns]
    given = {
        "year": YEAR,
        "id_no": number,
        "report": "述职",
        **{f"q{quarter}": "好" for quarter in (1, 2, 3, 4)},
        "basis": "谈话",
        "ballot_on": "2024.01",
        "expected_A": 10,
        "votes_A_0": 10,
        **{f"talk{n}_{part}": value for n in (1, 2) for part, value in zip(
            ("on", "by", "text"), ("2024-01-08", "；".join(TALKERS), "谈话"), strict=True)},
        "score_ACHIEVEMENT": "95",
        "score_LEADER": 90,
    }  # fmt: skip
    sheet = upload(year, workbook(("年度考核汇总表", [headers, [given.get(column.field, "") for column in columns]])))
    work(year)
    assert ended(year, sheet).state == "RECORDED", ended(year, sheet).faults
    assert year.again(case).scores["BALLOT"] == "100"


def test_the_api_takes_a_sheet_and_tells_how_it_ended(year: Year) -> None:
    ((number, _),) = people(year, "S-13", month=12)
    client = Client(year.city)
    answer = sent(client, ASSESSOR_CLAIMS, annual_sheet([row_of(number), row_of(id_number(date(1966, 12, 1)))]))
    assert (answer.status_code, answer.json["state"], answer.json["rows"]) == (
        202,
        "QUEUED",
        {"new": 0, "same": 0, "refused": 0},
    )
    path = answer.headers["Location"]
    assert problem(client.get(ASSESSOR_CLAIMS, f"{path}/errors.xlsx")) == (404, "NOT_FOUND")
    work(year)
    done = client.get(ASSESSOR_CLAIMS, path).json
    assert (done["state"], done["progress"], done["total"], done["fault_count"]) == ("REJECTED", 4, 4, 1)
    with CalamineWorkbook.from_filelike(io.BytesIO(client.get(ASSESSOR_CLAIMS, done["errors"]).data)) as book:
        _, line = book.get_sheet_by_index(0).to_python()
    assert line[:6] == ["年度考核汇总表", 3.0, "B", "公民身份号码", "UNKNOWN_CADRE", "名册中没有该干部。"]
    assert problem(client.get(OTHER_UNIT, path)) == (403, "DATA_SCOPE")
    assert problem(sent(client, COMMITTEE, b"x")) == (403, "FORBIDDEN")
    assert problem(sent(client, ASSESSOR_CLAIMS, b"x")) == (422, "WORKBOOK_UNREADABLE")
    marked = sent(client, ASSESSOR_CLAIMS, annual_sheet([row_of(number, report="绝密材料")]))
    assert (problem(marked), marked.json["figures"]["rows"]) == ((451, "SECRECY_LEVEL"), [2])


def test_a_sheet_that_nobody_recorded_is_forgotten(year: Year) -> None:
    sheet = upload(year, annual_sheet([row_of(TALKERS[0])]))
    year.city.clock.set(year.city.clock.now().replace(day=12))
    assert forget_uploads(rulebook(), year.city.units, "assessment") == 1
    assert ended(year, sheet).workbook is None
    work(year)
    (job,) = year.city.rows(tables.jobs, tables.jobs.c.id == ended(year, sheet).job_id)
    assert (job.state, "WORKBOOK_FORGOTTEN" in job.last_error) == ("FAILED", True)


def test_the_same_rows_make_the_same_bytes() -> None:
    assert annual_sheet([row_of(TALKERS[0])]) == annual_sheet([row_of(TALKERS[0])])


def sent(client: Client, who: Any, content: bytes) -> Any:
    boundary, body = encode_multipart({"file": FileStorage(io.BytesIO(content), "汇总表.xlsx")})
    return client._client.post(
        "/annual-sheets",
        data=body,
        content_type=f'multipart/form-data; boundary="{boundary}"',
        headers={**client._token(who), "Idempotency-Key": str(uuid4())},
    )

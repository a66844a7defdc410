"""A roster is imported whole or not at all, once, and nothing of it lies open (A1)."""

import io
import threading
from datetime import date
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import func, select, update

from assessment.application import run_import as module
from assessment.application.forget_uploads import forget_uploads
from assessment.persistence.models import CadreRow, ImportRow, UnitRow
from assessment.workbooks import write
from citybus import jobs, tables
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.vault import Place
from dandang.sample import roster_workbook, sample_city
from tests.support.assessment import (
    CADRE_HEADERS,
    UNIT_HEADERS,
    City,
    cadre_row,
    id_number,
    roster,
    rulebook,
    workbook,
)


def counts(city: City) -> tuple[int, int, int]:
    with city.engine.connect() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (UnitRow, CadreRow, tables.outbox_messages)
        )  # type: ignore[return-value]  # three tables, three numbers


def codes(row: ImportRow) -> list[tuple[str, int | None, str | None, str]]:
    return [(each["sheet"], each["row"], each["column"], each["code"]) for each in row.faults or ()]


def unit(code: str, name: str = "黄石市某局") -> list[str]:
    return [code, name, "市直部门", "政府系统"]


def test_units_and_cadres_are_registered_with_their_events(city: City) -> None:
    number = id_number(date(1979, 1, 1))
    row = city.import_(roster([unit("U-1", "黄石市财政局")], [cadre_row(name="李　四", unit="U-1", id_no=number)]))
    assert (row.state, row.units_new, row.units_same, row.cadres_new, row.cadres_same) == ("IMPORTED", 1, 0, 1, 0)
    assert (row.fault_count, row.rule_pack) == (0, "LOCAL-HS-2016@1")
    registered, joined = city.outbox()[-2:]
    assert (registered.type, registered.subject, registered.sequence) == (
        "assessment.unit.registered.v1",
        "unit/U-1",
        1,
    )
    assert registered.data == {
        "unit": "U-1",
        "name": "黄石市财政局",
        "kind": "CITY_DEPT",
        "sector": "GOVERNMENT",
    }
    (cadre,) = city.rows(CadreRow.__table__, CadreRow.unit == "U-1")
    assert joined.subject == f"cadre/{cadre.id}"
    assert joined.correlationid == registered.correlationid == "correlation-of-keeper"
    assert joined.data == {
        "cadre": cadre.id,
        "name": "李四",
        "unit": "U-1",
        "post": "副区长",
        "post_since": "2019-05-01",
        "rank": "COUNTY_DEPUTY",
        "manage_level": "CITY",
        "categories": ["CIVIL_SERVANT", "GROUP_MEMBER"],
    }
    assert (cadre.state, cadre.birth, cadre.party_member) == ("ACTIVE", date(1979, 1, 1), True)


def test_an_identity_number_lies_sealed_and_enters_no_event_nor_audit_entry(city: City) -> None:
    number = id_number(date(1971, 2, 3))
    city.import_(roster([unit("U-2")], [cadre_row(unit="U-2", id_no=number)]))
    (cadre,) = city.rows(CadreRow.__table__, CadreRow.unit == "U-2")
    assert number.encode() not in bytes(cadre.id_no)
    assert city.vault.open(Place("cadres", "id_no", cadre.id), bytes(cadre.id_no)).decode() == number
    everything = [event.to_json().decode() for event in city.outbox()]
    everything += [str(entry) for entry in city.rows(tables.audit_entries)]
    everything += [str(entry) for entry in city.rows(tables.jobs)]
    assert not any(number in text or "19710203" in text for text in everything)


def test_the_workbook_lies_sealed_and_is_gone_after_the_import(city: City) -> None:
    content = roster([unit("U-3")], [])
    import_id = city.upload(content)
    waiting = city.import_row(import_id)
    assert waiting.workbook is not None
    assert b"PK" not in waiting.workbook[:32]
    assert city.runner().run_one()
    assert city.import_row(import_id).workbook is None


def test_the_same_roster_again_registers_nothing_and_tells_nothing(city: City) -> None:
    content = roster([unit("U-4")], [cadre_row(unit="U-4", id_no=id_number(date(1970, 1, 4)))])
    city.import_(content)
    before = counts(city)
    row = city.import_(content)
    assert (row.state, row.units_new, row.units_same, row.cadres_new, row.cadres_same) == ("IMPORTED", 0, 1, 0, 1)
    assert counts(city) == before


def test_a_roster_that_says_otherwise_of_somebody_registered_is_rejected(city: City) -> None:
    known = cadre_row(unit="U-5", id_no=id_number(date(1970, 1, 5)))
    city.import_(roster([unit("U-5")], [known]))
    before = counts(city)
    moved = cadre_row(unit="U-5", id_no=id_number(date(1970, 1, 5)), post="区长", rank="县处级正职")
    row = city.import_(roster([unit("U-5", "另一名称"), unit("U-5B")], [moved, cadre_row(unit="U-5B")]))
    assert row.state == "REJECTED"
    assert codes(row) == [("单位", 2, "B", "ALREADY_REGISTERED"), ("干部", 2, "E", "ALREADY_REGISTERED")]
    assert row.faults is not None
    assert "现任职务、职务层次或职级" in row.faults[1]["zh"]
    assert counts(city) == before


def test_one_wrong_cell_keeps_everything_out(city: City) -> None:
    before = counts(city)
    good = [cadre_row(unit="U-6", id_no=id_number(date(1970, 6, day))) for day in range(1, 20)]
    row = city.import_(roster([unit("U-6")], [*good, cadre_row(unit="U-6", id_no=id_number()[:-1] + "9")]))
    assert row.state == "REJECTED"
    assert codes(row) == [("干部", 21, "B", "ID_NUMBER_CHECK_DIGIT")]
    assert counts(city) == before


def test_rows_are_compared_with_each_other_and_with_the_roster(city: City) -> None:
    row = city.import_(
        roster(
            [unit("U-7"), unit("U-7")],
            [
                cadre_row(unit="U-7", id_no=id_number(date(1970, 7, 1))),
                cadre_row(unit="U-7", id_no=id_number(date(1970, 7, 1))),
                cadre_row(unit="NOWHERE", id_no=id_number(date(1970, 7, 2))),
            ],
        )
    )
    assert codes(row) == [
        ("单位", 3, "A", "DUPLICATE_ROW"),
        ("干部", 3, "B", "DUPLICATE_ROW"),
        ("干部", 4, "D", "UNKNOWN_UNIT"),
    ]


def test_cadres_alone_may_join_units_that_are_registered(city: City) -> None:
    city.import_(workbook(("units", [["unit code", "unit name", "kind", "sector"], unit("U-8")])))
    cadres = workbook(("干部", [CADRE_HEADERS, cadre_row(unit="U-8", id_no=id_number(date(1970, 8, 1)))]))
    assert city.import_(cadres).cadres_new == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (workbook(("Sheet1", [["x"]])), [("", None, None, "SHEET_MISSING"), ("Sheet1", None, None, "SHEET_UNKNOWN")]),
        (workbook(("单位", [UNIT_HEADERS])), [("单位", None, None, "NOTHING_TO_IMPORT")]),
        (workbook(("单位", [])), [("单位", 1, None, "COLUMN_MISSING")] * 4),
        (
            workbook(("单位", [[*UNIT_HEADERS, "备注"], [*unit("U-9"), "x"]])),
            [("单位", 1, "E", "COLUMN_UNKNOWN")],
        ),
        (
            workbook(("单位", [UNIT_HEADERS, ["=1+1", *unit("U-9")[1:]]])),
            [("单位", 2, "A", "FORMULA")],
        ),
    ],
)
def test_a_workbook_of_another_form_is_rejected_with_where_and_why(city: City, content: bytes, expected: Any) -> None:
    row = city.import_(content)
    assert (row.state, codes(row)) == ("REJECTED", expected)


def test_an_error_list_never_repeats_a_cell_and_is_a_workbook(city: City) -> None:
    number = id_number(date(1970, 10, 1))
    row = city.import_(roster([unit("U-10")], [cadre_row(unit="U-10", id_no=number, name="李4", post_since="x")]))
    assert row.faults is not None
    assert number not in str(row.faults)
    with CalamineWorkbook.from_filelike(io.BytesIO(write.fault_list(row.faults))) as book:
        head, *lines = book.get_sheet_by_index(0).to_python()
    assert head[:5] == ["工作表 sheet", "行 row", "列 column", "标题 header", "代码 code"]
    assert [line[:5] for line in lines] == [
        ["干部", 2.0, "A", "姓名", "NAME_FORMAT"],
        ["干部", 2.0, "F", "任现职时间", "DATE_FORMAT"],
    ]


def test_the_filled_in_template_is_imported(city: City) -> None:
    empty = write.template(rulebook().on(date(2024, 3, 4)))
    with CalamineWorkbook.from_filelike(io.BytesIO(empty)) as book:
        names = book.sheet_names
        headers = {name: book.get_sheet_by_name(name).to_python()[0] for name in ("单位", "干部")}
        instructions = book.get_sheet_by_name("填表说明").to_python()
    assert names == ["单位", "干部", "填表说明", "目录"]
    example = {line[1].split()[0]: line[4] for line in instructions if line[0] == "单位"}
    units = [headers["单位"], [example[header.rstrip("*")] for header in headers["单位"]]]
    example = {line[1].split()[0]: line[4] for line in instructions if line[0] == "干部"}
    cadres = [headers["干部"], [example[header.rstrip("*")] for header in headers["干部"]]]
    row = city.import_(workbook(("单位", units), ("干部", cadres), ("填表说明", instructions), ("目录", [["x"]])))
    assert (row.state, row.cadres_new) == ("IMPORTED", 1), row.faults


def test_an_import_that_dies_goes_on_and_counts_its_steps_once(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    cadres = [cadre_row(unit="U-11", id_no=id_number(date(1970, 11, day))) for day in range(1, 11)]
    import_id = city.upload(roster([unit("U-11")], cadres))

    def die(*_: Any) -> None:
        raise RuntimeError("the process died")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_register", die)
        assert city.runner().run_one()
    job = job_of(city, import_id)
    assert (job.state, job.progress, job.total, job.attempts) == ("QUEUED", 11, 22, 1)
    assert city.rows(UnitRow.__table__, UnitRow.code == "U-11") == []
    # Its pause after the failure is passed over.
    with city.engine.begin() as connection:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == job.id).values(claimed_until=None))
    assert city.runner().run_one()
    job = job_of(city, import_id)
    assert (job.state, job.progress, job.total) == ("DONE", 22, 22)
    assert job.result == {"state": "IMPORTED", "units_new": 1, "cadres_new": 10, "faults": 0}
    assert len(city.rows(CadreRow.__table__, CadreRow.unit == "U-11")) == 10


def test_two_imports_of_one_roster_at_once_register_it_once(city: City) -> None:
    content = roster([unit("U-12")], [cadre_row(unit="U-12", id_no=id_number(date(1970, 12, d))) for d in (1, 2, 3)])
    imports = [city.upload(content), city.upload(content)]
    threads = [threading.Thread(target=lambda: city.runner().run_one()) for _ in imports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [city.import_row(import_id) for import_id in imports]
    assert sorted((row.state, row.cadres_new, row.cadres_same) for row in rows) == [
        ("IMPORTED", 0, 3),
        ("IMPORTED", 3, 0),
    ]


def test_a_marked_text_is_refused_before_anything_is_kept(city: City) -> None:
    before = len(city.rows(ImportRow.__table__))
    for content, name in (
        (roster([unit("U-13", "机密★某部门")], []), "名册.xlsx"),
        (roster([unit("U-13")], []), "绝密名册.xlsx"),
        (workbook(("单位", [UNIT_HEADERS, unit("U-13")]), ("秘密附表", [["x"]])), "名册.xlsx"),
    ):
        with pytest.raises(Refusal) as refused:
            city.upload(content, name)
        assert (refused.value.code, refused.value.status) == ("SECRECY_LEVEL", 451)
    assert len(city.rows(ImportRow.__table__)) == before
    # Words that hold a mark and are none; and two cells that make one only side by side.
    city.upload(workbook(("单位", [UNIT_HEADERS, unit("U-13", "工作秘密处"), unit("奥秘", "密云")])))
    assert city.runner().run_one()


def test_uploads_that_nobody_imported_are_forgotten(city: City) -> None:
    import_id = city.upload(roster([unit("U-14")], []))
    assert forget_uploads(rulebook(), city.units, "assessment") == 0
    city.clock.set(city.clock.now().replace(day=12, tzinfo=ZONE))
    assert forget_uploads(rulebook(), city.units, "assessment") == 1
    assert city.import_row(import_id).workbook is None
    audited = city.rows(tables.audit_entries, tables.audit_entries.c.action == "roster.forget")
    assert [entry.target for entry in audited] == [f"roster-import/{import_id}"]
    # The job that comes too late fails, and says why.
    assert city.runner().run_one()
    job = job_of(city, import_id)
    assert job.state == "FAILED"
    assert job.last_error is not None
    assert "WORKBOOK_FORGOTTEN" in job.last_error
    assert city.rows(UnitRow.__table__, UnitRow.code == "U-14") == []


def test_the_import_is_audited_with_who_and_how_many(city: City) -> None:
    row = city.import_(roster([unit("U-15")], []))
    target = tables.audit_entries.c.target == f"roster-import/{row.id}"
    entries = {entry.action: entry for entry in city.rows(tables.audit_entries, target)}
    assert entries["roster.upload"].written == {"sha256": row.sha256, "size": row.size}
    done = entries["roster.import"]
    assert (done.actor, done.result, done.written["units_new"]) == ("keeper", "IMPORTED", 1)


def test_the_sample_city_is_whole_and_fictitious() -> None:
    city = sample_city()
    assert [unit.kind == "县(市、区)" for unit in city.units].count(True) == 7
    assert [unit.kind != "县(市、区)" for unit in city.units].count(True) == 82
    assert all("虚构" in cadre.name for cadre in city.cadres)
    assert all(cadre.id_no[14:17] == "000" for cadre in city.cadres)
    assert {cadre.unit for cadre in city.cadres if "班子主要负责人" in cadre.categories} == {u.code for u in city.units}
    assert {cadre.unit for cadre in city.cadres if cadre.hr} == {unit.code for unit in city.units}
    assert roster_workbook(sample_city()) == roster_workbook(city)


def test_a_roster_of_ten_thousand_is_imported_whole(city: City) -> None:
    row = city.import_(roster_workbook(sample_city(10_000)))
    assert (row.state, row.cadres_new) == ("IMPORTED", 10_000), row.faults


def job_of(city: City, import_id: str) -> jobs.Job:
    with city.acting() as uow:
        found = jobs.find(uow.session, city.import_row(import_id).job_id)
    assert found is not None
    return found

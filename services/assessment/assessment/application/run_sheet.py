"""Record the sheet of a year (A8): every row is checked first, and one that is wrong keeps all of it out.

Then rows are recorded in chunks, each a transaction: what a row tells becomes the facts that single requests would have
recorded, with the file's sum as their evidence, and the assessment is reported and evaluated, all as the officer who
uploaded it. A job that dies goes on at the next chunk. A row that is refused by then, because somebody acted in
between, is listed, and the others are recorded; the same file may be uploaded again, and rows that stand are passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from assessment.application.case_types import CaseTypes
from assessment.application.check_sheet import Assessed, Found, assessed, check_row, look_up, refused
from assessment.application.officer import acting, officer
from assessment.application.record_facts import ballot_row, graded_already, keep, refuse_subject, routine_row, talk_row
from assessment.application.rulebook import Rulebook
from assessment.application.start_sheet import RECEIVED, place_of
from assessment.domain.annual_sheet import SheetRow, read_rows, sheet_kind, sheet_rules
from assessment.domain.columns import Table
from assessment.domain.faults import Fault, fault
from assessment.persistence.models import AnnualSheetRow
from assessment.workbooks.read import read_tables
from citybus import jobs
from citybus.cases import Actor
from citybus.clock import ZONE
from citybus.errors import Invalid, Refusal
from citybus.jobs import Job, Run
from citybus.rulepack import Rules
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Vault

RECORDING: Final = "RECORDING"
RECORDED: Final = "RECORDED"
PARTLY: Final = "PARTLY"
REJECTED: Final = "REJECTED"
CHUNK: Final = 50
MOST_FAULTS: Final = 5_000
"""So many faults are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """What a job works on: the upload's id, the sum of its file, the officer, and the rows as they were read."""

    id: str
    sha256: str
    actor: Actor
    table: Table | None
    rows: Sequence[SheetRow]
    faults: Sequence[Fault]


def run_sheet(rulebook: Rulebook, vault: Vault, cases: CaseTypes, run: Run, *, chunk: int = CHUNK) -> Mapping[str, Any]:
    """Do the job of one upload and return its outcome: its state, and how many rows were new, the same, and refused.

    Raises Invalid `WORKBOOK_FORGOTTEN`, and `RULES_CHANGED` where the rest of a file can no longer be read.
    """
    sheet_id: str = run.payload["sheet"]
    with run.step(steps=0) as uow:
        held = uow.session.get_one(AnnualSheetRow, sheet_id)
        if held.state not in (RECEIVED, RECORDING):
            return outcome(held)
        if held.workbook is None:
            raise Invalid("WORKBOOK_FORGOTTEN", "it waited longer than it may be kept")
        content, recording = vault.open(place_of(sheet_id), held.workbook), held.state == RECORDING
        day, sha256 = held.uploaded_at.astimezone(ZONE).date(), held.sha256
    upload = _read(content, rulebook.on(day), day, sheet_id, sha256, officer(run.payload["officer"]))
    total = 2 * len(upload.rows)
    if not recording:
        faults = list(upload.faults)
        if not faults:
            faults = _check(rulebook, vault, run, upload, chunk)
        with acting(run, steps=(total if faults else len(upload.rows)) - run.progress, total=total) as uow:
            held = uow.session.get_one(AnnualSheetRow, sheet_id)
            if faults:
                _end(uow, held, REJECTED, faults)
            else:
                held.state = RECORDING
            result = outcome(held)
            uow.commit()
        if faults:
            return result
    elif upload.faults:
        raise Invalid("RULES_CHANGED", "what was right when it was uploaded is wrong by now")
    return _record_all(rulebook, vault, cases, run, upload, chunk)


def _read(content: bytes, rules: Rules, day: date, sheet_id: str, sha256: str, actor: Actor) -> _Upload:
    known = sheet_rules(rules)
    try:
        tables, faults = read_tables(content, (sheet_kind(known),))
    except Refusal as refusal:
        # It passed when it was uploaded: the library cannot read it all the same, or a newer version is stricter.
        unread = Fault("", None, None, None, refusal.code, refusal.zh, refusal.en)
        return _Upload(sheet_id, sha256, actor, None, (), [unread])
    if faults:
        return _Upload(sheet_id, sha256, actor, None, (), faults)
    (table,) = tables
    rows, faults = read_rows(table, known, day)
    if not rows and not faults:
        faults = [fault("NOTHING_TO_IMPORT", table.sheet)]
    return _Upload(sheet_id, sha256, actor, table, rows, faults)


def _check(rulebook: Rulebook, vault: Vault, run: Run, upload: _Upload, chunk: int) -> list[Fault]:
    """Check all rows; return what is wrong. The last step of checking is counted with what comes of it."""
    faults: list[Fault] = []
    rows = upload.rows
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        done = min(start + len(part), len(rows) - 1)
        # A job that goes on after its process died checks again what was checked, and counts it once.
        with acting(run, steps=max(0, done - run.progress), total=2 * len(rows)) as uow:
            rules = rulebook.on(uow.clock.today())
            found = look_up(uow, vault, part, upload.sha256)
            for row in part:
                if not found.is_recorded(row):
                    faults += check_row(row, _table(upload), found, upload.actor, uow, rules)
            uow.commit()
    return faults


def _record_all(
    rulebook: Rulebook, vault: Vault, cases: CaseTypes, run: Run, upload: _Upload, chunk: int
) -> Mapping[str, Any]:
    rows = upload.rows
    while (begin := run.progress - len(rows)) < len(rows):
        part = rows[begin : begin + chunk]
        with acting(run, steps=len(part), total=2 * len(rows)) as uow:
            held = uow.session.get_one(AnnualSheetRow, upload.id)
            _record_chunk(rulebook, vault, cases, uow, upload, part, held)
            uow.commit()
    with acting(run, steps=0) as uow:
        held = uow.session.get_one(AnnualSheetRow, upload.id)
        _end(uow, held, PARTLY if held.rows_refused else RECORDED, held.faults or ())
        result = outcome(held)
        uow.commit()
    return result


def _record_chunk(
    rulebook: Rulebook,
    vault: Vault,
    cases: CaseTypes,
    uow: UnitOfWork,
    upload: _Upload,
    rows: Sequence[SheetRow],
    held: AnnualSheetRow,
) -> None:
    faults: list[Fault] = []
    found = look_up(uow, vault, rows, upload.sha256)
    due = [row for row in rows if not found.is_recorded(row)]
    rules = rulebook.on(uow.clock.today())
    try:
        with uow.part():
            _record(rules, cases, uow, upload, due, found)
    except Refusal:
        # Somebody acted in between: each by itself now.
        for row in due:
            try:
                with uow.part():
                    _record(rules, cases, uow, upload, [row], found)
            except Refusal as refusal:
                faults.append(refused(row.number, _table(upload), "id_no" if row.id_no else "unit", refusal))
    held.rows_same += len(rows) - len(due)
    held.rows_refused += len(faults)
    held.rows_new += len(due) - len(faults)
    if faults:
        held.faults = [*(held.faults or ()), *(asdict(each) for each in faults)]


def _table(upload: _Upload) -> Table:
    if upload.table is None:
        raise ValueError("rows come from a table")
    return upload.table


def _record(
    rules: Rules, cases: CaseTypes, uow: UnitOfWork, upload: _Upload, rows: Sequence[SheetRow], found: Found
) -> None:
    """Record what `rows` tell, and report and evaluate their assessments. Raises Refusal as each of the steps does."""
    actor, take = upload.actor, cases.annuals.take
    made = [_facts_of(rules, uow, upload, row, found) for row in rows]
    keep(uow, [fact for facts in made for fact in facts])
    for row, (ballot, *_) in zip(rows, made, strict=True):
        case = _open(row, found).annual
        if row.report:
            take(uow, case.id, "self_report", actor, {"text": row.report}, case.version)
        take(uow, case.id, "evaluate", actor, {"ballot": ballot.id, "scores": row.scores}, case.version)


def _open(row: SheetRow, found: Found) -> Assessed:
    """Return whom a row is about, and the assessment. Raises 422 `UNKNOWN_CADRE`, `UNKNOWN_UNIT`, `ANNUAL_MISSING`."""
    return assessed(row, found.subject(row))


def _facts_of(rules: Rules, uow: UnitOfWork, upload: _Upload, row: SheetRow, found: Found) -> list[Any]:
    """Return the facts that a row tells: the ballot, then the talks and quarters."""
    subject = _open(row, found)
    actor, whom = upload.actor, (subject.cadre, subject.unit)
    refuse_subject(actor, *whom)
    about: dict[str, Any] = {"subject_kind": row.kind.value, "year": row.year, "evidence": [upload.sha256]}
    classes = [{"name": each.name, "expected": each.expected, "counts": each.counts} for each in row.classes]
    facts: list[Any] = [ballot_row(rules, uow, actor, whom, {**about, "held_on": row.held_on, "classes": classes})]
    for talk in row.talks:
        people = [found.people[number] for number in talk.interviewers]
        by = {"interviewers": [each.id for each in people], "held_on": talk.held_on, "summary": talk.summary}
        facts.append(talk_row(rules, uow, actor, whom, about | by, {each.id: each.unit for each in people}))
    graded = found.routine.get((row.year, subject.cadre or subject.unit), {})
    for quarter, grade in row.routine.items():
        if quarter in graded:
            raise graded_already()
        form = {**about, "quarter": quarter, "grade": grade, "basis": row.basis}
        facts.append(routine_row(rules, uow, actor, whom, form))
    return facts


def _end(uow: UnitOfWork, held: AnnualSheetRow, state: str, faults: Sequence[Any]) -> None:
    """Note the end of an upload; its workbook is kept no longer."""
    listed = [each if isinstance(each, dict) else asdict(each) for each in faults]
    held.state, held.ended_at, held.workbook = state, uow.clock.now(), None
    held.fault_count = len(listed)
    held.faults = sorted(listed, key=lambda each: (each["row"] or 0, each["column"] or ""))[:MOST_FAULTS] or None
    uow.audit("annual-sheet.record", f"annual-sheet/{held.id}", written=outcome(held), result=state)


def outcome(held: AnnualSheetRow) -> dict[str, Any]:
    """Return how an upload stands, or ended."""
    return {
        "state": held.state,
        "new": held.rows_new,
        "same": held.rows_same,
        "refused": held.rows_refused,
        "faults": held.fault_count,
    }


def uploaded_sheet(uow: UnitOfWork, sheet_id: str, actor: Actor) -> tuple[AnnualSheetRow, Job]:
    """Return an upload and its job. It is for who uploaded it, and for officers of the whole city.

    Raises Refusal: 404 `NOT_FOUND`, 403 `DATA_SCOPE`.
    """
    row = uow.session.get(AnnualSheetRow, sheet_id)
    job = None if row is None else jobs.find(uow.session, row.job_id)
    if row is None or job is None:
        raise Refusal("NOT_FOUND", zh="没有这份汇总表。", en="There is no such sheet.", status=404)
    if actor.subject != row.uploaded_by and actor.units is not None:
        raise Refusal(
            "DATA_SCOPE", zh="该汇总表不在您的数据范围内。", en="The sheet is outside your data scope.", status=403
        )
    return row, job


def sheet_faults(uow: UnitOfWork, sheet_id: str, actor: Actor) -> list[dict[str, Any]]:
    """Return what is wrong with an upload. Raises as `uploaded_sheet`, and 404 where nothing is, or not yet."""
    row, _ = uploaded_sheet(uow, sheet_id, actor)
    if not row.faults or row.fault_count is None:
        raise Refusal("NOT_FOUND", zh="该汇总表没有错误清单。", en="This sheet has no list of errors.", status=404)
    uow.audit("annual-sheet.errors.read", f"annual-sheet/{sheet_id}", read=["faults"])
    return row.faults

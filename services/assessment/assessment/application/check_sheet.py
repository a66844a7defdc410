"""Look the rows of a year's sheet through before anything of them is recorded: what would be refused, is told of all rows."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select

from assessment.application.annuals import limits_on
from assessment.application.record_facts import graded_already, refuse_subject
from assessment.application.run_import import id_index
from assessment.domain.annual import ANNUAL, AnnualFacts, BallotResult, Known
from assessment.domain.annual_sheet import SheetRow, SheetTalk
from assessment.domain.columns import Table
from assessment.domain.faults import Fault, letters
from assessment.domain.grading import SubjectKind
from assessment.domain.recorded import check_day, check_interviewers, check_routine, count_ballots
from assessment.persistence.models import (
    AnnualRow,
    BallotSessionRow,
    CadreRow,
    RoutineGradeRow,
    SchemeRow,
    TalkRow,
    UnitRow,
)
from citybus.cases import Actor, Step
from citybus.cases.declare import refuse_wrong_state
from citybus.errors import Refusal
from citybus.rulepack import Rules
from citybus.secrecy import refuse_marked
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Vault

Key = tuple[int, str]
"""A subject's year: the year, and the cadre's id or the group's unit."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a row is about, in the roster, and the assessment of the year: None where it was not opened."""

    cadre: str | None
    unit: str
    annual: AnnualRow | None


@dataclass(frozen=True, slots=True)
class Assessed:
    """Who a row is about, and the assessment of the year."""

    cadre: str | None
    unit: str
    annual: AnnualRow


@dataclass(frozen=True, slots=True)
class Found:
    """What the roster and the records hold for some rows.

    `people` is by identity number; `recorded` are the subjects' years of which this very file was recorded before.
    """

    people: Mapping[str, CadreRow]
    units: Collection[str]
    annuals: Mapping[Key, AnnualRow]
    schemes: Mapping[str, SchemeRow]
    routine: Mapping[Key, Mapping[int, Decimal]]
    talks: Mapping[Key, int]
    recorded: Collection[Key]

    def subject(self, row: SheetRow) -> Subject | None:
        """Return who a row is about; None where the roster has no such cadre or unit."""
        if row.kind == SubjectKind.GROUP:
            return Subject(None, row.unit, self.annuals.get(row.key)) if row.unit in self.units else None
        cadre = self.people.get(row.id_no)
        return None if cadre is None else Subject(cadre.id, cadre.unit, self.annuals.get((row.year, cadre.id)))

    def is_recorded(self, row: SheetRow) -> bool:
        """Say whether this very file was recorded for the row's subject before."""
        subject = self.subject(row)
        return subject is not None and (row.year, subject.cadre or subject.unit) in self.recorded


def look_up(uow: UnitOfWork, vault: Vault, rows: Sequence[SheetRow], sha256: str) -> Found:
    """Return what the roster and the records hold for `rows` of the file with this sum."""
    session = uow.session
    numbers = {row.id_no for row in rows if row.id_no}
    numbers.update(each for row in rows for talk in row.talks for each in talk.interviewers)
    indexes = {id_index(vault, number): number for number in numbers}
    statement = select(CadreRow.id_no_index, CadreRow).where(CadreRow.id_no_index.in_(list(indexes)))
    people = {indexes[bytes(index)]: cadre for index, cadre in session.execute(statement)}
    codes = [row.unit for row in rows if row.unit]
    units = set(session.scalars(select(UnitRow.code).where(UnitRow.code.in_(codes))))
    cadres = [people[row.id_no].id for row in rows if row.id_no in people]
    years = sorted({row.year for row in rows})

    def about(model: Any) -> ColumnElement[bool]:
        group = and_(model.cadre.is_(None), model.unit.in_(codes))
        return and_(model.year.in_(years), or_(model.cadre.in_(cadres), group))

    annuals = {
        (case.year, case.cadre or case.unit): case
        for case in session.scalars(select(AnnualRow).where(about(AnnualRow)))
    }
    schemes = {row.id: row for row in session.scalars(select(SchemeRow).where(SchemeRow.year.in_(years)))}
    graded = RoutineGradeRow
    routine: dict[Key, dict[int, Decimal]] = defaultdict(dict)
    for cadre, year, quarter, score in session.execute(
        select(graded.cadre, graded.year, graded.quarter, graded.score).where(
            graded.cadre.in_(cadres), graded.year.in_(years)
        )
    ):
        routine[year, cadre][quarter] = score
    of_talks = select(TalkRow.year, TalkRow.cadre, TalkRow.unit, func.count()).where(about(TalkRow))
    talks: dict[Key, int] = defaultdict(int)
    for year, person, unit, count in session.execute(of_talks.group_by(TalkRow.year, TalkRow.cadre, TalkRow.unit)):
        talks[year, person or unit] += count
    held = BallotSessionRow
    of_file = select(held.year, held.cadre, held.unit).where(about(held), held.evidence.contains([sha256]))
    recorded = {(year, person or unit) for year, person, unit in session.execute(of_file)}
    return Found(people, units, annuals, schemes, routine, talks, recorded)


def check_row(row: SheetRow, table: Table, found: Found, actor: Actor, uow: UnitOfWork, rules: Rules) -> list[Fault]:
    """Return what would be refused of a row, each with its column: as recording and the state machine would say it."""
    checked = _Checked(row, table)
    subject = found.subject(row)
    who = "id_no" if row.id_no else "unit"
    known: Assessed | None = None
    with checked.part(who):
        if subject is not None:
            refuse_subject(actor, subject.cadre, subject.unit)
        known = assessed(row, subject)
    if known is None:
        return checked.faults
    key, at, today = (row.year, known.cadre or known.unit), uow.clock.now(), uow.clock.today()
    case: Any = SimpleNamespace(**{name: getattr(known.annual, name) for name in _OF_CASE})
    scheme = found.schemes[case.scheme_id]
    step = Step(case=case, action="self_report", actor=actor, at=at, rules=rules, form={"text": row.report})
    if row.report:
        with checked.part("report"):
            _ask(step)
            case.state = "SELF_REPORTED"
    routine = dict(found.routine.get(key, {}))
    for quarter, grade in row.routine.items():
        with checked.part(f"q{quarter}"):
            score = check_routine(grade, row.basis, rules)
            if quarter in routine:
                raise graded_already()
            routine[quarter] = score
    ballot: BallotResult | None = None
    with checked.part("ballot_on"):
        check_day(row.held_on, row.year, today)
        counted = count_ballots(row.kind, row.classes, rules)
        ballot = BallotResult("", counted.valid, counted.score, counted.flagged, counted.turnout)
    for talk in row.talks:
        with checked.part(f"talk{talk.number}_on"):
            check_day(talk.held_on, row.year, today)
        with checked.part(f"talk{talk.number}_by"):
            _check_interviewers(talk, known, found, rules)
        with checked.part(f"talk{talk.number}_text"):
            refuse_marked([talk.summary], rules)
    if not checked.faults:
        facts = AnnualFacts(
            scheme=Known(scheme.id, scheme.state, scheme.weights, scheme.bands),
            ballot=ballot,
            routine=tuple(routine.values()),
            talks=found.talks.get(key, 0) + len(row.talks),
            # Asked only where it matters: whether a year with few quarters has no grade anyway.
            limits=limits_on(uow, known.annual) if len(routine) < rules["annual.routine_least"] else (),
        )
        with checked.part(who):
            _ask(replace(step, action="evaluate", form={"scores": row.scores}, facts=facts))
    return checked.faults


_OF_CASE: Final = ("state", "year", "subject_kind", "cadre", "unit", "scheme_id")


def _ask(step: Step) -> None:
    """Ask all that the step asks that is taken later: state, guards, effect. The case is a copy."""
    action = ANNUAL.actions[step.action]
    refuse_wrong_state(ANNUAL, step.case.state, step.action)
    for guard in action.guards:
        guard(step)
    if action.effect:
        action.effect(step)


def assessed(row: SheetRow, subject: Subject | None) -> Assessed:
    """Return who a row is about, with the assessment. Raises 422 `UNKNOWN_CADRE`, `UNKNOWN_UNIT`, `ANNUAL_MISSING`."""
    if subject is None and row.kind == SubjectKind.CADRE:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.")
    if subject is None:
        raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.")
    if subject.annual is None:
        raise Refusal(
            "ANNUAL_MISSING", zh="该对象本年度考核尚未建立。", en="The subject's year is not being assessed yet."
        )
    return Assessed(subject.cadre, subject.unit, subject.annual)


def _check_interviewers(talk: SheetTalk, subject: Assessed, found: Found, rules: Rules) -> None:
    people = [found.people.get(number) for number in talk.interviewers]
    known = [each for each in people if each is not None]
    if len(known) < len(people):
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.")
    colleagues = [each.id for each in known if each.unit == subject.unit]
    check_interviewers([each.id for each in known], subject.cadre, colleagues, rules)


class _Checked:
    """Collects the refusals of a row's parts as faults of their columns."""

    def __init__(self, row: SheetRow, table: Table) -> None:
        self._row = row
        self._table = table
        self.faults: list[Fault] = []

    @contextmanager
    def part(self, field: str) -> Iterator[None]:
        """Note what is refused within the block as a fault in the column of `field`."""
        try:
            yield
        except Refusal as refusal:
            self.faults.append(refused(self._row.number, self._table, field, refusal))


def refused(number: int, table: Table, field: str, refusal: Refusal) -> Fault:
    """Return a refusal as the fault of a row, in the column of `field`."""
    place = table.columns.get(field)
    header = next(column.zh for column in table.kind.columns if column.field == field)
    column = None if place is None else letters(place)
    return Fault(table.sheet, number, column, header, refusal.code, refusal.zh, refusal.en)

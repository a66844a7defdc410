"""Record what an assessment rests on: ballot sessions (A11), routine grades (A7), talks (A12). Nothing is changed later."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import exists, select

from assessment.application.rulebook import Rulebook
from assessment.domain.grading import SubjectKind
from assessment.domain.recorded import VoterClass, check_day, check_interviewers, check_routine, count_ballots
from assessment.persistence.models import BallotSessionRow, CadreRow, RoutineGradeRow, TalkRow, UnitRow
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.rulepack import Rules
from citybus.secrecy import refuse_marked
from citybus.unit_of_work import UnitOfWork

Recorded = TypeVar("Recorded", BallotSessionRow, RoutineGradeRow, TalkRow)
Whom = tuple[str | None, str]
"""A subject: the cadre, None for a group; and the unit."""


def record_ballot(rulebook: Rulebook, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> BallotSessionRow:
    """Count a session and keep it. Raises Refusal: as `count_ballots`, and of scope, avoidance and dates."""
    rules = rulebook.on(uow.clock.today())
    row = ballot_row(rules, uow, actor, _subject(uow, actor, form), form)
    keep(uow, [row])
    return row


def ballot_row(rules: Rules, uow: UnitOfWork, actor: Actor, whom: Whom, form: Mapping[str, Any]) -> BallotSessionRow:
    """Return the session to be kept. Raises Refusal: as `count_ballots`, and of dates."""
    cadre, unit = whom
    check_day(form["held_on"], form["year"], uow.clock.today())
    classes = [VoterClass(each["name"], each["expected"], each["counts"]) for each in form["classes"]]
    counted = count_ballots(form["subject_kind"], classes, rules)
    return BallotSessionRow(
        id=new_id(),
        subject_kind=form["subject_kind"],
        cadre=cadre,
        unit=unit,
        year=form["year"],
        held_on=form["held_on"],
        classes=[{"name": each.name, "expected": each.expected, "counts": dict(each.counts)} for each in classes],
        turnout=counted.turnout,
        valid=counted.valid,
        score=counted.score,
        flagged=counted.flagged,
        evidence=list(form["evidence"]),
        rule_packs=[rules.cite("ballot.turnout")],
        recorded_by=actor.subject,
        recorded_at=uow.clock.now(),
    )


def record_routine(rulebook: Rulebook, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> RoutineGradeRow:
    """Keep the grade of a quarter. Raises Refusal: as `check_routine`; 409 `DUPLICATE`; scope, avoidance."""
    rules = rulebook.on(uow.clock.today())
    whom = _subject(uow, actor, {**form, "subject_kind": SubjectKind.CADRE})
    made = routine_row(rules, uow, actor, whom, form)
    row = RoutineGradeRow
    same = exists().where(row.cadre == made.cadre, row.year == form["year"], row.quarter == form["quarter"])
    if uow.session.scalar(select(same)):
        raise graded_already()
    keep(uow, [made])
    return made


def routine_row(rules: Rules, uow: UnitOfWork, actor: Actor, whom: Whom, form: Mapping[str, Any]) -> RoutineGradeRow:
    """Return the grade of a quarter to be kept. Raises Refusal as `check_routine`."""
    cadre, unit = whom
    return RoutineGradeRow(
        cadre=cadre,
        year=form["year"],
        quarter=form["quarter"],
        unit=unit,
        grade=form["grade"],
        score=check_routine(form["grade"], form["basis"], rules),
        basis=list(form["basis"]),
        evidence=list(form["evidence"]),
        rule_packs=[rules.cite("routine.points")],
        recorded_by=actor.subject,
        recorded_at=uow.clock.now(),
    )


def graded_already() -> Refusal:
    """Return the refusal of a quarter's second grade."""
    return Refusal("DUPLICATE", zh="该季度已有平时考核。", en="The quarter is graded already.", status=409)


def record_talk(rulebook: Rulebook, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> TalkRow:
    """Keep a talk. Raises Refusal: as `check_interviewers`; 451 `SECRECY_LEVEL`; scope, avoidance and dates."""
    rules = rulebook.on(uow.clock.today())
    refuse_marked([form["summary"]], rules)
    whom = _subject(uow, actor, form)
    interviewers = [str(each) for each in form["interviewers"]]
    of_people = select(CadreRow.id, CadreRow.unit).where(CadreRow.id.in_(interviewers))
    homes = {row.id: row.unit for row in uow.session.execute(of_people)}
    row = talk_row(rules, uow, actor, whom, form, homes)
    keep(uow, [row])
    return row


def talk_row(
    rules: Rules, uow: UnitOfWork, actor: Actor, whom: Whom, form: Mapping[str, Any], homes: Mapping[str, str]
) -> TalkRow:
    """Return the talk to be kept; `homes` has the units of those interviewers who are in the roster.

    Raises Refusal: 451 `SECRECY_LEVEL`; as `check_interviewers`; 422 `UNKNOWN_CADRE`; of dates.
    """
    cadre, unit = whom
    refuse_marked([form["summary"]], rules)
    check_day(form["held_on"], form["year"], uow.clock.today())
    interviewers = [str(each) for each in form["interviewers"]]
    unknown = sorted(set(interviewers) - set(homes))
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    check_interviewers(interviewers, cadre, [each for each in interviewers if homes[each] == unit], rules)
    return TalkRow(
        id=new_id(),
        subject_kind=form["subject_kind"],
        cadre=cadre,
        unit=unit,
        year=form["year"],
        held_on=form["held_on"],
        interviewers=interviewers,
        summary=form["summary"],
        evidence=list(form["evidence"]),
        recorded_by=actor.subject,
        recorded_at=uow.clock.now(),
    )


def keep(uow: UnitOfWork, rows: Sequence[Recorded]) -> None:
    """Keep what was recorded, with an audit entry each."""
    uow.session.add_all(rows)
    uow.session.flush()
    for row in rows:
        kind, written = _written(row)
        uow.audit(f"{kind}.record", f"cadre/{row.cadre}" if row.cadre else f"unit/{row.unit}", written=written)


def _written(row: Any) -> tuple[str, Mapping[str, Any]]:
    """Return what an audit entry calls a fact, and what it tells of it: never what was said."""
    match row:
        case BallotSessionRow():
            return "ballot", {"valid": row.valid, "year": row.year}
        case RoutineGradeRow():
            return "routine", {"year": row.year, "quarter": row.quarter, "grade": row.grade}
    return "talk", {"year": row.year}


def _subject(uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> Whom:
    """Return cadre and unit of the subject. Raises 422 `UNKNOWN_CADRE`, `UNKNOWN_UNIT`, `AVOIDANCE`; 403 `DATA_SCOPE`."""
    cadre: str | None = None
    if form["subject_kind"] == SubjectKind.CADRE:
        cadre = str(form["cadre"])
        known = uow.session.get(CadreRow, cadre)
        if known is None:
            raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.")
        unit = known.unit
    else:
        unit = form["unit"]
        if uow.session.get(UnitRow, unit) is None:
            raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.")
    refuse_subject(actor, cadre, unit)
    return cadre, unit


def refuse_subject(actor: Actor, cadre: str | None, unit: str) -> None:
    """Raise 403 `DATA_SCOPE` or 422 `AVOIDANCE` where `actor` may record nothing about this cadre, or group, of `unit`."""
    if actor.units is not None and unit not in actor.units:
        raise Refusal(
            "DATA_SCOPE", zh="该对象不在您的数据范围内。", en="The subject is outside your data scope.", status=403
        )
    if unit == actor.unit or (cadre is not None and cadre == actor.person):
        raise Refusal("AVOIDANCE", zh="应当回避，请由他人办理。", en="Avoidance: somebody else must record it.")

"""Record what an assessment rests on: ballot sessions (A11), routine grades (A7), talks (A12). Nothing is changed later."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import exists, select

from assessment.application.rulebook import Rulebook
from assessment.domain.grading import SubjectKind
from assessment.domain.recorded import VoterClass, check_day, check_interviewers, check_routine, count_ballots
from assessment.persistence.models import BallotSessionRow, CadreRow, RoutineGradeRow, TalkRow, UnitRow
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.secrecy import refuse_marked
from citybus.unit_of_work import UnitOfWork

Recorded = TypeVar("Recorded", BallotSessionRow, RoutineGradeRow, TalkRow)


def record_ballot(rulebook: Rulebook, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> BallotSessionRow:
    """Count a session and keep it. Raises Refusal: as `count_ballots`, and of scope, avoidance and dates."""
    rules = rulebook.on(uow.clock.today())
    cadre, unit = _subject(uow, actor, form)
    check_day(form["held_on"], form["year"], uow.clock.today())
    classes = [VoterClass(each["name"], each["expected"], each["counts"]) for each in form["classes"]]
    counted = count_ballots(form["subject_kind"], classes, rules)
    row = BallotSessionRow(
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
    return _keep(uow, row, "ballot", {"valid": row.valid, "year": row.year})


def record_routine(rulebook: Rulebook, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> RoutineGradeRow:
    """Keep the grade of a quarter. Raises Refusal: as `check_routine`; 409 `DUPLICATE`; scope, avoidance."""
    rules = rulebook.on(uow.clock.today())
    cadre, unit = _subject(uow, actor, {**form, "subject_kind": SubjectKind.CADRE})
    score = check_routine(form["grade"], form["basis"], rules)
    row = RoutineGradeRow
    same = exists().where(row.cadre == cadre, row.year == form["year"], row.quarter == form["quarter"])
    if uow.session.scalar(select(same)):
        raise Refusal("DUPLICATE", zh="该季度已有平时考核。", en="The quarter is graded already.", status=409)
    made = RoutineGradeRow(
        cadre=cadre,
        year=form["year"],
        quarter=form["quarter"],
        unit=unit,
        grade=form["grade"],
        score=score,
        basis=list(form["basis"]),
        evidence=list(form["evidence"]),
        rule_packs=[rules.cite("routine.points")],
        recorded_by=actor.subject,
        recorded_at=uow.clock.now(),
    )
    return _keep(uow, made, "routine", {"year": made.year, "quarter": made.quarter, "grade": made.grade})


def record_talk(rulebook: Rulebook, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> TalkRow:
    """Keep a talk. Raises Refusal: as `check_interviewers`; 451 `SECRECY_LEVEL`; scope, avoidance and dates."""
    rules = rulebook.on(uow.clock.today())
    refuse_marked([form["summary"]], rules)
    cadre, unit = _subject(uow, actor, form)
    check_day(form["held_on"], form["year"], uow.clock.today())
    interviewers = [str(each) for each in form["interviewers"]]
    units = {
        row.id: row.unit
        for row in uow.session.execute(select(CadreRow.id, CadreRow.unit).where(CadreRow.id.in_(interviewers)))
    }
    unknown = sorted(set(interviewers) - set(units))
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    check_interviewers(interviewers, cadre, [each for each, home in units.items() if home == unit])
    row = TalkRow(
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
    return _keep(uow, row, "talk", {"year": row.year})


def _keep(uow: UnitOfWork, row: Recorded, kind: str, written: Mapping[str, Any]) -> Recorded:
    uow.session.add(row)
    uow.session.flush()
    whom = f"cadre/{row.cadre}" if row.cadre else f"unit/{row.unit}"
    uow.audit(f"{kind}.record", whom, written=written)
    return row


def _subject(uow: UnitOfWork, actor: Actor, form: Mapping[str, Any]) -> tuple[str | None, str]:
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
    if actor.units is not None and unit not in actor.units:
        raise Refusal(
            "DATA_SCOPE", zh="该对象不在您的数据范围内。", en="The subject is outside your data scope.", status=403
        )
    if unit == actor.unit or (cadre is not None and cadre == actor.person):
        raise Refusal("AVOIDANCE", zh="应当回避，请由他人办理。", en="Avoidance: somebody else must record it.")
    return cadre, unit

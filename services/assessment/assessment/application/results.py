"""What is read of assessments beside the cases: explanations, revisions, reports, and the recorded facts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import undefer

from assessment.application.annuals import OFFICERS, explanation
from assessment.domain.annual import DECIDED
from assessment.persistence.models import AnnualResultRow, AnnualRow, BallotSessionRow, RoutineGradeRow, TalkRow
from citybus.cases import Actor, Cases
from citybus.errors import Refusal
from citybus.unit_of_work import UnitOfWork

_INTERNAL = ("FLOOR_NONE",)


def explained(annuals: Cases, uow: UnitOfWork, annual: str, actor: Actor) -> dict[str, Any]:
    """Return how the present grade came about. Raises Refusal: 404, 403; 409 `NOT_DECIDED` for others than officers."""
    case: AnnualRow = annuals.read(uow, annual, actor)
    if not _is_officer(actor) and case.state not in DECIDED:
        raise _not_decided()
    return _shown(explanation(uow, case), case, actor)


def results(
    annuals: Cases, uow: UnitOfWork, annual: str, actor: Actor, as_of: datetime | None
) -> list[AnnualResultRow]:
    """Return the revisions that were decided by `as_of`, oldest first. Raises Refusal: 404, 403."""
    case: AnnualRow = annuals.read(uow, annual, actor)
    row = AnnualResultRow
    statement = select(row).where(row.annual_id == annual).order_by(row.revision)
    if as_of is not None:
        statement = statement.where(row.recorded_at <= as_of)
    found = list(uow.session.scalars(statement))
    for each in found:
        uow.session.expunge(each)
        each.explanation = _shown(each.explanation, case, actor)
    return found


def result(annuals: Cases, uow: UnitOfWork, annual: str, actor: Actor, as_of: datetime | None) -> AnnualResultRow:
    """Return the revision in force at `as_of`. Raises Refusal: 404, 403; 409 `NOT_DECIDED` where there was none."""
    found = results(annuals, uow, annual, actor, as_of)
    if not found:
        raise _not_decided()
    return found[-1]


def report(annuals: Cases, uow: UnitOfWork, annual: str, actor: Actor) -> str | None:
    """Return the text of the year's report. Raises Refusal: 404, 403."""
    case: AnnualRow = annuals.read(uow, annual, actor)
    uow.audit("annual.read-report", f"annual/{annual}", read=["self_report"])
    return case.self_report


def summary(uow: UnitOfWork, talk: str, actor: Actor) -> str:
    """Return what was said in a talk (L4), and record the look. Raises Refusal: 404, 403 `DATA_SCOPE`."""
    row = uow.session.get(TalkRow, talk, options=[undefer(TalkRow.summary)])
    if row is None:
        raise Refusal("NOT_FOUND", zh="没有这次谈话。", en="There is no such talk.", status=404)
    outside = actor.units is not None and row.unit not in actor.units
    if outside or row.unit == actor.unit or (row.cadre is not None and row.cadre == actor.person):
        raise Refusal("DATA_SCOPE", zh="该谈话不在您的数据范围内。", en="It is outside your data scope.", status=403)
    uow.audit("talk.read", f"talk/{talk}", read=["summary"])
    return row.summary


def recorded(model: type[BallotSessionRow | RoutineGradeRow | TalkRow], actor: Actor, **sought: Any) -> Select[Any]:
    """Return the query for recorded facts that `actor` may see; a cadre sees the own routine grades and ballots."""
    statement = select(model).where(_within(model, actor))
    for name, value in sought.items():
        if value is not None:
            statement = statement.where(getattr(model, name) == value)
    return statement


def _within(model: Any, actor: Actor) -> ColumnElement[bool]:
    reaches: list[ColumnElement[bool]] = [false()]
    own = model.cadre == actor.person if actor.person else false()
    if actor.has("ORG.*"):
        apart = true() if actor.unit is None else model.unit != actor.unit
        reaches.append(and_(apart, true() if actor.units is None else model.unit.in_(sorted(actor.units))))
    if actor.has("CADRE") and model is not TalkRow:
        reaches.append(own)
    return or_(*reaches).is_(true())


def _is_officer(actor: Actor) -> bool:
    return any(actor.has(role) for role in OFFICERS)


def _shown(content: dict[str, Any], case: AnnualRow, actor: Actor) -> dict[str, Any]:
    """Return an explanation as `actor` may see it.

    What binds a grade (A14) is for officers and the person; that a case is open, for officers whom it does not concern.
    """
    own = case.cadre is not None and case.cadre == actor.person
    if _is_officer(actor) and not own and actor.unit != case.unit:
        return content
    if not own and not _is_officer(actor):
        return {**content, "constraints": []}
    limits: Sequence[Any] = [limit for limit in content["constraints"] if limit["kind"] not in _INTERNAL]
    return {**content, "constraints": list(limits)}


def _not_decided() -> Refusal:
    return Refusal("NOT_DECIDED", zh="尚未审定。", en="Nothing has been decided yet.", status=409)

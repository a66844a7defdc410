"""Rounds: one step of the annual assessment (A8) taken on everybody whom it waits for, each as a single step would be.

What is asked is planned at once, in order: with whom the step is due, and at which version of the case. A job then takes
it case by case in the state machine, as the officer who asked: same guards, avoidance, audit entry and event. A case that
is refused is noted with code and figures and holds up nobody. A job that dies goes on at the next chunk.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Select, func, or_, select, text

from assessment.application.case_types import CaseTypes
from assessment.application.officer import acting, kept, officer
from assessment.application.order import equals
from assessment.domain.annual import ANNUAL
from assessment.domain.grading import EXCELLENT, SubjectKind
from assessment.persistence.models import RoundItemRow, RoundRow, SchemeRow
from citybus import jobs
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.jobs import Job, Run
from citybus.unit_of_work import UnitOfWork

JOB: Final = "annual.round"
CHUNK: Final = 100
OPEN: Final = "open"
TAKEN: Final = "TAKEN"
REFUSED: Final = "REFUSED"

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('assessment.round', 0))")
_WITHIN: Final = "(CAST(:units AS text[]) IS NULL OR {unit} = ANY(CAST(:units AS text[])))"
_OPEN_CADRES: Final = f"""
    INSERT INTO annual_round_items (round_id, place, cadre, unit)
    SELECT CAST(:round AS uuid), row_number() OVER (ORDER BY {equals("cadres")}), cadres.id, cadres.unit FROM cadres
    WHERE cadres.state = 'ACTIVE' AND {_WITHIN.format(unit="cadres.unit")}
      AND NOT EXISTS (SELECT FROM annuals WHERE annuals.year = :year AND annuals.cadre = cadres.id)
"""
_OPEN_GROUPS: Final = f"""
    INSERT INTO annual_round_items (round_id, place, unit)
    SELECT CAST(:round AS uuid), row_number() OVER (ORDER BY units.code COLLATE "C"), units.code FROM units
    WHERE {_WITHIN.format(unit="units.code")}
      AND NOT EXISTS (SELECT FROM annuals WHERE annuals.year = :year AND cadre IS NULL AND annuals.unit = units.code)
"""
# Who has the most points is first to be within the quota.
_STEP: Final = f"""
    INSERT INTO annual_round_items (round_id, place, annual_id, cadre, unit, version)
    SELECT CAST(:round AS uuid), row_number() OVER (ORDER BY annuals.composite DESC NULLS LAST, {equals("annuals")}),
           annuals.id, annuals.cadre, annuals.unit, annuals.version
    FROM annuals LEFT JOIN cadres ON cadres.id = annuals.cadre
    WHERE annuals.year = :year AND annuals.subject_kind = :kind AND annuals.state = ANY(:states)
      AND (:action <> 'publicize' OR annuals.proposed_grade = :excellent)
      AND {_WITHIN.format(unit="annuals.unit")}
"""


def start_round(cases: CaseTypes, uow: UnitOfWork, actor: Actor, year: int, kind: str, action: str) -> RoundRow:
    """Plan a round of `action` within the officer's data scope, queue its job, and return it.

    Raises Refusal: 403 `FORBIDDEN` where no role of the officer may take the action; 422 `SCHEME_MISSING` for an opening
    whose scheme is not published; 409 `DUPLICATE` while such a round is queued or runs.
    """
    cases.annuals.refuse_role("create" if action == OPEN else action, actor)
    session = uow.session
    if action == OPEN:
        scheme = select(SchemeRow.state).where(SchemeRow.year == year, SchemeRow.target_kind == kind)
        if session.scalar(scheme) in (None, "DRAFT"):
            raise Refusal(
                "SCHEME_MISSING", zh="该年度考核方案尚未发布。", en="The scheme of the year is not published."
            )
    session.execute(_ONE_AT_A_TIME)
    _refuse_second(uow, year, kind, action)
    round_id = new_id()
    job = jobs.enqueue(
        session,
        JOB,
        {"round": round_id, "officer": kept(uow, actor)},
        created_by=actor.subject,
        correlation_id=uow.context.correlation_id,
    )
    row = RoundRow(
        id=round_id,
        year=year,
        subject_kind=kind,
        action=action,
        job_id=job,
        planned=0,
        started_by=actor.subject,
        started_at=uow.clock.now(),
    )
    session.add(row)
    session.flush()
    _plan(uow, row, actor)
    items = select(func.count()).select_from(RoundItemRow).where(RoundItemRow.round_id == round_id)
    row.planned = session.execute(items).scalar_one()
    session.flush()
    uow.audit(
        "annual-round.start",
        f"annual-round/{round_id}",
        written={"year": year, "subject_kind": kind, "action": action, "planned": row.planned},
    )
    return row


def _refuse_second(uow: UnitOfWork, year: int, kind: str, action: str) -> None:
    busy = text("""
        SELECT CAST(annual_rounds.id AS text) FROM annual_rounds JOIN jobs ON jobs.id = annual_rounds.job_id
        WHERE jobs.state IN ('QUEUED', 'RUNNING') AND year = :year AND subject_kind = :kind AND action = :action
    """)
    found = uow.session.execute(busy, {"year": year, "kind": kind, "action": action}).scalars().first()
    if found is not None:
        raise Refusal(
            "DUPLICATE",
            zh="该年度同一环节正在批量办理。",
            en="Such a round is under way already.",
            status=409,
            round=found,
        )


def _plan(uow: UnitOfWork, row: RoundRow, actor: Actor) -> None:
    values: dict[str, Any] = {
        "round": row.id,
        "year": row.year,
        "units": None if actor.units is None else sorted(actor.units),
    }
    if row.action == OPEN:
        statement = _OPEN_CADRES if row.subject_kind == SubjectKind.CADRE else _OPEN_GROUPS
    else:
        statement = _STEP
        values |= {
            "kind": row.subject_kind,
            "action": row.action,
            "states": sorted({source for source, name, _ in ANNUAL.transitions if name == row.action}),
            "excellent": EXCELLENT,
        }
    uow.session.execute(text(statement), values)


def run_round(cases: CaseTypes, run: Run, *, chunk: int = CHUNK) -> Mapping[str, Any]:
    """Take a round in chunks of `chunk`, each a transaction; return how many were planned, taken and refused."""
    with run.step(steps=0) as uow:
        row = uow.session.get_one(RoundRow, run.payload["round"])
        uow.session.expunge(row)
    asking = officer(run.payload["officer"])
    while run.progress < row.planned:
        upto = min(run.progress + chunk, row.planned)
        with acting(run, steps=upto - run.progress, total=row.planned) as uow:
            item = RoundItemRow
            due = select(item).where(item.round_id == row.id, item.place > run.progress, item.place <= upto)
            for each in uow.session.scalars(due.order_by(item.place)).all():
                _take(cases, uow, row, asking, each)
            uow.commit()
    with run.step(steps=0) as uow:
        return {"planned": row.planned, **{name.lower(): outcomes(uow, row).get(name, 0) for name in (TAKEN, REFUSED)}}


def _take(cases: CaseTypes, uow: UnitOfWork, row: RoundRow, actor: Actor, item: RoundItemRow) -> None:
    try:
        with uow.part():
            if row.action == OPEN:
                whom = {"unit": item.unit} if item.cadre is None else {"cadre": item.cadre}
                form = {"subject_kind": row.subject_kind, "year": row.year, **whom}
                item.annual_id = cases.annuals.open(uow, actor, form).id
            else:
                cases.annuals.take(uow, str(item.annual_id), row.action, actor, {}, item.version)
    except Refusal as refusal:
        item.outcome, item.code, item.zh, item.en = REFUSED, refusal.code, refusal.zh, refusal.en
        # Days and numbers are kept as the problem would tell them.
        item.figures = orjson.loads(orjson.dumps(refusal.figures, default=str))
    else:
        item.outcome = TAKEN


def annual_round(uow: UnitOfWork, round_id: str, actor: Actor) -> tuple[RoundRow, Job]:
    """Return a round and its job. It is for who asked for it, and for officers of the whole city.

    Raises Refusal: 404 `NOT_FOUND`, 403 `DATA_SCOPE`.
    """
    row = uow.session.get(RoundRow, round_id)
    job = None if row is None else jobs.find(uow.session, row.job_id)
    if row is None or job is None:
        raise Refusal("NOT_FOUND", zh="没有这次批量办理。", en="There is no such round.", status=404)
    if actor.subject != row.started_by and actor.units is not None:
        raise Refusal(
            "DATA_SCOPE", zh="该批次不在您的数据范围内。", en="The round is outside your data scope.", status=403
        )
    return row, job


def outcomes(uow: UnitOfWork, row: RoundRow) -> dict[str, int]:
    """Return how many have come to each outcome so far."""
    item = RoundItemRow
    found = select(item.outcome, func.count()).where(item.round_id == row.id, item.outcome.is_not(None))
    return {str(outcome): count for outcome, count in uow.session.execute(found.group_by(item.outcome))}


def refusals_by_code(uow: UnitOfWork, row: RoundRow) -> list[dict[str, Any]]:
    """Return how many were refused with each code, the most frequent first."""
    item = RoundItemRow
    found = select(item.code, func.count()).where(item.round_id == row.id, item.outcome == REFUSED)
    counted = uow.session.execute(found.group_by(item.code).order_by(func.count().desc(), item.code))
    return [{"code": code, "count": count} for code, count in counted]


def refusals(uow: UnitOfWork, round_id: str, actor: Actor, code: str | None) -> Select[Any]:
    """Return the query for those whom a round refused, with codes and figures; raises as `annual_round`.

    Another officer than who asked is told nothing of the own person and unit: a refusal may tell of an open case.
    """
    row, _ = annual_round(uow, round_id, actor)
    item = RoundItemRow
    statement = select(item).where(item.round_id == row.id, item.outcome == REFUSED)
    if code is not None:
        statement = statement.where(item.code == code)
    if actor.subject != row.started_by:
        statement = statement.where(item.unit.is_distinct_from(actor.unit))
        statement = statement.where(or_(item.cadre.is_(None), item.cadre.is_distinct_from(actor.person)))
    uow.audit("annual-round.refusals.read", f"annual-round/{row.id}", read=["code", "figures"])
    return statement

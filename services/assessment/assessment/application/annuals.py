"""Annual assessments as cases: what their rules look up, who sees them, and the results that are kept with each decision."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select, true

from assessment.application import correct_annual
from assessment.application.constraints import combined, set_constraints
from assessment.application.quotas import use_of
from assessment.application.rulebook import Rulebook
from assessment.domain.annual import ANNUAL, DECIDED, AnnualFacts, BallotResult, Known, Person, Record, scope
from assessment.domain.appeal import ENDED, Decision
from assessment.domain.constraint import Kind, Wanted
from assessment.domain.deduction import decimal_text
from assessment.domain.grade import Grade
from assessment.domain.grade_effect import of_last_year
from assessment.domain.grading import Limit, SubjectKind, parts, pending
from assessment.persistence.models import (
    AnnualRecordRow,
    AnnualResultRow,
    AnnualRow,
    AppealRow,
    BallotSessionRow,
    CadreChangeRow,
    CadreRow,
    ConstraintSourceRow,
    QuotaRow,
    RoutineGradeRow,
    SchemeRow,
    TalkRow,
    UnitRow,
)
from assessment.schemas.published import annual_state, result_served
from assessment.schemas.requests import (
    AnnualAmendment,
    AnnualDecision,
    AnnualEvaluation,
    AnnualHandOver,
    AnnualMakeUp,
    AnnualOpening,
    AnnualProposal,
    AnnualReport,
)
from assessment.schemas.responses import AnnualView
from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.cases.tables import case_steps
from citybus.clock import ZONE
from citybus.tables import inbox_messages, outbox_messages
from citybus.unit_of_work import UnitOfWork

OFFICERS: Final = ("ORG.*", "COMM")
READERS: Final[Mapping[str, Reach]] = {
    "ORG.*": Reach.OFFICE,
    "COMM": Reach.OFFICE,
    "UNITHEAD": Reach.UNIT,
    "CADRE": Reach.SELF,
}
_PROPOSING: Final = frozenset({"propose", "recompute", "make_up"})


def annuals(rulebook: Rulebook, schemes: Cases, quotas: Cases) -> Cases:
    """Return annual assessments, bound to their table, forms, facts and what goes with a step."""
    system = system_actor(ANNUAL.service)

    def facts(uow: UnitOfWork, case: AnnualRow, action: str, form: Mapping[str, Any]) -> AnnualFacts:
        return _opening(rulebook, uow, form) if action == "create" else _facts(rulebook, uow, case, action, form)

    def opened(uow: UnitOfWork, step: Step) -> None:
        if step.facts.scheme.state == "PUBLISHED":
            schemes.take(uow, step.case.scheme_id, "freeze", system, {})
        if step.case.head and (group := _group(uow, step.case)) is not None and group.state in DECIDED:
            bind_heads(rulebook, uow, group)
        if pending(limits_on(uow, step.case)):
            correct_annual.reconsider(uow, step.case.cadre, step.case.year, None)

    def decided(uow: UnitOfWork, step: Step) -> None:
        if step.case.quota_id is not None and step.case.grade == "EXCELLENT":
            quota = uow.session.get_one(QuotaRow, step.case.quota_id)
            if quota.state == "LOCKED":
                quotas.take(uow, quota.id, "use", system, {})
        keep_result(uow, step)
        if step.case.cadre is None:
            bind_heads(rulebook, uow, step.case)
        else:
            bind_next_year(rulebook, uow, step.case)

    def served(uow: UnitOfWork, step: Step) -> None:
        uow.publish(result_served(step.case))
        if _appealed(uow, step.case):
            # A correction came in between: what was filed is still to be decided.
            bound.take(uow, step.case.id, "request_review", system, {})

    bound = Cases(
        case_type=ANNUAL,
        model=AnnualRow,
        rules=rulebook.on,
        payload=annual_state,
        view=AnnualView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={
            "create": AnnualOpening,
            "self_report": AnnualReport,
            "evaluate": AnnualEvaluation,
            "re_evaluate": AnnualEvaluation,
            "propose": AnnualProposal,
            "make_up": AnnualMakeUp,
            "approve": AnnualDecision,
            "amend": AnnualAmendment,
            "hand_over": AnnualHandOver,
        },
        facts=facts,
        after={
            "create": opened,
            "approve": decided,
            "correct": decided,
            "amend": decided,
            "serve": served,
            "hand_over": served,
        },
    )
    return bound


def _facts(rulebook: Rulebook, uow: UnitOfWork, case: AnnualRow, action: str, form: Mapping[str, Any]) -> AnnualFacts:
    match action:
        case "evaluate" | "re_evaluate":
            return AnnualFacts(scheme=_scheme(uow, case), limits=limits_on(uow, case), **_evaluated(uow, case, form))
        case "verify":
            return AnnualFacts(record=_record(uow, case))
        case "hand_over":
            return AnnualFacts(decided_on=_decided_on(uow, case))
        case "propose" | "recompute" | "make_up" | "approve" | "correct" | "amend":
            return _reckoned(rulebook, uow, case, action, form)
    return AnnualFacts()


def facts_now(uow: UnitOfWork, case: AnnualRow) -> AnnualFacts:
    """Return the facts from which a grade is reckoned, as they are now."""
    return AnnualFacts(scheme=_scheme(uow, case), record=_record(uow, case), limits=limits_on(uow, case))


def _opening(rulebook: Rulebook, uow: UnitOfWork, form: Mapping[str, Any]) -> AnnualFacts:
    session, row = uow.session, AnnualRow
    if form["subject_kind"] == SubjectKind.CADRE:
        same = row.cadre == str(form["cadre"])
        cadre = session.get(CadreRow, str(form["cadre"]))
        person = None
        if cadre is not None:
            headed = _headed(rulebook, uow, cadre, form["year"])
            person = Person(cadre.unit, cadre.state, tuple(cadre.categories), headed)
        unit_known = False
    else:
        same = and_(row.cadre.is_(None), row.unit == form["unit"])
        person, unit_known = None, session.get(UnitRow, form["unit"]) is not None
    statement = select(SchemeRow).where(SchemeRow.year == form["year"], SchemeRow.target_kind == form["subject_kind"])
    # Locked, so that the scheme is frozen once, and not revised while somebody is assessed under it.
    scheme = session.scalars(statement.with_for_update()).one_or_none()
    return AnnualFacts(
        duplicate=bool(session.scalar(select(exists().where(row.year == form["year"], same)))),
        scheme=_known(scheme) if scheme else None,
        person=person,
        unit_known=unit_known,
    )


def _decided_on(uow: UnitOfWork, case: AnnualRow) -> date | None:
    """Return the day on which the present result was decided, or corrected."""
    row = AnnualResultRow
    last = select(func.max(row.recorded_at)).where(row.annual_id == case.id)
    recorded_at = uow.session.scalar(last)
    return None if recorded_at is None else recorded_at.astimezone(ZONE).date()


def _headed(rulebook: Rulebook, uow: UnitOfWork, cadre: CadreRow, year: int) -> str | None:
    """Return the unit whose group the cadre headed when `year` ended, or heads now while it lasts; None for no head."""
    rules = rulebook.on(uow.clock.today())
    day = min(uow.clock.today(), date.fromisoformat(f"{year}-{rules['annual.cutoff']}"))
    row = CadreChangeRow
    held = select(row).where(row.cadre == cadre.id, row.effective_on <= day).order_by(row.number.desc()).limit(1)
    found = uow.session.scalars(held).one_or_none()
    if found is None:
        return None
    return found.unit if rules["annual.head_category"] in found.categories else None


def _reckoned(
    rulebook: Rulebook, uow: UnitOfWork, case: AnnualRow, action: str, form: Mapping[str, Any]
) -> AnnualFacts:
    evaluated = _evaluated(uow, case, form) if action == "make_up" else {}
    return AnnualFacts(
        scheme=_scheme(uow, case),
        record=_record(uow, case),
        limits=limits_on(uow, case),
        group_pending=action == "approve" and _group_pending(rulebook, uow, case),
        quota=use_of(uow, case, proposals=action in _PROPOSING),
        cause_known=action == "amend" and bool(form) and _is_event(uow, str(form["cause"])),
        **evaluated,
    )


def limits_on(uow: UnitOfWork, case: AnnualRow) -> tuple[Limit, ...]:
    """Return what binds the grade of a cadre's year (A14), the heaviest first; nothing binds a group's."""
    if case.cadre is None:
        return ()
    return tuple(
        Limit(part.kind.value, part.grade and part.grade.value, part.reason_code, part.source, part.rule_packs)
        for part in combined(uow, case.cadre, case.year).parts
    )


def bind_heads(rulebook: Rulebook, uow: UnitOfWork, case: AnnualRow) -> None:
    """Let the grade of a group bind that of its heads (A18): an ordinary or poor group's head is not excellent."""
    rules = rulebook.on(uow.clock.today())
    caps = rules["annual.head_caps"]
    wanted = []
    if case.grade in caps:
        cap = Grade(caps[case.grade])
        pack = rules.cite("annual.head_caps")
        wanted = [Wanted(case.year, Kind.CAP, f"GROUP_{case.grade}", grade=cap, rule_packs=(pack,))]
    row = AnnualRow
    heads = select(row.cadre).where(row.year == case.year, row.head_of == case.unit).order_by(row.cadre)
    for head in filter(None, uow.session.scalars(heads).all()):
        # A source binds one cadre, and a group may have more than one head.
        set_constraints(uow, f"annual/{case.id}/{head}", head, wanted)


def bind_next_year(rulebook: Rulebook, uow: UnitOfWork, case: AnnualRow) -> None:
    """Let the grade of a cadre's year bind that of the next (A14, last-year rules)."""
    grade = Grade(case.grade) if case.grade else None
    wanted = of_last_year(case.year, grade, uow.clock.today(), rulebook.on)
    if wanted or uow.session.get(ConstraintSourceRow, f"annual/{case.id}") is not None:
        set_constraints(uow, f"annual/{case.id}", str(case.cadre), wanted)


def _appealed(uow: UnitOfWork, case: AnnualRow) -> bool:
    """Say whether a review or an appeal against the result is under way."""
    row = AppealRow
    upheld = and_(row.state == "DECIDED", row.decision == Decision.UPHELD.value)
    under_way = and_(row.state.not_in((*sorted(ENDED), "EXECUTED")), not_(upheld))
    return bool(uow.session.scalar(select(exists().where(row.subject_ref == ANNUAL.subject(case), under_way))))


def _group_pending(rulebook: Rulebook, uow: UnitOfWork, case: AnnualRow) -> bool:
    """Say whether the head of a group is to be graded before the group.

    A group whose assessment is not opened yet is waited for while it can be: groups are assessed that year, and the
    year's window is open.
    """
    if not case.head:
        return False
    group = _group(uow, case)
    if group is not None:
        return group.state not in DECIDED
    today, row = uow.clock.today(), SchemeRow
    if today > date.fromisoformat(f"{case.year + 1}-{rulebook.on(today)['annual.window_end']}"):
        return False
    of_groups = and_(row.year == case.year, row.target_kind == SubjectKind.GROUP, row.state != "DRAFT")
    return bool(uow.session.scalar(select(exists().where(of_groups))))


def _group(uow: UnitOfWork, case: AnnualRow) -> AnnualRow | None:
    """Return the assessment of the group that the cadre headed in the year."""
    row = AnnualRow
    statement = select(row).where(row.year == case.year, row.cadre.is_(None), row.unit == case.head_of)
    return uow.session.scalars(statement).one_or_none()


def _scheme(uow: UnitOfWork, case: AnnualRow) -> Known:
    return _known(uow.session.get_one(SchemeRow, case.scheme_id))


def _known(row: SchemeRow) -> Known:
    return Known(row.id, row.state, row.weights, row.bands)


def _record(uow: UnitOfWork, case: AnnualRow) -> Record:
    latest = _latest_record(uow, case)
    return Record(latest.version, latest.deduction) if latest else Record()


def _latest_record(uow: UnitOfWork, case: AnnualRow) -> AnnualRecordRow | None:
    row = AnnualRecordRow
    if case.cadre is None:
        return None
    statement = select(row).where(row.cadre == case.cadre, row.year == case.year).order_by(row.version.desc()).limit(1)
    return uow.session.scalars(statement).one_or_none()


def _evaluated(uow: UnitOfWork, case: AnnualRow, form: Mapping[str, Any]) -> dict[str, Any]:
    session = uow.session
    found: dict[str, Any] = {"ballot": None}
    if form.get("ballot"):
        ballot = session.get(BallotSessionRow, str(form["ballot"]))
        if ballot is not None and _is_about(ballot, case):
            found["ballot"] = BallotResult(ballot.id, ballot.valid, ballot.score, ballot.flagged, ballot.turnout)
    talks = select(func.count()).select_from(TalkRow).where(TalkRow.year == case.year, _subject(TalkRow, case))
    found["talks"] = session.execute(talks).scalar_one()
    if case.cadre is not None:
        row = RoutineGradeRow
        scores = select(row.score).where(row.cadre == case.cadre, row.year == case.year).order_by(row.quarter)
        found["routine"] = tuple(session.scalars(scores))
    return found


def _is_about(ballot: BallotSessionRow, case: AnnualRow) -> bool:
    if (ballot.subject_kind, ballot.year) != (case.subject_kind, case.year):
        return False
    return ballot.cadre == case.cadre if case.cadre is not None else ballot.unit == case.unit


def _subject(model: Any, case: AnnualRow) -> ColumnElement[bool]:
    if case.cadre is not None:
        return and_(model.cadre == case.cadre)
    return and_(model.cadre.is_(None), model.unit == case.unit)


def _is_event(uow: UnitOfWork, event: str) -> bool:
    """Say whether an event of this id came in, or went out."""
    came = exists().where(inbox_messages.c.event_id == event)
    went = exists().where(outbox_messages.c.id == event)
    return bool(uow.session.scalar(select(or_(came, went))))


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which assessments `actor` may list: the same that `scope` lets them read."""
    row = AnnualRow
    disclosed = row.state != "PENDING_MAKEUP"
    party = row.cadre == actor.person if actor.person else false()
    ours = row.unit == actor.unit if actor.unit else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        seen.append(and_(within, or_(disclosed, not_(func.coalesce(or_(party, ours), false())))))
    if actor.has("UNITHEAD"):
        seen.append(and_(disclosed, ours))
    if actor.has("CADRE"):
        seen.append(and_(disclosed, party))
    return or_(false(), *seen)


# ---- explanations and results


def keep_result(uow: UnitOfWork, step: Step) -> None:
    """Keep the revision that was just decided, with all that explains it."""
    case: AnnualRow = step.case
    uow.session.add(
        AnnualResultRow(
            annual_id=case.id,
            revision=case.revision,
            grade=case.grade,
            grade_status=case.grade_status,
            explanation=explanation(uow, case),
            recorded_at=step.at,
            cause=case.cause,
            correlation_id=uow.context.correlation_id,
        )
    )
    uow.session.flush()


def explanation(uow: UnitOfWork, case: AnnualRow) -> dict[str, Any]:
    """Return how the present grade, or proposal, came about: plain data, decimals as text."""
    scheme = uow.session.get_one(SchemeRow, case.scheme_id)
    record = _latest_record(uow, case)
    quota = uow.session.get(QuotaRow, case.quota_id) if case.quota_id else None
    weighed = parts(scheme.weights, case.scores) if case.scores else []
    packs = set(
        uow.session.scalars(select(func.unnest(case_steps.c.rule_packs)).where(case_steps.c.case_id == case.id))
    )
    packs.update(pack for limit in case.limits for pack in limit.get("rule_packs", ()))
    if record is not None:
        packs.update({record.cap_pack, *(item["rule_pack"] for item in record.items)})
    return {
        "dimensions": [
            {name: value if isinstance(value, str) else decimal_text(value) for name, value in asdict(part).items()}
            for part in weighed
        ],
        "deduction": {
            "points": _text(case.deduction),
            "record_version": case.record_version,
            "cap": _text(record.cap) if record else None,
            "items": record.items if record else [],
        },
        "composite": _text(case.composite),
        "bands": scheme.bands,
        "band": case.band,
        "engine_grade": case.engine_grade,
        "proposed_grade": case.proposed_grade,
        "proposed_status": case.proposed_status,
        "constraints": case.limits,
        "quota": None
        if quota is None
        else {
            "quota": quota.id,
            "category": quota.category,
            "unit": quota.unit,
            "ratio": decimal_text(quota.ratio),
            "rounding": quota.rounding,
            "base": quota.base,
            "limit": quota.most,
            "counts_no_grade": quota.counts_no_grade,
        },
        "notes": case.notes,
        "ballot": {"session": case.ballot_id, "flagged": case.ballot_flagged},
        "grade": case.grade,
        "grade_status": case.grade_status,
        "rule_packs": sorted(packs),
    }


def _text(value: Any) -> str | None:
    return None if value is None else decimal_text(value)

"""Constraints on grades (A14): what each source wants is kept, and what counts follows from that and the findings.

A source's wants are replaced as a whole, and the outcome is reckoned anew from all that is kept, so that it is the same
in whatever order, and however often, events arrive. A constraint that stopped to count stays LIFTED; should its ground
come back, a new one is added.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, false, insert, or_, select, text, true
from sqlalchemy.dialects.postgresql import insert as upsert

from assessment.application import correct_annual
from assessment.application.rulebook import Rulebook
from assessment.domain.constraint import (
    ADDED,
    CONSTRAINT,
    GONE,
    LIFTED,
    Combined,
    Wanted,
    combine,
    in_force,
    scope,
    wanted_of,
)
from assessment.persistence.models import CadreRow, ConstraintRow, ConstraintSourceRow, FindingRow
from assessment.schemas.published import constraint_state
from assessment.schemas.responses import ConstraintView
from citybus.cases import Actor, Cases, Reach
from citybus.cases.perform import system_actor
from citybus.cases.tables import case_steps
from citybus.envelope import Event
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork

READERS: Final[Mapping[str, Reach]] = {"ORG.*": Reach.OFFICE, "COMM": Reach.OFFICE, "CADRE": Reach.SELF}
_OPEN: Final = ("PROPOSED", "ACTIVE", "DECLINED")

# A finding and what rests on it may be in the hands of two workers: the second waits, and then sees what the first wrote.
_LOCK: Final = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('assessment.' || name, 0))
    FROM (SELECT unnest(CAST(:names AS text[])) AS name ORDER BY name) AS concerned
""")


def constraints(rulebook: Rulebook) -> Cases:
    """Return constraints, bound to their table and view: people confirm or decline what is proposed."""
    return Cases(
        case_type=CONSTRAINT,
        model=ConstraintRow,
        rules=rulebook.on,
        payload=constraint_state,
        view=ConstraintView,
        scope=scope,
        visible=visible,
        readers=READERS,
        after={"confirm": lambda uow, step: _reckon_anew(uow, step.case, None)},
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which constraints `actor` may list: the same that `scope` lets them read."""
    row = ConstraintRow
    disclosed = and_(~row.hidden, row.active_at.is_not(None))
    own = row.cadre == actor.person if actor.person else false()
    seen: list[ColumnElement[bool]] = []
    if actor.has("ORG.*") or actor.has("COMM"):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        apart = or_(own, row.unit == actor.unit if actor.unit else false())
        seen.append(and_(within, or_(disclosed, apart.is_not(True))))
    if actor.has("CADRE"):
        seen.append(and_(disclosed, own))
    return or_(false(), *seen)


def set_constraints(
    uow: UnitOfWork, source: str, cadre: str, wanted: Sequence[Wanted], event: Event | None = None
) -> None:
    """Replace what `source` (a subject such as `recall/<id>`) wants of the grades of `cadre`; empty: it wants nothing.

    What is new is added and what fell away is lifted, with their events; what is the same stays. `event` is what led to
    it, None where a person's command did.
    """
    row = uow.session.get(ConstraintSourceRow, source)
    before = row.findings if row else []
    rests_on = sorted({finding for each in wanted for finding in each.findings})
    _lock(uow, "finding", {*before, *rests_on})
    _lock(uow, "record", {cadre})
    values = {"cadre": cadre, "wanted": [asdict(each) for each in wanted], "findings": rests_on}
    uow.session.execute(
        upsert(ConstraintSourceRow)
        .values(source=source, **values)
        .on_conflict_do_update(index_elements=[ConstraintSourceRow.source], set_=values)
    )
    _reconcile(uow, source, cadre, wanted, event)


def reconsider(uow: UnitOfWork, finding: str, event: Event) -> None:
    """Reckon anew what rests on a finding whose state or weight has changed (tolerance, clarification, appeal)."""
    _lock(uow, "finding", {finding})
    statement = (
        select(ConstraintSourceRow)
        .where(ConstraintSourceRow.findings.contains([finding]))
        .order_by(ConstraintSourceRow.source)
        .execution_options(populate_existing=True)
    )
    for row in uow.session.scalars(statement).all():
        _lock(uow, "record", {row.cadre})
        _reconcile(uow, row.source, row.cadre, [wanted_of(each) for each in row.wanted], event)


def combined(
    uow: UnitOfWork, cadre: str, year: int, *, as_of: datetime | None = None, disclosed_only: bool = False
) -> Combined:
    """Return what the constraints of a cadre's year come to, now or as they stood at `as_of`."""
    row = ConstraintRow
    counts = row.state == "ACTIVE"
    if as_of is not None:
        counts = and_(row.active_at <= as_of, or_(row.lifted_at.is_(None), row.lifted_at > as_of))
    statement = select(row).where(
        row.cadre == cadre, or_(row.year == year, and_(row.open_ended, row.year < year)), counts
    )
    if disclosed_only:
        statement = statement.where(~row.hidden)
    return combine(uow.session.scalars(statement).all())


def grade_bounds(uow: UnitOfWork, cadre: str, year: int, actor: Actor, as_of: datetime | None) -> Combined:
    """Return what binds the grade of a cadre's year, as far as `actor` may know; the look is recorded.

    Raises Refusal: 404 `NOT_FOUND`, 403 `DATA_SCOPE`.
    """
    known = uow.session.get(CadreRow, cadre)
    if known is None:
        raise Refusal("NOT_FOUND", zh="没有这名干部。", en="There is no such cadre.", status=404)
    officer = actor.has("ORG.*") or actor.has("COMM")
    within = officer and (actor.units is None or known.unit in actor.units)
    own = actor.has("CADRE") and actor.person == cadre
    if not within and not own:
        raise Refusal(
            "DATA_SCOPE", zh="该干部不在您的数据范围内。", en="The cadre is outside your data scope.", status=403
        )
    uow.audit("constraint.explain", f"cadre/{cadre}", read=["constraints"])
    # Nobody learns of an open case of their own, or of somebody in their own unit, by holding an office.
    apart = within and actor.person != cadre and actor.unit != known.unit
    return combined(uow, cadre, year, as_of=as_of, disclosed_only=not apart)


def _lock(uow: UnitOfWork, kind: str, names: Iterable[str]) -> None:
    uow.session.execute(_LOCK, {"names": [f"{kind}/{name}" for name in sorted(names)]})


def _reconcile(uow: UnitOfWork, source: str, cadre: str, wanted: Sequence[Wanted], event: Event | None) -> None:
    standing = in_force(wanted, _excused(uow, {finding for each in wanted for finding in each.findings}))
    statement = (
        select(ConstraintRow)
        .where(ConstraintRow.source == source, ConstraintRow.state.in_(_OPEN))
        .order_by(ConstraintRow.created_at, ConstraintRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    held = {(row.cadre, row.year, row.kind, row.grade, row.reason_code): row for row in uow.session.scalars(statement)}
    asked = {(cadre, *each.key): each for each in standing}
    for key, row in held.items():
        if key not in asked and row.state != "DECLINED":
            _lift(uow, row, event)
    for key, each in asked.items():
        if key not in held:
            _add(uow, source, cadre, each, event)
        elif (held[key].findings, held[key].open_ended) != (list(each.findings), each.open_ended):
            _adjust(uow, held[key], each, event)


def _excused(uow: UnitOfWork, findings: Collection[str]) -> set[str]:
    """Return those of `findings` that count for nothing any more: revoked, or excused altogether."""
    if not findings:
        return set()
    row = FindingRow
    gone = or_(row.state.in_(sorted(GONE)), row.effective_weight == 0)
    return set(uow.session.scalars(select(row.id).where(row.id.in_(sorted(findings)), gone)))


def _add(uow: UnitOfWork, source: str, cadre: str, each: Wanted, event: Event | None) -> None:
    now = uow.clock.now()
    row = ConstraintRow(
        id=new_id(),
        state="PROPOSED" if each.proposal else "ACTIVE",
        version=1,
        created_at=now,
        changed_at=now,
        correlation_id=uow.context.correlation_id,
        cadre=cadre,
        year=each.year,
        kind=each.kind.value,
        grade=each.grade and each.grade.value,
        reason_code=each.reason_code,
        source=source,
        findings=list(each.findings),
        open_ended=each.open_ended,
        hidden=each.hidden,
        rule_packs=list(each.rule_packs),
        active_at=None if each.proposal else now,
        lifted_at=None,
        cause=event and event.id,
    )
    uow.session.add(row)
    uow.session.flush()
    _note(uow, row, "create", None, None if each.proposal else ADDED)
    if not each.proposal:
        _reckon_anew(uow, row, event)


def _adjust(uow: UnitOfWork, row: ConstraintRow, each: Wanted, event: Event | None) -> None:
    row.findings, row.open_ended = list(each.findings), each.open_ended
    row.version += 1
    row.changed_at = uow.clock.now()
    uow.session.flush()
    _note(uow, row, "adjust", row.state, ADDED if row.state == "ACTIVE" else None)
    _reckon_anew(uow, row, event)


def _lift(uow: UnitOfWork, row: ConstraintRow, event: Event | None) -> None:
    before, told = row.state, row.active_at is not None
    row.state, row.lifted_at = "LIFTED", uow.clock.now()
    row.version += 1
    row.changed_at = row.lifted_at
    uow.session.flush()
    _note(uow, row, "lift", before, LIFTED if told else None)
    if told:
        _reckon_anew(uow, row, event)


def _reckon_anew(uow: UnitOfWork, row: ConstraintRow, event: Event | None) -> None:
    correct_annual.reconsider(uow, row.cadre, row.year, event, later_too=row.open_ended, constraint=row.id)


def _note(uow: UnitOfWork, row: ConstraintRow, action: str, before: str | None, event_type: str | None) -> None:
    """Write what goes with a change, as a declared step would: history, audit entry, event."""
    subject = CONSTRAINT.subject(row)
    uow.session.execute(
        insert(case_steps).values(
            kind=CONSTRAINT.kind,
            case_id=row.id,
            version=row.version,
            action=action,
            from_state=before,
            to_state=row.state,
            actor=system_actor("assessment").subject,
            roles=[],
            at=row.changed_at,
            reason=None,
            rule_packs=row.rule_packs,
            event_cause=uow.context.causation_id,
        )
    )
    uow.audit(
        f"constraint.{action}",
        subject,
        written={"from": before, "to": row.state, "version": row.version, "source": row.source},
    )
    if event_type is not None:
        packs = " ".join(row.rule_packs) or None
        uow.publish(Draft(event_type, subject, constraint_state(row), CONSTRAINT.dataclass, rulepack=packs))

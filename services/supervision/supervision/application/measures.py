"""Measures as cases: what their rules look up, who sees them, and what delivery, follow-up and revocation lead to."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from citybus.calendar import add_months
from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.errors import Refusal
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.adjustments import open_adjustment
from supervision.application.eligibility import Bar, set_bars
from supervision.application.rulebook import Rulebook
from supervision.domain.bulletin import EASING
from supervision.domain.eligibility import Code
from supervision.domain.finding import COUNTS
from supervision.domain.measure import (
    BEFORE_DELIVERY,
    IN_HAND,
    MEASURE,
    Ground,
    Kind,
    MeasureFacts,
    Result,
    falls_away,
    is_eased,
    scope,
)
from supervision.persistence.models import CadreRow, FindingRow, MeasureRow, ToleranceRow
from supervision.schemas.published import measure_state
from supervision.schemas.requests import MeasureClosure, MeasureProposal, MeasureReply
from supervision.schemas.responses import MeasureView

_READERS: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "DISC": Reach.OFFICE, "COMM": Reach.OFFICE}
_PARTY: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF}
_SYSTEM: Final = system_actor("supervision")


def measures(rulebook: Rulebook, adjustments: Cases) -> Cases:
    """Return measures, bound to their table, forms and facts; one that brought no correction leads to an adjustment."""

    def delivered(uow: UnitOfWork, step: Step) -> None:
        bar(uow, step)
        if step.case.kind == Kind.REMIND:
            suggest_admonition(bound, uow, step)

    def closed(uow: UnitOfWork, step: Step) -> None:
        if step.case.result == Result.NOT_CORRECTED:
            propose_adjustment(adjustments, uow, step)

    bound = Cases(
        case_type=MEASURE,
        model=MeasureRow,
        rules=rulebook.on,
        payload=measure_state,
        view=MeasureView,
        scope=scope,
        visible=visible,
        readers={**_READERS, **_PARTY},
        forms={
            "create": MeasureProposal,
            "revise": MeasureProposal,
            "reply": MeasureReply,
            "close": MeasureClosure,
        },
        facts=facts,
        after={"close": closed, "deliver": delivered, "ease": bar, "revoke": lift},
    )
    return bound


def facts(uow: UnitOfWork, case: MeasureRow, action: str, form: Mapping[str, Any]) -> MeasureFacts:
    """Look up whom and what the step names. Raises 503 `DEPENDENCY_STALE` where the roster would decide and is out of date."""
    session = uow.session
    if action in ("create", "revise") and form:
        require_fresh(session, "assessment")
        cadre = session.get(CadreRow, form["cadre"])
        named = [str(finding) for finding in form.get("findings", ())]
        return MeasureFacts(unit=None if cadre is None else cadre.unit, findings=grounds(uow, named))
    if action in ("approve", "deliver"):
        return MeasureFacts(findings=grounds(uow, case.findings))
    return MeasureFacts()


def grounds(uow: UnitOfWork, findings: list[str]) -> dict[str, Ground]:
    """Return those of `findings` that exist, with what fault tolerance has decided about each."""
    session = uow.session
    rows = session.scalars(
        select(FindingRow).where(FindingRow.id.in_(findings)).execution_options(populate_existing=True)
    ).all()
    cases = session.scalars(
        select(ToleranceRow).where(ToleranceRow.finding_id.in_(findings), ToleranceRow.state.in_(sorted(EASING)))
    ).all()
    return {
        row.id: Ground(
            state=row.state,
            persons=frozenset(entry["cadre"] for entry in row.responsible),
            decisions=frozenset(each.decision for each in cases if each.finding_id == row.id and each.decision),
        )
        for row in rows
    }


def bar(uow: UnitOfWork, step: Step) -> None:
    """Bar the cadre, while an admonition has its effect, from what the rules name: to its end, or that of the year."""
    case: MeasureRow = step.case
    if case.kind != Kind.ADMONISH or case.delivered_on is None or case.effect_until is None:
        return
    until: Mapping[str, date] = {
        "EFFECT": case.effect_until,
        "YEAR": add_months(date(case.delivered_on.year, 1, 1), 12),
    }
    reach: Mapping[str, str] = step.rule("measure.admonish_bars")
    set_bars(
        uow,
        f"measure/{case.id}",
        case.cadre,
        [
            Bar(Code.EFFECT_PERIOD_ACTIVE, frozenset({purpose}), case.delivered_on, until[end])
            for purpose, end in reach.items()
        ],
    )


def lift(uow: UnitOfWork, step: Step) -> None:
    """Lift what the measure barred the cadre from."""
    set_bars(uow, f"measure/{step.case.id}", step.case.cadre, [])


def suggest_admonition(measures: Cases, uow: UnitOfWork, step: Step) -> None:
    """Propose an admonition where this is one reminder too many: people decide about it like about any proposal."""
    case: MeasureRow = step.case
    row = MeasureRow
    window = step.rule("measure.reminder_window")
    reminders = [
        each
        for each in uow.session.scalars(
            select(row).where(row.cadre == case.cadre, row.kind == Kind.REMIND.value, row.state.in_(sorted(IN_HAND)))
        )
        if each.delivered_on is not None and window.last_day(each.delivered_on).day >= case.delivered_on
    ]
    if len(reminders) < step.rule("measure.reminders_for_admonition"):
        return
    pending = select(row.id).where(
        row.cadre == case.cadre, row.kind == Kind.ADMONISH.value, row.state.in_(sorted(BEFORE_DELIVERY))
    )
    if uow.session.execute(pending.limit(1)).one_or_none() is not None:
        return
    standing = grounds(uow, sorted(set().union(*(each.findings for each in reminders))))
    form = {
        "kind": Kind.ADMONISH.value,
        "cadre": case.cadre,
        "findings": [each for each, ground in standing.items() if ground.state != "REVOKED"],
        "reason_codes": sorted(set().union(*(each.reason_codes for each in reminders))),
        "cause": f"{window} 内已提醒 {len(reminders)} 次,建议诫勉,由人决定。",
        "reason": MEASURE.subject(case),
    }
    measures.open(uow, _SYSTEM, form)


def propose_adjustment(adjustments: Cases, uow: UnitOfWork, step: Step) -> None:
    """Propose an adjustment, in the way that the rules name first: people verify it, recommend and decide.

    None is proposed where fault tolerance was granted on every ground (S11), nor while a case of the cadre is pending: who
    closes the follow-up is told nothing of that, and an officer proposes the adjustment when it is over.
    """
    case: MeasureRow = step.case
    standing = [each for each, ground in grounds(uow, case.findings).items() if ground.state in COUNTS]
    try:
        open_adjustment(
            adjustments,
            uow,
            cadre=case.cadre,
            way=step.rule("measure.adjustment_way"),
            findings=standing,
            measure=case.id,
        )
    except Refusal as refusal:
        # What stands against an adjustment does not stand against what the follow-up has found.
        if refusal.code not in ("TOLERANCE_GRANTED", "CASE_PENDING"):
            raise
        uow.audit("measure.propose_adjustment", MEASURE.subject(case), result=refusal.code)


def ground_changed(measures: Cases, uow: UnitOfWork, finding_id: str, cause: str) -> None:
    """Withdraw, revoke or ease the measures that rest on a finding, where `cause` leaves them no ground, or less of it."""
    closing = measures.rules(uow.clock.today())["measure.closed_by"]
    found = select(MeasureRow.id).where(
        MeasureRow.findings.contains([finding_id]), MeasureRow.state.in_(sorted(BEFORE_DELIVERY | IN_HAND))
    )
    for measure_id in uow.session.scalars(found.order_by(MeasureRow.id)).all():
        measure = uow.session.get_one(MeasureRow, measure_id, with_for_update=True)
        now = MeasureFacts(findings=grounds(uow, measure.findings))
        if falls_away(measure, now, closing):
            take_back_measure(measures, uow, measure, cause)
        elif is_eased(measure, now):
            ease_measure(measures, uow, measure)


def take_back_measure(measures: Cases, uow: UnitOfWork, measure: MeasureRow, cause: str) -> None:
    """Withdraw a measure that was not delivered, revoke one that was; one that is gone already is left alone."""
    if measure.state in BEFORE_DELIVERY:
        measures.take(uow, measure.id, "withdraw", _SYSTEM, {"reason": cause})
    elif measure.state in IN_HAND:
        measures.take(uow, measure.id, "revoke", _SYSTEM, {"cause": cause, "reason": cause})


def ease_measure(measures: Cases, uow: UnitOfWork, measure: MeasureRow) -> None:
    """Shorten the effect of an admonition that runs; what is not delivered yet is looked at when it is."""
    if measure.state == "DELIVERED" and measure.kind == Kind.ADMONISH and not measure.eased:
        measures.take(uow, measure.id, "ease", _SYSTEM, {"reason": "MITIGATE"})


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which measures `actor` may list: the same that `scope` lets them read."""
    row = MeasureRow
    disclosed = row.state.not_in(sorted(BEFORE_DELIVERY | {"WITHDRAWN"}))
    own = row.cadre == actor.person if actor.person else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in _READERS):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        apart = or_(own, row.unit == actor.unit if actor.unit else false())
        seen.append(and_(within, or_(disclosed, not_(apart))))
    if actor.has("CADRE"):
        seen.append(and_(disclosed, own))
    return or_(false(), *seen)

"""Sanctions as cases: the rules they are measured by, what stands beside them, and what follows in the same commit."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.freshness import require_fresh
from citybus.rulepack import Rule
from citybus.unit_of_work import UnitOfWork
from supervision.application.eligibility import set_bars
from supervision.application.rulebook import Rulebook
from supervision.domain.effect_period import Term, periods
from supervision.domain.sanction import (
    HIDDEN,
    NOT_STANDING,
    SANCTION,
    SanctionFacts,
    after_key,
    bars,
    by_conduct,
    cap_key,
    months_key,
    post_key,
    scope,
    term,
)
from supervision.persistence.models import CadreRow, SanctionRow
from supervision.schemas.published import sanction_state
from supervision.schemas.requests import (
    Execution,
    RightsRestored,
    SanctionEntry,
    SanctionModification,
    WatchExtension,
)
from supervision.schemas.responses import SanctionView

OFFICERS: Final[Mapping[str, Reach]] = {"DISC": Reach.OFFICE, "ORG.*": Reach.OFFICE}
_PARTY: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF}
_MEASURED: Final = frozenset({"create", "revise", "modify", "extend_watch"})


def sanctions(rulebook: Rulebook) -> Cases:
    """Return sanctions, bound to their table, forms and facts."""

    def facts(uow: UnitOfWork, case: SanctionRow, action: str, form: Mapping[str, Any]) -> SanctionFacts:
        return _facts(rulebook, uow, case, action, form)

    def settle(uow: UnitOfWork, step: Step) -> None:
        _bar(uow, step)
        _reckon_others(bound, uow, step.case)

    bound = Cases(
        case_type=SANCTION,
        model=SanctionRow,
        rules=rulebook.on,
        payload=sanction_state,
        view=SanctionView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, **_PARTY},
        forms={
            "create": SanctionEntry,
            "revise": SanctionEntry,
            "modify": SanctionModification,
            "extend_watch": WatchExtension,
            "note_executed": Execution,
            "restore_rights": RightsRestored,
        },
        facts=facts,
        after={
            **dict.fromkeys(("confirm", "modify", "extend_watch", "restore_rights", "revoke"), settle),
            **dict.fromkeys(("reckon", "resume", "flag_use", "clear_use"), _bar),
        },
    )
    return bound


def record_sanction(sanctions: Cases, uow: UnitOfWork, form: Mapping[str, Any], led_by: str) -> Any:
    """Enter and confirm a sanction that the case `led_by` of this service led to, which people decided there; return it."""
    system = system_actor("supervision")
    entered = sanctions.open(uow, system, {**form, "reason": led_by})
    return sanctions.take(uow, entered.id, "confirm", system, {"reason": led_by})


def _facts(
    rulebook: Rulebook, uow: UnitOfWork, case: SanctionRow, action: str, form: Mapping[str, Any]
) -> SanctionFacts:
    """Look up what the step asks for. Raises 503 `DEPENDENCY_STALE` where the roster would decide and is out of date."""
    if action in ("create", "revise"):
        require_fresh(uow.session, "assessment")
        if not form:
            return SanctionFacts()
        cadre, regime = form["cadre"], form["regime"]
        return SanctionFacts(
            unit=uow.session.scalars(select(CadreRow.unit).where(CadreRow.id == cadre)).one_or_none(),
            duplicate=_is_known(uow, case, form),
            others=_others(uow, case.id, cadre, regime),
            **lengths(rulebook, form),
        )
    if action not in SANCTION.actions or action in ("serve", "note_executed", "near_end", "expire", "take_effect"):
        return SanctionFacts()
    if action in _MEASURED:
        measured = {
            "regime": case.regime,
            "kind": form.get("kind", case.kind),
            "basis": case.basis,
            "conduct_on": form.get("conduct_on", case.conduct_on),
            "decided_on": form.get("decided_on", case.decided_on),
        }
        return SanctionFacts(
            unit=case.unit,
            others=_others(uow, case.id, case.cadre, case.regime),
            **lengths(rulebook, measured),
        )
    return SanctionFacts(unit=case.unit, others=_others(uow, case.id, case.cadre, case.regime))


def lengths(rulebook: Rulebook, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules of length: of punishments by the conduct or lighter since, of other measures by the decision."""
    regime, kind, basis = measured["regime"], measured["kind"], measured.get("basis")
    decided: date = measured["decided_on"]
    conduct: date | None = measured.get("conduct_on")

    def rule(key: str) -> Rule | None:
        if by_conduct(regime):
            return None if conduct is None else rulebook.substance(key, conduct=conduct, decision=decided)
        rules = rulebook.on(decided)
        return rules.rule(key) if key in rules else None

    return {
        "months": rule(months_key(regime, kind, basis)),
        "after": rule(after_key(regime, kind)),
        "post": rule(post_key(regime, kind, basis)),
        "cap": rule(cap_key(regime)),
    }


def _is_known(uow: UnitOfWork, case: SanctionRow, form: Mapping[str, Any]) -> bool:
    row = SanctionRow
    same = exists().where(
        row.id != case.id,
        row.cadre == form["cadre"],
        row.regime == form["regime"],
        row.organ == form["organ"],
        row.decision_no == form["decision_no"],
        row.state != "DISCARDED",
    )
    return bool(uow.session.execute(select(same)).scalar_one())


def _others(uow: UnitOfWork, case_id: str, cadre: str, regime: str) -> Sequence[Term]:
    return [term(row) for row in _standing(uow, cadre, regime) if row.id != case_id]


def _standing(uow: UnitOfWork, cadre: str, regime: str) -> Sequence[SanctionRow]:
    """Return the sanctions of a cadre in a regime that stand, while nobody else changes any of them."""
    turn = func.pg_advisory_xact_lock(func.hashtextextended(f"sanctions/{cadre}/{regime}", 0))
    uow.session.execute(select(turn))
    row = SanctionRow
    found = select(row).where(row.cadre == cadre, row.regime == regime, row.state.not_in(sorted(NOT_STANDING)))
    return uow.session.scalars(found.order_by(row.id), execution_options={"populate_existing": True}).all()


def _bar(uow: UnitOfWork, step: Step) -> None:
    """Let the bars of the sanction be what it says now."""
    case: SanctionRow = step.case
    set_bars(uow, f"sanction/{case.id}", case.cadre, bars(case, step.rules))


def _reckon_others(sanctions: Cases, uow: UnitOfWork, case: SanctionRow) -> None:
    """Let the sanctions that contain what remains of this one be reckoned anew, where their end is another now."""
    uow.session.flush()
    rows = _standing(uow, case.cadre, case.regime)
    ends = periods(term(row) for row in rows)
    system, today = system_actor("supervision"), uow.clock.today()
    for row in rows:
        own = ends[row.id]
        runs_on = row.state == "EXPIRED" and (own.end is None or own.end > today)
        if runs_on or (row.end_on, row.remainder_of) != (own.end, own.after):
            sanctions.take(uow, row.id, "resume" if runs_on else "reckon", system, {"reason": SANCTION.subject(case)})


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which sanctions `actor` may list: the same that `scope` lets them read."""
    row = SanctionRow
    disclosed = row.state.not_in(sorted(HIDDEN))
    party = row.cadre == actor.person if actor.person else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        own = or_(party, row.unit == actor.unit if actor.unit else false())
        seen.append(and_(within, or_(disclosed, not_(own))))
    if any(actor.has(role) for role in _PARTY):
        seen.append(and_(disclosed, party))
    return or_(false(), *seen)

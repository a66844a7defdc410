"""Adjustments as cases: what their rules look up, who sees them, how others open one, and what follows from them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.errors import Refusal
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.case_holds import has_open_case
from supervision.application.rulebook import Rulebook
from supervision.application.sanctions import record_sanction
from supervision.application.transfer_signal import transfer
from supervision.domain.adjustment import ADJUSTMENT, STANDING, UNDECIDED, AdjustmentFacts, Ground, scope
from supervision.domain.measure import Result
from supervision.domain.sanction import Basis, Organ, Regime
from supervision.persistence.models import AdjustmentRow, CadreRow, FindingRow, MeasureRow, SanctionRow
from supervision.schemas.published import adjustment_state
from supervision.schemas.requests import (
    AdjustmentDecision,
    AdjustmentProposal,
    AdjustmentRecommendation,
    AdjustmentTalk,
    Execution,
)
from supervision.schemas.responses import AdjustmentView

OFFICERS: Final[Mapping[str, Reach]] = {"ORG.*": Reach.OFFICE, "COMM": Reach.OFFICE, "DISC": Reach.OFFICE}
_PARTY: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF}
_GROUNDED: Final = frozenset({"recommend", "decide"})


def adjustments(rulebook: Rulebook, sanctions: Cases, signals: Cases) -> Cases:
    """Return adjustments, bound to their table, forms, facts, duties and consequences."""

    def take_effect(uow: UnitOfWork, step: Step) -> None:
        _record(rulebook, sanctions, uow, step.case)

    def undo(uow: UnitOfWork, step: Step) -> None:
        _revoke(sanctions, uow, step.case)

    return Cases(
        case_type=ADJUSTMENT,
        model=AdjustmentRow,
        rules=rulebook.on,
        payload=adjustment_state,
        view=AdjustmentView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, **_PARTY},
        forms={
            "create": AdjustmentProposal,
            "recommend": AdjustmentRecommendation,
            "decide": AdjustmentDecision,
            "talk": AdjustmentTalk,
            "execute": Execution,
        },
        facts=facts,
        after={"execute": take_effect, "reverse": undo},
        duties={"DISCIPLINE_THRESHOLD": lambda uow, step: hand_over(signals, uow, step)},
    )


def open_adjustment(
    adjustments: Cases,
    uow: UnitOfWork,
    *,
    cadre: str,
    way: str,
    reason_codes: Sequence[str] = (),
    findings: Sequence[str] = (),
    recall: str | None = None,
    measure: str | None = None,
    basis: str = Basis.UNFIT,
) -> Any:
    """Propose an adjustment because of what a recall came to, or because a measure brought no correction; return it.

    `recall` and `measure` are the ids of the case that led to it; without `reason_codes` the rule
    `adjustment.reasons_of` says which they are. It is a proposal: people verify, recommend and decide. Raises Refusal as
    a proposal by people does; an adjustment that this recall or measure led to before is returned as it is.
    """
    led = _led_to(uow, cadre, recall, measure)
    if led is not None:
        return led
    source = "RECALL" if recall else "MEASURE"
    reasons = list(reason_codes) or list(adjustments.rules(uow.clock.today())["adjustment.reasons_of"][source])
    form = {
        "cadre": cadre,
        "basis": str(basis),
        "way": way,
        "reason_codes": reasons,
        "findings": list(findings),
        "recall": recall,
        "measure": measure,
        "reason": f"recall/{recall}" if recall else f"measure/{measure}",
    }
    return adjustments.open(uow, system_actor("supervision"), form)


def _led_to(uow: UnitOfWork, cadre: str, recall: str | None, measure: str | None) -> AdjustmentRow | None:
    """Return the adjustment to which the recall or measure led before, if one stands."""
    row = AdjustmentRow
    if recall is None and measure is None:
        return None
    same = row.recall == recall if recall is not None else row.measure == measure
    return uow.session.scalars(
        select(row).where(row.cadre == cadre, same, row.state.in_((*UNDECIDED, *STANDING)))
    ).first()


def facts(uow: UnitOfWork, case: AdjustmentRow, action: str, form: Mapping[str, Any]) -> AdjustmentFacts:
    """Look up what the step names. Raises 503 `DEPENDENCY_STALE` where the roster or tolerance would decide."""
    session = uow.session
    if action == "create":
        require_fresh(session, "assessment", "incentive")
        named = [str(finding) for finding in form.get("findings", ())]
        grounds = _grounds(uow, named)
        return AdjustmentFacts(
            unit=session.scalars(select(CadreRow.unit).where(CadreRow.id == form["cadre"])).one_or_none(),
            grounds=grounds,
            unknown=sorted(set(named) - {ground.id for ground in grounds}),
            warned=_was_warned(uow, form),
            held=has_open_case(uow, form["cadre"]),
            duplicate=_is_under_way(uow, form),
        )
    if action in _GROUNDED:
        require_fresh(session, "incentive")
        return AdjustmentFacts(
            unit=case.unit, grounds=_grounds(uow, case.findings), held=has_open_case(uow, case.cadre)
        )
    if action == "talk":
        talkers = list(form.get("talkers", ()))
        known = session.scalars(select(CadreRow).where(CadreRow.id.in_(talkers))).all()
        return AdjustmentFacts(
            members=frozenset(row.id for row in known), left=frozenset(row.id for row in known if row.has_left)
        )
    return AdjustmentFacts()


def _grounds(uow: UnitOfWork, named: Sequence[str]) -> list[Ground]:
    rows = uow.session.scalars(select(FindingRow).where(FindingRow.id.in_(named)).order_by(FindingRow.id))
    return [
        Ground(
            id=row.id,
            state=row.state,
            unit=row.unit,
            cadres=frozenset(entry["cadre"] for entry in row.responsible),
            type=row.type,
            reason_codes=tuple(row.reason_codes),
            tolerated=_is_tolerated(row),
        )
        for row in rows
    ]


def _is_tolerated(row: FindingRow) -> bool:
    return row.tolerance_factor is not None and row.tolerance_factor < 1


def _was_warned(uow: UnitOfWork, form: Mapping[str, Any]) -> bool:
    """Say whether a warning came before: the recall or measure that leads to it, one that brought no correction, or an
    admonition in the register.
    """
    if form.get("recall") or form.get("measure"):
        return True
    measured = exists().where(MeasureRow.cadre == form["cadre"], MeasureRow.result == Result.NOT_CORRECTED)
    row = SanctionRow
    admonished = exists().where(
        row.cadre == form["cadre"], row.regime == Regime.ADMONITION, row.state.in_(("IN_EFFECT", "MODIFIED", "EXPIRED"))
    )
    return bool(uow.session.execute(select(or_(measured, admonished))).scalar_one())


def _is_under_way(uow: UnitOfWork, form: Mapping[str, Any]) -> bool:
    """Say whether the same findings lead to an adjustment of the cadre already, that is not carried out."""
    named = sorted(str(finding) for finding in form.get("findings", ()))
    if not named or form.get("recall") or form.get("measure"):
        return False
    row = AdjustmentRow
    same = exists().where(
        row.cadre == form["cadre"],
        row.findings == named,
        row.state.in_((*UNDECIDED, "DECIDED", "TALKED")),
    )
    return bool(uow.session.execute(select(same)).scalar_one())


def hand_over(signals: Cases, uow: UnitOfWork, step: Step) -> None:
    """Tell the discipline commission of every ground that is a matter of discipline."""
    types, codes = (
        step.rules["finding.discipline_threshold.types"],
        step.rules["finding.discipline_threshold.reason_codes"],
    )
    over = [each.id for each in step.facts.grounds if each.type in types or set(each.reason_codes) & set(codes)]
    for finding in sorted(over):
        transfer(signals, uow, finding)


def _record(rulebook: Rulebook, sanctions: Cases, uow: UnitOfWork, case: AdjustmentRow) -> None:
    """Enter the measure in the register: its effect period runs from the execution."""
    source = rulebook.on(case.decided_on or uow.clock.today()).rule(f"adjustment.ways.{case.basis.lower()}").pack.source
    form = {
        "cadre": case.cadre,
        "regime": Regime.ORG,
        "kind": case.way,
        "basis": case.basis,
        "organ": Organ.COMM,
        "decision_no": case.decision_no,
        "legal_basis": source,
        "decided_on": case.decided_on,
        "effective_on": case.executed_on,
    } | ({} if case.months is None else {"months": case.months})
    case.sanction = record_sanction(sanctions, uow, form, f"adjustment/{case.id}").id


def _revoke(sanctions: Cases, uow: UnitOfWork, case: AdjustmentRow) -> None:
    if case.sanction is None:
        return
    found = uow.session.get_one(SanctionRow, case.sanction)
    if sanctions.case_type.target(found.state, "revoke") is not None:
        reason = {"reason": f"adjustment/{case.id}"}
        sanctions.take(uow, case.sanction, "revoke", system_actor("supervision"), reason)


def drop_ungrounded(adjustments: Cases, uow: UnitOfWork, finding: str) -> None:
    """Withdraw or reverse adjustments that rest on `finding`, where all of their grounds are tolerated or revoked (I5)."""
    row = AdjustmentRow
    wanted = select(row).where(row.findings.contains([finding]), row.state.in_((*UNDECIDED, *STANDING)))
    for case in uow.session.scalars(wanted.order_by(row.id)).all():
        if all(ground.tolerated or ground.state == "REVOKED" for ground in _grounds(uow, case.findings)):
            action = "withdraw" if case.state in UNDECIDED else "reverse"
            adjustments.take(uow, case.id, action, system_actor("supervision"), {"reason": f"finding/{finding}"})


def texts(adjustments: Cases, uow: UnitOfWork, case_id: str, actor: Actor) -> AdjustmentRow:
    """Return an adjustment whose texts an officer may read whom it does not concern, and record the look.

    Raises Refusal: 404, 403 `DATA_SCOPE`.
    """
    case: AdjustmentRow = adjustments.read(uow, case_id, actor)
    if not any(actor.has(role) for role in OFFICERS) or adjustments.scope(case).concerns(actor):
        raise Refusal("DATA_SCOPE", zh="不在您的数据权限范围内。", en="It is outside your data scope.", status=403)
    uow.audit("adjustment.texts.read", f"adjustment/{case.id}", read=["opinion", "talk_summary"])
    return case


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which adjustments `actor` may list: the same that `scope` lets them read."""
    row = AdjustmentRow
    disclosed = row.state.in_((*STANDING, "REVERSED"))
    party = row.cadre == actor.person if actor.person else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        own = or_(party, row.unit == actor.unit if actor.unit else false())
        seen.append(and_(within, or_(disclosed, ~own)))
    if any(actor.has(role) for role in _PARTY):
        seen.append(and_(disclosed, party))
    return or_(false(), *seen)

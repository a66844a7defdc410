"""Recalls as cases: what their rules look up, who sees them, what is kept beside them, and what each step leads to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step, warned
from citybus.cases.perform import system_actor
from citybus.errors import Refusal
from citybus.freshness import require_fresh
from citybus.ids import new_id
from citybus.unit_of_work import UnitOfWork
from supervision.application.adjustments import open_adjustment
from supervision.application.case_holds import has_open_case
from supervision.application.eligibility import set_bars
from supervision.application.rulebook import Rulebook
from supervision.application.transfer_signal import transfer
from supervision.domain import observation, training
from supervision.domain.bulletin import PENDING_TOLERANCE
from supervision.domain.recall import RECALL, bars
from supervision.domain.recall_record import CLOSED, OUTCOMES, STANDING, Ground, RecallFacts, Seats, scope
from supervision.persistence.models import (
    CadreRow,
    FindingRow,
    RecallRow,
    RecallTextRow,
    ToleranceRow,
    TrainingClassRow,
)
from supervision.schemas.published import recall_state
from supervision.schemas.requests import (
    DisciplineCase,
    Enrolment,
    LongerObservation,
    Marked,
    MonthlyReport,
    ObservationPlan,
    PhaseResult,
    Plea,
    RecallProposal,
)
from supervision.schemas.responses import RecallView

OFFICERS: Final[Mapping[str, Reach]] = {
    "ORG.supervise": Reach.OFFICE,
    "ORG.edu": Reach.OFFICE,
    "COMM": Reach.OFFICE,
    "DISC": Reach.OFFICE,
}
TRAINER: Final = "TRAINER"
PARTY: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF, "UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}
SEATED: Final = ("ENROLLED", "IN_TRAINING")

_GROUNDED: Final = frozenset({"create", "approve"})
_SEATING: Final = frozenset({"enrol", "retrain"})
_TEXTS: Final = {
    "create": "PROPOSAL",
    "plea": "PLEA",
    "reflect": "REFLECTION",
    "report_month": "MONTHLY_REPORT",
    "review": "MID_REVIEW",
    "unit_opinion": "UNIT_OPINION",
    "evaluate": "EVALUATION",
    "to_discipline": "DISCIPLINE_CASE",
}
AMENDMENTS: Final[Mapping[str, str]] = {
    "RESTORED": "amend_restore",
    "ADJUSTED": "amend_adjust",
    "REMOVED": "amend_remove",
}
"""The step by which an appeal puts a lighter outcome in the place of another."""
_AGAINST: Final = frozenset({"adjust", "remove", "demote", "amend_adjust", "amend_remove"})
_MOVES_BARS: Final = frozenset(
    {"create", "restore", "adjust", "remove", "demote", *AMENDMENTS.values(), "cancel", "undo", "to_discipline"}
)


@dataclass(frozen=True)
class RecallCases(Cases):
    """Recalls, of which a trainer reads those of the own class alone."""

    def refuse_reader(self, actor: Actor, case: Any) -> None:
        """Raise 403 where `actor` may not read `case`."""
        super().refuse_reader(actor, case)
        trains_alone = not any(actor.has(role) for role in (*OFFICERS, *PARTY))
        if trains_alone and actor.subject not in case.trainers:
            raise Refusal(
                "DATA_SCOPE",
                zh="该事项不在您的数据权限范围内。",
                en="The case is outside your data scope.",
                status=403,
            )


def recalls(rulebook: Rulebook, adjustments: Cases, signals: Cases) -> Cases:
    """Return recalls, bound to their table, forms, facts, duties and consequences; some lead to `adjustments`."""

    def after(action: str) -> Callable[[UnitOfWork, Step], None]:
        return lambda uow, step: _after(cases, adjustments, uow, step)

    def facts(uow: UnitOfWork, case: RecallRow, action: str, form: Mapping[str, Any]) -> RecallFacts:
        return _facts(rulebook, uow, case, action, form)

    cases = RecallCases(
        case_type=RECALL,
        model=RecallRow,
        rules=rulebook.on,
        payload=recall_state,
        view=RecallView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, TRAINER: Reach.OFFICE, **PARTY},
        forms={
            "create": RecallProposal,
            "plea": Plea,
            "enrol": Enrolment,
            "retrain": Enrolment,
            "reflect": Plea,
            "pass_phase": PhaseResult,
            "observe": ObservationPlan,
            "extend": LongerObservation,
            "report_month": MonthlyReport,
            "review": Marked,
            "unit_opinion": Marked,
            "evaluate": Marked,
            "to_discipline": DisciplineCase,
        },
        facts=facts,
        after={action: after(action) for action in (*_TEXTS, *_MOVES_BARS, "pass_phase", "fail", "miss_month")},
        duties={"DISCIPLINE_THRESHOLD": lambda uow, step: hand_over(signals, uow, step)},
    )
    return cases


def _facts(rulebook: Rulebook, uow: UnitOfWork, case: RecallRow, action: str, form: Mapping[str, Any]) -> RecallFacts:
    """Look up what the step names. Raises 503 `DEPENDENCY_STALE` where the roster or a tolerance case would decide."""
    session = uow.session
    if action in _GROUNDED:
        require_fresh(session, "assessment", "incentive")
        cadre = form["cadre"] if action == "create" else case.cadre
        named = [str(finding) for finding in form["findings"]] if action == "create" else case.findings
        # Locked, so that two proposals about one cadre take turns.
        known = session.get(CadreRow, cadre, with_for_update=True if action == "create" else None)
        grounds = _grounds(rulebook, uow, named, new=action == "create")
        return RecallFacts(
            unit=None if known is None else known.unit,
            grounds=grounds,
            unknown=sorted(set(named) - {ground.id for ground in grounds}),
            held=has_open_case(uow, cadre),
            open_recall=_open_recall(uow, cadre) if action == "create" else None,
        )
    if action in _SEATING and form:
        return RecallFacts(seats=_seats(uow, str(form["training_class"])))
    return RecallFacts()


def _grounds(rulebook: Rulebook, uow: UnitOfWork, named: Sequence[str], *, new: bool) -> list[Ground]:
    session, rules = uow.session, rulebook.on(uow.clock.today())
    wanted = select(FindingRow).where(FindingRow.id.in_(named)).order_by(FindingRow.id)
    # A new recall is not there yet to be cancelled when tolerance takes effect: so that waits.
    found = session.scalars(wanted.with_for_update(read=True) if new else wanted).all()
    about, running = ToleranceRow.finding_id, ToleranceRow.state.in_(sorted(PENDING_TOLERANCE))
    pending = set(session.scalars(select(about).where(about.in_(named), running)))
    before = select(RecallRow).where(RecallRow.findings.overlap(named), RecallRow.state.in_(OUTCOMES))
    used = {finding: recall.id for recall in session.scalars(before) for finding in recall.findings} if new else {}
    catalogue = rules["finding.reason_codes"]
    over_types = rules["finding.discipline_threshold.types"]
    over_codes = rules["finding.discipline_threshold.reason_codes"]
    return [
        Ground(
            id=row.id,
            state=row.state,
            unit=row.unit,
            cadres=frozenset(entry["cadre"] for entry in row.responsible),
            over=tuple(
                [row.type] * (row.type in over_types) + [code for code in row.reason_codes if code in over_codes]
            ),
            circumstances=frozenset(
                catalogue[code]["recall"] for code in row.reason_codes if "recall" in catalogue.get(code, {})
            ),
            tolerated=is_tolerated(row),
            tolerance_open=row.id in pending,
            recalled_by=used.get(row.id),
        )
        for row in found
    ]


def is_tolerated(finding: FindingRow) -> bool:
    """Say whether fault tolerance was granted for the finding, in whole or in part."""
    return finding.tolerance_factor is not None and finding.tolerance_factor < 1


def _open_recall(uow: UnitOfWork, cadre: str) -> str | None:
    found = select(RecallRow.id).where(RecallRow.cadre == cadre, RecallRow.state.not_in(CLOSED)).limit(1)
    return uow.session.scalars(found).one_or_none()


def _seats(uow: UnitOfWork, class_id: str) -> Seats | None:
    # Locked, so that nobody takes the last seat twice.
    row = uow.session.get(TrainingClassRow, class_id, with_for_update=True)
    if row is None:
        return None
    return Seats(
        id=row.id,
        state=row.state,
        starts=row.starts,
        capacity=row.capacity,
        taken=seats_taken(uow, row.id),
        trainers=tuple(row.trainers),
    )


def seats_taken(uow: UnitOfWork, class_id: str) -> int:
    """Return how many recalled cadres sit in a class now, or will."""
    seated = select(func.count()).where(RecallRow.class_id == class_id, RecallRow.state.in_(SEATED))
    return uow.session.execute(seated).scalar_one()


def hand_over(signals: Cases, uow: UnitOfWork, step: Step) -> None:
    """Hand each finding above the discipline threshold to the commission; the recall is not made."""
    facts: RecallFacts = step.facts
    for finding in sorted(ground.id for ground in facts.grounds if ground.over):
        transfer(signals, uow, finding)


def _after(cases: Cases, adjustments: Cases, uow: UnitOfWork, step: Step) -> None:
    """Keep the step's text beside the case, move the bars, and take what the system takes in its wake."""
    case: RecallRow = step.case
    if step.action in _TEXTS and step.form.get("text"):
        _keep_text(uow, step)
    if step.action in _MOVES_BARS:
        set_bars(uow, RECALL.subject(case), case.cadre, bars(step))
    if step.action in _AGAINST:
        _propose_adjustment(adjustments, uow, step)
    elif step.action == "report_month":
        kind = observation.REPORT_KINDS[observation.number_of(case, step.form["month"]) - 1]
        warned.satisfied(uow, cases, case, kind)
    elif step.action == "pass_phase" and training.has_passed(step):
        _go_on(cases, uow, case, "advance", f"phase {case.phases[-1]['phase']}")
    elif step.action == "fail" and training.is_exhausted(step):
        _go_on(cases, uow, case, "conclude", "no further training")
    elif step.action == "miss_month" and observation.wants_warning(step):
        _go_on(cases, uow, case, "warn_unit", "monthly reports missed")


def _propose_adjustment(adjustments: Cases, uow: UnitOfWork, step: Step) -> None:
    """Propose what an outcome against the cadre leads to (S11): it is verified and decided by people, as any other."""
    case: RecallRow = step.case
    rows = uow.session.scalars(select(FindingRow).where(FindingRow.id.in_(case.findings)).order_by(FindingRow.id))
    open_adjustment(
        adjustments,
        uow,
        cadre=case.cadre,
        way=step.rule("recall.adjustment_ways")[case.outcome],
        findings=[row.id for row in rows if row.state in STANDING and not is_tolerated(row)],
        recall=case.id,
    )


def _go_on(cases: Cases, uow: UnitOfWork, case: RecallRow, action: str, reason: str) -> None:
    cases.take(uow, case.id, action, system_actor("supervision"), {"reason": reason})


def _keep_text(uow: UnitOfWork, step: Step) -> None:
    uow.session.add(
        RecallTextRow(
            id=new_id(),
            recall_id=step.case.id,
            kind=_TEXTS[step.action],
            attempt=step.case.attempt,
            month=step.form.get("month"),
            author=step.actor.subject,
            text=step.form["text"],
            at=step.at,
        )
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which recalls `actor` may list: the same that `scope` and the class let them read."""
    row = RecallRow
    disclosed = row.state != "PROPOSED"
    own_unit = row.unit == actor.unit if actor.unit else false()
    own = row.cadre == actor.person if actor.person else false()
    within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        seen.append(and_(within, or_(disclosed, not_(or_(own, own_unit)))))
    if actor.has(TRAINER):
        seen.append(and_(within, disclosed, row.trainers.contains([actor.subject])))
    if actor.has("CADRE"):
        seen.append(and_(disclosed, own))
    if actor.has("UNITHEAD") or actor.has("UNITHR"):
        seen.append(and_(disclosed, own_unit))
    return or_(false(), *seen)


def cancel_ungrounded(cases: Cases, uow: UnitOfWork, finding_id: str, cause: str) -> None:
    """Cancel the recalls that name the finding and that nothing carries any more (3.4, I5).

    An open one is carried by a finding that stands, is not excused in part either, and shows a circumstance of recall.
    One that was decided rests on its findings until all are revoked or excused altogether.
    """
    codes = cases.rules(uow.clock.today())["finding.reason_codes"]
    naming = select(RecallRow.id).where(
        RecallRow.findings.contains([finding_id]), RecallRow.state.not_in(CLOSED.difference(OUTCOMES))
    )
    for recall_id in uow.session.scalars(naming.order_by(RecallRow.id)).all():
        recall = uow.session.get_one(RecallRow, recall_id, with_for_update=True)
        rows = uow.session.scalars(select(FindingRow).where(FindingRow.id.in_(recall.findings))).all()
        if recall.state in OUTCOMES:
            action = "undo"
            carried = any(row.state in STANDING and row.tolerance_factor != 0 for row in rows)
        else:
            action = "cancel"
            carried = any(
                row.state in STANDING
                and not is_tolerated(row)
                and any("recall" in codes.get(code, {}) for code in row.reason_codes)
                for row in rows
            )
        if not carried and cases.case_type.target(recall.state, action) is not None:
            form = {"cause": cause, "reason": cause}
            cases.take(uow, recall_id, action, system_actor("supervision"), form)


def texts(cases: Cases, uow: UnitOfWork, recall_id: str, actor: Actor) -> Sequence[RecallTextRow]:
    """Return the texts of a recall that `actor` may read, oldest first, and record the look (L4).

    Officers of the organisation department and the committee read all but the commission's case number, the commission
    all, as far as it does not concern themselves or their unit; a trainer reads the self-criticisms; anybody else what
    they wrote, and the cadre why the recall was proposed and, once it is decided, how it was evaluated.
    Raises Refusal: 404, 403 `DATA_SCOPE`.
    """
    recall: RecallRow = cases.read(uow, recall_id, actor)
    found = select(RecallTextRow).where(RecallTextRow.recall_id == recall.id).order_by(RecallTextRow.id)
    mine = RecallTextRow.author == actor.subject
    if scope(recall).concerns(actor):
        told = ("PROPOSAL", "EVALUATION") if recall.state in OUTCOMES else ("PROPOSAL",)
        found = found.where(or_(mine, RecallTextRow.kind.in_(told if actor.person == recall.cadre else ())))
    elif actor.has("DISC"):
        pass
    elif any(actor.has(role) for role in OFFICERS):
        found = found.where(RecallTextRow.kind != "DISCIPLINE_CASE")
    elif actor.has(TRAINER):
        found = found.where(or_(mine, RecallTextRow.kind == "REFLECTION"))
    else:
        found = found.where(mine)
    uow.audit("recall.texts.read", RECALL.subject(recall), read=["text"])
    return uow.session.scalars(found).all()

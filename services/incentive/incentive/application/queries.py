"""What is read beside the cases themselves; every look at a text is recorded (X1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from citybus.actor import Actor
from citybus.cases import Cases
from citybus.errors import Refusal
from citybus.rulepack import Rules
from citybus.tables import deadlines
from citybus.unit_of_work import UnitOfWork
from incentive.application.corrections import visible as plans_visible
from incentive.application.tolerances import OFFICERS
from incentive.domain.application import asked_by
from incentive.domain.decision import GRANTED_STATES
from incentive.domain.points import points
from incentive.domain.tolerance import BULLETIN_EFFECTS, EFFECTS, watched_by
from incentive.domain.verification import DECISIONS, FACTORS, explain
from incentive.persistence.models import CorrectionRow, EffectRow, EvidenceRow, ToleranceRow, UploadRow


@dataclass(frozen=True, slots=True)
class Effects:
    """How far the consequences of a case are.

    `due_at` is the first limit of what is awaited, when an alert is raised; None where nothing is awaited. `overdue`: one
    of the limits of what is awaited has passed.
    """

    case: ToleranceRow
    steps: Sequence[EffectRow]
    due_at: datetime | None
    overdue: bool

    @property
    def complete(self) -> bool:
        """Whether the case is effective, or revoked, and nothing is outstanding."""
        return self.case.state in (*GRANTED_STATES, "REVOKED") and all(step.done_at is not None for step in self.steps)


def effects(tolerances: Cases, uow: UnitOfWork, case_id: str, actor: Actor) -> Effects:
    """Return the consequences of a case that `actor` may read: an officer all, others those for the finding and their own.

    Raises Refusal: 404, 403 `DATA_SCOPE`.
    """
    case: ToleranceRow = tolerances.read(uow, case_id, actor)
    found = select(EffectRow).where(EffectRow.case_id == case.id).order_by(EffectRow.step.desc())
    if not _as_officer(case, actor):
        found = found.where(or_(EffectRow.cadre.is_(None), EffectRow.cadre == actor.person))
    # A revocation has a limit of its own, after that of the effects which it takes back.
    armed = (
        select(deadlines.c.kind, deadlines.c.due_at, deadlines.c.state)
        .where(deadlines.c.kind.in_((EFFECTS, BULLETIN_EFFECTS)), deadlines.c.ref == f"tolerance/{case.id}")
        .order_by(deadlines.c.due_at)
    )
    steps = uow.session.scalars(found).all()
    kinds = {watched_by(step.step) for step in steps if step.done_at is None}
    limits = {limit.kind: limit for limit in uow.session.execute(armed) if limit.kind in kinds}.values()
    due_at = min((limit.due_at for limit in limits), default=None)
    return Effects(case, steps, due_at, any(limit.state == "FIRED" for limit in limits))


def statement(tolerances: Cases, uow: UnitOfWork, case_id: str, actor: Actor) -> ToleranceRow:
    """Return a case whose texts `actor` may read: who asked, and officers once it is filed.

    Raises Refusal: 404, 403 `DATA_SCOPE` (a unit does not read what its cadre wrote, nor a cadre what others wrote).
    """
    case: ToleranceRow = tolerances.read(uow, case_id, actor)
    if not _shows(case, actor):
        raise _out_of_scope()
    shown = ["statement", "late_cause", "new_facts", "review_grounds", "answer"]
    uow.audit("tolerance.statement.read", f"tolerance/{case.id}", read=shown)
    return case


def verification(tolerances: Cases, uow: UnitOfWork, case_id: str, actor: Actor) -> dict[str, Any]:
    """Return what was verified and decided by whom, for officers who do not belong to the unit.

    Raises Refusal: 404 (nothing yet), 403 `DATA_SCOPE`.
    """
    case: ToleranceRow = tolerances.read(uow, case_id, actor)
    if not _as_officer(case, actor):
        raise _out_of_scope()
    if case.advice is None or case.advice_grounds is None:
        raise Refusal("NOT_FOUND", zh="尚未核实。", en="Nothing is verified yet.", status=404)
    uow.audit(
        "tolerance.verification.read", f"tolerance/{case.id}", read=["factors", "exclusions", "panel", "deviation"]
    )
    zh, en = explain(case.advice_grounds, case.advice)
    return {
        "verifiers": case.verifiers,
        "factors": case.factors,
        "exclusions": case.exclusions,
        "advice": case.advice,
        "explanation": {"zh": zh, "en": en},
        "grounds": case.advice_grounds,
        "panel": case.panel,
        "decision": case.decision,
        "deviation": case.deviation,
    }


def measures(corrections: Cases, uow: UnitOfWork, correction_id: str, actor: Actor) -> CorrectionRow:
    """Return a correction plan whose texts `actor` may read: whoever may read the plan. Raises Refusal: 404, 403."""
    case: CorrectionRow = corrections.read(uow, correction_id, actor)
    uow.audit("correction.measures.read", f"correction/{case.id}", read=["measures", "note"])
    return case


def evidence(uow: UnitOfWork, digest: str, actor: Actor) -> tuple[EvidenceRow, str]:
    """Return a file and its name: for who uploaded it, who asked in a case that names it, and officers within its scope.

    What proves a correction is for whoever may list the plan as well.

    Raises Refusal: 404 `NOT_FOUND`, which also is the answer to those whom the file does not concern.
    """
    session = uow.session
    row = session.get(EvidenceRow, digest)
    own = session.get(UploadRow, (digest, actor.subject))
    proven = select(CorrectionRow.tolerance_id).where(CorrectionRow.proof.contains([digest]))
    named = or_(ToleranceRow.evidence.contains([digest]), ToleranceRow.id.in_(proven))
    cases = session.scalars(select(ToleranceRow).where(named)).all()
    plans = select(CorrectionRow.id).where(CorrectionRow.proof.contains([digest]), plans_visible(actor)).limit(1)
    shown = any(_shows(case, actor) for case in cases) or session.execute(plans).one_or_none() is not None
    if row is None or (own is None and not shown):
        raise Refusal("NOT_FOUND", zh="没有该证据文件。", en="There is no such evidence.", status=404)
    first = select(UploadRow.name).where(UploadRow.sha256 == digest).order_by(UploadRow.uploaded_at).limit(1)
    name = own.name if own is not None else session.execute(first).scalar_one()
    uow.audit("evidence.read", f"evidence/{digest}", read=["content"])
    return row, name


def _shows(case: ToleranceRow, actor: Actor) -> bool:
    """Say whether `actor` may see the texts and the evidence of a case."""
    return asked_by(case, actor) or (case.state != "DRAFT" and _as_officer(case, actor))


def _as_officer(case: ToleranceRow, actor: Actor) -> bool:
    """Say whether `actor` reads a case as an officer within whose data scope it is, and who has no part in it."""
    within = actor.units is None or case.unit in actor.units
    apart = actor.unit != case.unit and actor.person not in case.persons
    return within and apart and any(actor.has(role) for role in OFFICERS)


def _out_of_scope() -> Refusal:
    return Refusal("DATA_SCOPE", zh="该内容不在您的数据权限范围内。", en="This is outside your data scope.", status=403)


def catalogue(rules: Rules) -> dict[str, Any]:
    """Return what the forms may name under `rules`, with labels."""
    return {
        "circumstances": [{"code": code, **entry} for code, entry in rules["tolerance.circumstances"].items()],
        "exclusions": [{"code": code, **entry} for code, entry in rules["tolerance.exclusions"].items()],
        "factors": [{"code": code, "zh": zh, "en": en} for code, (zh, en) in FACTORS.items()],
        "decisions": [
            {"code": code.value, "zh": zh, "en": en, "factor": points(rules[f"tolerance.factor.{code.lower()}"])}
            for code, (zh, en) in DECISIONS.items()
        ],
    }

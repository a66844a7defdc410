"""Tolerance cases: what their rules look up, who sees them, and what follows when they take effect."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true
from sqlalchemy.orm import Session

from citybus.actor import Actor
from citybus.cases import Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from incentive.application.corrections import give_up_correction, open_correction
from incentive.application.follow_effects import open_effects, open_reversal
from incentive.application.rulebook import Rulebook
from incentive.application.standings import off_roster
from incentive.domain.application import AboutFinding, AboutMeasure, Applicant, Facts
from incentive.domain.tolerance import TOLERANCE, scope
from incentive.persistence.models import CadreRow, CorrectionRow, FindingRow, LinkRow, ToleranceRow, UploadRow
from incentive.schemas.published import tolerance_state
from incentive.schemas.requests import (
    Acceptance,
    Answer,
    Application,
    Attachment,
    NewFacts,
    PanelDecision,
    ReviewDecision,
    ReviewRequest,
    Revision,
    RevocationNotice,
    Verification,
    Verifiers,
)
from incentive.schemas.responses import ToleranceView

OFFICERS: Final[Mapping[str, Reach]] = {
    "ORG.supervise": Reach.OFFICE,
    "SUPO": Reach.OFFICE,
    "DISC": Reach.OFFICE,
    "COMM": Reach.OFFICE,
}
_ASKING: Final = frozenset({"create", "file", "refile"})
_NAMING: Final = frozenset({"assign", "reassign", "decide"})
_JUDGING: Final = frozenset({"verify", "decide", "review"})
_REVOKING: Final = frozenset({"give_notice", "revoke"})
_SHOWING: Final = frozenset({"create", "revise", "refile", "attach"})


def tolerances(rulebook: Rulebook, plans: Cases) -> Cases:
    """Return tolerance cases, bound to their table, forms and facts; `plans` are opened by what is granted."""

    def reviewed(uow: UnitOfWork, step: Step) -> None:
        bound.take(uow, step.case.id, "take_effect", system_actor("incentive"), {})

    def in_effect(uow: UnitOfWork, step: Step) -> None:
        open_effects(uow, step)
        open_correction(plans, uow, step)

    def revoked(uow: UnitOfWork, step: Step) -> None:
        open_reversal(uow, step)
        give_up_correction(plans, uow, step)

    bound = Cases(
        case_type=TOLERANCE,
        model=ToleranceRow,
        rules=rulebook.on,
        payload=tolerance_state,
        view=ToleranceView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, "CADRE": Reach.SELF, "UNITHEAD": Reach.UNIT},
        forms={
            "create": Application,
            "revise": Revision,
            "attach": Attachment,
            "refile": NewFacts,
            "accept": Acceptance,
            "assign": Verifiers,
            "reassign": Verifiers,
            "verify": Verification,
            "decide": PanelDecision,
            "ask_review": ReviewRequest,
            "review": ReviewDecision,
            "give_notice": RevocationNotice,
            "answer": Answer,
        },
        facts=facts,
        after={"review": reviewed, "take_effect": in_effect, "revoke": revoked},
    )
    return bound


def facts(uow: UnitOfWork, case: ToleranceRow, action: str, form: Mapping[str, Any]) -> Facts:
    """Look up what the step names. Raises 503 `DEPENDENCY_STALE` where what others told would decide and is out of date.

    What supervision told decides when to ask, and who must keep away; so does the roster of assessment for the latter.
    """
    session = uow.session
    finding, others, unit_of, left = None, frozenset[tuple[str, str]](), {}, frozenset[str]()
    finding_id, measure = None, None
    if action in _ASKING | _NAMING:
        require_fresh(session, "supervision")
        measure = _measure(session, str(form["measure"])) if action == "create" and form.get("measure") else None
        finding_id = _asked_about(form, measure) if action == "create" else case.finding_id
        finding = None if finding_id is None else _finding(session, finding_id)
        others = frozenset() if finding_id is None else _others(session, finding_id, case.id)
    elif action in _JUDGING:
        finding = _finding(session, case.finding_id)
    if action in _NAMING:
        require_fresh(session, "assessment")
        people = [person["cadre"] for person in form.get("verifiers") or form.get("panel") or ()]
        unit_of = dict(session.execute(select(CadreRow.id, CadreRow.unit).where(CadreRow.id.in_(people))).all())
        left = off_roster(uow, people)
    shown = _evidence(uow, case, form) if action in _SHOWING else frozenset[str]()
    overdue = action in _REVOKING and _correction_overdue(session, case.id)
    return Facts(
        finding=finding,
        finding_id=finding_id,
        measure=measure,
        others=others,
        evidence=shown,
        unit_of=unit_of,
        left=left,
        correction_overdue=overdue,
    )


def _measure(session: Session, measure: str) -> AboutMeasure | None:
    row = session.get(LinkRow, f"measure/{measure}")
    return None if row is None else AboutMeasure(row.cadre, tuple(row.findings))


def _asked_about(form: Mapping[str, Any], measure: AboutMeasure | None) -> str | None:
    """Return the finding of a new application: that which it names, or on which alone the measure that it names rests."""
    if form.get("finding") is not None:
        return str(form["finding"])
    return measure.findings[0] if measure is not None and len(measure.findings) == 1 else None


def _correction_overdue(session: Session, case_id: str) -> bool:
    found = select(CorrectionRow.id).where(CorrectionRow.tolerance_id == case_id, CorrectionRow.state == "OVERDUE")
    return session.execute(found.limit(1)).one_or_none() is not None


def _finding(session: Session, finding_id: str) -> AboutFinding | None:
    row = session.get(FindingRow, finding_id)
    if row is None:
        return None
    return AboutFinding(
        state=row.state,
        unit=row.unit,
        responsible=frozenset(row.responsible),
        handlers=frozenset(row.handlers),
        served_on=row.served_on,
        verified_on=row.verified_on,
    )


def _others(session: Session, finding_id: str, case_id: str) -> frozenset[tuple[str, str]]:
    row = ToleranceRow
    asked = select(row.applicant_kind, row.applicant_id).where(
        row.finding_id == finding_id, row.id != case_id, row.state != "WITHDRAWN"
    )
    return frozenset(session.execute(asked).all())


def _evidence(uow: UnitOfWork, case: ToleranceRow, form: Mapping[str, Any]) -> frozenset[str]:
    """Return those of the sums in the form that the asker uploaded, or that belong to the case already."""
    sums: Iterable[str] = form.get("evidence") or ()
    own = select(UploadRow.sha256).where(UploadRow.sha256.in_(list(sums)), UploadRow.uploaded_by == uow.context.actor)
    return frozenset(uow.session.scalars(own)) | frozenset(case.evidence or ())


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which cases `actor` may list: the same that `scope` lets them read."""
    row = ToleranceRow
    disclosed = or_(row.state != "DRAFT", row.applicant_kind != Applicant.ORGAN.value)
    party = row.persons.contains([actor.person]) if actor.person else false()
    of_unit = row.unit == actor.unit if actor.unit else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        seen.append(and_(within, or_(disclosed, not_(or_(party, of_unit)))))
    if actor.has("CADRE"):
        seen.append(and_(disclosed, party))
    if actor.has("UNITHEAD"):
        seen.append(and_(disclosed, of_unit))
    return or_(false(), *seen)

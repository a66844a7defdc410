"""Bulletins as cases: what their rules look up, who sees them, and what approvals and withdrawals lead to."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.freshness import require_fresh
from citybus.unit_of_work import UnitOfWork
from supervision.application.inspections import OFFICERS
from supervision.application.rulebook import Rulebook
from supervision.domain.bulletin import (
    BULLETIN,
    EASING,
    PENDING_APPEAL,
    PENDING_TOLERANCE,
    PLANNED,
    BulletinFacts,
    Exposed,
    all_channels,
    is_approved,
    scope,
)
from supervision.persistence.models import AppealRow, BulletinRow, FindingRow, ToleranceRow
from supervision.schemas.published import bulletin_state
from supervision.schemas.requests import BulletinCorrection, BulletinDraft, BulletinSchedule, BulletinWithdrawal
from supervision.schemas.responses import BulletinView

_READERS: Final[Mapping[str, Reach]] = {**OFFICERS, "MEDIA": Reach.OFFICE}
_PARTY: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF, "UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}
_EXPOSING: Final = frozenset({"schedule", "publish"})


def bulletins(rulebook: Rulebook) -> Cases:
    """Return bulletins, bound to their table, forms and facts."""

    def conclude(uow: UnitOfWork, step: Step) -> None:
        if is_approved(step.case):
            action = "approve" if step.case.state == "REVIEWING" else "correct"
            form = {"reason": "approved by all offices"}
            bound.take(uow, step.case.id, action, system_actor("supervision"), form)

    def finish(uow: UnitOfWork, step: Step) -> None:
        # When it expired it was taken from every channel but the press: where there is none, nobody reports any more.
        if all_channels(step.case, "WITHDRAWN"):
            form = {"reason": "withdrawn from every channel before"}
            bound.take(uow, step.case.id, "confirm_withdrawal", system_actor("supervision"), form)

    bound = Cases(
        case_type=BULLETIN,
        model=BulletinRow,
        rules=rulebook.on,
        payload=bulletin_state,
        view=BulletinView,
        scope=scope,
        visible=visible,
        readers={**_READERS, **_PARTY},
        forms={
            "create": BulletinDraft,
            "revise": BulletinDraft,
            "schedule": BulletinSchedule,
            "propose_correction": BulletinCorrection,
            "withdraw": BulletinWithdrawal,
        },
        facts=facts,
        after={
            **dict.fromkeys(("approve_discipline", "approve_organisation", "approve_media"), conclude),
            "withdraw": finish,
        },
    )
    return bound


def facts(uow: UnitOfWork, case: BulletinRow, action: str, form: Mapping[str, Any]) -> BulletinFacts:
    """Look up the findings, and what is open on them.

    Raises 503 `DEPENDENCY_STALE` where it is to be made public and what incentive and assessment have decided is not known for sure.
    """
    if action in _EXPOSING:
        require_fresh(uow.session, "incentive", "assessment")
    named = [str(finding) for finding in form.get("findings", ())] or case.findings or []
    # Not locked: who revokes a finding looks for its bulletins after that, and each is asked again when it is due.
    found = uow.session.scalars(
        select(FindingRow).where(FindingRow.id.in_(named)).execution_options(populate_existing=True)
    ).all()
    cases = uow.session.scalars(select(ToleranceRow).where(ToleranceRow.finding_id.in_(named))).all()
    appeals = uow.session.scalars(
        select(AppealRow).where(
            AppealRow.subject_ref.in_([f"finding/{each}" for each in named]),
            AppealRow.state.in_(sorted(PENDING_APPEAL)),
        )
    ).all()
    today = uow.clock.today()
    return BulletinFacts(
        findings={
            finding.id: Exposed(
                id=finding.id,
                state=finding.state,
                unit=finding.unit,
                persons=frozenset(entry["cadre"] for entry in finding.responsible),
                plea_over=all(entry["pleaded_on"] for entry in finding.responsible)
                or (finding.plea_until is not None and today > finding.plea_until),
                pending_tolerance=sorted(
                    each.id for each in cases if each.finding_id == finding.id and each.state in PENDING_TOLERANCE
                ),
                pending_appeals=sorted(each.id for each in appeals if each.subject_ref == f"finding/{finding.id}"),
                eased=frozenset(
                    each.decision
                    for each in cases
                    if each.finding_id == finding.id and each.state in EASING and each.decision
                ),
            )
            for finding in found
        }
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which bulletins `actor` may list: the same that `scope` lets them read."""
    row = BulletinRow
    disclosed = row.state.not_in(sorted(PLANNED | {"REJECTED"}))
    person = row.persons.contains([actor.person]) if actor.person else false()
    unit = row.units.contains([actor.unit]) if actor.unit else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in _READERS):
        within = true() if actor.units is None else row.units.contained_by(sorted(actor.units))
        seen.append(and_(within, or_(disclosed, not_(or_(person, unit)))))
    if actor.has("CADRE"):
        seen.append(and_(disclosed, person))
    if actor.has("UNITHEAD") or actor.has("UNITHR"):
        seen.append(and_(disclosed, unit))
    return or_(false(), *seen)

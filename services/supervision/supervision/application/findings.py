"""Findings as cases: what their rules look up, who sees them, and what is kept beside them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from citybus.cases import Action, Actor, Cases, Reach, Step
from citybus.cases.perform import SYSTEM
from citybus.errors import Refusal
from citybus.freshness import require_fresh
from citybus.ids import new_id
from citybus.unit_of_work import UnitOfWork
from supervision.application.inspections import OFFICERS
from supervision.application.rulebook import Rulebook
from supervision.application.transfer_signal import transfers
from supervision.domain.finding import COUNTS, FINDING, FindingFacts, Inspected, scope, weight_key
from supervision.persistence.models import CadreRow, EvidenceRow, FindingRow, InspectionRow, PleaRow, UnitRow
from supervision.schemas.published import finding_state
from supervision.schemas.requests import Attachment, FindingDraft, FindingRevocation, Plea
from supervision.schemas.responses import FindingView

_PARTY: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF}
_UNIT: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}

_OF_PARTIES: Final = "plea"


class Findings(Cases):
    """Findings: each event tells as well who handled the finding so far, for they keep away from what comes of it (X7).

    A unit reads those that it is to rectify: its own that count.
    """

    def refuse_reader(self, actor: Actor, case: Any) -> None:
        """Raise 403 where `actor` may not read `case`."""
        super().refuse_reader(actor, case)
        concerned = self.scope(case)
        in_reach = actor.units is None or concerned.units <= actor.units
        by_office = in_reach and any(actor.has(role) for role in OFFICERS)
        by_self = any(actor.has(role) for role in _PARTY) and actor.person in concerned.persons
        if not by_office and not by_self and case.state not in COUNTS:
            raise Refusal(
                "DATA_SCOPE",
                zh="该事项不在您的数据权限范围内。",
                en="The case is outside your data scope.",
                status=403,
            )

    def _record(
        self, uow: UnitOfWork, step: Step, action: Action, source: str | None, firing: str | None = None
    ) -> None:
        """Record as every case does. The event names its actor alone: who recorded the finding, or confirmed first, would be lost."""
        taken = {past.actor for past in step.history if past.action != _OF_PARTIES}
        if step.action != _OF_PARTIES:
            taken.add(step.actor.subject)
        handlers = sorted(subject for subject in taken if not subject.startswith(f"{SYSTEM}:"))
        told = replace(self, payload=lambda case: {**self.payload(case), "handlers": handlers})
        super(Findings, told)._record(uow, step, action, source, firing)


def findings(rulebook: Rulebook, signals: Cases, revoked: Callable[[UnitOfWork, Step], None]) -> Cases:
    """Return findings, bound to their table, forms, facts and duties; `revoked` is what follows when one is revoked."""

    def facts(uow: UnitOfWork, case: FindingRow, action: str, form: Mapping[str, Any]) -> FindingFacts:
        return _facts(rulebook, uow, case, action, form)

    return Findings(
        case_type=FINDING,
        model=FindingRow,
        rules=rulebook.on,
        payload=finding_state,
        view=FindingView,
        scope=scope,
        visible=visible,
        readers={**OFFICERS, **_PARTY, **_UNIT},
        forms={
            "create": FindingDraft,
            "revise": FindingDraft,
            "attach": Attachment,
            "plea": Plea,
            "revoke": FindingRevocation,
        },
        facts=facts,
        after={"plea": keep_plea, "revoke": revoked},
        duties={"DISCIPLINE_THRESHOLD": transfers(signals)},
    )


def _facts(rulebook: Rulebook, uow: UnitOfWork, case: FindingRow, action: str, form: Mapping[str, Any]) -> FindingFacts:
    """Look up what the step names. Raises 503 `DEPENDENCY_STALE` where the roster would decide and is out of date."""
    if action in ("create", "revise"):
        require_fresh(uow.session, "assessment")
        return _named(rulebook, uow, form) if form else FindingFacts()
    if action == "attach":
        return FindingFacts(evidence=_evidence(uow, form.get("evidence", ())))
    if action in ("verify", "amend"):
        severity = form.get("severity", case.severity)
        weight = rulebook.substance(weight_key(severity), conduct=case.occurred_on, decision=uow.clock.today())
        return FindingFacts(weight=weight)
    return FindingFacts()


def _named(rulebook: Rulebook, uow: UnitOfWork, form: Mapping[str, Any]) -> FindingFacts:
    session = uow.session
    cadres = [entry["cadre"] for entry in form["responsible"]]
    return FindingFacts(
        unit_known=session.get(UnitRow, form["unit"]) is not None,
        cadres=frozenset(session.scalars(select(CadreRow.id).where(CadreRow.id.in_(cadres)))),
        inspection=_inspection(uow, form.get("inspection")),
        evidence=_evidence(uow, form.get("evidence", ())),
        weight=rulebook.substance(
            weight_key(form["severity"]), conduct=form["occurred_on"], decision=uow.clock.today()
        ),
    )


def _inspection(uow: UnitOfWork, sought: Any) -> Inspected | None:
    if sought is None:
        return None
    # Shared, so that the inspection is not closed while a finding is added to it.
    found = uow.session.get(InspectionRow, str(sought), with_for_update={"read": True})
    return None if found is None else Inspected(state=found.state, units=frozenset(found.units))


def _evidence(uow: UnitOfWork, sums: Any) -> frozenset[str]:
    return frozenset(uow.session.scalars(select(EvidenceRow.sha256).where(EvidenceRow.sha256.in_(list(sums)))))


def keep_plea(uow: UnitOfWork, step: Step) -> None:
    """Keep the text of an answer; it is in no event and no audit entry."""
    uow.session.add(
        PleaRow(id=new_id(), finding_id=step.case.id, cadre=step.actor.person, text=step.form["text"], at=step.at)
    )


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which findings `actor` may list: the same that `scope` lets them read."""
    row = FindingRow
    disclosed = row.state != "DRAFT"
    party = row.responsible.contains([{"cadre": actor.person}]) if actor.person else false()
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
        own = or_(party, row.unit == actor.unit if actor.unit else false())
        seen.append(and_(within, or_(disclosed, not_(own))))
    if any(actor.has(role) for role in _PARTY):
        seen.append(and_(disclosed, party))
    if any(actor.has(role) for role in _UNIT):
        of_unit = row.unit == actor.unit if actor.unit else false()
        seen.append(and_(row.state.in_(sorted(COUNTS)), of_unit))
    return or_(false(), *seen)

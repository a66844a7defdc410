"""Cadres of the roster as cases, the history of their posts, and exports of the roster."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, insert, select
from sqlalchemy.orm import undefer

from assessment.application import queries
from assessment.application.rulebook import Rulebook
from assessment.application.run_import import HELD, id_place
from assessment.domain import cadre, roster_export
from assessment.domain.cadre import CADRE, CadreFacts
from assessment.domain.roster_export import ROSTER_EXPORT, ExportFacts, may_be_fetched
from assessment.persistence.models import CadreChangeRow, CadreRow, RosterExportRow, UnitRow
from assessment.schemas.published import cadre_state
from assessment.schemas.requests import Leaving, PostChange, RosterExportRequest, StateChange
from assessment.schemas.responses import CadreView, RosterExportView
from assessment.workbooks import write
from citybus.cases import Actor, Cases, Reach, Step
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Vault

_READERS: Final[Mapping[str, Reach]] = {
    "ORG.*": Reach.OFFICE,
    "COMM": Reach.OFFICE,
    "UNITHEAD": Reach.UNIT,
    "UNITHR": Reach.UNIT,
    "CADRE": Reach.SELF,
}


def cadres(rulebook: Rulebook) -> Cases:
    """Return cadres, bound to their table, forms, facts and history. An import registers them (`run_import`)."""
    return Cases(
        case_type=CADRE,
        model=CadreRow,
        rules=rulebook.on,
        payload=cadre_state,
        view=CadreView,
        scope=cadre.scope,
        visible=queries.visible_cadres,
        readers=_READERS,
        forms={"change_post": PostChange, "suspend": StateChange, "reinstate": StateChange, "leave": Leaving},
        facts=_cadre_facts,
        after=dict.fromkeys(CADRE.actions, _keep_change),
    )


def _cadre_facts(uow: UnitOfWork, case: CadreRow, action: str, form: Mapping[str, Any]) -> CadreFacts:
    if action != "change_post" or not form:
        return CadreFacts()
    return CadreFacts(unit_known=uow.session.get(UnitRow, form["unit"]) is not None)


def _keep_change(uow: UnitOfWork, step: Step) -> None:
    """Keep what holds from now on beside what held before; the reason is in no event."""
    case: CadreRow = step.case
    uow.session.execute(
        insert(CadreChangeRow).values(
            **{name: getattr(case, name) for name in HELD},
            cadre=case.id,
            number=case.version,
            change=step.action.upper(),
            how=step.form.get("how"),
            document=step.form.get("document"),
            reason=step.form.get("reason"),
            recorded_at=step.at,
            recorded_by=step.actor.subject,
        )
    )


def posts(uow: UnitOfWork, cadre_id: str, actor: Actor, as_of: datetime | None) -> list[CadreChangeRow]:
    """Return what was known at `as_of` of the posts and states of a cadre, oldest first. Raises Refusal: 404, 403."""
    queries.cadre(uow, cadre_id, actor, ("posts",), as_of)
    statement = select(CadreChangeRow).where(CadreChangeRow.cadre == cadre_id)
    if as_of is not None:
        statement = statement.where(CadreChangeRow.recorded_at <= as_of)
    return list(uow.session.scalars(statement.order_by(CadreChangeRow.number)))


# ---- exports


def roster_exports(rulebook: Rulebook) -> Cases:
    """Return exports of the roster, bound to their table, forms and facts."""
    return Cases(
        case_type=ROSTER_EXPORT,
        model=RosterExportRow,
        rules=rulebook.on,
        payload=_told,
        view=RosterExportView,
        scope=roster_export.scope,
        visible=_visible_exports,
        readers={"ORG.cadre": Reach.OFFICE, "COMM": Reach.OFFICE},
        forms={"create": RosterExportRequest},
        facts=_export_facts,
    )


def _told(case: RosterExportRow) -> dict[str, Any]:
    # An export publishes no event.
    return {"roster_export": case.id}


def _visible_exports(actor: Actor) -> ColumnElement[bool]:
    return RosterExportRow.id.is_not(None)


def export_workbook(
    exports: Cases, rulebook: Rulebook, vault: Vault, uow: UnitOfWork, export_id: str, actor: Actor
) -> bytes:
    """Return the workbook of an export, of those now within its filters and the officer's data scope.

    That it was fetched, for what, and of how many persons which fields, is recorded. Raises Refusal: 404 `NOT_FOUND`,
    403 `FORBIDDEN`, 422 `EXPORT_NOT_APPROVED`.
    """
    case: RosterExportRow = exports.read(uow, export_id, actor)
    rules = rulebook.on(uow.clock.today())
    found, _ = queries.cadres(actor, case.filters)
    statement = found.order_by(CadreRow.unit, CadreRow.post_since, CadreRow.id)
    count = _count(uow, statement)
    may_be_fetched(case, actor.subject, count, rules["roster.export.alone"])
    options = [undefer(CadreRow.id_no)] if case.id_numbers else []
    rows: Sequence[CadreRow] = uow.session.scalars(statement.options(*options)).all()
    units = uow.session.scalars(
        select(UnitRow).where(UnitRow.code.in_({row.unit for row in rows})).order_by(UnitRow.code)
    )
    numbers = {row.id: vault.open(id_place(row.id), row.id_no).decode() for row in rows} if case.id_numbers else {}
    fields = [*write.EXPORTED, *(["id_no"] if numbers else [])]
    uow.audit(
        "roster.export", f"roster-export/{case.id}", read=sorted(fields), written={"count": count}, purpose=case.purpose
    )
    return write.roster(rules, list(units), rows, numbers if case.id_numbers else None)


def _export_facts(uow: UnitOfWork, case: RosterExportRow, action: str, form: Mapping[str, Any]) -> ExportFacts:
    """Count who fits the filters in the whole city: an officer of a narrower scope gets no more than that."""
    return ExportFacts(count=_count(uow, queries.filtered_cadres(form)[0])) if action == "create" else ExportFacts()


def _count(uow: UnitOfWork, statement: Select[Any]) -> int:
    counted = select(func.count()).select_from(statement.order_by(None).with_only_columns(CadreRow.id).subquery())
    return uow.session.execute(counted).scalar_one()

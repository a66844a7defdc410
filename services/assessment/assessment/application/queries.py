"""What is read, by whom: the organisation department all within its scope, a unit's head the unit, a cadre the own entry.

Every look at what belongs to a person is recorded (X1), with the fields that were read.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased, undefer

from assessment.application.recompute_deduction import items_of
from assessment.application.rulebook import Rulebook
from assessment.application.run_import import HELD, id_place
from assessment.application.start_import import RECEIVED
from assessment.domain.columns import KINDS
from assessment.domain.deduction import deduct
from assessment.persistence.models import AnnualRecordRow, CadreChangeRow, CadreRow, ImportRow, UnitRow
from citybus import jobs
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.rulepack import MissingRule, Rules
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Vault

CADRE_READERS: Final = ("ORG.*", "COMM", "UNITHEAD", "UNITHR", "CADRE")
RECORD_READERS: Final = ("ORG.*", "UNITHEAD", "CADRE")
IMPORTERS: Final = ("ORG.cadre",)
_OF_UNIT: Final = ("UNITHEAD", "UNITHR")


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """An import, and how far its job is. `state`: QUEUED, RUNNING, IMPORTED, REJECTED or FAILED."""

    upload: ImportRow
    state: str
    progress: int
    total: int | None


def require_whole_city(actor: Actor) -> None:
    """Raise 403 `DATA_SCOPE` unless every unit is in the data scope: a roster may name any."""
    if actor.units is not None:
        raise Refusal(
            "DATA_SCOPE",
            zh="名册涉及全市单位，须具有全市数据范围。",
            en="A roster concerns every unit of the city; your data scope is narrower.",
            status=403,
        )


def import_progress(uow: UnitOfWork, import_id: str, actor: Actor, *, with_faults: bool = False) -> ImportProgress:
    """Return an import. Raises Refusal: 403 `DATA_SCOPE`, 404 `NOT_FOUND`."""
    require_whole_city(actor)
    options = [undefer(ImportRow.faults)] if with_faults else []
    upload = uow.session.get(ImportRow, import_id, options=options)
    if upload is None:
        raise _not_found("没有这次导入。", "There is no such import.")
    job = jobs.find(uow.session, upload.job_id)
    if upload.state != RECEIVED or job is None:
        done = job.progress if job else 0
        return ImportProgress(upload, upload.state, done, job.total if job else None)
    # A job that is done leaves no upload RECEIVED.
    return ImportProgress(upload, job.state, job.progress, job.total)


def import_faults(uow: UnitOfWork, import_id: str, actor: Actor) -> list[dict[str, Any]]:
    """Return what is wrong with a rejected upload. Raises Refusal: 403, 404 (nothing is, or it is not known yet)."""
    found = import_progress(uow, import_id, actor, with_faults=True)
    if not found.upload.faults:
        raise _not_found("该次导入没有错误清单。", "This import has no list of errors.")
    uow.audit("roster.errors.read", f"roster-import/{import_id}", read=["faults"])
    return found.upload.faults


def units(sought: Mapping[str, Any]) -> Select[Any]:
    """Return the query for the units that were registered by the instant `sought["as_of"]` and fit the filters."""
    return _filtered(select(UnitRow), UnitRow, sought, ("kind", "sector"))


def cadres(actor: Actor, sought: Mapping[str, Any]) -> tuple[Select[Any], tuple[Any, ...]]:
    """Return the query for the cadres whom `actor` may see, as they were known at `sought["as_of"]`, who fit the filters.

    Also its order.
    """
    statement, row = filtered_cadres(sought)
    return statement.where(_within(actor, row.unit, row.id, _OF_UNIT)), (row.id,)


def filtered_cadres(sought: Mapping[str, Any]) -> tuple[Select[Any], Any]:
    """Return the query for all cadres who fit the filters, as they were known at `sought["as_of"]`, and what it selects."""
    row = _cadres_as_of(sought.get("as_of"))
    statement = select(row)
    for name in ("name", "unit", "rank", "manage_level", "state"):
        if sought.get(name) is not None:
            statement = statement.where(getattr(row, name) == sought[name])
    if sought.get("category") is not None:
        statement = statement.where(row.categories.contains([sought["category"]]))
    return statement, row


def visible_cadres(actor: Actor) -> ColumnElement[bool]:
    """Return which cadres `actor` may see as they are now."""
    return _within(actor, CadreRow.unit, CadreRow.id, _OF_UNIT)


def _cadres_as_of(as_of: datetime | None) -> Any:
    """Return cadres as they are, or as they were known at an instant: who was not registered then is not among them."""
    if as_of is None:
        return CadreRow
    latest = select(CadreChangeRow).ext(distinct_on(CadreChangeRow.cadre)).where(CadreChangeRow.recorded_at <= as_of)
    change = latest.order_by(CadreChangeRow.cadre, CadreChangeRow.number.desc()).subquery()
    kept = {"version": change.c.number} | {name: change.c[name] for name in HELD}
    columns = [kept.get(column.name, column).label(column.name) for column in CadreRow.__table__.columns]
    known = select(*columns).join(change, change.c.cadre == CadreRow.id).subquery()
    return aliased(CadreRow, known, adapt_on_names=True)


def cadre(uow: UnitOfWork, cadre_id: str, actor: Actor, read: Collection[str], as_of: datetime | None) -> CadreRow:
    """Return a cadre and record that the fields `read` were read. Raises Refusal: 404, 403 `DATA_SCOPE`."""
    as_known = _cadres_as_of(as_of)
    statement = select(as_known, _within(actor, as_known.unit, as_known.id, _OF_UNIT))
    found = uow.session.execute(statement.where(as_known.id == cadre_id)).one_or_none()
    if found is None:
        raise _not_found("没有这名干部。", "There is no such cadre.")
    row, within = found
    if not within:
        raise _out_of_scope()
    uow.audit("cadre.read", f"cadre/{cadre_id}", read=sorted(read))
    known: CadreRow = row
    return known


def identity_number(uow: UnitOfWork, vault: Vault, row: CadreRow, actor: Actor, purpose: str) -> str:
    """Return the identity number of a cadre for a stated purpose, which is recorded (X1, PIPL 28).

    It is for those who keep the roster, and for the cadre. Raises 403 `FORBIDDEN` for others.
    """
    if not actor.has("ORG.cadre") and actor.person != row.id:
        raise Refusal(
            "FORBIDDEN",
            zh="身份号码仅供干部名册管理人员和本人查阅。",
            en="The identity number is for those who keep the roster, and for the person.",
            status=403,
        )
    uow.audit("cadre.read-identity-number", f"cadre/{row.id}", read=["id_no"], purpose=purpose)
    return vault.open(id_place(row.id), row.id_no).decode()


def annual_records(actor: Actor, sought: Mapping[str, Any]) -> tuple[Select[Any], tuple[Any, ...]]:
    """Return the query for the records whom `actor` may see as they stood at `sought["as_of"]`, and its order."""
    versions = select(AnnualRecordRow).ext(distinct_on(AnnualRecordRow.cadre, AnnualRecordRow.year))
    versions = versions.order_by(AnnualRecordRow.cadre, AnnualRecordRow.year, AnnualRecordRow.version.desc())
    if sought.get("as_of") is not None:
        versions = versions.where(AnnualRecordRow.recorded_at <= sought["as_of"])
    for name in ("cadre", "year"):
        if sought.get(name) is not None:
            value = sought[name]
            versions = versions.where(getattr(AnnualRecordRow, name) == (value if name == "year" else str(value)))
    record = aliased(AnnualRecordRow, versions.subquery())
    statement = (
        select(record)
        .outerjoin(CadreRow, CadreRow.id == record.cadre)
        .where(_within(actor, CadreRow.unit, record.cadre, ("UNITHEAD",)))
    )
    return statement, (record.cadre, record.year)


def annual_record(
    rulebook: Rulebook, uow: UnitOfWork, cadre_id: str, year: int, actor: Actor, as_of: datetime | None
) -> AnnualRecordRow:
    """Return the record of a cadre's year as it stood at `as_of`: version 0, with nothing deducted, if there was none.

    Raises Refusal: 404 (no such cadre; no rules in that year), 403 `DATA_SCOPE`.
    """
    within = _within(actor, CadreRow.unit, CadreRow.id, ("UNITHEAD",))
    known = uow.session.execute(select(within).where(CadreRow.id == cadre_id)).scalar_one_or_none()
    if known is None:
        raise _not_found("没有这名干部。", "There is no such cadre.")
    if not known:
        raise _out_of_scope()
    uow.audit("annual-record.read", f"annual-record/{cadre_id}-{year}", read=["deduction", "items"])
    statement = select(AnnualRecordRow).where(AnnualRecordRow.cadre == cadre_id, AnnualRecordRow.year == year)
    if as_of is not None:
        statement = statement.where(AnnualRecordRow.recorded_at <= as_of)
    latest = uow.session.scalars(statement.order_by(AnnualRecordRow.version.desc()).limit(1)).one_or_none()
    return latest or _nothing_deducted(rulebook, cadre_id, year)


def catalogue(rules: Rules) -> dict[str, list[dict[str, str]]]:
    """Return the values that a roster may have under `rules`, with labels."""
    keys = {column.catalogue for kind in KINDS for column in kind.columns if column.catalogue}
    return {
        key.partition(".")[2]: [
            {"code": code, "zh": entry["zh"], "en": entry["en"]} for code, entry in rules[key].items()
        ]
        for key in sorted(keys)
    }


def _nothing_deducted(rulebook: Rulebook, cadre_id: str, year: int) -> AnnualRecordRow:
    try:
        found = deduct(year, (), rulebook.on)
    except MissingRule:
        raise _not_found("该年度没有生效的考核规则。", "No rules of assessment were in force in that year.") from None
    return AnnualRecordRow(
        cadre=cadre_id,
        year=year,
        version=0,
        deduction=found.deduction,
        points=found.points,
        cap=found.cap,
        cap_pack=found.cap_pack,
        items=items_of(found),
    )


def _filtered(
    statement: Select[Any], model: type[UnitRow], sought: Mapping[str, Any], names: Collection[str]
) -> Select[Any]:
    for name in names:
        if sought.get(name) is not None:
            statement = statement.where(getattr(model, name) == sought[name])
    if sought.get("as_of") is not None:
        statement = statement.where(model.registered_at <= sought["as_of"])
    return statement


def _within(actor: Actor, unit: Any, person: Any, unit_roles: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that something of `unit` and `person` is in the data scope of `actor`."""
    reaches: list[ColumnElement[bool]] = [false()]
    if actor.has("ORG.*") or actor.has("COMM"):
        reaches.append(true() if actor.units is None else unit.in_(sorted(actor.units)))
    if any(actor.has(role) for role in unit_roles):
        # A head's scope is the own unit, whatever else a token says: `*` is for offices of the city.
        own = {*(actor.units or ()), *((actor.unit,) if actor.unit else ())}
        reaches.append(unit.in_(sorted(own)))
    if actor.has("CADRE") and _is_id(actor.person):
        reaches.append(person == actor.person)
    return or_(*reaches).is_(true())


def _is_id(text: str | None) -> bool:
    try:
        return text is not None and str(UUID(text)) == text
    except ValueError:
        return False


def _not_found(zh: str, en: str) -> Refusal:
    return Refusal("NOT_FOUND", zh=zh, en=en, status=404)


def _out_of_scope() -> Refusal:
    return Refusal(
        "DATA_SCOPE", zh="该干部不在您的数据范围内。", en="The cadre is outside your data scope.", status=403
    )

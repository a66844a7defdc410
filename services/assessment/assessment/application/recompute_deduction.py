"""Keep a cadre's annual record in step with the findings that supervision verified (3.5).

The record is reckoned anew from all findings of the year each time, so that it comes out the same in whatever order, and
however often, their events arrive.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import and_, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from assessment.application.correct_annual import reconsider
from assessment.application.rulebook import Rulebook
from assessment.domain.deduction import Deduction, Responsibility, Role, counts, decimal_text, deduct
from assessment.persistence.models import AnnualRecordRow, FindingRow, ResponsibilityRow
from assessment.schemas.published import deduction_changed
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.rulepack import MissingRule
from citybus.unit_of_work import UnitOfWork

# Two findings of one cadre may be in the hands of two workers: the second waits, and then sees what the first wrote.
_LOCK: Final = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('assessment.record/' || cadre, 0))
    FROM (SELECT unnest(CAST(:cadres AS text[])) AS cadre ORDER BY cadre) AS concerned
""")


def recompute_deduction(rulebook: Rulebook, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take over a finding's state as it is now, and write a new version of each annual record that it changes.

    A finding that is not verified, and never was, is not kept. Raises Invalid `MISSING_RULE` where no pack was in force
    on the day of verification.
    """
    finding = str(data["finding"])
    now = counts(data["state"], data["verified_on"])
    before = {
        (row.cadre, row.year)
        for row in uow.session.execute(
            select(ResponsibilityRow.cadre, FindingRow.year).join(FindingRow).where(FindingRow.id == finding)
        )
    }
    if not now and not before:
        return
    responsible = {(str(each["cadre"]), str(each["role"])) for each in data["responsible"]}
    concerned = {cadre for cadre, _ in before | responsible}
    uow.session.execute(_LOCK, {"cadres": sorted(concerned)})
    _store(uow, finding, data, responsible)
    after = {(cadre, data["year"]) for cadre, _ in responsible} if now else set()
    for cadre, year in sorted((before | after) - {(cadre, None) for cadre in concerned}):
        _recompute(rulebook, uow, event, cadre, year)


def _store(uow: UnitOfWork, finding: str, data: Mapping[str, Any], responsible: Collection[tuple[str, str]]) -> None:
    tolerance = data["tolerance"] or {}
    values = {
        "state": data["state"],
        "base_weight": data["base_weight"],
        "effective_weight": data["effective_weight"],
        "verified_on": data["verified_on"],
        "year": data["year"],
        "tolerance_case": str(tolerance["case"]) if tolerance else None,
        "tolerance_factor": tolerance.get("factor"),
    }
    uow.session.execute(
        insert(FindingRow)
        .values(id=finding, **values)
        .on_conflict_do_update(index_elements=[FindingRow.id], set_=values)
    )
    uow.session.execute(delete(ResponsibilityRow).where(ResponsibilityRow.finding == finding))
    rows = [{"cadre": cadre, "finding": finding, "role": role} for cadre, role in sorted(responsible)]
    uow.session.execute(insert(ResponsibilityRow), rows)


def _recompute(rulebook: Rulebook, uow: UnitOfWork, event: Event, cadre: str, year: int) -> None:
    try:
        found = deduct(year, _responsibilities(uow, cadre, year), rulebook.on)
    except MissingRule as missing:
        raise Invalid("MISSING_RULE", str(missing)) from None
    latest = uow.session.scalars(
        select(AnnualRecordRow)
        .where(AnnualRecordRow.cadre == cadre, AnnualRecordRow.year == year)
        .order_by(AnnualRecordRow.version.desc())
        .limit(1)
    ).one_or_none()
    items = items_of(found)
    if latest is not None and (latest.items, latest.cap) == (items, found.cap):
        return
    version = latest.version + 1 if latest else 1
    uow.session.add(
        AnnualRecordRow(
            cadre=cadre,
            year=year,
            version=version,
            deduction=found.deduction,
            points=found.points,
            cap=found.cap,
            cap_pack=found.cap_pack,
            items=items,
            recorded_at=uow.clock.now(),
            cause=event.id,
            correlation_id=event.correlationid,
        )
    )
    uow.session.flush()
    uow.audit(
        "annual-record.recompute",
        f"annual-record/{cadre}-{year}",
        written={"version": version, "deduction": decimal_text(found.deduction), "cause": event.id},
    )
    uow.publish(deduction_changed(cadre, year, found))
    reconsider(uow, cadre, year, event)


def _responsibilities(uow: UnitOfWork, cadre: str, year: int) -> list[Responsibility]:
    rows = uow.session.execute(
        select(FindingRow, ResponsibilityRow.role)
        .join(ResponsibilityRow, and_(ResponsibilityRow.finding == FindingRow.id, ResponsibilityRow.cadre == cadre))
        .where(FindingRow.year == year)
        .execution_options(populate_existing=True)
    )
    return [
        Responsibility(
            finding=row.id,
            role=Role(role),
            base_weight=row.base_weight,
            effective_weight=row.effective_weight,
            verified_on=row.verified_on,
            tolerance_case=row.tolerance_case,
            tolerance_factor=row.tolerance_factor,
        )
        for row, role in rows
        if row.verified_on is not None and counts(row.state, row.verified_on)
    ]


def items_of(found: Deduction) -> list[dict[str, Any]]:
    """Return the items as a record keeps them: numbers as decimal texts, days in ISO form."""
    return [
        {
            **asdict(item),
            "role": item.role.value,
            "base_weight": decimal_text(item.base_weight, 1),
            "tolerance_factor": None if item.tolerance_factor is None else decimal_text(item.tolerance_factor, 1),
            "effective_weight": decimal_text(item.effective_weight, 1),
            "role_share": decimal_text(item.role_share, 1),
            "points": decimal_text(item.points, 2),
            "verified_on": item.verified_on.isoformat(),
        }
        for item in found.items
    ]

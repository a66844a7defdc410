"""Suggest whom a recall might concern (S12): cadres with findings that call for one. It opens and decides nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, true
from sqlalchemy.dialects.postgresql import array

from citybus.calendar import add_months
from citybus.cases import Actor
from citybus.unit_of_work import UnitOfWork
from supervision.application.rulebook import Rulebook
from supervision.domain.bulletin import PENDING_TOLERANCE
from supervision.domain.recall_record import CLOSED, OUTCOMES, STANDING
from supervision.persistence.models import CadreRow, FindingRow, RecallRow, ToleranceRow


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A cadre, the findings that call for a recall, and the circumstances that they show."""

    cadre: str
    unit: str
    findings: Sequence[str]
    circumstances: Sequence[int]


def suggestions(rulebook: Rulebook, uow: UnitOfWork, actor: Actor) -> list[Suggestion]:
    """Return whom within the data scope of `actor` a recall might concern, those with most findings first.

    Left out are findings that are excused, may be, or have led to an outcome; and cadres with an open recall.
    """
    today = uow.clock.today()
    rules = rulebook.on(today)
    numbers = {code: entry["recall"] for code, entry in rules["finding.reason_codes"].items() if "recall" in entry}
    since = add_months(today, -rules["recall.suggestion_months"])
    pending = select(ToleranceRow.finding_id).where(ToleranceRow.state.in_(sorted(PENDING_TOLERANCE)))
    used = select(RecallRow.id).where(
        RecallRow.findings.contains(array([FindingRow.id])), RecallRow.state.in_(OUTCOMES)
    )
    row = FindingRow
    wanted = select(row).where(
        row.state.in_(STANDING),
        row.verified_on >= since,
        row.reason_codes.overlap(sorted(numbers)),
        or_(row.tolerance_factor.is_(None), row.tolerance_factor >= 1),
        row.id.not_in(pending),
        ~used.exists(),
    )
    grounds: dict[str, list[Any]] = defaultdict(list)
    for finding in uow.session.scalars(wanted.order_by(row.id)):
        for entry in finding.responsible:
            grounds[entry["cadre"]].append(finding)
    open_ones = select(RecallRow.cadre).where(RecallRow.state.not_in(CLOSED))
    within = true() if actor.units is None else CadreRow.unit.in_(sorted(actor.units))
    known = select(CadreRow).where(CadreRow.id.in_(sorted(grounds)), CadreRow.id.not_in(open_ones), within)
    found = [
        Suggestion(
            cadre=cadre.id,
            unit=cadre.unit,
            findings=[finding.id for finding in grounds[cadre.id]],
            circumstances=sorted(
                {numbers[code] for finding in grounds[cadre.id] for code in finding.reason_codes if code in numbers}
            ),
        )
        for cadre in uow.session.scalars(known)
        if cadre.unit != actor.unit and cadre.id != actor.person
    ]
    uow.audit("recall.suggest", "recalls", read=["cadre", "findings", "circumstances"])
    return sorted(found, key=lambda each: (-len(each.findings), each.cadre))

"""Indicators as cases: what their rules look up, and the duty items that are linked to one."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select, true

from assessment.application.rulebook import Rulebook
from assessment.domain.indicator import INDICATOR, IndicatorFacts, scope
from assessment.persistence.models import DutyListRow, IndicatorRow, UnitRow
from assessment.schemas.published import indicator_state
from assessment.schemas.requests import IndicatorChange, IndicatorDraft
from assessment.schemas.responses import IndicatorView
from citybus.cases import Actor, Cases, Reach
from citybus.unit_of_work import UnitOfWork

_EVERYBODY: Final = ("ORG.*", "SUPO.*", "COMM", "DISC", "REVIEWER", "UNITHEAD", "UNITHR", "CADRE")


def indicators(rulebook: Rulebook) -> Cases:
    """Return indicators, bound to their table, forms and facts."""
    return Cases(
        case_type=INDICATOR,
        model=IndicatorRow,
        rules=rulebook.on,
        payload=indicator_state,
        view=IndicatorView,
        scope=scope,
        visible=_visible,
        readers=dict.fromkeys(_EVERYBODY, Reach.OFFICE),
        forms={"create": IndicatorDraft, "revise": IndicatorDraft, "change": IndicatorChange},
        facts=_facts,
    )


def _facts(uow: UnitOfWork, case: IndicatorRow, action: str, form: Mapping[str, Any]) -> IndicatorFacts:
    if "lead_unit" not in form:
        return IndicatorFacts()
    named = [form["lead_unit"], *(form.get("co_units") or ())]
    year, code = form.get("year", case.year), form.get("code", case.code)
    others = select(IndicatorRow.code, IndicatorRow.title).where(
        IndicatorRow.year == year,
        or_(IndicatorRow.code == code, IndicatorRow.title == form["title"]),
        IndicatorRow.id != case.id,
    )
    repeated = {
        name
        for other in uow.session.execute(others)
        for name, value in (("code", code), ("title", form["title"]))
        if getattr(other, name) == value
    }
    return IndicatorFacts(
        units=frozenset(uow.session.scalars(select(UnitRow.code).where(UnitRow.code.in_(named)))),
        repeated=frozenset(repeated),
    )


def linked_items(cases: Cases, lists: Cases, uow: UnitOfWork, indicator_id: str, actor: Actor) -> list[dict[str, Any]]:
    """Return the items of the duty lists that `actor` may see which are linked to the indicator. Raises Refusal: 404."""
    cases.read(uow, indicator_id, actor)
    linked = DutyListRow.items.contains([{"indicator": indicator_id}])
    found = uow.session.scalars(lists.listing(actor).where(linked).order_by(DutyListRow.id))
    uow.audit("duty-list.list", "duty-lists", read=["items", "owner", "unit"])
    return [
        {"duty_list": row.id, "owner_kind": row.owner_kind, "owner": row.owner, "unit": row.unit, "state": row.state}
        | {"item": item}
        for row in found
        for item in row.items
        if item.get("indicator") == indicator_id
    ]


def _visible(actor: Actor) -> ColumnElement[bool]:
    return true()

"""Keep what rests on findings, as its service told it last (bulletins, recalls, adjustments, measures, constraints), and see what that settles."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from incentive.application.follow_effects import settle
from incentive.domain.effects import ADJUSTMENT, BULLETIN, CONSTRAINT, IN_EFFECT, MEASURE, RECALL
from incentive.persistence.models import FindingRow, LinkRow


def know_bulletin(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a bulletin: its state is WITHDRAWN only when every channel has confirmed it (M5)."""
    _keep(uow, event, BULLETIN, data, named=data["named"])


def know_recall(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a recall."""
    _keep(uow, event, RECALL, data, cadre=data["cadre"])


def know_adjustment(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep an adjustment of a cadre's post or rank."""
    _keep(uow, event, ADJUSTMENT, data, cadre=data["cadre"])


def know_measure(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a measure; of an admonition that was delivered, whether its effect runs in full or was eased."""
    state = data["state"]
    if state == "DELIVERED" and data["effect_until"] is not None:
        state = "EASED" if data["eased"] else IN_EFFECT
    _keep(uow, event, MEASURE, {**data, "state": state}, cadre=data["cadre"])


def know_constraint(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a constraint on a cadre's grade."""
    _keep(uow, event, CONSTRAINT, data, cadre=data["cadre"], source=data["source"])


def _keep(uow: UnitOfWork, event: Event, kind: str, data: Mapping[str, Any], **more: Any) -> None:
    session, findings = uow.session, sorted({str(finding) for finding in data["findings"]})
    # Whoever follows effects looks at this row with the findings locked: so do we before it changes.
    session.execute(select(FindingRow.id).where(FindingRow.id.in_(findings)).order_by(FindingRow.id).with_for_update())
    row = LinkRow
    made = {"cadre": None, "named": False, "source": None}
    values = {"kind": kind, "sequence": event.sequence, "state": data["state"], "findings": findings, **made, **more}
    statement = insert(row).values(subject=event.subject, **values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[row.subject], set_=values, where=row.sequence < statement.excluded.sequence
        )
    )
    settle(uow, findings, event.id)

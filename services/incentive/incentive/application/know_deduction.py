"""Keep what each finding weighs in the annual records, as assessment last published it, and see what that settles."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from incentive.application.follow_effects import settle
from incentive.persistence.models import DeductionRow


def know_deduction(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take over the items of a cadre's year."""
    cadre, year = data["cadre"], data["year"]
    weights = {str(item["finding"]): item["effective_weight"] for item in data["items"]}
    gone = uow.session.scalars(
        delete(DeductionRow)
        .where(DeductionRow.cadre == cadre, DeductionRow.year == year)
        .returning(DeductionRow.finding_id)
    ).all()
    if weights:
        rows = [
            {"cadre": cadre, "year": year, "finding_id": finding, "effective_weight": weight}
            for finding, weight in sorted(weights.items())
        ]
        uow.session.execute(insert(DeductionRow), rows)
    # What weighs nothing any more is no item: that settles something as well.
    settle(uow, sorted({*weights, *gone}), event.id)

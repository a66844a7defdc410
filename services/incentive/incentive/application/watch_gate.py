"""Keep the bars of cadres, ask the gate anew for candidates whom they concern, and see which effects that settles."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from incentive.application.follow_effects import settle_gate
from incentive.application.standings import know_eligibility
from incentive.domain.candidate import OPEN
from incentive.persistence.models import BatchRow, CandidateRow


def know_bars(candidates: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the bars; candidates who are being checked go to the gate again, others when their next step is taken."""
    know_eligibility(uow, event, data)
    row = CandidateRow
    checked = (
        select(row.id)
        .join(BatchRow, BatchRow.id == row.batch_id)
        .where(row.cadre == data["cadre"], row.state == "CHECKED", BatchRow.state.in_(sorted(OPEN)))
        .order_by(row.id)
    )
    for candidate in uow.session.scalars(checked).all():
        # Whoever acts on a batch locks it before its candidates: so is the order here.
        found = uow.session.get_one(row, candidate)
        uow.session.get_one(BatchRow, found.batch_id, with_for_update={"read": True})
        found = uow.session.get_one(row, candidate, with_for_update=True)
        if found.state == "CHECKED":
            candidates.take(uow, candidate, "recheck", system_actor("incentive"), {})
    settle_gate(uow, data["cadre"], event.id)

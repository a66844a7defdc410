"""Keep what is needed of assessment's roster: to which unit each cadre belongs, so that none decides about the own unit."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from incentive.persistence.models import CadreRow


def know_cadre(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a cadre as registered now."""
    statement = insert(CadreRow).values(id=data["cadre"], unit=data["unit"])
    uow.session.execute(statement.on_conflict_do_update(index_elements=[CadreRow.id], set_={"unit": data["unit"]}))

"""Keep what is needed of assessment's roster: the unit of each cadre, and since when in the post."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.dialects.postgresql import insert

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from incentive.application.standings import keep_part
from incentive.domain.gate import Part
from incentive.persistence.models import CadreRow

CADRE_STEPS: Final = ("registered", "post-changed", "suspended", "reinstated", "left")


def know_cadre(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a cadre as registered now, or as changed since: nobody decides about the own unit, and the gate asks for the time in the post."""
    statement = insert(CadreRow).values(id=data["cadre"], unit=data["unit"])
    uow.session.execute(statement.on_conflict_do_update(index_elements=[CadreRow.id], set_={"unit": data["unit"]}))
    entry = {"on_roster": data["state"] != "LEFT", "unit": data["unit"], "post_since": data["post_since"].isoformat()}
    keep_part(uow, event, Part.ROSTER, data["cadre"], entry)

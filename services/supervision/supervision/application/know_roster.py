"""Keep what is needed of assessment's roster: which units there are, to which unit each cadre belongs, and who left."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.dialects.postgresql import insert

from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork
from supervision.persistence.models import CadreRow, UnitRow

CADRE_STEPS: Final = ("registered", "post-changed", "suspended", "reinstated", "left")


def know_unit(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a unit as it is registered now."""
    known = {"name": data["name"], "kind": data["kind"]}
    statement = insert(UnitRow).values(code=data["unit"], **known)
    uow.session.execute(statement.on_conflict_do_update(index_elements=[UnitRow.code], set_=known))


def know_cadre(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep a cadre as registered now, or as changed since: the unit is that of the present post, or of the last."""
    known = {"unit": data["unit"], "has_left": data["state"] == "LEFT"}
    statement = insert(CadreRow).values(id=data["cadre"], **known)
    uow.session.execute(statement.on_conflict_do_update(index_elements=[CadreRow.id], set_=known))

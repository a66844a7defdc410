"""Keep the decisions of supervision on cadres, as far as appeals ask for them: what was decided, when and by whom (A16)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from assessment.persistence.models import MatterRow
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork

_SYSTEM: Final = "system:"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of matter is read: which field says what was decided, and when; people decide it by `deciding` steps."""

    what: str
    decided_on: str
    deciding: frozenset[str]


KINDS: Final[Mapping[str, Kind]] = {
    "adjustment": Kind("way", "decided_on", frozenset({"decided"})),
    "finding": Kind("severity", "verified_on", frozenset({"verified"})),
    "measure": Kind("kind", "delivered_on", frozenset({"approved"})),
    "recall": Kind("outcome", "approved_on", frozenset({"approved", "outcome"})),
    "sanction": Kind("kind", "decided_on", frozenset({"recorded", "modified"})),
}


def know_matter(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the matter that `event` is about as it stands, for each cadre whom it concerns."""
    name = event.subject.partition("/")[0]
    kind = KINDS[name]
    what = data[kind.what]
    cadres = [each["cadre"] for each in data["responsible"]] if "responsible" in data else [data["cadre"]]
    # Who confirmed it: an event names one person, the last whose consent it took.
    decides = event.type.split(".")[2] in kind.deciding and not event.actor.startswith(_SYSTEM)
    for cadre in sorted({str(each) for each in cadres}):
        row = uow.session.get(MatterRow, (event.subject, cadre), with_for_update=True)
        if row is None:
            row = MatterRow(ref=event.subject, cadre=cadre, deciders=[])
            uow.session.add(row)
        if decides:
            row.deciders = sorted({*row.deciders, event.actor})
        # Each regime of sanctions has a scale of its own.
        row.scale = f"{name}.{data['regime'].lower()}" if "regime" in data else name
        row.state, row.what = data["state"], None if what is None else str(what)
        row.decided_on = data[kind.decided_on]
    uow.session.flush()

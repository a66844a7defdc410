"""Have a bulletin appear on its channels, be corrected there, and vanish from there (N5, N6), as supervision says."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import select

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.ids import new_id
from citybus.unit_of_work import UnitOfWork
from notification.domain.publication import PRESS, Channel
from notification.persistence.models import BulletinRow, PublicationRow

SERVICE: Final = "notification"
OVER: Final = frozenset({"WITHDRAWING", "WITHDRAWN", "EXPIRED"})


def publish_bulletin(publications: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Queue the bulletin for each of its channels. Nothing is sent here: the job process does that."""
    row = _keep(uow, event, data, "PUBLISHING")
    for channel in sorted(set(data["channels"])):
        form = {"bulletin": row.id, "channel": channel, "title": data["title"], "text": data["text"]}
        publications.open(uow, system_actor(SERVICE), form, new_id())


def note_published(publications: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Show the bulletin to the public: it stands on all its channels."""
    row = _keep(uow, event, data, "PUBLISHED")
    row.published_on = row.published_on or _day(event)


def correct_bulletin(publications: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Have the corrected text posted on each channel of the bulletin, after what is said about the correction."""
    row = _keep(uow, event, data, "CORRECTED")
    row.correction_text, row.corrected_on = data["correction_text"] or "", _day(event)
    told = "\n\n".join(each for each in (row.correction_text, data["text"]) if each)
    _each(publications, uow, row.id, "correct", {"title": data["title"], "text": told})


def withdraw_bulletin(publications: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Take the bulletin from the public page at once, and have it taken from each channel with the correction text.

    Of one that had expired the press prints the correction; from the other channels it was taken away then.
    """
    row = _keep(uow, event, data, "WITHDRAWING")
    _empty(row, event)
    _each(publications, uow, row.id, "withdraw", {"title": data["title"], "text": data["correction_text"]})


def note_withdrawn(publications: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Note that the bulletin stands on no channel any more."""
    _empty(_keep(uow, event, data, "WITHDRAWN"), event)


def expire_bulletin(publications: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Depersonalise: its text is shown and kept no longer; what can be taken away is. What was printed stays printed."""
    row = _keep(uow, event, data, "EXPIRED")
    _empty(row, event)
    for case in _publications(uow, row.id):
        if case.channel in PRESS:
            _take(publications, uow, case, "expire", {})
        else:
            _take(publications, uow, case, "withdraw", {"title": data["title"]})


def _keep(uow: UnitOfWork, event: Event, data: Mapping[str, Any], state: str) -> BulletinRow:
    """Return the bulletin's row as the event has it, new where this is the first that is heard of it."""
    bulletin = str(data["bulletin"])
    row = uow.session.get(BulletinRow, bulletin, with_for_update=True)
    if row is None:
        row = BulletinRow(id=bulletin, correction_text="")
        uow.session.add(row)
    row.state, row.changed_at = state, event.time
    row.channels = sorted({str(Channel(channel)) for channel in data["channels"]})
    row.legal_basis = data["legal_basis"]
    row.sha256 = hashlib.sha256(data["text"].encode()).hexdigest()
    row.title, row.text = (data["title"], data["text"]) if state not in OVER else ("", "")
    uow.session.flush()
    return row


def _empty(row: BulletinRow, event: Event) -> None:
    """Keep no word of the bulletin."""
    row.title = row.text = row.correction_text = ""
    row.ended_on = row.ended_on or _day(event)


def _day(event: Event) -> date:
    """Return the day of what an event tells, on whichever day it comes."""
    return event.time.astimezone(ZONE).date()


def _publications(uow: UnitOfWork, bulletin: str) -> list[PublicationRow]:
    row = PublicationRow
    return list(uow.session.scalars(select(row).where(row.bulletin == bulletin).order_by(row.id)))


def _each(publications: Cases, uow: UnitOfWork, bulletin: str, action: str, form: Mapping[str, Any]) -> None:
    for case in _publications(uow, bulletin):
        _take(publications, uow, case, action, form)


def _take(publications: Cases, uow: UnitOfWork, case: PublicationRow, action: str, form: Mapping[str, Any]) -> None:
    """Take a step of a publication whose state allows it: what is over, or on its way, is left alone.

    What is sent, and proven, goes on under the correlation of what asked for it.
    """
    uow.session.refresh(case, with_for_update=True)
    if publications.case_type.target(case.state, action) is not None:
        case.correlation_id = uow.context.correlation_id
        publications.take(uow, case.id, action, system_actor(SERVICE), form)

"""Note what the channels report of a bulletin's posts, and move it on when all have done their part (N5, N6, S8)."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork
from supervision.domain.bulletin import all_channels, is_newer
from supervision.persistence.models import BulletinRow

_NEXT: Final = {
    "PUBLISHING": ("CONFIRMED", "confirm"),
    "CORRECTED": ("CONFIRMED", "confirm_correction"),
    "WITHDRAWING": ("WITHDRAWN", "confirm_withdrawal"),
}
"""State of a bulletin → what every channel must report, and the step that follows then."""


def report_channel(bulletins: Cases, uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the newest that is known of the channel; take the step that waited for the last of them.

    Raises Invalid `UNKNOWN_BULLETIN`. A report that came after a newer one, or when all is over, is let pass.
    """
    bulletin = uow.session.get(BulletinRow, str(data["bulletin"]), with_for_update=True)
    if bulletin is None:
        raise Invalid("UNKNOWN_BULLETIN")
    channel, publication = data["channel"], str(data["publication"])
    if bulletins.case_type.target(bulletin.state, "report_channel") is None:
        return
    if not is_newer(bulletin, channel, publication, event.sequence):
        return
    status = {
        "state": data["state"],
        "publication": publication,
        "sequence": event.sequence,
        "external_id": data["external_id"],
        "url": data["url"],
    }
    actor = system_actor("supervision")
    because = {"reason": event.subject}
    bulletins.take(uow, bulletin.id, "report_channel", actor, because | {"channel": channel, "status": status})
    wanted, step = _NEXT.get(bulletin.state, (None, None))
    if wanted is not None and step is not None and all_channels(bulletin, wanted):
        bulletins.take(uow, bulletin.id, step, actor, because)

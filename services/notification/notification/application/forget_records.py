"""Take away records of what departments were sent, once nobody has to keep them any longer."""

from typing import Any, cast

from sqlalchemy import CursorResult, delete

from citybus.ids import new_id
from citybus.unit_of_work import Context, Units
from notification.application.rulebook import Rulebook
from notification.persistence.models import SentRow


def forget_records(rulebook: Rulebook, units: Units, service: str) -> int:
    """Delete what is older than the rule `subscription.keep_records` wants, and return how many there were.

    Source: 个人信息保护法 article 19 (no longer than needed); the rule itself says how long they must be kept.
    """
    context = Context(f"system:{service}", (), "forget records", correlation_id=new_id())
    with units(context) as uow:
        keep = rulebook.on(uow.clock.today())["subscription.keep_records"]
        oldest = keep.before(uow.clock.now())
        gone = cast("CursorResult[Any]", uow.session.execute(delete(SentRow).where(SentRow.at < oldest))).rowcount
        if gone:
            uow.audit(
                "subscription-records.forget",
                "subscription-deliveries",
                written={"before": oldest.isoformat(), "rows": gone},
            )
        uow.commit()
    return gone

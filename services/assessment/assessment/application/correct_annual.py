"""Note that a cadre's year must be reckoned anew: a deduction or a constraint has changed.

The change is noted in its own transaction and acted on in one of the assessment's (apply_correction): by a deadline that
is due at once. So a change never waits for an assessment, changes that come together are one correction, and nothing is
forgotten.
"""

from typing import Final

from sqlalchemy import select

from assessment.persistence.models import AnnualRow
from citybus import deadlines
from citybus.envelope import Event
from citybus.unit_of_work import UnitOfWork

RECONSIDER: Final = "annual.reconsider"


def reconsider(
    uow: UnitOfWork,
    cadre: str,
    year: int,
    event: Event | None,
    *,
    later_too: bool = False,
    constraint: str | None = None,
) -> None:
    """Note that the assessment of `cadre` in `year`, and with `later_too` after it, must be reckoned anew.

    `event` is what led to it; None where a person's command did, and then a decided grade is not corrected without the
    committee: `constraint` is the one that the command changed, whose event is the cause.
    """
    row = AnnualRow
    years = row.year >= year if later_too else row.year == year
    for annual in uow.session.scalars(select(row.id).where(row.cadre == cadre, years).order_by(row.id)).all():
        deadlines.arm(
            uow.session,
            RECONSIDER,
            f"annual/{annual}",
            uow.clock.now(),
            correlation_id=uow.context.correlation_id,
            data={"cause": event.id if event else None, "constraint": constraint},
        )

"""What the tests of sanctions, holds and adjustments share: forms, people, and the system's timers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from citybus import deadlines
from citybus.cases import Actor
from citybus.cases.timers import handlers
from citybus.clock import ZONE
from citybus.freshness import note_heartbeat
from supervision.application.eligibility import reasons
from tests.support.supervision import DISC, LEAD, City, officer

SECOND_DISC = officer("disc-2", "DISC", unit="420200-DISC")
THIRD_DISC = officer("disc-3", "DISC", unit="420200-DISC")


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=ZONE)


def an_entry(decided_on: date, **changes: Any) -> dict[str, Any]:
    """Return the form of a sanction decided on a day; the number of the decision is the day's."""
    made = {
        "cadre": LEAD,
        "regime": "GOV",
        "kind": "DEMERIT",
        "organ": "DISC",
        "decision_no": f"黄纪〔{decided_on}〕",
        "legal_basis": "《公职人员政务处分法》第八条",
        "conduct_on": decided_on - timedelta(days=60),
        "decided_on": decided_on,
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def recorded(city: City, decided_on: date, actor: Actor = DISC, second: Actor = SECOND_DISC, **changes: Any) -> Any:
    """Enter a sanction and let another confirm it."""
    entered = city.open(city.cases.sanctions, actor, an_entry(decided_on, **changes))
    return city.take(city.cases.sanctions, entered, "confirm", second)[0]


def by_two(city: City, cases: Any, case: Any, action: str, form: Mapping[str, Any]) -> Any:
    """Let two of the discipline commission take a step with the same content."""
    city.take(cases, case, action, SECOND_DISC, form)
    return city.take(cases, case, action, THIRD_DISC, form)[0]


def fire(city: City) -> None:
    """Let everything happen that is due by now."""
    while deadlines.fire_due(city.units, handlers(city.cases)).fired:
        pass


def at(city: City, moment: datetime) -> None:
    """Move the clock, and let everything happen that became due."""
    city.clock.set(moment)
    fire(city)


def heard(city: City) -> None:
    """Let the roster be fresh, whatever an earlier test did."""
    with city.acting(DISC) as uow:
        note_heartbeat(uow.session, "assessment", datetime.now(UTC))
        uow.commit()


def codes(city: City, cadre: str, purpose: str, as_of: date) -> list[tuple[str, str | None]]:
    """Return why `cadre` is barred on a day: code and the first free day."""
    with city.acting(DISC) as uow:
        return [
            (reason.code, reason.until and reason.until.isoformat()) for reason in reasons(uow, cadre, purpose, as_of)
        ]


def told(city: City, kind: str, case: Any) -> list[str]:
    """Return what was told of a case, in order, in a word each."""
    return [event.type.split(".")[2] for event in city.outbox(f"{kind}/{case.id}")]

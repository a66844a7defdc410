"""How long a tolerance decision takes to have its effects everywhere: the slice's case, again and again, in a whole city."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from citybus.clock import ZONE, FileClock
from dandang.slice import cast
from tests.e2e.conftest import City, running_city
from tests.e2e.people import People

FIRST_DAY: Final = date(2024, 5, 6)
UNIT: Final = "黄石市民政局"
LOOK_EVERY: Final = 0.02


def effects(cases: int) -> Iterator[float]:
    """Yield the seconds that each of `cases` takes in a city of real processes that does nothing else.

    They run from the transaction in which the case becomes EFFECTIVE to the answer of `/tolerance-cases/{id}/effects`
    that says `complete`: the finding weighs half, and the deductions of two cadres are halved.
    """
    with running_city() as city:
        people, day = People(city), FIRST_DAY
        for number in range(cases):
            case, effective_on = _served(people, number, day)
            yield _complete(city, case, effective_on)
            day = effective_on + timedelta(days=7)


def _served(people: People, number: int, day: date) -> tuple[str, date]:
    """Have a decision served on `day`; return the case, and the day on which it becomes effective."""
    people.at(f"{day}T09:00")
    lead, direct = (people.member(UNIT, 1 + 2 * number + n, f"cadre-{number}-{n}") for n in (0, 1))
    finding = people.verified_finding(lead, f"重点任务进展滞后(虚构,第{number}件)。", str(day), direct)

    def deducted() -> bool:
        path = f"/annual-records/{{}}/{day.year}"
        records = [people.get(cast.RECORDS, "assessment", path.format(each.cadre)) for each in (lead, direct)]
        return all(record["version"] == 1 for record in records)

    people.until(deducted, "both deductions count")
    case = people.mitigated(lead, finding, decided_at=f"{day}T10:00", served_at=f"{day}T11:00")
    last = people.get(cast.ACCEPTOR, "incentive", f"/tolerance-cases/{case}")["review_until"]
    # All that the days in between set off comes to its end before the time is taken.
    people.at(f"{last}T12:00", wait=True)
    return case, date.fromisoformat(last) + timedelta(days=1)


def _complete(city: City, case: str, day: date) -> float:
    path = f"/tolerance-cases/{case}/effects"
    token = People(city).token(cast.ACCEPTOR)
    clock = FileClock(Path(city.known["CITY_CLOCK_FILE"]))
    clock.write(datetime(day.year, day.month, day.day, 9, tzinfo=ZONE), running=True)
    give_up = time.monotonic() + 60
    while True:
        answer: Any = city.request("GET", "incentive", path, token).json()
        done = time.time()
        if answer["complete"]:
            break
        if time.monotonic() > give_up:
            raise TimeoutError(f"the effects are not complete: {answer}")
        time.sleep(LOOK_EVERY)
    if len(answer["items"]) != 3:
        raise RuntimeError(f"the effects are not those that were to be measured: {answer}")
    ((began,),) = city.rows(
        "incentive",
        "SELECT CAST(extract(epoch FROM created_at) AS float8) FROM outbox_messages"
        " WHERE type = 'incentive.tolerance.effective.v1' AND subject = :subject",
        subject=f"tolerance/{case}",
    )
    return float(done - began)

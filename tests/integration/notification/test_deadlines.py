"""The clock that warns people: yellow, red, the unit's head, the supervision office, the yellow card; and who sees it."""

from datetime import datetime
from typing import Any

import pytest

from citybus import deadlines
from citybus.cases import Actor
from citybus.cases.timers import handlers
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.errors import Refusal
from citybus.ids import new_id
from tests.support.notification import BUREAU, DIRECT, LEAD, City, cadre, example, head, outbox_events, personnel

DUE = datetime(2024, 3, 16, tzinfo=ZONE)
"""The end of Friday the 15th."""
SUPERVISION = Actor("supo-head", frozenset({"SUPO"}), units=None, unit="420200-SUPO")
INSPECTOR = Actor("supo-1", frozenset({"SUPO.inspect"}), units=frozenset({BUREAU}), unit="420200-SUPO")
STRANGER = Actor("supo-2", frozenset({"SUPO.inspect"}), units=frozenset({"420204"}), unit="420200-SUPO")


def event(
    city: City, what: str = "armed", deadline: str | None = None, service: str = "supervision", **changes: Any
) -> Event:
    deadline = deadline or new_id()
    data = example(f"{service}.deadline.{what}.v1") | {
        "deadline": deadline,
        "due_at": DUE.isoformat(),
        "warn_at": datetime(2024, 3, 12, tzinfo=ZONE).isoformat(),
        "acts": False,
        "units": [BUREAU],
        "persons": [LEAD],
        "offices": ["SUPO.*"],
    }
    return city.event(f"{service}.deadline.{what}.v1", f"deadline/{deadline}", data | changes)


def at(city: City, day: int, hour: int = 9) -> None:
    """Let the city's time come, and fire what is due, as the worker does."""
    city.clock.set(datetime(2024, 3, day, hour, tzinfo=ZONE))
    deadlines.fire_due(city.units, handlers((city.deadlines,)))


def armed(city: City, **changes: Any) -> Any:
    told = event(city, **changes)
    city.receive(told)
    return case_of(city, told)


def case_of(city: City, told: Event) -> Any:
    with city.acting(SUPERVISION) as uow:
        found = uow.session.get_one(city.deadlines.model, told.data["deadline"])
        uow.session.expunge(found)
        return found


def told_of(city: City, case: Any) -> list[tuple[str, str, str]]:
    return [
        (each.type.split(".")[2], each.data["level"], each.data["light"])
        for _, each in outbox_events(city)
        if each.subject == f"deadline/{case.id}"
    ]


def sees(city: City, case: Any, actor: Actor) -> bool:
    """Say whether `actor` finds the deadline in the list; reading it must say the same."""
    with city.acting(actor) as uow:
        listed = False
        try:
            listed = case.id in {each.id for each in uow.session.scalars(city.deadlines.listing(actor))}
            city.deadlines.read(uow, case.id, actor)
        except Refusal:
            assert not listed
            return False
        assert listed
        return True


def test_it_is_yellow_before_red_after_and_then_told_upwards(city: City) -> None:
    case = armed(city)
    everybody = (cadre(), personnel(), INSPECTOR, head(), SUPERVISION)

    def who() -> list[bool]:
        return [sees(city, case, actor) for actor in everybody]

    at(city, 11)
    assert told_of(city, case) == []
    assert who() == [False] * 5
    at(city, 12)
    assert told_of(city, case) == [("warned", "CONCERNED", "YELLOW")]
    # The office that can act, as the one concerned; SUPO holds SUPO.inspect, so its head is of that office.
    assert who() == [True, True, True, False, True]
    at(city, 16)
    assert told_of(city, case)[1:] == [("breached", "CONCERNED", "RED")]
    at(city, 18, 23)
    assert len(told_of(city, case)) == 2
    at(city, 19)
    assert told_of(city, case)[2:] == [("breached", "UNIT_HEAD", "RED")]
    assert who() == [True] * 5
    at(city, 21)
    assert told_of(city, case)[3:] == [("breached", "SUPERVISION_HEAD", "RED")]
    at(city, 23)
    assert told_of(city, case)[4:] == [("breached", "YELLOW_CARD", "RED")]
    at(city, 31)
    assert len(told_of(city, case)) == 5


def test_nobody_else_sees_it(city: City) -> None:
    case = armed(city)
    at(city, 25)
    assert not sees(city, case, STRANGER)
    assert not sees(city, case, cadre(DIRECT))
    assert not sees(city, case, head("420204"))
    assert not sees(city, case, Actor("secadm", frozenset({"SECADM"}), units=None))


def test_who_may_not_know_of_the_matter_is_not_warned_of_its_deadline(city: City) -> None:
    case = armed(city, disclosed=False)
    at(city, 25)
    assert not sees(city, case, cadre())
    assert not sees(city, case, head())
    assert sees(city, case, INSPECTOR)


def test_officers_of_the_unit_do_not_learn_of_what_is_the_persons_alone(city: City) -> None:
    case = armed(city, confidential=True, offices=["DISC"])
    at(city, 16)
    at(city, 25)
    assert city.again(case).level == "YELLOW_CARD"
    assert sees(city, case, cadre())
    assert sees(city, case, SUPERVISION)
    assert not sees(city, case, personnel())
    assert not sees(city, case, head())


def test_the_supervision_office_is_told_when_it_is_three_working_days_late(city: City) -> None:
    case = armed(city, offices=[])
    supervisor = Actor("org-1", frozenset({"ORG.supervise"}), units=None, unit="420200-ORG")
    for day, seen in ((12, False), (19, False), (20, False), (21, True)):
        at(city, day)
        assert sees(city, case, supervisor) is seen, day


@pytest.mark.parametrize("when", [11, 13, 20])
def test_what_is_done_puts_the_light_out(city: City, when: int) -> None:
    case = armed(city)
    at(city, when)
    before = told_of(city, case)
    city.receive(event(city, "settled", case.id, state="SATISFIED"))
    at(city, 31)
    assert told_of(city, case) == before
    done = city.again(case)
    assert (done.state, done.light) == ("SATISFIED", "NONE")
    assert not sees(city, case, cadre())


def test_one_at_whose_end_its_owner_acts_is_red_and_done_with(city: City) -> None:
    case = armed(city, acts=True)
    at(city, 16)
    city.receive(event(city, "settled", case.id, state="FIRED", acts=True))
    at(city, 31)
    assert told_of(city, case)[-1] == ("breached", "CONCERNED", "RED")
    assert city.again(case).state == "SATISFIED"


def test_one_that_is_moved_begins_anew(city: City) -> None:
    case = armed(city)
    at(city, 13)
    moved = {"due_at": datetime(2024, 3, 23, tzinfo=ZONE).isoformat(), "warn_at": None}
    city.receive(event(city, "armed", case.id, **moved))
    at(city, 17)
    assert city.again(case).state == "ARMED"
    at(city, 23)
    assert city.again(case).state == "BREACHED"


def test_an_end_that_comes_before_its_beginning_counts(city: City) -> None:
    beginning, deadline = event(city, "armed"), new_id()
    end = event(city, "settled", deadline, service="assessment", state="CANCELLED")
    city.receive(end)
    assert case_of(city, end).state == "CANCELLED"
    assert beginning.data["deadline"] != deadline
    at(city, 31)
    assert told_of(city, case_of(city, end)) == []


def test_whom_it_concerns_is_what_its_owner_said_last(city: City) -> None:
    end = {"state": "SATISFIED", "units": [BUREAU], "persons": [DIRECT]}
    both = armed(city, units=[], persons=[LEAD])
    city.receive(event(city, "settled", both.id, **end))
    alone = event(city, "settled", **end)
    city.receive(alone)
    told, only = city.again(both), case_of(city, alone)
    assert (told.units, told.persons) == (only.units, only.persons) == ([BUREAU], [DIRECT])


def test_whom_it_concerns_anew_is_warned_anew(city: City) -> None:
    case = armed(city)
    at(city, 13)
    city.receive(event(city, "armed", case.id, persons=[DIRECT]))
    assert (city.again(case).state, city.again(case).persons) == ("ARMED", [DIRECT])
    at(city, 14)
    assert sees(city, case, cadre(DIRECT))
    assert not sees(city, case, cadre(LEAD))


def test_our_own_deadlines_come_the_same_way(city: City) -> None:
    delivery = city.sent()
    [own] = [
        each
        for _, each in outbox_events(city)
        if each.type == "notification.deadline.armed.v1" and each.data["ref"] == f"delivery/{delivery.id}"
    ]
    assert own.data["persons"] == [LEAD]
    city.receive(own)
    case = case_of(city, own)
    at(city, 8)
    assert sees(city, case, cadre())
    city.take(city.deliveries, delivery, "open", cadre())
    over = [
        each
        for _, each in outbox_events(city)
        if each.type == "notification.deadline.settled.v1" and each.data["deadline"] == own.data["deadline"]
    ]
    city.receive(*over)
    assert city.again(case).state == "SATISFIED"

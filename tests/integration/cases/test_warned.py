"""Deadlines that people are warned of are told beside the events of the work: armed, satisfied in time or late, fired."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from chinese_calendar import constants
from sqlalchemy import select, update

from citybus import tables
from citybus.calendar import Calendar, HolidayTable
from citybus.cases import Cases, timers
from citybus.clock import ZONE
from citybus.deadlines import Deadline, fire_due, last
from citybus.envelope import Event
from citybus.ids import new_id
from citybus.unit_of_work import Units
from tests.integration.cases.test_cases import (
    BOARD,
    CLERK,
    OTHER,
    acting,
    cases,
    changed,
    opened,
    sessions,
    taken,
    units,
)

__all__ = ["cases", "sessions", "units"]


def approved(units: Units, cases: Cases) -> tuple[Any, list[Event]]:
    """Return a permit whose time to appeal runs, and what the last step published of its own."""
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "approve", BOARD)
    return taken(units, cases, case, "approve", OTHER)


def told(units: Units, case: Any) -> list[Event]:
    """Return what was told of the deadlines of a case."""
    with acting(units, CLERK) as uow:
        bodies = uow.session.scalars(
            select(tables.outbox_messages.c.body)
            .where(tables.outbox_messages.c.type.like("toy.deadline.%"))
            .order_by(tables.outbox_messages.c.position)
        ).all()
    events = [Event.from_json(bytes(body)) for body in bodies]
    return [event for event in events if event.data["ref"] == f"permit/{case.id}"]


def warning_only(bound: Cases) -> Cases:
    """Return the same cases with a deadline at whose end nothing happens by itself."""
    approve = bound.case_type.actions["approve"]
    arms = tuple(replace(arm, then=None) for arm in approve.arms)
    actions = {
        **bound.case_type.actions,
        "approve": replace(approve, arms=arms),
        "expire": replace(bound.case_type.actions["expire"], allow=approve.allow),
    }
    return replace(bound, case_type=replace(bound.case_type, actions=actions))


def test_an_armed_deadline_is_told_with_whom_it_concerns(units: Units, cases: Cases) -> None:
    case, published = approved(units, cases)
    assert [event.type for event in published] == ["toy.permit.approved.v1"]
    [armed] = told(units, case)
    assert (armed.type, armed.subject) == ("toy.deadline.armed.v1", f"deadline/{armed.data['deadline']}")
    assert (armed.data["kind"], armed.data["state"], armed.data["acts"]) == ("permit.expiry", "ARMED", True)
    assert (armed.data["units"], armed.data["persons"]) == (["U1"], ["p-holder"])
    assert (armed.data["disclosed"], armed.data["confidential"]) == (True, False)
    assert armed.data["warn_at"] < armed.data["due_at"]
    assert armed.dataclass == "L3"


def test_who_must_not_know_of_a_case_yet_is_not_named_to_others(units: Units, cases: Cases) -> None:
    hidden = replace(cases, scope=lambda case: replace(cases.scope(case), disclosed=False))
    case, _ = approved(units, hidden)
    [armed] = told(units, case)
    assert (armed.data["units"], armed.data["persons"], armed.data["disclosed"]) == (["U1"], [], False)


def test_one_that_fires_is_told_once(units: Units, cases: Cases) -> None:
    case, _ = approved(units, cases)
    units.clock.advance(timedelta(days=60))
    fire_due(units, timers.handlers((cases,)))
    fire_due(units, timers.handlers((cases,)))
    assert [(event.type, event.data["state"]) for event in told(units, case)] == [
        ("toy.deadline.armed.v1", "ARMED"),
        ("toy.deadline.settled.v1", "FIRED"),
    ]


@pytest.mark.parametrize("late", [False, True])
def test_one_that_only_warns_is_settled_by_the_step_it_waits_for_however_late(
    units: Units, cases: Cases, late: bool
) -> None:
    bound = warning_only(cases)
    case, _ = approved(units, bound)
    if late:
        units.clock.advance(timedelta(days=60))
        fire_due(units, timers.handlers((bound,)))
        assert len(told(units, case)) == 1
    taken(units, bound, case, "expire", BOARD)
    armed, settled = told(units, case)
    assert (settled.type, settled.data["state"]) == ("toy.deadline.settled.v1", "SATISFIED")
    assert settled.data["deadline"] == armed.data["deadline"]
    assert settled.data["offices"] == ["BOARD"]


def test_one_that_passed_is_settled_when_the_period_begins_anew(units: Units, cases: Cases) -> None:
    bound = warning_only(cases)
    arms = bound.case_type.actions["approve"].arms
    again = replace(bound, case_type=changed(changed(bound.case_type, "submit", arms=arms), "retouch", arms=arms))
    case = opened(units, again)
    taken(units, again, case, "submit", CLERK)
    units.clock.advance(timedelta(days=60))
    fire_due(units, timers.handlers((again,)))
    taken(units, again, case, "retouch", CLERK)
    old, settled, new = told(units, case)
    assert [(event.type, event.data["state"]) for event in (old, settled, new)] == [
        ("toy.deadline.armed.v1", "ARMED"),
        ("toy.deadline.settled.v1", "SATISFIED"),
        ("toy.deadline.armed.v1", "ARMED"),
    ]
    assert settled.data["deadline"] == old.data["deadline"] != new.data["deadline"]


# ---- holidays that are published later


UNSURE = max(constants.holidays).year + 1
MONDAY = next(day for n in range(7) if (day := date(UNSURE, 6, 7) + timedelta(days=n)).weekday() == 0)
A_DAY_OFF = Calendar([HolidayTable(UNSURE, frozenset({MONDAY + timedelta(days=2)}), frozenset(), "notice")])


def at_a_time_not_sure(units: Units, cases: Cases) -> tuple[Any, Deadline]:
    """Return a permit whose time to appeal was reckoned with days that nobody knew yet, and its deadline."""
    units.clock.advance(datetime.combine(MONDAY, time(9), ZONE) - units.clock.now())
    case, _ = approved(units, cases)
    with units.sessions() as session:
        return case, last(session, "permit.expiry", f"permit/{case.id}")


def test_a_deadline_that_published_holidays_make_later_is_told_anew_once(units: Units, cases: Cases) -> None:
    case, before = at_a_time_not_sure(units, cases)
    assert timers.follow_calendar(units, (cases,), Calendar()) == 0
    moved = [timers.follow_calendar(units, (cases,), A_DAY_OFF) for _ in range(2)]
    assert moved == [1, 0]
    first, again = told(units, case)
    assert (first.type, again.type) == ("toy.deadline.armed.v1", "toy.deadline.armed.v1")
    assert (again.subject, again.data["state"]) == (first.subject, "ARMED")
    assert datetime.fromisoformat(again.data["due_at"]) - before.due_at == timedelta(days=1)
    units.clock.advance(before.due_at - units.clock.now())
    fire_due(units, timers.handlers((cases,)))
    with acting(units, CLERK) as uow:
        assert uow.session.get_one(type(case), case.id).state == "APPROVED"


def test_one_that_fails_to_move_holds_up_no_other(units: Units, cases: Cases) -> None:
    _, lost = at_a_time_not_sure(units, cases)
    _, kept = at_a_time_not_sure(units, cases)
    with units.sessions() as session:
        session.execute(
            update(tables.deadlines)
            .where(tables.deadlines.c.id == lost.id)
            .values(ref=f"permit/{new_id()}", due_at=lost.due_at - timedelta(minutes=1))
        )
        session.commit()
    assert timers.follow_calendar(units, (cases,), A_DAY_OFF) == 1
    with units.sessions() as session:
        assert last(session, kept.kind, kept.ref).due_at == kept.due_at + timedelta(days=1)

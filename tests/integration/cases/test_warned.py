"""Deadlines that people are warned of are told beside the events of the work: armed, satisfied in time or late, fired."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from citybus import tables
from citybus.cases import Cases, timers
from citybus.deadlines import fire_due
from citybus.envelope import Event
from citybus.unit_of_work import Units
from tests.integration.cases.test_cases import BOARD, CLERK, OTHER, acting, cases, opened, sessions, taken, units

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

"""The officer who asked for a job: kept with it, so that each of its steps is taken as in a request of their own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from citybus.cases import Actor
from citybus.jobs import Run
from citybus.unit_of_work import UnitOfWork


def kept(uow: UnitOfWork, actor: Actor) -> dict[str, Any]:
    """Return what a job's payload keeps of `actor`: who, in which roles, within which data scope."""
    return {
        "subject": actor.subject,
        "roles": sorted(actor.roles),
        "units": None if actor.units is None else sorted(actor.units),
        "unit": actor.unit,
        "person": actor.person,
        "correlation_named": uow.context.correlation_named,
    }


def officer(held: Mapping[str, Any]) -> Actor:
    """Return the officer of whom a payload keeps `held`."""
    units = held["units"]
    return Actor(
        held["subject"],
        frozenset(held["roles"]),
        units=None if units is None else frozenset(units),
        unit=held["unit"],
        person=held["person"],
    )


@contextmanager
def acting(run: Run, *, steps: int, total: int | None = None) -> Iterator[UnitOfWork]:
    """Open the transaction of the job's next steps; audit entries name the officer's roles, and what is done on a case
    goes on under the correlation with which it was opened, unless the officer named one."""
    held = run.payload["officer"]
    with run.step(steps=steps, total=total) as uow:
        uow.context = replace(
            uow.context, roles=tuple(held["roles"]), correlation_named=bool(held["correlation_named"])
        )
        yield uow

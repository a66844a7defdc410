"""Every case type of every service, in every state: a step that does not lead on from it changes nothing."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Table, select

from citybus import tables
from citybus.cases.perform import system_actor
from citybus.cases.tables import case_approvals, case_steps
from citybus.errors import Refusal
from tests.support.every_case import SERVICES, Place, kinds, place
from tests.support.postgres import Postgres

BESIDE = (case_steps, case_approvals, tables.outbox_messages, tables.deadlines, tables.audit_entries)


@pytest.fixture(scope="module")
def places(postgres: Postgres) -> Iterator[dict[str, Place]]:
    with ExitStack() as stack:
        made = {service: stack.enter_context(place(postgres, service)) for service in SERVICES}
        for each in made.values():
            each.loosen()
        yield made


@pytest.mark.parametrize(("service", "kind"), kinds())
def test_a_step_out_of_turn_changes_nothing(places: dict[str, Place], service: str, kind: str) -> None:
    there = places[service]
    cases = next(cases for cases in there.cases if cases.case_type.kind == kind)
    case_type, actor = cases.case_type, system_actor(service)
    for state in case_type.states:
        case_id = there.put(cases, state)
        every = (cases.model.__table__, *BESIDE)
        before = {table.name: rows(there, table) for table in every}
        with there.acting(actor.subject) as uow:
            for action in case_type.actions:
                if case_type.target(state, action) is not None:
                    continue
                with pytest.raises(Refusal) as refused:
                    cases.take(uow, case_id, action, actor, {"reason": "out of turn"})
                assert (refused.value.code, refused.value.status) == ("INVALID_TRANSITION", 409)
                assert refused.value.figures["state"] == state
                assert {case_type.target(state, name) for name in refused.value.figures["possible"]}.isdisjoint({None})
            # Committed all the same: whatever an attempt left behind would show.
            uow.commit()
        assert {table.name: rows(there, table) for table in every} == before


def rows(there: Place, table: Table) -> list[Any]:
    with there.city.engine.connect() as connection:
        return sorted(map(str, connection.execute(select(table))))

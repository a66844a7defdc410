"""Cases: every transition is checked, recorded and published in one commit, or changes nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from citybus import tables
from citybus.cases import Actor, Cases, timers
from citybus.cases.perform import system_actor
from citybus.cases.tables import case_approvals, case_steps
from citybus.clock import ZONE, FixedClock
from citybus.deadlines import fire_due
from citybus.envelope import Event
from citybus.errors import Refusal
from citybus.unit_of_work import Context, UnitOfWork, Units
from tests.support.permits import PERMIT, Base, Permit, permits
from tests.support.postgres import ServiceDatabase

START = datetime(2024, 3, 4, 9, tzinfo=ZONE)
CLERK = Actor("clerk", frozenset({"CLERK"}), units=None, person="p-clerk", unit="OFFICE")
BOARD = Actor("board-1", frozenset({"BOARD"}), units=frozenset({"U1", "U2"}), person="p-b1", unit="BOARD")
OTHER = Actor("board-2", frozenset({"BOARD"}), units=frozenset({"U1"}), person="p-b2", unit="BOARD")
HOLDER = Actor("holder", frozenset({"HOLDER"}), person="p-holder", unit="U1")
FORM = {"unit": "U1", "holder": "p-holder", "amount": 10}


@pytest.fixture(scope="module")
def sessions(module_database: ServiceDatabase) -> Iterator[sessionmaker[Session]]:
    owner = create_engine(module_database.owner_url)
    tables.metadata.create_all(owner)
    Base.metadata.create_all(owner)
    owner.dispose()
    engine = create_engine(module_database.app_url)
    yield sessionmaker(engine, expire_on_commit=False)
    engine.dispose()


@pytest.fixture
def units(sessions: sessionmaker[Session]) -> Units:
    return Units(sessions, "/city/420200/toy", FixedClock(START))


@pytest.fixture
def cases(tmp_path: Any) -> Cases:
    return permits(tmp_path)


def acting(units: Units, actor: Actor) -> UnitOfWork:
    return units(Context(actor.subject, tuple(actor.roles), "test", "correlation"))


def opened(units: Units, cases: Cases, **changes: Any) -> Any:
    with acting(units, CLERK) as uow:
        case = cases.open(uow, CLERK, FORM | changes)
        uow.commit()
        return case


def taken(
    units: Units, cases: Cases, case: Any, action: str, actor: Actor, form: Any = None, version: Any = None
) -> Any:
    with acting(units, actor) as uow:
        found = uow.session.get(Permit, case.id)
        version = found.version if version is None and not actor.system else version
        done = cases.take(uow, case.id, action, actor, form or {}, version)
        uow.commit()
        return done, uow.published


def picture(units: Units) -> dict[str, Any]:
    """Return all that is stored, so that a refusal can be shown to change nothing."""
    with acting(units, CLERK) as uow:
        return {
            table.name: sorted(map(str, uow.session.execute(select(table)).all()))
            for table in (*tables.metadata.sorted_tables, *Base.metadata.sorted_tables)
        }


def refused(units: Units, cases: Cases, case: Any, action: str, actor: Actor, **more: Any) -> Refusal:
    before = picture(units)
    with pytest.raises(Refusal) as caught:
        taken(units, cases, case, action, actor, **more)
    assert picture(units) == before
    return caught.value


def test_a_transition_writes_case_step_audit_and_event_in_one_commit(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    done, events = taken(units, cases, case, "submit", CLERK)
    assert (done.state, done.version) == ("SUBMITTED", 2)
    event: Event = events[0]
    assert (event.type, event.subject, event.sequence) == ("toy.permit.submitted.v1", f"permit/{case.id}", 2)
    assert event.data == {"permit": case.id, "state": "SUBMITTED", "unit": "U1"}
    assert event.correlationid == "correlation"
    with acting(units, CLERK) as uow:
        steps = cases.history(uow.session, case.id)
        actions = uow.session.scalars(
            select(tables.audit_entries.c.action).where(tables.audit_entries.c.target == f"permit/{case.id}")
        ).all()
        rows = uow.session.scalar(select(func.count()).where(tables.outbox_messages.c.subject == f"permit/{case.id}"))
    assert [(step["action"], step["from_state"], step["to_state"]) for step in steps] == [
        ("create", None, "DRAFT"),
        ("submit", "DRAFT", "SUBMITTED"),
    ]
    assert sorted(actions) == ["permit.create", "permit.submit"]
    assert rows == 2


def test_a_stale_version_is_refused_and_changes_nothing(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    error = refused(units, cases, case, "submit", CLERK, version=7)
    assert (error.code, error.status, error.figures) == ("STALE_VERSION", 412, {"current": 1, "given": 7})


ILLEGAL = [
    (state, action) for state in PERMIT.states for action in PERMIT.actions if PERMIT.target(state, action) is None
]


@pytest.mark.parametrize(("state", "action"), ILLEGAL)
def test_every_illegal_transition_is_refused_and_changes_nothing(
    units: Units, cases: Cases, state: str, action: str
) -> None:
    case = opened(units, cases)
    with acting(units, CLERK) as uow:
        uow.session.get_one(Permit, case.id).state = state
        uow.commit()
    error = refused(units, cases, case, action, system_actor("toy"), form={"text": "t"})
    assert (error.code, error.status) == ("INVALID_TRANSITION", 409)
    assert error.figures["state"] == state


@pytest.mark.parametrize(
    ("actor", "code", "status"),
    [
        (Actor("x", frozenset({"HOLDER"}), units=None, person="p-holder"), "FORBIDDEN", 403),
        (Actor("x", frozenset({"CLERK"}), units=frozenset({"U9"})), "DATA_SCOPE", 403),
        (Actor("x", frozenset({"HEAD"}), units=None, unit="U2"), "DATA_SCOPE", 403),
        (Actor("x", frozenset({"CLERK"}), units=None, unit="U1"), "AVOIDANCE", 422),
        (Actor("x", frozenset({"CLERK"}), units=None, person="p-holder"), "AVOIDANCE", 422),
    ],
)
def test_role_scope_and_avoidance_are_checked(units: Units, cases: Cases, actor: Actor, code: str, status: int) -> None:
    error = refused(units, cases, opened(units, cases), "submit", actor)
    assert (error.code, error.status) == (code, status)


def test_the_head_of_the_unit_acts_for_it_and_the_holder_for_themself(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    taken(units, cases, case, "submit", Actor("head", frozenset({"HEAD"}), unit="U1"))
    done, _ = taken(units, cases, case, "note", HOLDER, {"text": "mine"})
    assert done.remarks == ["mine"]
    stranger = Actor("other", frozenset({"HOLDER"}), person="p-other")
    assert refused(units, cases, case, "note", stranger, form={"text": "t"}).code == "DATA_SCOPE"


def test_two_different_people_must_confirm_the_same_content(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    first, events = taken(units, cases, case, "approve", BOARD, {"grade": "A", "reason": "fits"})
    assert (first.state, first.version, events) == ("SUBMITTED", 3, [])
    assert refused(units, cases, case, "approve", BOARD, form={"grade": "A"}).code == "SAME_PERSON"
    assert refused(units, cases, case, "approve", OTHER, form={"grade": "B"}).code == "APPROVAL_DIFFERS"
    second, events = taken(units, cases, case, "approve", OTHER, {"grade": "A", "reason": "fits too"})
    assert (second.state, second.version) == ("APPROVED", 4)
    assert [event.type for event in events] == ["toy.permit.approved.v1"]
    assert events[0].rulepack == "TOY-2024@1"


def test_another_step_makes_a_confirmation_void(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "approve", BOARD)
    taken(units, cases, case, "note", HOLDER, {"text": "wait"})
    with acting(units, CLERK) as uow:
        assert (
            uow.session.scalars(select(case_approvals.c.actor).where(case_approvals.c.case_id == case.id)).all() == []
        )
    again, _ = taken(units, cases, case, "approve", BOARD)
    assert again.state == "SUBMITTED"


def test_who_handled_an_earlier_step_keeps_away(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    both = Actor("clerk", frozenset({"CLERK", "BOARD"}), units=None)
    taken(units, cases, case, "submit", both)
    assert refused(units, cases, case, "approve", both).code == "AVOIDANCE"


def test_a_guard_refuses_with_its_figures_in_the_list_of_actions_and_in_the_act(units: Units, cases: Cases) -> None:
    case = opened(units, cases, amount=101)
    taken(units, cases, case, "submit", CLERK)
    error = refused(units, cases, case, "approve", BOARD)
    assert (error.code, error.figures) == ("TOO_MUCH", {"amount": 101, "limit": 100})
    with acting(units, BOARD) as uow:
        options = {option["action"]: option for option in cases.options(uow, uow.session.get(Permit, case.id), BOARD)}
    assert options["refuse"]["allowed"]
    assert options["approve"]["why"]["code"] == "TOO_MUCH"
    assert options["note"]["why"]["code"] == "FORBIDDEN"
    assert "expire" not in options


def test_a_reason_is_wanted_where_the_step_declares_it(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    assert refused(units, cases, case, "refuse", BOARD).code == "REASON_MISSING"
    taken(units, cases, case, "refuse", BOARD, {"reason": "no room"})
    with acting(units, CLERK) as uow:
        assert cases.history(uow.session, case.id)[-1]["reason"] == "no room"


def test_a_deadline_is_armed_in_working_days_with_its_warning(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "approve", BOARD)
    taken(units, cases, case, "approve", OTHER)
    with acting(units, CLERK) as uow:
        row = uow.session.execute(select(tables.deadlines).where(tables.deadlines.c.ref == f"permit/{case.id}")).one()
    # Monday 4 March 2024 and five working days: over when Monday 11 March is over.
    assert row.due_at.astimezone(ZONE) == datetime(2024, 3, 12, tzinfo=ZONE)
    assert row.warn_at.astimezone(ZONE) == datetime(2024, 3, 6, tzinfo=ZONE)
    assert row.state == "ARMED"
    assert isinstance(units.clock, FixedClock)
    units.clock.set(row.due_at - timedelta(seconds=1))
    fire_due(units, timers.handlers([cases]))
    with acting(units, CLERK) as uow:
        assert uow.session.get_one(Permit, case.id).state == "APPROVED"
    units.clock.set(row.due_at)
    fire_due(units, timers.handlers([cases]))
    with acting(units, CLERK) as uow:
        assert uow.session.get_one(Permit, case.id).state == "EXPIRED"


def test_reading_is_within_the_scope_and_leaves_an_audit_entry(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    with acting(units, HOLDER) as uow:
        cases.read(uow, case.id, HOLDER)
        uow.commit()
    with acting(units, CLERK) as uow:
        entry = uow.session.execute(
            select(tables.audit_entries).where(
                tables.audit_entries.c.target == f"permit/{case.id}", tables.audit_entries.c.action == "permit.read"
            )
        ).one()
    assert entry.actor == "holder"
    assert set(entry.read_fields) >= {"amount", "holder", "state"}
    with acting(units, HOLDER) as uow, pytest.raises(Refusal) as caught:
        cases.read(uow, case.id, Actor("s", frozenset({"BOARD"}), units=frozenset({"U7"})))
    assert caught.value.code == "DATA_SCOPE"


def test_a_missing_case_is_not_found(units: Units, cases: Cases) -> None:
    with acting(units, CLERK) as uow, pytest.raises(Refusal) as caught:
        cases.read(uow, "00000000-0000-7000-8000-000000000000", CLERK)
    assert (caught.value.code, caught.value.status) == ("NOT_FOUND", 404)


def test_a_hook_that_fails_undoes_the_step(units: Units, tmp_path: Any) -> None:
    def fail(uow: UnitOfWork, step: Any) -> None:
        raise ValueError("broken")

    cases = permits(tmp_path, after={"submit": fail})
    case = opened(units, cases)
    before = picture(units)
    with pytest.raises(ValueError, match="broken"):
        taken(units, cases, case, "submit", CLERK)
    assert picture(units) == before


def test_the_rules_of_the_step_s_day_apply(units: Units, cases: Cases) -> None:
    assert isinstance(units.clock, FixedClock)
    units.clock.advance(timedelta(days=365))
    case = opened(units, cases, amount=100)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "approve", BOARD)
    with acting(units, CLERK) as uow:
        packs = uow.session.scalars(
            select(case_steps.c.rule_packs).where(case_steps.c.case_id == case.id).order_by(case_steps.c.number.desc())
        ).first()
    assert packs == ["TOY-2024@1"]

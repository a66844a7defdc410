"""Cases: every transition is checked, recorded and published in one commit, or changes nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from citybus import tables
from citybus.cases import Actor, Arm, Cases, CaseType, Reach, Scope, Step, timers
from citybus.cases.perform import system_actor
from citybus.cases.tables import case_approvals, case_steps
from citybus.clock import ZONE, FixedClock
from citybus.deadlines import fire_due
from citybus.envelope import Event
from citybus.errors import Refusal
from citybus.unit_of_work import Context, UnitOfWork, Units
from tests.support.permits import PERMIT, Base, Permit, permits, within_limit
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


@pytest.mark.parametrize(
    ("named", "expected"),
    [(False, "correlation"), (True, "a later one")],
    ids=["a later request goes on under the case's", "but not where it names one"],
)
def test_the_correlation_of_a_case_goes_on(units: Units, cases: Cases, named: bool, expected: str) -> None:
    case = opened(units, cases)
    with units(Context("clerk", (), "test", "a later one", correlation_named=named)) as uow:
        cases.take(uow, case.id, "submit", CLERK, {}, 1)
        uow.commit()
        (event,) = uow.published
        entries = tables.audit_entries.c
        entry = uow.session.execute(
            select(entries.correlation_id).where(
                entries.action == "permit.submit", entries.target == f"permit/{case.id}"
            )
        ).scalar_one()
    # The audit's entry is found by what the request's answer says.
    assert (event.correlationid, entry) == (expected, "a later one")


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


def test_who_confirmed_may_confirm_something_else_instead(units: Units, cases: Cases) -> None:
    """A slip of the first would bar the step for ever, where no other step leads on from the state."""
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "approve", BOARD, {"grade": "B"})
    first, events = taken(units, cases, case, "approve", BOARD, {"grade": "A"})
    assert (first.state, first.version, events) == ("SUBMITTED", 4, [])
    assert refused(units, cases, case, "approve", OTHER, form={"grade": "B"}).code == "APPROVAL_DIFFERS"
    second, _ = taken(units, cases, case, "approve", OTHER, {"grade": "A"})
    assert second.state == "APPROVED"


def test_who_confirms_first_is_told_what_is_wrong_and_changes_nothing(units: Units, tmp_path: Any) -> None:
    def set_amount(step: Step) -> None:
        step.case.amount = step.form["amount"]
        step.case.remarks.append("set")
        within_limit(step)

    cases = permits(tmp_path, case_type=changed(PERMIT, "approve", effect=set_amount))
    case = opened(units, cases, amount=1)
    taken(units, cases, case, "submit", CLERK)
    assert refused(units, cases, case, "approve", BOARD, form={"amount": 101}).code == "TOO_MUCH"
    first, _ = taken(units, cases, case, "approve", BOARD, {"amount": 50})
    assert (first.state, first.amount, first.remarks) == ("SUBMITTED", 1, [])
    second, _ = taken(units, cases, case, "approve", OTHER, {"amount": 50})
    assert (second.state, second.amount) == ("APPROVED", 50)


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
    missing = "00000000-0000-7000-8000-000000000000"
    for attempt in (
        lambda uow: cases.read(uow, missing, CLERK),
        lambda uow: cases.take(uow, missing, "submit", CLERK, {}, 1),
    ):
        with acting(units, CLERK) as uow, pytest.raises(Refusal) as caught:
            attempt(uow)
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


def changed(case_type: CaseType, action: str, **changes: Any) -> CaseType:
    """Return `case_type` with `action` (or `create`) declared otherwise."""
    if action == "create":
        return replace(case_type, create=replace(case_type.create, **changes))
    return replace(case_type, actions={**case_type.actions, action: replace(case_type.actions[action], **changes)})


def not_opened(units: Units, cases: Cases, actor: Actor, **form: Any) -> Refusal:
    before = picture(units)
    with acting(units, actor) as uow, pytest.raises(Refusal) as caught:
        cases.open(uow, actor, FORM | form)
    assert picture(units) == before
    return caught.value


def deadlines_of(units: Units, case: Any) -> dict[str, Any]:
    """Return kind → row of the deadlines that were armed for the case."""
    with acting(units, CLERK) as uow:
        rows = uow.session.execute(select(tables.deadlines).where(tables.deadlines.c.ref == f"permit/{case.id}"))
        return {row.kind: row for row in rows}


@pytest.mark.parametrize(
    ("actor", "code", "status"),
    [
        (HOLDER, "FORBIDDEN", 403),
        (Actor("x", frozenset({"CLERK"}), units=frozenset({"U9"})), "DATA_SCOPE", 403),
        (Actor("x", frozenset({"CLERK"}), units=None, unit="U1"), "AVOIDANCE", 422),
    ],
)
def test_role_scope_and_avoidance_are_checked_where_a_case_is_opened(
    units: Units, cases: Cases, actor: Actor, code: str, status: int
) -> None:
    error = not_opened(units, cases, actor)
    assert (error.code, error.status) == (code, status)


def test_the_service_itself_opens_a_case_in_answer_to_an_event(units: Units, cases: Cases) -> None:
    service = system_actor("toy")
    with acting(units, service) as uow:
        case = cases.open(uow, service, FORM, "00000000-0000-7000-8000-0000000000aa")
        uow.commit()
    with acting(units, CLERK) as uow:
        (step,) = cases.history(uow.session, case.id)
    assert (case.id, case.state) == ("00000000-0000-7000-8000-0000000000aa", "DRAFT")
    assert step["actor"] == "system:toy"


def test_somebody_opens_a_case_of_their_own_where_it_is_declared_so(units: Units, tmp_path: Any) -> None:
    cases = permits(tmp_path, case_type=changed(PERMIT, "create", allow={"HOLDER": Reach.SELF}))
    with acting(units, HOLDER) as uow:
        assert cases.open(uow, HOLDER, FORM).holder == "p-holder"
    assert not_opened(units, cases, HOLDER, holder="p-other").code == "DATA_SCOPE"


def test_a_case_that_needs_no_form_is_opened_without_one(units: Units, tmp_path: Any) -> None:
    """What the case holds is set where the service writes it down; the declaration has no effect and no event."""

    def fill(uow: UnitOfWork, case: Any, action: str, form: Any) -> None:
        case.unit, case.holder, case.amount, case.remarks = "U1", "p-holder", 1, []

    cases = permits(tmp_path, case_type=changed(PERMIT, "create", effect=None, event=None), facts=fill)
    with acting(units, CLERK) as uow:
        case = cases.open(uow, CLERK, {})
        uow.commit()
        assert uow.published == []
    with acting(units, CLERK) as uow:
        assert [step["action"] for step in cases.history(uow.session, case.id)] == ["create"]


def secret(case: Any) -> Scope:
    return Scope(frozenset({case.unit}), frozenset({case.holder}), disclosed=False)


def test_until_it_is_disclosed_only_officers_know_of_a_case_and_keep_away_from_their_own(
    units: Units, tmp_path: Any
) -> None:
    cases = permits(tmp_path, scope=secret)
    case = opened(units, cases)
    head = Actor("head", frozenset({"HEAD"}), unit="U1")
    own = Actor("own", frozenset({"CLERK"}), units=None, person="p-holder", unit="OFFICE")
    colleague = Actor("colleague", frozenset({"CLERK"}), units=None, person="p-9", unit="U1")
    with acting(units, CLERK) as uow:
        assert cases.read(uow, case.id, CLERK).id == case.id
        for reader in (HOLDER, head, own, colleague):
            with pytest.raises(Refusal) as caught:
                cases.read(uow, case.id, reader)
            assert caught.value.code == "DATA_SCOPE"
    assert refused(units, cases, case, "submit", head).code == "DATA_SCOPE"
    assert refused(units, cases, case, "submit", own).code == "AVOIDANCE"
    disclosed = permits(tmp_path)
    with acting(units, CLERK) as uow:
        for reader in (HOLDER, head, own, colleague):
            assert disclosed.read(uow, case.id, reader).id == case.id


def test_a_role_that_reads_no_case_neither_reads_nor_lists(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    trainer = Actor("t", frozenset({"TRAINER"}), units=None)
    with acting(units, trainer) as uow:
        with pytest.raises(Refusal) as reading:
            cases.read(uow, case.id, trainer)
        with pytest.raises(Refusal) as listing:
            cases.listing(trainer)
        assert case.id in {found.id for found in uow.session.scalars(cases.listing(HOLDER))}
    assert [error.value.code for error in (reading, listing)] == ["FORBIDDEN", "FORBIDDEN"]
    assert reading.value.figures["roles"] == ["BOARD", "CLERK", "HEAD", "HOLDER"]


def test_the_avoidance_and_the_first_consent_show_in_the_list_of_actions(units: Units, cases: Cases) -> None:
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "approve", BOARD)
    member = Actor("m", frozenset({"BOARD"}), units=None, unit="U1")

    def why(actor: Actor) -> str | None:
        with acting(units, actor) as uow:
            found = cases.options(uow, uow.session.get_one(Permit, case.id), actor)
        (approve,) = [option for option in found if option["action"] == "approve"]
        return None if approve["allowed"] else approve["why"]["code"]

    assert (why(BOARD), why(member), why(OTHER)) == ("SAME_PERSON", "AVOIDANCE", None)
    with acting(units, HOLDER) as uow:
        own = {option["action"]: option for option in cases.options(uow, uow.session.get_one(Permit, case.id), HOLDER)}
    # Whoever acts for themself is a party and need not keep away.
    assert own["note"]["allowed"]


def refuse_with_a_duty(step: Step) -> None:
    if step.form.get("amount", step.case.amount) > 100:
        raise Refusal("TOO_MUCH", zh="超过限额", en="above the limit", committed=True)


def signal(uow: UnitOfWork, step: Step) -> None:
    uow.audit("permit.signal", f"permit/{step.action}")


@pytest.mark.parametrize("action", ["create", "submit"])
def test_a_refusal_with_a_duty_records_it_and_leaves_the_case_as_it_is(
    units: Units, tmp_path: Any, action: str
) -> None:
    dutiful = changed(PERMIT, action, guards=(refuse_with_a_duty,))
    cases = permits(tmp_path, case_type=dutiful, duties={"TOO_MUCH": signal})
    small = opened(units, cases)
    case = small if action == "create" else opened(units, permits(tmp_path), amount=101)
    with acting(units, CLERK) as uow:
        attempts = {
            "create": lambda: cases.open(uow, CLERK, FORM | {"amount": 101}),
            "submit": lambda: cases.take(uow, case.id, "submit", CLERK, {}, 1),
        }
        with pytest.raises(Refusal) as caught:
            attempts[action]()
        assert caught.value.committed
        uow.commit()
    with acting(units, CLERK) as uow:
        found = uow.session.get_one(Permit, case.id)
        signals = uow.session.scalars(
            select(tables.audit_entries.c.target).where(
                tables.audit_entries.c.action == "permit.signal",
                tables.audit_entries.c.target == f"permit/{action}",
            )
        ).all()
        steps = [step["action"] for step in cases.history(uow.session, case.id)]
        assert (found.state, found.version, steps) == ("DRAFT", 1, ["create"])
    assert signals == [f"permit/{action}"]


def reminding(**arm: Any) -> CaseType:
    """Return permits whose submission arms a deadline that only warns; retouching the permit closes it."""
    armed = changed(PERMIT, "submit", arms=(Arm("permit.reminder", "permit.notice", **arm),))
    return changed(armed, "retouch", closes=("permit.reminder",))


def test_a_period_runs_from_where_its_declaration_says_or_not_at_all(units: Units, tmp_path: Any) -> None:
    later = START + timedelta(days=7)
    postponed = permits(tmp_path, case_type=reminding(start=lambda step: None if step.case.amount > 50 else later))
    runs, waits = opened(units, postponed), opened(units, postponed, amount=51)
    taken(units, postponed, runs, "submit", CLERK)
    taken(units, postponed, waits, "submit", CLERK)
    row = deadlines_of(units, runs)["permit.reminder"]
    # Monday 11 March 2024 and three working days: over when Thursday 14 March is over.
    assert (row.due_at.astimezone(ZONE), row.warn_at) == (datetime(2024, 3, 15, tzinfo=ZONE), None)
    assert deadlines_of(units, waits) == {}


def test_a_step_closes_the_deadline_that_waited_for_it(units: Units, tmp_path: Any) -> None:
    cases = permits(tmp_path, case_type=reminding())
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    assert deadlines_of(units, case)["permit.reminder"].state == "ARMED"
    taken(units, cases, case, "retouch", CLERK)
    assert deadlines_of(units, case)["permit.reminder"].state == "SATISFIED"


def test_a_deadline_without_a_step_tells_that_people_let_it_pass_and_moves_nothing(units: Units, tmp_path: Any) -> None:
    cases = permits(tmp_path, case_type=reminding())
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    assert isinstance(units.clock, FixedClock)
    units.clock.set(deadlines_of(units, case)["permit.reminder"].due_at)
    fire_due(units, timers.handlers([cases]))
    assert deadlines_of(units, case)["permit.reminder"].state == "FIRED"
    with acting(units, CLERK) as uow:
        found = uow.session.get_one(Permit, case.id)
        assert (found.state, found.version) == ("SUBMITTED", 2)


def test_a_deadline_leaves_a_case_alone_that_moved_on_by_itself(units: Units, tmp_path: Any) -> None:
    cases = permits(tmp_path, case_type=reminding(then="note"))
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    taken(units, cases, case, "refuse", BOARD, {"reason": "no room"})
    assert isinstance(units.clock, FixedClock)
    units.clock.set(deadlines_of(units, case)["permit.reminder"].due_at)
    fire_due(units, timers.handlers([cases]))
    assert deadlines_of(units, case)["permit.reminder"].state == "FIRED"
    with acting(units, CLERK) as uow:
        found = uow.session.get_one(Permit, case.id)
        assert (found.state, found.version) == ("REFUSED", 3)


def test_a_period_of_the_rules_is_over_at_the_same_instant_for_a_guard_as_for_the_deadline(
    units: Units, tmp_path: Any
) -> None:
    told: list[datetime] = []

    def note_period(step: Step) -> None:
        told.extend([step.due("permit.notice"), step.due("permit.notice", START + timedelta(days=7))])

    cases = permits(tmp_path, case_type=changed(reminding(), "submit", guards=(note_period,)))
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    armed = deadlines_of(units, case)["permit.reminder"].due_at
    assert told == [armed, datetime(2024, 3, 15, tzinfo=ZONE)]


def test_a_case_type_where_nothing_is_confirmed_twice_takes_its_steps_at_once(units: Units, tmp_path: Any) -> None:
    cases = permits(tmp_path, case_type=changed(PERMIT, "approve", eyes=1))
    case = opened(units, cases)
    taken(units, cases, case, "submit", CLERK)
    done, _ = taken(units, cases, case, "approve", BOARD)
    assert done.state == "APPROVED"

"""Subscriptions in a real database: who asks, approves, activates; when they end."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from citybus import deadlines, tables
from citybus.cases import Actor
from citybus.cases.timers import handlers
from citybus.errors import Refusal
from notification.domain.subscription import SUBSCRIPTION
from tests.support.notification import (
    APPROVER,
    BUREAU,
    DEPARTMENT,
    FINANCE,
    SECURITY,
    SYSTEM,
    VERIFIED,
    City,
    a_request,
    asking,
)

WHY = {"reason": "按协议"}


def refused(city: City, case: Any, action: str, actor: Actor, form: Any = None) -> Refusal:
    """Take a step that is refused, and see that nothing at all has changed."""
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(city.subscriptions, case, action, actor, form)
    assert city.picture() == before
    return caught.value


def in_state(city: City, state: str) -> Any:
    case = city.requested()
    steps = {
        "REQUESTED": (),
        "APPROVED": (("approve", APPROVER),),
        "ACTIVE": (("approve", APPROVER), ("activate", SECURITY)),
        "SUSPENDED": (("approve", APPROVER), ("activate", SECURITY), ("suspend", SECURITY)),
        "EXPIRED": (("expire", SYSTEM),),
    }
    for action, actor in steps[state]:
        case, _ = city.take(city.subscriptions, case, action, actor, WHY)
    return case


ILLEGAL = [
    (state, action)
    for state in SUBSCRIPTION.states
    for action in SUBSCRIPTION.actions
    if SUBSCRIPTION.target(state, action) is None
]
WHO = {"approve": APPROVER, "expire": SYSTEM}


@pytest.mark.parametrize(("state", "action"), ILLEGAL)
def test_an_action_that_does_not_lead_on_changes_nothing(city: City, state: str, action: str) -> None:
    refusal = refused(city, in_state(city, state), action, WHO.get(action, SECURITY), WHY)
    assert (refusal.code, refusal.status) == ("INVALID_TRANSITION", 409)


def test_a_subscription_goes_its_way(city: City) -> None:
    case = city.requested()
    told = []
    for action, actor in (
        ("approve", APPROVER),
        ("activate", SECURITY),
        ("suspend", APPROVER),
        ("resume", SECURITY),
        ("expire", SYSTEM),
    ):
        case, (event,) = city.take(city.subscriptions, case, action, actor, WHY)
        told.append((event.type.split(".")[2], event.data["state"]))
    assert told == [
        ("approved", "APPROVED"),
        ("activated", "ACTIVE"),
        ("suspended", "SUSPENDED"),
        ("resumed", "ACTIVE"),
        ("expired", "EXPIRED"),
    ]
    assert event.data | {"state": "…"} == {
        "subscription": case.id,
        "department": "finance-bureau",
        "event_types": case.event_types,
        "fields": case.fields,
        "max_class": "L2",
        "purpose": "预算绩效管理",
        "agreement_no": "HS-2024-001",
        "valid_to": "2024-12-31",
        "state": "…",
    }


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (APPROVER, "FORBIDDEN"),
        (SECURITY, "FORBIDDEN"),
        (replace(DEPARTMENT, unit=None), "DATA_SCOPE"),
    ],
)
def test_a_department_asks_for_itself(city: City, actor: Actor, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        city.open(city.subscriptions, actor, a_request())
    assert caught.value.code == code


def test_a_request_with_a_mark_of_secrecy_is_refused(city: City) -> None:
    before = city.picture()
    for name in ("purpose", "legal_basis", "agreement_no"):
        with pytest.raises(Refusal) as caught:
            city.open(city.subscriptions, DEPARTMENT, a_request(**{name: "绝密"}))
        assert caught.value.status == 451
    assert city.picture() == before


@pytest.mark.parametrize(
    ("state", "action", "actor", "code"),
    [
        ("REQUESTED", "approve", SECURITY, "FORBIDDEN"),
        ("REQUESTED", "approve", DEPARTMENT, "FORBIDDEN"),
        ("REQUESTED", "approve", replace(APPROVER, roles=frozenset({"ORG.cadre"})), "FORBIDDEN"),
        ("REQUESTED", "approve", replace(APPROVER, units=frozenset({BUREAU})), "DATA_SCOPE"),
        ("REQUESTED", "approve", replace(APPROVER, unit=FINANCE), "AVOIDANCE"),
        ("REQUESTED", "approve", replace(APPROVER, subject=DEPARTMENT.subject), "AVOIDANCE"),
        ("APPROVED", "activate", APPROVER, "FORBIDDEN"),
        ("APPROVED", "activate", replace(SECURITY, subject=APPROVER.subject), "AVOIDANCE"),
        ("APPROVED", "activate", replace(SECURITY, units=frozenset()), "DATA_SCOPE"),
        ("SUSPENDED", "resume", APPROVER, "FORBIDDEN"),
        ("SUSPENDED", "resume", replace(SECURITY, subject=APPROVER.subject), "AVOIDANCE"),
        ("ACTIVE", "suspend", DEPARTMENT, "FORBIDDEN"),
    ],
)
def test_two_people_of_two_offices_let_a_department_read(
    city: City, state: str, action: str, actor: Actor, code: str
) -> None:
    assert refused(city, in_state(city, state), action, actor, WHY).code == code


@pytest.mark.parametrize(("state", "action"), [("ACTIVE", "suspend"), ("SUSPENDED", "resume")])
def test_a_change_of_what_runs_has_a_reason(city: City, state: str, action: str) -> None:
    assert refused(city, in_state(city, state), action, SECURITY).code == "REASON_MISSING"


def test_each_step_looks_again_at_what_was_agreed(city: City) -> None:
    case = city.open(city.subscriptions, DEPARTMENT, asking(VERIFIED, "finding"))
    with city.acting(SYSTEM) as uow:
        uow.session.get_one(type(case), case.id).fields = {VERIFIED: ["severity"]}
        uow.commit()
    assert refused(city, case, "approve", APPROVER).code == "CLASS_EXCEEDED"


def fire(city: City) -> deadlines.Tally:
    return deadlines.fire_due(city.units, handlers((city.deliveries, city.subscriptions)))


@pytest.mark.parametrize("state", ["REQUESTED", "APPROVED", "ACTIVE", "SUSPENDED"])
def test_it_ends_by_itself_after_its_last_day(city: City, state: str) -> None:
    case = in_state(city, state)
    city.clock.set(city.clock.now().replace(month=12, day=31, hour=23, minute=59))
    fire(city)
    assert city.again(case).state == state
    city.clock.advance(timedelta(minutes=1))
    assert fire(city).fired >= 1
    assert city.again(case).state == "EXPIRED"
    assert fire(city).fired == 0


def test_people_are_warned_a_month_before_it_ends(city: City) -> None:
    case = city.requested()
    table = tables.deadlines
    (row,) = city.rows(table, table.c.ref == f"subscription/{case.id}")
    assert (row.kind, row.warn_at.date(), row.due_at.date()) == (
        "subscription.validity",
        date(2024, 12, 1),
        date(2025, 1, 1),
    )


def test_a_department_sees_its_own_and_the_offices_all(city: City) -> None:
    case = city.requested()
    other = replace(DEPARTMENT, subject="dept-audit-bureau", unit="420200-AUDIT")
    for actor, sees in ((DEPARTMENT, True), (APPROVER, True), (SECURITY, True), (other, False)):
        with city.acting(actor) as uow:
            listed = {each.id for each in uow.session.scalars(city.subscriptions.listing(actor))}
        assert (case.id in listed) is sees
    with city.acting(other) as uow, pytest.raises(Refusal) as caught:
        city.subscriptions.read(uow, case.id, other)
    assert caught.value.code == "DATA_SCOPE"
    narrow = replace(APPROVER, units=frozenset({BUREAU}))
    with city.acting(narrow) as uow:
        listed = {each.id for each in uow.session.scalars(city.subscriptions.listing(narrow))}
    assert case.id not in listed

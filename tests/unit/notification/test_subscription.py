"""The rules of subscriptions, each with what it lets pass and what it refuses."""

from datetime import date
from typing import Any

import pytest

from citybus.errors import Refusal
from notification.domain import subscription as rules
from tests.support.notification import (
    DEDUCTED,
    DEPARTMENT,
    FINANCE,
    MONDAY,
    REGISTERED,
    STARTED,
    VERIFIED,
    a_request,
    a_subscription,
    asking,
    rulebook,
    step,
    subscription_facts,
)


def requested(form: dict[str, Any], **more: Any) -> Any:
    case = a_subscription(unit=None, legal_basis=None)
    rules.request(step(case, form=form, facts=subscription_facts(), actor=DEPARTMENT, **more))
    return case


def test_a_request_is_taken_over_for_the_unit_that_asks() -> None:
    case = requested(a_request())
    assert (case.unit, case.department, case.max_class) == (FINANCE, "finance-bureau", "L2")
    assert case.event_types == sorted([STARTED, VERIFIED])
    assert case.fields[STARTED] == ["inspection", "state", "units"]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (a_request(department="no-such"), "UNKNOWN_DEPARTMENT"),
        (a_request(legal_basis=None), "LEGAL_BASIS_MISSING"),
        (a_request(legal_basis="  "), "LEGAL_BASIS_MISSING"),
        (asking("supervision.finding.no-such.v1", "finding"), "UNKNOWN_EVENT_TYPE"),
        (asking("supervision.finding.verified.v2", "finding"), "UNKNOWN_EVENT_TYPE"),
        (asking("supervision.signal.transferred.v1", "unit"), "UNKNOWN_EVENT_TYPE"),
        (asking("supervision.service.heartbeat.v1", "service"), "UNKNOWN_EVENT_TYPE"),
        (asking("notification.delivery.signed.v1", "ref"), "UNKNOWN_EVENT_TYPE"),
        (asking(VERIFIED, "finding", "facts"), "FIELD_NOT_IN_CONTRACT"),
        (asking(VERIFIED, "severity"), "CLASS_EXCEEDED"),
        (asking(REGISTERED, "cadre", "name"), "CLASS_EXCEEDED"),
        (asking(REGISTERED, "cadre", max_class="L1"), "CLASS_EXCEEDED"),
        (asking(DEDUCTED, "cap"), "CLASS_EXCEEDED"),
        (a_request(valid_to=date(2024, 3, 3)), "VALIDITY_OVER"),
        (a_request(valid_to=date(2025, 3, 5)), "VALIDITY_TOO_LONG"),
    ],
)
def test_a_request_that_may_not_be_is_refused(form: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        requested(form)
    assert (caught.value.code, caught.value.status) == (code, 422)


@pytest.mark.parametrize(
    "form",
    [
        asking(REGISTERED, "cadre", "unit", "post"),
        asking(REGISTERED, "cadre", "name", max_class="L3"),
        asking(DEDUCTED, "deduction", max_class="L3"),
        a_request(valid_to=date(2024, 3, 4)),
        a_request(valid_to=date(2025, 3, 4)),
    ],
)
def test_what_may_be_is_taken(form: dict[str, Any]) -> None:
    requested(form)


def test_the_refusal_names_the_fields_and_their_class() -> None:
    with pytest.raises(Refusal) as caught:
        requested(asking(VERIFIED, "finding", "severity", "state"))
    assert caught.value.figures == {
        "event_type": VERIFIED,
        "fields": {"severity": "L3", "state": "L3"},
        "max_class": "L2",
    }


@pytest.mark.parametrize(
    ("state", "today", "expected"),
    [
        ("ACTIVE", date(2024, 12, 31), True),
        ("ACTIVE", date(2025, 1, 1), False),
        ("SUSPENDED", date(2024, 6, 1), False),
        ("APPROVED", date(2024, 6, 1), False),
    ],
)
def test_events_are_sent_until_the_last_day_while_it_is_active(state: str, today: date, expected: bool) -> None:
    found = rules.in_force(a_subscription(state=state), rulebook().on(today), today)
    assert found is expected


def test_it_begins_on_the_day_of_its_activation() -> None:
    case = a_subscription(state="APPROVED")
    rules.activate(step(case))
    assert case.activated_on == MONDAY.date()


def test_it_concerns_the_unit_that_asked() -> None:
    assert rules.scope(a_subscription()).units == {FINANCE}
    assert rules.scope(a_subscription(unit="")).units == frozenset()

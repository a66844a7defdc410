"""The rules of deliveries, each with what it lets pass and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from citybus.cases import Actor
from citybus.errors import Invalid, Refusal
from notification.domain import delivery as rules
from notification.domain.document import fingerprint
from tests.support.notification import (
    BUREAU,
    DIRECT,
    DISTRICT,
    LEAD,
    MONDAY,
    WITNESS,
    a_delivery,
    cadre,
    delivery_facts,
    head,
    personnel,
    step,
)

PAPER = {"state": "PAPER_DUE", "paper_due_on": date(2024, 3, 12)}
TO_UNIT = {"recipient_kind": "UNIT", "recipient_id": BUREAU}


def refused(rule: Callable[[Any], Any], attempt: Any) -> tuple[str, int]:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value.code, caught.value.status


def test_what_is_sent_is_kept_as_it_was_sent_with_its_sum() -> None:
    case = a_delivery(state="QUEUED", unit=None, sent_on=None)
    attempt = step(case, facts=delivery_facts())
    rules.dispatch(attempt)
    assert case.content.startswith("问题告知书")
    assert "张甲(市发改委)" in case.content.replace("（", "(").replace("）", ")")
    assert "主要领导责任" in case.content
    assert (case.sha256, case.unit, case.sent_on) == (fingerprint(case.content), BUREAU, MONDAY.date())
    assert attempt.cited == {"LOCAL-HS-2016@1"}


def test_nothing_is_sent_to_somebody_whom_the_roster_does_not_know() -> None:
    with pytest.raises(Invalid, match="UNKNOWN_RECIPIENT"):
        rules.dispatch(step(a_delivery(), facts=delivery_facts(addressee=None)))


@pytest.mark.parametrize(
    ("case", "actor", "expected"),
    [
        ({}, cadre(LEAD), True),
        ({}, cadre(DIRECT), False),
        ({}, head(), False),
        ({}, personnel(), False),
        ({}, Actor("x", frozenset({"ORG"}), units=None, person=LEAD), False),
        (TO_UNIT, head(), True),
        (TO_UNIT, head(DISTRICT), False),
        (TO_UNIT, cadre(LEAD), False),
        (TO_UNIT, personnel(), False),
    ],
)
def test_a_document_is_for_its_recipient_alone(case: Any, actor: Actor, expected: bool) -> None:
    attempt = step(a_delivery(**case), actor=actor)
    assert rules.is_recipient(attempt.case, actor) is expected
    if expected:
        rules.by_recipient(attempt)
    else:
        assert refused(rules.by_recipient, attempt) == ("DATA_SCOPE", 403)


@pytest.mark.parametrize("case", [{}, TO_UNIT])
def test_the_personnel_officer_sees_the_record_once_the_paper_is_due(case: Any) -> None:
    assert not rules.may_read(a_delivery(**case), personnel())
    due = a_delivery(**case, **PAPER)
    assert rules.may_read(due, personnel())
    assert not rules.may_read(due, personnel(DISTRICT))
    served = a_delivery(**case, **PAPER | {"state": "SUBSTITUTED"})
    assert rules.may_read(served, personnel())


def test_nobody_sees_what_is_not_sent_and_no_head_what_is_for_a_cadre() -> None:
    assert not rules.may_read(a_delivery(state="QUEUED"), cadre())
    assert not rules.may_read(a_delivery(**PAPER), head())


def test_the_unit_has_a_part_only_once_the_paper_is_due() -> None:
    def concerned(**changes: Any) -> list[str]:
        found = rules.scope(a_delivery(**changes))
        return sorted({*found.units, *found.persons})

    assert concerned() == [LEAD]
    assert concerned(**PAPER) == sorted([LEAD, BUREAU])
    assert concerned(**TO_UNIT) == [BUREAU]
    assert not rules.scope(a_delivery(state="QUEUED")).disclosed


def test_nobody_signs_for_what_they_have_not_opened() -> None:
    assert refused(rules.was_opened, step(a_delivery())) == ("NOT_OPENED", 422)
    rules.was_opened(step(a_delivery(opened_on=date(2024, 3, 4))))


def test_a_document_is_opened_once() -> None:
    case = a_delivery()
    rules.not_opened(step(case))
    rules.open_document(step(case))
    assert case.opened_on == MONDAY.date()
    assert refused(rules.not_opened, step(case)) == ("DUPLICATE", 409)


def test_the_time_to_sign_runs_from_the_opening_unless_the_paper_is_due() -> None:
    assert rules.unless_paper_due(step(a_delivery())) == MONDAY
    assert rules.unless_paper_due(step(a_delivery(**PAPER))) is None


def test_signing_is_service() -> None:
    case = a_delivery(state="OPENED")
    rules.sign(step(case, actor=cadre()))
    assert case.served_on == MONDAY.date()


def test_service_before_a_witness_names_the_witness() -> None:
    case = a_delivery(**PAPER)
    rules.before_witness(step(case, form={"witness": WITNESS}, facts=delivery_facts(), actor=personnel()))
    assert (case.witness, case.served_on) == (WITNESS, MONDAY.date())


@pytest.mark.parametrize(
    ("witness", "known", "code"),
    [
        (LEAD, True, "WITNESS_NOT_INDEPENDENT"),
        ("hr-person", True, "WITNESS_NOT_INDEPENDENT"),
        (f"hr-{BUREAU}", True, "WITNESS_NOT_INDEPENDENT"),
        ("nobody", False, "UNKNOWN_CADRE"),
    ],
)
def test_a_witness_is_known_and_has_no_part(witness: str, known: bool, code: str) -> None:
    case = a_delivery(**PAPER)
    attempt = step(case, form={"witness": witness}, facts=delivery_facts(witness_known=known), actor=personnel())
    assert refused(rules.before_witness, attempt) == (code, 422)
    assert (case.witness, case.served_on) == (None, None)


def test_the_paper_is_served_by_the_personnel_officer_of_the_unit_who_is_not_the_recipient() -> None:
    rules.by_server(step(a_delivery(**PAPER), actor=personnel()))
    assert refused(rules.by_server, step(a_delivery(**PAPER), actor=personnel(DISTRICT))) == ("DATA_SCOPE", 403)
    assert refused(rules.by_server, step(a_delivery(), actor=personnel())) == ("DATA_SCOPE", 403)
    assert refused(rules.by_server, step(a_delivery(**PAPER), actor=personnel(person=LEAD))) == ("AVOIDANCE", 422)
    both = replace(head(), roles=frozenset({"UNITHEAD", "UNITHR"}))
    assert refused(rules.by_server, step(a_delivery(**TO_UNIT, **PAPER), actor=both)) == ("AVOIDANCE", 422)


@pytest.mark.parametrize(
    ("case", "actor", "may"),
    [
        ({}, cadre(), True),
        ({}, personnel(), False),
        (PAPER, personnel(), True),
        (PAPER, head(), False),
        (TO_UNIT | PAPER, head(), True),
    ],
)
def test_a_refusal_is_recorded_by_the_recipient_or_who_serves_the_paper(case: Any, actor: Actor, may: bool) -> None:
    attempt = step(a_delivery(**case), actor=actor)
    if may:
        rules.by_recipient_or_server(attempt)
    else:
        assert refused(rules.by_recipient_or_server, attempt) == ("DATA_SCOPE", 403)


def test_the_paper_falls_due_in_the_unit_to_which_the_recipient_belongs_by_then() -> None:
    case = a_delivery()
    moved = rules.Addressee("张甲", DISTRICT, "下陆区")
    rules.fall_due_on_paper(step(case, facts=delivery_facts(addressee=moved)))
    assert (case.paper_due_on, case.unit) == (MONDAY.date(), DISTRICT)
    rules.fall_due_on_paper(step(case, facts=delivery_facts(addressee=None)))
    assert case.unit == DISTRICT

"""Measures: who approves, what delivery starts, replies and second inquiries, follow-up, suggestions, and what undoes them."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from citybus import tables
from citybus.clock import ZONE
from citybus.errors import Invalid, Refusal
from citybus.ids import new_id
from supervision.application.eligibility import reasons
from supervision.persistence.models import AdjustmentRow, MeasureRow
from tests.support.supervision import (
    BUREAU,
    DIRECT,
    DISC,
    LEAD,
    ORG,
    ORG_SECOND,
    RECORDER,
    STRANGER,
    City,
    cadre,
    officer,
    outbox_events,
    texts_in_outbox,
)

COMM = officer("comm-1", "COMM", unit="420200-COMM")
NOTIFICATION, INCENTIVE = "supervision.notification", "supervision.incentive"
APRIL = date(2024, 4, 1)


def proposed(city: City, kind: str, person: str = LEAD, *findings: Any, **changes: Any) -> Any:
    form = {
        "kind": kind,
        "cadre": person,
        "findings": [finding.id for finding in findings],
        "reason_codes": ["WEAK_EXECUTION"],
        "cause": "苗头性问题。",
    }
    return city.open(city.measures, ORG, form | changes)


def approved(city: City, kind: str, person: str = LEAD, *findings: Any) -> Any:
    case = proposed(city, kind, person, *findings)
    actor = COMM if kind in ("ADMONISH", "CRITICISE") else ORG_SECOND
    return city.take(city.measures, case, "approve", actor, {"reason": "同意"})[0]


def delivery(city: City, case: Any, day: date, **changes: Any) -> Any:
    data = {
        "delivery": new_id(),
        "document": "MEASURE_NOTICE",
        "ref": f"measure/{case.id}",
        "recipient": {"kind": "CADRE", "id": case.cadre},
        "state": "SIGNED",
        "served_on": day.isoformat(),
    } | changes
    return city.event("notification.delivery.signed.v1", f"delivery/{data['delivery']}", data)


def delivered(city: City, kind: str, person: str = LEAD, *findings: Any, day: date | None = None) -> Any:
    case = approved(city, kind, person, *findings)
    city.receive(NOTIFICATION, delivery(city, case, day or city.clock.today()))
    return city.again(case)


def barred(city: City, purpose: str, day: date, person: str = LEAD) -> list[Any]:
    with city.acting(RECORDER) as uow:
        return [(reason.code, reason.until) for reason in reasons(uow, person, purpose, day)]


def refused(city: City, case: Any, action: str, actor: Any, **form: Any) -> str:
    with pytest.raises(Refusal) as caught:
        city.take(city.measures, case, action, actor, form)
    return caught.value.code


def close(city: City, case: Any, result: str) -> Any:
    city.take(city.measures, case, "follow_up", ORG)
    return city.take(city.measures, case, "close", ORG, {"result": result, "reason": "回访"})[0]


def test_scenario_22_admonition(city: City) -> None:
    """ADMONISH delivered 2024-04-01: not excellent for 2024, gate blocked to 2024-10-01, follow-up due 10-01."""
    city.clock.set(datetime(2024, 4, 1, 9, tzinfo=ZONE))
    case = delivered(city, "ADMONISH", STRANGER, day=APRIL)
    assert (case.state, case.effect_until) == ("DELIVERED", date(2024, 10, 1))
    october = date(2024, 10, 1)
    for purpose in ("PROMOTE", "TRANSFER", "AWARD"):
        assert barred(city, purpose, APRIL, STRANGER) == [("EFFECT_PERIOD_ACTIVE", october)]
        assert barred(city, purpose, date(2024, 9, 30), STRANGER) == [("EFFECT_PERIOD_ACTIVE", october)]
        assert barred(city, purpose, october, STRANGER) == []
    assert barred(city, "EXCELLENT", date(2024, 12, 31), STRANGER) == [("EFFECT_PERIOD_ACTIVE", date(2025, 1, 1))]
    (told,) = city.outbox(f"eligibility/{STRANGER}")
    for purpose in ("PROMOTE", "TRANSFER", "AWARD"):
        assert told.data["purposes"][purpose] == [
            {"code": "EFFECT_PERIOD_ACTIVE", "from": "2024-04-01", "until": "2024-10-01"}
        ]
    armed = tables.deadlines
    (row,) = city.rows(armed, armed.c.ref == f"measure/{case.id}", armed.c.state == "ARMED")
    assert (row.kind, row.due_at.isoformat()) == ("measure.follow_up", "2024-10-02T00:00:00+08:00")
    city.clock.set(datetime(2024, 9, 30, 9, tzinfo=ZONE))
    assert refused(city, case, "follow_up", ORG) == "FOLLOW_UP_TOO_EARLY"
    city.clock.set(datetime(2024, 10, 1, 9, tzinfo=ZONE))
    case = close(city, case, "NOT_CORRECTED")
    (*_, last) = city.outbox(f"measure/{case.id}")
    assert (last.type, last.data["result"]) == ("supervision.measure.closed.v1", "NOT_CORRECTED")
    assert "苗头性" not in texts_in_outbox(city)
    (adjustment,) = city.rows(AdjustmentRow.__table__, AdjustmentRow.measure == case.id)
    assert (adjustment.state, adjustment.cadre, adjustment.reason_codes) == ("PROPOSED", STRANGER, ["DUTY_WEAK"])


def test_the_system_begins_the_follow_up_when_nobody_does(city: City) -> None:
    case = delivered(city, "ADMONISH", DIRECT)
    city.clock.set(datetime(2024, 9, 5, 0, 0, 1, tzinfo=ZONE))
    city.fire()
    assert city.again(case).state == "FOLLOW_UP"


@pytest.mark.parametrize(
    ("kind", "actor", "code"),
    [
        ("ADMONISH", ORG_SECOND, "FORBIDDEN"),
        ("ADMONISH", DISC, "FORBIDDEN"),
        ("CRITICISE", DISC, "FORBIDDEN"),
        ("REMIND", ORG, "AVOIDANCE"),
        ("ADMONISH", officer("comm-2", "COMM", unit=BUREAU), "AVOIDANCE"),
    ],
)
def test_who_must_not_approve(city: City, kind: str, actor: Any, code: str) -> None:
    assert refused(city, proposed(city, kind), "approve", actor, reason="同意") == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cadre": "cadre-unknown"}, "UNKNOWN_CADRE"),
        ({"findings": [new_id()]}, "UNKNOWN_FINDING"),
        ({"reason_codes": ["NONE_SUCH"]}, "UNKNOWN_REASON_CODE"),
        ({"cause": "绝密"}, "SECRECY_LEVEL"),
    ],
)
def test_a_proposal_that_cannot_be(city: City, changes: Mapping[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        proposed(city, "REMIND", **changes)
    assert caught.value.code == code


def test_a_measure_rests_on_verified_findings_of_the_cadre(city: City) -> None:
    for finding, person, code in (
        (city.notified(), LEAD, "FINDING_NOT_VERIFIED"),
        (city.verified(), DIRECT, "NOT_RESPONSIBLE"),
    ):
        with pytest.raises(Refusal) as caught:
            proposed(city, "REMIND", person, finding)
        assert caught.value.code == code


def test_an_inquiry_is_answered_within_fifteen_working_days_and_asked_twice_at_most(city: City) -> None:
    case = delivered(city, "INQUIRE")
    # From Monday the 4th of March, without a holiday between.
    assert case.reply_due == date(2024, 3, 25)
    assert refused(city, case, "follow_up", ORG) == "REPLY_PENDING"
    city.clock.set(datetime(2024, 3, 26, 9, tzinfo=ZONE))
    city.fire()
    assert city.again(case).state == "OVERDUE"
    case = city.take(city.measures, case, "inquire_again", ORG, {"reason": "未回复"})[0]
    assert (case.state, case.inquiries, case.reply_due) == ("SECOND_INQUIRY", 2, None)
    # Served on Thursday the 28th of March, with Tomb-sweeping Day between.
    city.receive(NOTIFICATION, delivery(city, case, date(2024, 3, 28)))
    assert city.again(case).reply_due == date(2024, 4, 19)
    assert city.receive(NOTIFICATION, delivery(city, case, date(2024, 3, 29))) == []
    city.clock.set(datetime(2024, 4, 20, 9, tzinfo=ZONE))
    city.fire()
    assert city.again(case).state == "OVERDUE"
    case = city.take(city.measures, case, "reply", cadre(LEAD), {"text": "情况说明"})[0]
    assert case.state == "REPLIED"
    assert refused(city, case, "inquire_again", ORG, reason="r") == "INQUIRY_LIMIT"
    assert close(city, case, "CORRECTED").state == "CLOSED"
    steps = [event.type.split(".")[2] for event in city.outbox(f"measure/{case.id}")]
    assert steps == ["approved", "delivered", "overdue", "approved", "delivered", "overdue", "replied", "closed"]
    assert "情况说明" not in texts_in_outbox(city)


def test_only_an_inquiry_asks_for_a_reply(city: City) -> None:
    assert refused(city, delivered(city, "REMIND", DIRECT), "reply", cadre(DIRECT), text="t") == "NO_REPLY_WANTED"


def test_two_reminders_within_a_year_suggest_an_admonition_that_people_decide(city: City) -> None:
    person = "member-2"

    def suggestions() -> list[Any]:
        return city.rows(MeasureRow.__table__, MeasureRow.cadre == person, MeasureRow.kind == "ADMONISH")

    delivered(city, "REMIND", person)
    city.clock.advance(timedelta(days=366))
    delivered(city, "REMIND", person)
    assert suggestions() == []
    city.clock.advance(timedelta(days=30))
    delivered(city, "REMIND", person)
    (row,) = suggestions()
    assert (row.state, row.suggested) == ("PROPOSED", True)
    assert city.outbox(f"measure/{row.id}") == []
    # Another one while the suggestion is undecided suggests nothing more.
    delivered(city, "REMIND", person)
    assert len(suggestions()) == 1
    assert city.take(city.measures, row, "approve", COMM, {"reason": "同意"})[0].state == "APPROVED"


@pytest.mark.parametrize(("second", "suggested"), [(date(2025, 3, 4), True), (date(2025, 3, 5), False)])
def test_the_last_day_of_the_twelve_months_is_within_them(city: City, second: date, suggested: bool) -> None:
    """The day of the first reminder is not counted (X4)."""
    person = "member-1"
    with city.acting(ORG) as uow:
        uow.session.execute(delete(MeasureRow).where(MeasureRow.cadre == person))
        uow.commit()
    delivered(city, "REMIND", person, day=date(2024, 3, 4))
    city.clock.set(datetime(second.year, second.month, second.day, 9, tzinfo=ZONE))
    delivered(city, "REMIND", person, day=second)
    found = city.rows(MeasureRow.__table__, MeasureRow.cadre == person, MeasureRow.kind == "ADMONISH")
    assert bool(found) is suggested


def test_a_delivery_that_is_not_ours_or_cannot_be_right(city: City) -> None:
    case = approved(city, "REMIND")
    assert city.receive(NOTIFICATION, delivery(city, case, APRIL, document="FINDING_NOTICE", ref="sanction/1")) == []
    for changes, reason in (
        ({"recipient": {"kind": "CADRE", "id": DIRECT}}, "NOT_CONCERNED"),
        ({"served_on": None}, "NOT_SERVED"),
        ({"ref": f"measure/{new_id()}"}, "UNKNOWN_MEASURE"),
    ):
        with pytest.raises(Invalid) as caught:
            city.receive(NOTIFICATION, delivery(city, case, APRIL, **changes))
        assert caught.value.reason == reason
    city.receive(NOTIFICATION, delivery(city, case, city.clock.today()))
    assert city.receive(NOTIFICATION, delivery(city, case, city.clock.today())) == []


def tolerated(city: City, finding: Any, decision: str, factor: str) -> None:
    city.receive(INCENTIVE, city.tolerance(finding, new_id(), "effective", decision=decision, factor=factor))


def test_fault_tolerance_closes_or_eases_what_rests_on_the_finding(city: City) -> None:
    person = "member-1"
    responsible = [{"cadre": person, "role": "LEAD"}]
    one, two = city.verified(responsible=responsible), city.verified(responsible=responsible)
    on_both = delivered(city, "ADMONISH", person, one, two)
    waiting = approved(city, "ADMONISH", person, one)
    start = on_both.delivered_on
    tolerated(city, one, "EXEMPT", "0.0")
    assert (city.again(on_both).state, city.again(waiting).state) == ("DELIVERED", "WITHDRAWN")
    (*_, told) = city.outbox(f"measure/{waiting.id}")
    assert (told.type, told.data["state"]) == ("supervision.measure.withdrawn.v1", "WITHDRAWN")
    tolerated(city, two, "MITIGATE", "0.5")
    eased = city.again(on_both)
    assert (eased.eased, eased.effect_until) == (True, date(start.year, start.month + 3, start.day))
    assert barred(city, "PROMOTE", start, person) == [("EFFECT_PERIOD_ACTIVE", eased.effect_until)]
    (*_, told) = city.outbox(f"measure/{on_both.id}")
    assert (told.data["eased"], told.data["effect_until"]) == (True, eased.effect_until.isoformat())
    tolerated(city, two, "EXEMPT", "0.0")
    assert (city.again(on_both).state, city.again(on_both).revoked_for) == ("REVOKED", "EXEMPT")
    assert barred(city, "PROMOTE", start, person) == []
    *_, last = city.outbox(f"measure/{on_both.id}")
    assert (last.type, last.data["state"]) == ("supervision.measure.closed.v1", "REVOKED")


def test_a_revoked_finding_takes_its_measures_along(city: City) -> None:
    finding = city.verified()
    case = delivered(city, "CRITICISE", LEAD, finding)
    form = {"basis": "CLARIFICATION", "reference": "clarification/1", "reason": "不实"}
    for actor in (ORG, DISC):
        city.take(city.findings, finding, "revoke", actor, form)
    assert (city.again(case).state, city.again(case).revoked_for) == ("REVOKED", "REVOKED")


def test_the_cadre_learns_of_a_measure_when_it_is_delivered_and_the_unit_does_not(city: City) -> None:
    case = approved(city, "REMIND")
    head = officer("head", "UNITHEAD", unit=BUREAU, units=frozenset({BUREAU}))

    def sees(actor: Any) -> bool:
        with city.acting(actor) as uow:
            try:
                city.measures.read(uow, case.id, actor)
            except Refusal:
                return False
            return any(row.id == case.id for row in uow.session.scalars(city.measures.listing(actor)))

    assert [sees(cadre(LEAD)), sees(head), sees(ORG)] == [False, False, True]
    city.receive(NOTIFICATION, delivery(city, case, city.clock.today()))
    assert [sees(cadre(LEAD)), sees(head), sees(cadre(DIRECT))] == [True, False, False]


def test_whoever_warns_of_its_deadlines_is_told_that_they_are_the_cadres_alone(city: City) -> None:
    case = delivered(city, "INQUIRE", "member-2")
    told = [each for each in outbox_events(city) if each.data.get("ref") == f"measure/{case.id}"]
    assert [(each.type, each.data["disclosed"], each.data["confidential"]) for each in told] == [
        ("supervision.deadline.armed.v1", True, True)
    ]


def test_what_was_not_corrected_is_noted_though_tolerance_stands_against_an_adjustment(city: City) -> None:
    """S11: granted on every ground, tolerance blocks the adjustment; it does not make the follow-up untrue."""
    person = "member-2"
    finding = city.verified(responsible=[{"cadre": person, "role": "LEAD"}])
    case = delivered(city, "ADMONISH", person, finding)
    tolerated(city, finding, "MITIGATE", "0.5")
    until = city.again(case).effect_until
    city.clock.set(datetime(until.year, until.month, until.day, 9, tzinfo=ZONE))
    closed = close(city, case, "NOT_CORRECTED")
    assert (closed.state, closed.result) == ("CLOSED", "NOT_CORRECTED")
    assert city.rows(AdjustmentRow.__table__, AdjustmentRow.measure == case.id) == []
    audited = tables.audit_entries.c
    [entry] = city.rows(tables.audit_entries, audited.action == "measure.propose_adjustment")
    assert (entry.target, entry.result) == (f"measure/{case.id}", "TOLERANCE_GRANTED")


def test_what_was_not_corrected_is_noted_though_a_case_is_pending_and_nothing_tells_of_it(city: City) -> None:
    """S15: who closes the follow-up learns nothing of the hold; once that is closed an officer proposes the adjustment."""
    person = "member-2"
    case = delivered(city, "ADMONISH", person)
    until = city.again(case).effect_until
    city.clock.set(datetime(until.year, until.month, until.day, 9, tzinfo=ZONE))
    hold = city.open(city.cases.case_holds, DISC, {"cadre": person, "organ": "DISC", "case_no": "立9"})
    closed = close(city, case, "NOT_CORRECTED")
    assert (closed.state, closed.result) == ("CLOSED", "NOT_CORRECTED")
    (*_, told) = city.outbox(f"measure/{case.id}")
    assert (told.type, told.data["result"]) == ("supervision.measure.closed.v1", "NOT_CORRECTED")
    assert "CASE_PENDING" not in str(told.data)
    with city.acting(ORG) as uow:
        assert "CASE_PENDING" not in str(city.measures.history(uow.session, case.id))
    led_to = AdjustmentRow.measure == case.id
    assert city.rows(AdjustmentRow.__table__, led_to) == []
    city.take(city.cases.case_holds, hold, "close", DISC, {"result": ""})
    assert city.rows(AdjustmentRow.__table__, led_to) == []
    form = {"cadre": person, "basis": "UNFIT", "way": "TRANSFER", "reason_codes": ["DUTY_WEAK"]}
    assert city.open(city.cases.adjustments, ORG, form).state == "PROPOSED"


def test_an_adjustment_says_what_led_to_it(city: City) -> None:
    case = delivered(city, "REMIND", DIRECT)
    close(city, case, "NOT_CORRECTED")
    [adjustment] = city.rows(AdjustmentRow.__table__, AdjustmentRow.measure == case.id)
    with city.acting(ORG) as uow:
        [step] = city.cases.adjustments.history(uow.session, adjustment.id)
    assert step["reason"] == f"measure/{case.id}"

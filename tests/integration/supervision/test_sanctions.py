"""Sanctions and holds in a real database: from the entry to the end, and what follows when an earlier one changes."""

from datetime import date, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from citybus import tables
from citybus.cases import Actor
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.ids import new_id
from supervision.application.sanctions import record_sanction
from supervision.persistence.models import CadreRow, CaseHoldRow, SanctionRow
from supervision.schemas.requests import SanctionModification
from tests.support.sanctions import (
    SECOND_DISC,
    THIRD_DISC,
    an_entry,
    at,
    by_two,
    codes,
    fire,
    heard,
    noon,
    recorded,
    told,
)
from tests.support.supervision import (
    BUREAU,
    DISC,
    DISTRICT,
    LEAD,
    ORG,
    RECORDER,
    STRANGER,
    City,
    cadre,
    officer,
    texts_in_outbox,
)

EFFECT = "EFFECT_PERIOD_ACTIVE"


@pytest.fixture
def person(city: City) -> str:
    """Return a cadre of the bureau on whom nothing is known yet."""
    heard(city)
    name = f"cadre-{uuid4().hex[:8]}"
    with city.acting(DISC) as uow:
        uow.session.execute(text("UPDATE deadlines SET state = 'CANCELLED' WHERE state IN ('ARMED', 'WARNED')"))
        uow.session.add(CadreRow(id=name, unit=BUREAU))
        uow.commit()
    return name


def midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=ZONE)


def refusal(city: City, cases: Any, case: Any, action: str, actor: Actor, form: Any = None) -> str:
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(cases, case, action, actor, form)
    assert city.picture() == before
    return caught.value.code


def test_a_sanction_from_its_entry_to_its_end(city: City, person: str) -> None:
    at(city, noon(2024, 1, 16))
    case = recorded(city, date(2024, 1, 15), cadre=person)
    assert (case.state, case.recorded_on, case.recorded_late) == ("RECORDED", date(2024, 1, 16), False)
    fire(city)
    assert city.again(case).state == "IN_EFFECT"
    at(city, noon(2024, 12, 14))
    assert told(city, "sanction", case) == ["recorded", "in-effect"]
    at(city, noon(2024, 12, 15))
    assert told(city, "sanction", case) == ["recorded", "in-effect", "expiring"]
    at(city, noon(2025, 1, 14))
    assert city.again(case).state == "IN_EFFECT"
    at(city, noon(2025, 1, 15))
    assert city.again(case).state == "EXPIRED"
    last = city.outbox(f"sanction/{case.id}")[-1]
    assert last.type == "supervision.sanction.expired.v1"
    assert last.data == {
        "sanction": case.id,
        "cadre": person,
        "regime": "GOV",
        "kind": "DEMERIT",
        "organ": "DISC",
        "state": "EXPIRED",
        "decided_on": "2024-01-15",
        "effective_on": "2024-01-15",
        "end_on": "2025-01-15",
        "months": 12,
        "watch_until": None,
        "restored_on": None,
        "affects_use": False,
    }
    recorded_packs = city.outbox(f"sanction/{case.id}")[0].rulepack
    assert recorded_packs is None or "LOCAL-HS-2016@1" in recorded_packs


def test_an_entry_stands_only_when_another_confirmed_it(city: City, person: str) -> None:
    entered = city.open(city.cases.sanctions, DISC, an_entry(date(2024, 3, 1), cadre=person))
    assert entered.state == "ENTERED"
    assert city.outbox(f"sanction/{entered.id}") == []
    assert codes(city, person, "PROMOTE", date(2024, 3, 2)) == []
    assert refusal(city, city.cases.sanctions, entered, "confirm", DISC) == "AVOIDANCE"
    done, _ = city.take(city.cases.sanctions, entered, "confirm", SECOND_DISC)
    assert done.state == "RECORDED"
    assert codes(city, person, "PROMOTE", date(2024, 3, 2)) == [(EFFECT, "2025-03-01")]


def test_an_entry_that_is_confirmed_too_late_is_marked(city: City, person: str) -> None:
    entered = city.open(city.cases.sanctions, DISC, an_entry(date(2024, 3, 1), cadre=person))
    assert not entered.recorded_late
    city.clock.set(noon(2024, 3, 11))
    done, _ = city.take(city.cases.sanctions, entered, "confirm", SECOND_DISC)
    assert (done.recorded_on, done.recorded_late) == (date(2024, 3, 11), True)


def test_a_wrong_entry_is_discarded_and_taken_up_again(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    entered = city.open(sanctions, DISC, an_entry(date(2024, 3, 1), cadre=person))
    assert refusal(city, sanctions, entered, "discard", DISC) == "REASON_MISSING"
    city.take(sanctions, entered, "discard", DISC, {"reason": "登记对象有误"})
    form = an_entry(date(2024, 3, 1), cadre=person, kind="WARNING")
    again, _ = city.take(sanctions, entered, "revise", SECOND_DISC, form)
    assert (again.state, again.months) == ("ENTERED", 6)
    assert refusal(city, sanctions, again, "confirm", SECOND_DISC) == "AVOIDANCE"
    assert city.take(sanctions, again, "confirm", THIRD_DISC)[0].state == "RECORDED"


def test_the_same_decision_is_entered_once(city: City, person: str) -> None:
    city.open(city.cases.sanctions, DISC, an_entry(date(2024, 3, 1), cadre=person))
    with pytest.raises(Refusal) as caught:
        city.open(city.cases.sanctions, SECOND_DISC, an_entry(date(2024, 3, 1), cadre=person))
    assert (caught.value.code, caught.value.status) == ("DUPLICATE", 409)


def test_a_later_sanction_contains_what_remains_and_is_reckoned_anew_when_the_first_falls(
    city: City, person: str
) -> None:
    at(city, noon(2024, 3, 4))
    first = recorded(city, date(2024, 3, 1), cadre=person, regime="PARTY", kind="WARNING")
    at(city, noon(2024, 6, 3))
    second = recorded(city, date(2024, 6, 1), cadre=person, regime="PARTY", kind="SERIOUS_WARNING")
    fire(city)
    assert (second.end_on, second.remainder_of) == (date(2026, 9, 1), first.id)
    assert codes(city, person, "PROMOTE", date(2024, 6, 3)) == [(EFFECT, "2026-09-01")]
    by_two(city, city.cases.sanctions, first, "revoke", {"reason": "复查撤销"})
    again = city.again(second)
    assert (again.state, again.end_on, again.remainder_of) == ("IN_EFFECT", date(2025, 12, 1), None)
    assert [revision["end_on"] for revision in again.revisions] == ["2026-09-01"]
    assert told(city, "sanction", second) == ["recorded", "in-effect", "modified"]
    assert told(city, "sanction", first) == ["recorded", "in-effect", "revoked"]
    assert codes(city, person, "PROMOTE", date(2024, 6, 3)) == [(EFFECT, "2025-12-01")]
    assert codes(city, person, "PROMOTE", date(2024, 5, 1)) == []
    at(city, noon(2025, 12, 1))
    assert city.again(second).state == "EXPIRED"


def test_an_earlier_decision_that_is_entered_late_lengthens_what_came_after(city: City, person: str) -> None:
    at(city, noon(2024, 3, 4))
    later = recorded(city, date(2024, 3, 1), cadre=person, kind="WARNING")
    at(city, noon(2024, 9, 2))
    assert city.again(later).state == "EXPIRED"
    earlier = recorded(city, date(2023, 12, 20), cadre=person, kind="SERIOUS_DEMERIT")
    assert earlier.recorded_late
    again = city.again(later)
    assert (again.state, again.end_on) == ("MODIFIED", date(2025, 12, 20))
    at(city, noon(2025, 12, 20))
    assert city.again(later).state == "EXPIRED"


def test_a_review_makes_a_sanction_lighter_and_keeps_what_it_was(city: City, person: str) -> None:
    at(city, noon(2024, 1, 16))
    case = recorded(city, date(2024, 1, 15), cadre=person)
    fire(city)
    change = {"cause": "REVIEW", "decision_no": "鄂监〔2024〕复1号", "reason": "复审"}
    sanctions = city.cases.sanctions
    heavier = change | {"kind": "SERIOUS_DEMERIT"}
    lighter, other = change | {"kind": "WARNING"}, change | {"kind": "WARNING", "decision_no": "另一文号"}
    # Whoever comes first is told, and has confirmed nothing by it.
    for who in (SECOND_DISC, THIRD_DISC):
        assert refusal(city, sanctions, case, "modify", who, heavier) == "NO_REFORMATIO_IN_PEIUS"
    city.take(sanctions, case, "modify", SECOND_DISC, lighter)
    assert refusal(city, sanctions, case, "modify", THIRD_DISC, other) == "APPROVAL_DIFFERS"


def test_a_lighter_kind_ends_earlier(city: City, person: str) -> None:
    at(city, noon(2024, 1, 16))
    case = recorded(city, date(2024, 1, 15), cadre=person)
    fire(city)
    form = {"cause": "APPEAL", "decision_no": "鄂监〔2024〕复2号", "kind": "WARNING", "reason": "复核"}
    done = by_two(city, city.cases.sanctions, case, "modify", form)
    assert (done.state, done.kind, done.months, done.end_on) == ("MODIFIED", "WARNING", 6, date(2024, 7, 15))
    [before] = done.revisions
    assert (before["kind"], before["months"], before["end_on"]) == ("DEMERIT", 12, "2025-01-15")
    assert codes(city, person, "AWARD", date(2024, 2, 1)) == [(EFFECT, "2024-07-15")]
    at(city, noon(2024, 7, 15))
    assert city.again(case).state == "EXPIRED"
    assert told(city, "sanction", case) == ["recorded", "in-effect", "modified", "expiring", "expired"]


def test_a_watch_goes_on_until_rights_are_restored_and_two_years_more(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    at(city, noon(2024, 3, 4))
    case = recorded(city, date(2024, 3, 1), cadre=person, regime="PARTY", kind="PROBATION", months=12)
    fire(city)
    assert codes(city, person, "PROMOTE", date(2030, 1, 1)) == [(EFFECT, None)]
    at(city, noon(2025, 2, 10))
    form: dict[str, Any] = {"restored_on": date(2025, 2, 10)}
    assert refusal(city, sanctions, case, "restore_rights", SECOND_DISC, form) == "WATCH_RUNNING"
    longer = {"months": 24, "reason": "察看期满仍不符合恢复条件"}
    done = by_two(city, sanctions, case, "extend_watch", longer)
    assert (done.watch_until, done.end_on) == (date(2026, 3, 1), None)
    at(city, noon(2026, 3, 20))
    done = by_two(city, sanctions, case, "restore_rights", {"restored_on": date(2026, 3, 18)})
    assert (done.state, done.end_on) == ("POST_WATCH", date(2028, 3, 18))
    assert refusal(city, sanctions, case, "extend_watch", SECOND_DISC, longer) == "INVALID_TRANSITION"
    at(city, noon(2028, 3, 18))
    assert city.again(case).state == "EXPIRED"
    assert told(city, "sanction", case)[-2:] == ["expiring", "expired"]


def test_what_is_over_may_still_affect_use_and_is_reviewed_yearly(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    at(city, noon(2024, 3, 4))
    case = recorded(city, date(2024, 3, 1), cadre=person, kind="WARNING")
    at(city, noon(2024, 9, 2))
    assert refusal(city, sanctions, case, "clear_use", ORG, {"reason": "理由"}) == "NOT_FLAGGED"
    assert refusal(city, sanctions, case, "flag_use", ORG) == "REASON_MISSING"
    done, _ = city.take(sanctions, case, "flag_use", ORG, {"reason": "群众仍有较大反映"})
    assert (done.state, done.affects_use) == ("EXPIRED", True)
    after = [("AFFECTS_USE_AFTER_EXPIRY", None)]
    assert codes(city, person, "PROMOTE", date(2024, 9, 2)) == after
    assert codes(city, person, "AWARD", date(2024, 9, 2)) == []

    def open_review() -> list[Any]:
        table = tables.deadlines.c
        return city.rows(
            tables.deadlines,
            table.kind == "sanction.use_review",
            table.ref == f"sanction/{case.id}",
            table.state == "ARMED",
        )

    assert open_review()[0].due_at == midnight(2025, 9, 3)
    city.clock.set(noon(2025, 8, 20))
    city.take(sanctions, case, "review_use", ORG, {"reason": "影响尚未消除"})
    assert open_review()[0].due_at == midnight(2026, 8, 21)
    city.take(sanctions, case, "clear_use", ORG, {"reason": "影响已消除"})
    assert open_review() == []
    assert codes(city, person, "PROMOTE", date(2025, 8, 21)) == []


def test_a_revoked_sanction_leaves_the_duty_to_restore(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    at(city, noon(2024, 3, 4))
    case = recorded(city, date(2024, 3, 1), cadre=person)
    done = by_two(city, sanctions, case, "revoke", {"reason": "事实不清"})
    assert done.state == "REVOKED"
    ref = f"sanction/{case.id}"
    open_ones = city.rows(tables.deadlines, tables.deadlines.c.ref == ref, tables.deadlines.c.state == "ARMED")
    assert [(row.kind, row.due_at.date()) for row in open_ones] == [("sanction.restoration", date(2024, 4, 5))]
    city.take(sanctions, case, "note_restored", DISC, {"reason": "职级待遇已恢复,已在原范围恢复名誉"})
    assert not city.rows(tables.deadlines, tables.deadlines.c.ref == ref, tables.deadlines.c.state == "ARMED")
    assert refusal(city, sanctions, case, "modify", SECOND_DISC, {"cause": "APPEAL", "decision_no": "x"}) == (
        "INVALID_TRANSITION"
    )


def test_what_is_heavier_is_carried_out_within_a_month(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    at(city, noon(2024, 3, 4))
    light = recorded(city, date(2024, 3, 1), cadre=person, kind="WARNING")
    heavy = recorded(city, date(2024, 3, 1), cadre=person, kind="REMOVAL", decision_no="另一决定")

    def due(case: Any) -> list[Any]:
        table = tables.deadlines.c
        rows = city.rows(
            tables.deadlines,
            table.ref == f"sanction/{case.id}",
            table.kind == "sanction.execution",
            table.state == "ARMED",
        )
        return [row.due_at for row in rows]

    assert (due(light), due(heavy)) == ([], [midnight(2024, 4, 2)])
    assert refusal(city, sanctions, heavy, "note_executed", ORG, {"executed_on": date(2024, 3, 5)}) == "DATE_RANGE"
    done, _ = city.take(sanctions, heavy, "note_executed", ORG, {"executed_on": date(2024, 3, 4)})
    assert (done.executed_on, due(heavy)) == (date(2024, 3, 4), [])
    assert refusal(city, sanctions, heavy, "note_executed", ORG) == "DUPLICATE"


def test_the_system_records_at_once_what_a_case_led_to(city: City, person: str) -> None:
    form = an_entry(
        date(2024, 3, 1), cadre=person, regime="ORG", kind="DEMOTE", basis="UNFIT", organ="COMM", conduct_on=None
    )
    with city.acting(RECORDER) as uow:
        case = record_sanction(city.cases.sanctions, uow, form, "adjustment/1")
        uow.commit()
    assert (case.state, case.end_on) == ("RECORDED", date(2026, 3, 1))
    with city.acting(RECORDER) as uow:
        assert {step["reason"] for step in city.cases.sanctions.history(uow.session, case.id)} == {"adjustment/1"}


def corrected(city: City, case: Any, **form: Any) -> Any:
    made = {"cause": "CORRECTION", "decision_no": case.decision_no, "reason": "登记日期有误"} | form
    return by_two(city, city.cases.sanctions, case, "modify", made)


def test_a_wrong_day_is_corrected_and_what_it_was_is_kept(city: City, person: str) -> None:
    at(city, noon(2024, 3, 4))
    case = recorded(city, date(2024, 3, 1), cadre=person, effective_on=date(2024, 3, 2))
    fire(city)
    done = corrected(city, case, effective_on=date(2024, 3, 1))
    assert (done.state, done.effective_on, done.end_on) == ("MODIFIED", date(2024, 3, 1), date(2025, 3, 1))
    assert {name: done.revisions[0][name] for name in ("effective_on", "decided_on", "conduct_on", "end_on")} == {
        "effective_on": "2024-03-02",
        "decided_on": "2024-03-01",
        "conduct_on": "2024-01-01",
        "end_on": "2025-03-02",
    }
    assert codes(city, person, "PROMOTE", date(2025, 3, 1)) == []
    assert city.outbox(f"sanction/{case.id}")[-1].data["effective_on"] == "2024-03-01"
    at(city, noon(2025, 3, 1))
    assert city.again(case).state == "EXPIRED"


def test_a_corrected_day_of_the_conduct_brings_the_rules_of_that_day(city: City, person: str) -> None:
    """18 months from 2016 on, 12 before (1.4)."""
    case = recorded(
        city, date(2024, 3, 1), cadre=person, regime="PARTY", kind="SERIOUS_WARNING", conduct_on=date(2016, 1, 1)
    )
    assert case.months == 18
    done = corrected(city, case, conduct_on=date(2015, 12, 31))
    assert (done.months, done.end_on, done.rule_pack) == (12, date(2025, 3, 1), "CN-2003@1")


def test_a_correction_of_days_keeps_the_months_that_were_chosen(city: City, person: str) -> None:
    at(city, noon(2024, 3, 4))
    case = recorded(
        city, date(2024, 3, 1), cadre=person, kind="DEMERIT", offences=3, months=30, effective_on=date(2024, 3, 4)
    )
    done = corrected(city, case, effective_on=date(2024, 3, 1))
    assert (done.months, done.end_on) == (30, date(2026, 9, 1))


def test_a_sanction_that_is_still_to_take_effect_is_moved_with_its_day(city: City, person: str) -> None:
    at(city, noon(2024, 3, 4))
    case = recorded(city, date(2024, 3, 1), cadre=person, effective_on=date(2024, 4, 1))
    done = corrected(city, case, effective_on=date(2024, 3, 20))
    assert (done.state, done.end_on) == ("RECORDED", date(2025, 3, 20))
    at(city, noon(2024, 3, 19))
    assert city.again(case).state == "RECORDED"
    at(city, noon(2024, 3, 20))
    assert city.again(case).state == "IN_EFFECT"


def test_only_a_correction_moves_days_and_only_to_where_they_can_be(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    at(city, noon(2024, 3, 4))
    case = recorded(city, date(2024, 3, 1), cadre=person)
    fire(city)
    form = {"cause": "CORRECTION", "decision_no": "x", "reason": "r"}
    for changes in (
        {"effective_on": date(2024, 2, 29)},
        {"effective_on": date(2024, 3, 5)},
        {"decided_on": date(2024, 3, 2)},
        {"conduct_on": date(2024, 3, 2)},
    ):
        assert refusal(city, sanctions, case, "modify", SECOND_DISC, form | changes) == "DATE_RANGE"
    appeal = {"cause": "APPEAL", "decision_no": "x", "effective_on": "2024-03-01"}
    assert list(SanctionModification().validate(appeal)) == ["effective_on"]


def test_who_sees_a_sanction(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    entered = city.open(sanctions, DISC, an_entry(date(2024, 3, 1), cadre=person))
    own = cadre(person)
    stranger = cadre("somebody")
    of_unit = officer("org-of-unit", "ORG.cadre", unit=BUREAU)

    def seen(actor: Actor) -> tuple[bool, bool]:
        with city.acting(actor) as uow:
            listed = entered.id in {row.id for row in uow.session.scalars(sanctions.listing(actor))}
            try:
                sanctions.read(uow, entered.id, actor)
            except Refusal:
                return False, listed
            return True, listed

    hidden, shown = (False, False), (True, True)
    assert [seen(actor) for actor in (DISC, ORG, own, stranger, of_unit)] == [shown, shown, hidden, hidden, hidden]
    city.take(sanctions, entered, "confirm", SECOND_DISC)
    assert [seen(actor) for actor in (DISC, ORG, own, stranger, of_unit)] == [shown, shown, shown, hidden, shown]
    with pytest.raises(Refusal) as caught:
        sanctions.listing(RECORDER)
    assert caught.value.code == "FORBIDDEN"


def test_no_event_of_a_sanction_says_what_the_decision_says(city: City, person: str) -> None:
    recorded(city, date(2024, 3, 1), cadre=person, legal_basis="只在此处可见", decision_no="只在此处可见的文号")
    assert "只在此处可见" not in texts_in_outbox(city)


def test_every_illegal_step_changes_nothing(city: City, person: str) -> None:
    sanctions = city.cases.sanctions
    case = recorded(city, date(2024, 3, 1), cadre=person)
    for action, declared in sanctions.case_type.actions.items():
        if sanctions.case_type.target("RECORDED", action) is None:
            actor = DISC if declared.allow else Actor("s", system=True)
            form = {"reason": "理由", "months": 24, "restored_on": date(2024, 3, 4)} | an_entry(date(2024, 3, 1))
            assert refusal(city, sanctions, case, action, actor, form) == "INVALID_TRANSITION"


# ---- investigation holds


def a_case(person: str, **changes: Any) -> dict[str, Any]:
    return {"cadre": person, "organ": "DISC", "case_no": f"立{person}"} | changes


def test_an_open_case_bars_everything_until_it_is_closed(city: City, person: str) -> None:
    holds = city.cases.case_holds
    case = city.open(holds, DISC, a_case(person, opened_on=date(2024, 2, 1)))
    for purpose in ("PROMOTE", "TRANSFER", "AWARD", "EXCELLENT"):
        assert codes(city, person, purpose, date(2024, 3, 4)) == [("CASE_PENDING", None)]
    done, events = city.take(holds, case, "close", DISC, {"result": "NO_CASE"})
    assert (done.state, done.closed_on, done.result) == ("CLOSED", date(2024, 3, 4), "NO_CASE")
    told_ = [event for event in events if event.subject.startswith("case-hold/")]
    assert [(event.type, event.data) for event in told_] == [
        ("supervision.case-hold.closed.v1", {"case_hold": case.id, "cadre": person})
    ]
    assert codes(city, person, "PROMOTE", date(2024, 3, 3)) == [("CASE_PENDING", "2024-03-04")]
    assert codes(city, person, "PROMOTE", date(2024, 3, 4)) == []


def test_what_is_told_of_a_case_is_the_cadre_alone(city: City, person: str) -> None:
    case = city.open(city.cases.case_holds, DISC, a_case(person))
    [event] = city.outbox(f"case-hold/{case.id}")
    assert (event.type, event.data) == (
        "supervision.case-hold.opened.v1",
        {"case_hold": case.id, "cadre": person},
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cadre": "nobody"}, "UNKNOWN_CADRE"),
        ({"opened_on": date(2024, 3, 5)}, "DATE_IN_FUTURE"),
        ({"case_no": "绝密1号"}, "SECRECY_LEVEL"),
    ],
)
def test_what_a_case_is_refused_for(city: City, person: str, changes: Any, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        city.open(city.cases.case_holds, DISC, a_case(person) | changes)
    assert caught.value.code == code


def test_a_case_is_open_once_and_does_not_end_before_it_began(city: City, person: str) -> None:
    holds = city.cases.case_holds
    case = city.open(holds, DISC, a_case(person))
    with pytest.raises(Refusal) as caught:
        city.open(holds, SECOND_DISC, a_case(person))
    assert caught.value.code == "DUPLICATE"
    form = {"result": "EXEMPT", "closed_on": date(2024, 3, 3)}
    assert refusal(city, holds, case, "close", DISC, form) == "DATE_RANGE"


def test_nobody_but_the_commission_learns_of_a_case(city: City, person: str) -> None:
    holds = city.cases.case_holds
    case = city.open(holds, DISC, a_case(person))
    own_unit = officer("disc-of-unit", "DISC", unit=BUREAU)
    for actor, code in ((ORG, "FORBIDDEN"), (cadre(person), "FORBIDDEN"), (own_unit, "DATA_SCOPE")):
        with city.acting(actor) as uow, pytest.raises(Refusal) as caught:
            holds.read(uow, case.id, actor)
        assert caught.value.code == code
    with city.acting(own_unit) as uow:
        assert case.id not in {row.id for row in uow.session.scalars(holds.listing(own_unit))}
    with city.acting(DISC) as uow:
        assert case.id in {row.id for row in uow.session.scalars(holds.listing(DISC))}
    assert {row.id for row in city.rows(CaseHoldRow.__table__, CaseHoldRow.cadre == person)} == {case.id}


def test_a_sanction_of_nobody_is_refused(city: City, person: str) -> None:
    with pytest.raises(Refusal) as caught:
        city.open(city.cases.sanctions, DISC, an_entry(date(2024, 3, 1), cadre=new_id()))
    assert caught.value.code == "UNKNOWN_CADRE"
    assert city.rows(SanctionRow.__table__, SanctionRow.cadre == LEAD) == []


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (officer("disc-near", "DISC", unit="420200-DISC", units=frozenset({BUREAU})), "DATA_SCOPE"),
        (officer("disc-self", "DISC", unit="420200-DISC", person="cadre-elsewhere"), "AVOIDANCE"),
        (officer("disc-of-district", "DISC", unit=DISTRICT), "AVOIDANCE"),
    ],
)
def test_an_entry_is_not_revised_onto_somebody_out_of_reach(city: City, person: str, actor: Actor, code: str) -> None:
    """As it could not be entered on them in the first place."""
    sanctions = city.cases.sanctions
    case = city.open(sanctions, DISC, an_entry(date(2024, 3, 1), cadre=person))
    onto = an_entry(date(2024, 3, 1), cadre=STRANGER, decision_no=person)
    assert refusal(city, sanctions, case, "revise", actor, onto) == code
    assert city.take(sanctions, case, "revise", DISC, onto)[0].cadre == STRANGER

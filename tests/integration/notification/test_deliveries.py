"""Deliveries in a real database: who may do what, by when, and what goes with it in the same commit."""

from datetime import date, timedelta
from typing import Any

import pytest

from citybus import deadlines, tables
from citybus.cases import Actor
from citybus.cases.timers import handlers
from citybus.errors import Refusal
from citybus.ids import new_id
from notification.domain.delivery import DELIVERY
from notification.domain.document import fingerprint
from notification.persistence.models import CadreRow
from tests.support.notification import (
    BUREAU,
    DIRECT,
    DISTRICT,
    LEAD,
    SYSTEM,
    WITNESS,
    City,
    cadre,
    example,
    head,
    personnel,
)

BEFORE = {"witness": WITNESS, "reason": "当面拒收"}


def refused(city: City, case: Any, action: str, actor: Actor, form: Any = None) -> Refusal:
    """Take a step that is refused, and see that nothing at all has changed."""
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(city.deliveries, case, action, actor, form)
    assert city.picture() == before
    return caught.value


def fire(city: City) -> None:
    deadlines.fire_due(city.units, handlers((city.deliveries, city.subscriptions)))


def on_paper(city: City, **changes: Any) -> Any:
    """Return a notice that nobody opened in time."""
    case = city.sent(**changes)
    city.clock.advance(timedelta(days=8))
    fire(city)
    return city.again(case)


def in_state(city: City, state: str) -> Any:
    match state:
        case "QUEUED":
            event = city.finding(responsible=[{"cadre": "cadre-unheard-of", "role": "LEAD"}])
            city.receive(event)
            return city.of(event)[0]
        case "SENT":
            return city.sent()
        case "OPENED":
            return city.opened()
        case "PAPER_DUE":
            return on_paper(city)
        case "SIGNED":
            return city.take(city.deliveries, city.opened(), "sign", cadre())[0]
        case "REFUSED":
            return city.take(city.deliveries, city.opened(), "refuse", cadre(), BEFORE)[0]
    return city.take(city.deliveries, on_paper(city), "substitute", personnel(), BEFORE)[0]


ILLEGAL = [
    (state, action)
    for state in DELIVERY.states
    for action in DELIVERY.actions
    if DELIVERY.target(state, action) is None
]
WHO = {"dispatch": SYSTEM, "paper_due": SYSTEM, "substitute": personnel()}


@pytest.mark.parametrize(("state", "action"), ILLEGAL)
def test_an_action_that_does_not_lead_on_changes_nothing(city: City, state: str, action: str) -> None:
    case = in_state(city, state)
    assert case.state == state
    refusal = refused(city, case, action, WHO.get(action, cadre()), BEFORE)
    # Of what is not theirs people are not even told the state.
    told = action in ("dispatch", "paper_due") or (
        state != "QUEUED" and (action != "substitute" or case.paper_due_on is not None)
    )
    assert (refusal.code, refusal.status) == (("INVALID_TRANSITION", 409) if told else ("DATA_SCOPE", 403))


def test_a_document_goes_its_way(city: City) -> None:
    case = city.sent()
    assert (case.state, case.sent_on, case.unit) == ("SENT", date(2024, 3, 4), BUREAU)
    case, (opened,) = city.take(city.deliveries, case, "open", cadre())
    assert (opened.type, opened.data["served_on"]) == ("notification.delivery.opened.v1", None)
    city.clock.advance(timedelta(days=1))
    case, (signed,) = city.take(city.deliveries, case, "sign", cadre())
    assert (signed.type, signed.subject) == ("notification.delivery.signed.v1", f"delivery/{case.id}")
    assert signed.data == {
        "delivery": case.id,
        "document": "FINDING_NOTICE",
        "ref": case.ref,
        "recipient": {"kind": "CADRE", "id": LEAD},
        "state": "SIGNED",
        "served_on": "2024-03-05",
    }
    assert not open_deadlines(city, case)


def open_deadlines(city: City, case: Any) -> dict[str, str]:
    table = tables.deadlines
    rows = city.rows(table, table.c.ref == f"delivery/{case.id}", table.c.state.in_(("ARMED", "WARNED")))
    return {row.kind: row.due_at.isoformat() for row in rows}


def test_each_stage_has_its_deadline(city: City) -> None:
    case = city.sent()
    assert open_deadlines(city, case) == {"delivery.unopened": "2024-03-12T00:00:00+08:00"}
    city.clock.advance(timedelta(days=1))
    city.take(city.deliveries, case, "open", cadre())
    assert open_deadlines(city, case) == {"delivery.unsigned": "2024-03-13T00:00:00+08:00"}


def test_what_nobody_opens_is_due_on_paper_after_five_working_days(city: City) -> None:
    case = city.sent()
    city.clock.set(city.clock.now().replace(day=11, hour=23))
    fire(city)
    assert city.again(case).state == "SENT"
    city.clock.advance(timedelta(hours=1))
    fire(city)
    case = city.again(case)
    assert (case.state, case.paper_due_on, case.served_on) == ("PAPER_DUE", date(2024, 3, 12), None)
    assert open_deadlines(city, case) == {"delivery.paper": "2024-03-20T00:00:00+08:00"}
    fire(city)
    assert city.again(case).version == case.version


def test_nobody_puts_service_off_by_opening_and_not_signing(city: City) -> None:
    case = city.opened()
    city.clock.advance(timedelta(days=8))
    fire(city)
    case = city.again(case)
    assert (case.state, case.opened_on) == ("PAPER_DUE", date(2024, 3, 4))
    assert refused(city, case, "open", cadre()).code == "DUPLICATE"
    case, (signed,) = city.take(city.deliveries, case, "sign", cadre())
    assert (signed.data["state"], signed.data["served_on"], case.opened_on) == (
        "SIGNED",
        "2024-03-12",
        date(2024, 3, 4),
    )
    assert not open_deadlines(city, case)


def test_who_opens_while_the_paper_is_due_may_still_sign(city: City) -> None:
    case = on_paper(city)
    assert refused(city, case, "sign", cadre()).code == "NOT_OPENED"
    case, (opened,) = city.take(city.deliveries, case, "open", cadre())
    assert (opened.type, opened.data["state"]) == ("notification.delivery.opened.v1", "PAPER_DUE")
    assert set(open_deadlines(city, case)) == {"delivery.paper"}
    assert city.take(city.deliveries, case, "sign", cadre())[0].state == "SIGNED"


def test_the_personnel_officer_serves_the_paper_before_a_witness(city: City) -> None:
    case, (event,) = city.take(city.deliveries, on_paper(city), "substitute", personnel(), {"witness": WITNESS})
    assert (event.type, event.data["served_on"]) == ("notification.delivery.substituted.v1", "2024-03-12")
    assert (case.state, case.witness) == ("SUBSTITUTED", WITNESS)
    assert not open_deadlines(city, case)
    assert WITNESS not in str(event.data)


@pytest.mark.parametrize(
    ("actor", "form", "code"),
    [
        (personnel(), {"witness": LEAD}, "WITNESS_NOT_INDEPENDENT"),
        (personnel(person=WITNESS), {"witness": WITNESS}, "WITNESS_NOT_INDEPENDENT"),
        (personnel(), {"witness": "nobody"}, "UNKNOWN_CADRE"),
        (personnel(person=LEAD), {"witness": WITNESS}, "AVOIDANCE"),
        (personnel(DISTRICT), {"witness": WITNESS}, "DATA_SCOPE"),
        (cadre(), {"witness": WITNESS}, "FORBIDDEN"),
        (head(), {"witness": WITNESS}, "FORBIDDEN"),
        (personnel(), {"witness": WITNESS, "reason": "机密事项"}, "SECRECY_LEVEL"),
    ],
)
def test_paper_service_that_is_not_sound_is_refused(city: City, actor: Actor, form: Any, code: str) -> None:
    assert refused(city, on_paper(city), "substitute", actor, form).code == code


def test_a_witness_who_left_is_refused(city: City) -> None:
    person = new_id()
    known = {"cadre": person, "name": "赵丁", "unit": DISTRICT, "state": "LEFT"}
    city.receive(city.event("assessment.cadre.left.v1", f"cadre/{person}", example("assessment.cadre.left.v1") | known))
    form = {"witness": person, "reason": "当面拒收"}
    refusal = refused(city, on_paper(city), "substitute", personnel(), form)
    assert (refusal.code, refusal.figures) == ("CADRE_LEFT", {"cadres": [person]})
    opened = city.take(city.deliveries, city.sent(), "open", cadre())[0]
    assert refused(city, opened, "refuse", cadre(), form).code == "CADRE_LEFT"


def test_a_refusal_before_a_witness_is_service(city: City) -> None:
    case = city.opened()
    assert refused(city, case, "refuse", cadre(), {"witness": WITNESS}).code == "REASON_MISSING"
    case, (event,) = city.take(city.deliveries, case, "refuse", cadre(), BEFORE)
    assert (event.type, event.data["served_on"]) == ("notification.delivery.refused.v1", "2024-03-04")
    assert BEFORE["reason"] not in str(event.data)


def test_the_paper_can_be_refused_before_the_officer_and_a_witness(city: City) -> None:
    case, (event,) = city.take(city.deliveries, on_paper(city), "refuse", personnel(), BEFORE)
    assert (case.state, event.data["state"]) == ("REFUSED", "REFUSED")


@pytest.mark.parametrize("action", ["open", "sign", "refuse"])
def test_others_have_no_part_in_a_document(city: City, action: str) -> None:
    case = city.opened() if action != "open" else city.sent()
    for actor in (cadre(DIRECT), head(), personnel()):
        refusal = refused(city, case, action, actor, BEFORE)
        assert refusal.code in ("DATA_SCOPE", "FORBIDDEN")
    assert refused(city, case, action, Actor("org", frozenset({"ORG"}), units=None), BEFORE).code == "FORBIDDEN"


def test_the_head_of_a_cadres_unit_has_no_part_in_it_even_when_the_paper_is_due(city: City) -> None:
    case = on_paper(city)
    assert refused(city, case, "open", head()).code == "DATA_SCOPE"
    case, _ = city.take(city.deliveries, case, "open", cadre())
    for action in ("sign", "refuse"):
        assert refused(city, case, action, head(), BEFORE).code == "DATA_SCOPE"


def seen_by(city: City, actor: Actor) -> set[str]:
    with city.acting(actor) as uow:
        return {case.id for case in uow.session.scalars(city.deliveries.listing(actor))}


def codes_of_reading(city: City, case: Any, actor: Actor) -> list[str]:
    """Return nothing where `actor` may read the case, else the refusal's code."""
    with city.acting(actor) as uow:
        try:
            city.deliveries.read(uow, case.id, actor)
        except Refusal as refusal:
            return [refusal.code]
    return []


def to_the_unit(city: City) -> Any:
    event = city.tolerance(applicant={"kind": "UNIT", "id": BUREAU})
    city.receive(event)
    return city.of(event)[0]


def test_what_a_review_decided_is_served_beside_the_decision(city: City) -> None:
    case = new_id()
    decided, reviewed = (
        city.tolerance(step, case, decision=decision)
        for step, decision in (("decided", "MITIGATE"), ("reviewed", "EXEMPT"))
    )
    city.receive(decided, reviewed, reviewed)
    assert sorted(each.particulars["decision"] for each in city.of(decided)) == ["EXEMPT", "MITIGATE"]


def test_lists_show_what_may_be_read_and_no_more(city: City) -> None:
    waiting = in_state(city, "QUEUED")
    mine, due, unit = city.sent(), on_paper(city), to_the_unit(city)
    expected = {
        mine.id: (cadre(),),
        due.id: (cadre(), personnel()),
        unit.id: (head(),),
        waiting.id: (),
    }
    everybody = (
        cadre(),
        cadre(DIRECT),
        cadre("cadre-unheard-of"),
        head(),
        head(DISTRICT),
        personnel(),
        personnel(DISTRICT),
    )
    cases = {case.id: case for case in (mine, due, unit, waiting)}
    # `mine` fell due on paper together with the other.
    expected[mine.id] = (cadre(), personnel())
    for actor in everybody:
        listed = seen_by(city, actor)
        for case_id, readers in expected.items():
            may = actor in readers
            assert (case_id in listed) is may, (actor.subject, cases[case_id].state)
            assert codes_of_reading(city, cases[case_id], actor) == ([] if may else ["DATA_SCOPE"])


def test_the_head_signs_for_the_unit(city: City) -> None:
    case = to_the_unit(city)
    case, _ = city.take(city.deliveries, case, "open", head())
    case, (event,) = city.take(city.deliveries, case, "sign", head())
    assert event.data["recipient"] == {"kind": "UNIT", "id": BUREAU}
    assert event.data["document"] == "TOLERANCE_DECISION"


def test_the_paper_goes_where_the_cadre_has_moved(city: City) -> None:
    person = "cadre-who-moves"
    with city.acting(SYSTEM) as uow:
        uow.session.add(CadreRow(id=person, name="赵丁", unit=BUREAU))
        uow.commit()
    case = city.sent(responsible=[{"cadre": person, "role": "LEAD"}])
    with city.acting(SYSTEM) as uow:
        uow.session.get_one(CadreRow, person).unit = DISTRICT
        uow.commit()
    city.clock.advance(timedelta(days=8))
    fire(city)
    assert city.again(case).unit == DISTRICT
    assert refused(city, case, "substitute", personnel(), {"witness": WITNESS}).code == "DATA_SCOPE"
    assert city.take(city.deliveries, case, "substitute", personnel(DISTRICT), {"witness": WITNESS})[0].served_on


def test_the_text_is_in_no_event_and_no_audit_entry(city: City) -> None:
    case = in_state(city, "SUBSTITUTED")
    assert fingerprint(city.text(case)) == case.sha256
    table = tables.outbox_messages
    bodies = [bytes(row.body).decode() for row in city.rows(table, table.c.subject == f"delivery/{case.id}")]
    audits = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"delivery/{case.id}")
    assert len(bodies) == 3
    assert [entry.action for entry in audits] == [
        "delivery.create",
        "delivery.dispatch",
        "delivery.paper_due",
        "delivery.substitute",
    ]
    for text in (*bodies, *map(str, audits)):
        assert "张甲" not in text
        assert "陈述" not in text

"""Batches and candidates in a real database and through the API: who may do what, and what the gate leads to."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from citybus import tables
from citybus.errors import Refusal
from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.ids import new_id
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from incentive.entrypoints.http import blueprints
from incentive.entrypoints.problems import PROBLEMS
from incentive.persistence.models import StandingPartRow
from tests.support.incentive import (
    BUREAU,
    COMMITTEE,
    DISTRICT,
    ORGANISATION,
    SELECTOR,
    City,
    a_plan,
    officer,
    outbox_events,
    rulebook,
)

NAME = "社会应聘人员甲"


def refused(city: City, case: Any, action: str, actor: Any, form: Any = None) -> str:
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(case, action, actor, form)
    assert city.picture() == before
    return caught.value.code


def on_roster(city: City, **changes: Any) -> str:
    cadre = new_id()
    city.receive("assessment", city.registered(cadre, "420200-D09", **changes))
    return cadre


def test_a_plan_is_approved_by_the_committee_and_opened(city: City) -> None:
    batch = city.batch("PLANNED")
    assert refused(city, batch, "approve", SELECTOR) == "FORBIDDEN"
    city.take(batch, "revise", SELECTOR, a_plan(positions=2))
    batch, _ = city.take(batch, "approve", COMMITTEE[0])
    batch, _ = city.take(batch, "open", SELECTOR)
    events = city.outbox(f"batch/{batch.id}")
    assert [event.type for event in events] == ["incentive.batch.approved.v1", "incentive.batch.opened.v1"]
    assert (events[-1].data["slots"], events[-1].data["units"]) == (2, [DISTRICT])


def test_officers_of_a_units_own_posts_keep_away(city: City) -> None:
    own = officer("org-of-district", "ORG.cadre", unit=DISTRICT)
    batch = city.batch("OPEN")
    assert refused(city, batch, "select", own) == "AVOIDANCE"
    with city.acting(own) as uow:
        listed = [each.id for each in uow.session.scalars(city.bound.batches.listing(own))]
        everybody = [each.id for each in uow.session.scalars(city.bound.batches.listing(SELECTOR))]
    assert (batch.id in listed, batch.id in everybody) == (False, True)


def test_a_candidate_has_no_part_in_the_own_nomination(city: City) -> None:
    candidate = city.nominated(city.batch(), on_roster(city))
    themselves = officer("org-who-stands", "ORG.cadre", person=candidate.cadre)
    assert refused(city, candidate, "shortlist", themselves) == "AVOIDANCE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"batch": new_id()}, "UNKNOWN_BATCH"),
        ({"position": "P9"}, "UNKNOWN_POSITION"),
        ({"cadre": "nobody"}, "UNKNOWN_CADRE"),
        ({"cadre": None, "external": {"name": NAME, "degree": "MASTER"}}, "WRONG_PERSON"),
        ({}, None),
    ],
)
def test_who_may_be_nominated(city: City, changes: dict[str, Any], code: str | None) -> None:
    batch, cadre = city.batch(), on_roster(city)
    form = {"batch": batch.id, "position": "P1", "cadre": cadre, "born_on": date(1980, 5, 1)} | changes
    if code is None:
        assert city.open(SELECTOR, form, city.bound.candidates).verdict == "PASS"
        code = "DUPLICATE"
    with pytest.raises(Refusal) as caught:
        city.open(SELECTOR, form, city.bound.candidates)
    assert caught.value.code == code


def test_who_is_not_ten_years_in_the_post_is_not_rotated(city: City) -> None:
    with pytest.raises(Refusal) as caught:
        city.nominated(city.batch(), on_roster(city, post_since="2015-01-01"))
    assert (caught.value.code, caught.value.figures) == (
        "NOT_ELIGIBLE",
        {"unmet": ["TEN_YEARS"], "post_since": "2015-01-01", "least_months": 120, "as_of": "2024-12-31"},
    )
    assert "2015-01-01" in caught.value.zh
    assert "TEN_YEARS" not in caught.value.zh


def test_somebody_from_outside_agrees_first_and_is_in_no_event(city: City) -> None:
    batch = city.batch(kind="b", public_institution=True)
    outside: dict[str, Any] = {"name": NAME, "degree": "DOCTOR"}
    with pytest.raises(Refusal, match="CONSENT_MISSING"):
        city.nominated(batch, "", cadre=None, external=outside)
    hired = city.selected(batch, "", cadre=None, external=outside | {"consent_on": date(2024, 3, 1)})
    assert (hired.state, hired.verdict) == ("SELECTED", "PASS")
    assert NAME not in str([event.data for event in outbox_events(city)])


def test_an_objection_leads_back_to_selecting(city: City) -> None:
    batch = city.batch()
    city.selected(batch, on_roster(city))
    city.take(batch, "publicize", SELECTOR)
    assert refused(city, batch, "object", SELECTOR) == "REASON_MISSING"
    returned, (event,) = city.take(batch, "object", officer("disc", "DISC", unit="420200-DISC"), {"reason": "异议属实"})
    assert (returned.state, event.type) == ("SELECTING", "incentive.batch.returned.v1")


def test_nothing_is_decided_where_everybody_was_dropped(city: City) -> None:
    batch = city.batch()
    chosen = city.selected(batch, on_roster(city))
    city.take(batch, "publicize", SELECTOR)
    city.take(chosen, "drop", SELECTOR, {"reason": "本人放弃"})
    city.clock.advance(timedelta(days=8))
    assert refused(city, batch, "decide", COMMITTEE[0], {"reason": "集体研究决定"}) == "NOBODY_SELECTED"


def test_who_was_decided_on_is_dropped_by_the_committee_alone(city: City) -> None:
    batch = city.batch()
    chosen = city.selected(batch, on_roster(city))
    city.take(batch, "publicize", SELECTOR)
    city.clock.advance(timedelta(days=8))
    city.take(batch, "decide", COMMITTEE[0], {"reason": "集体研究决定"})
    assert refused(city, chosen, "drop", SELECTOR, {"reason": "r"}) == "COMMITTEE_CONFIRMS"
    assert city.take(chosen, "drop", COMMITTEE[0], {"reason": "本人放弃"})[0].state == "DROPPED"


def test_nobody_passes_while_facts_are_out_of_date_and_a_bar_that_is_lifted_opens_the_gate(city: City) -> None:
    batch, cadre = city.batch(), on_roster(city)
    city.receive("supervision", city.bars(cadre, ("CASE_PENDING", "2024-03-01", None)))
    candidate = city.nominated(batch, cadre)
    assert candidate.verdict == "BLOCKED"
    change = (
        "UPDATE projection_heartbeats SET last_seen = last_seen {} interval '6 minutes' WHERE source = 'supervision'"
    )
    city.receive("supervision", city.bars(cadre))
    with city.engine.begin() as connection:
        connection.execute(text(change.format("-")))
    try:
        done, _ = city.take(candidate, "recheck", SELECTOR)
        assert (done.verdict, done.reasons[0]["code"]) == ("PENDING", "DEPENDENCY_STALE")
        assert refused(city, candidate, "shortlist", SELECTOR) == "GATE_PENDING"
    finally:
        with city.engine.begin() as connection:
            connection.execute(text(change.format("+")))
    assert city.take(candidate, "recheck", SELECTOR)[0].verdict == "PASS"
    assert city.take(candidate, "shortlist", SELECTOR)[0].state == "SHORTLISTED"


def test_an_older_state_of_a_cadre_never_takes_the_place_of_a_newer(city: City) -> None:
    cadre = new_id()
    older, newer = city.registered(cadre, BUREAU, post_since="2020-01-01"), city.registered(cadre, DISTRICT)
    city.receive("assessment", newer)
    city.receive("assessment", older)
    (row,) = city.rows(StandingPartRow.__table__, StandingPartRow.cadre == cadre)
    assert (row.sequence, row.data["unit"]) == (2, DISTRICT)


def test_last_years_result_shuts_the_gate_until_the_year_is_over(city: City) -> None:
    cadre = on_roster(city)
    city.receive("assessment", city.annual(cadre, 2024, "BASICALLY_COMPETENT"))
    city.receive("assessment", city.annual(new_id(), 2024, "POOR", cadre=None, subject_kind="GROUP"))
    city.clock.advance(timedelta(days=365))
    candidate = city.nominated(city.batch(), cadre)
    assert (candidate.verdict, candidate.reasons) == (
        "BLOCKED",
        [{"code": "LAST_YEAR_BELOW_COMPETENT", "until": "2026-01-01", "pending": False}],
    )
    # An appeal corrected it.
    city.receive("assessment", city.annual(cadre, 2024, "COMPETENT", "corrected", revision=2))
    assert city.take(candidate, "recheck", SELECTOR)[0].verdict == "PASS"
    # Where it is still to be made up, nobody can tell.
    pending = {"grade_status": "PENDING_MAKEUP", "state": "PENDING_MAKEUP"}
    city.receive("assessment", city.annual(cadre, 2024, None, "suspended", **pending))
    assert city.take(candidate, "recheck", SELECTOR)[0].verdict == "PENDING"


# ---- through the API


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def client(city: City, issuer: FakeIssuer) -> FlaskClient:
    app = create_app(
        service="incentive",
        version="1",
        units=city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(city.bound, rulebook()),
        own_problems=PROBLEMS,
    )
    return app.test_client()


def signed(issuer: FakeIssuer, subject: str, role: str, **more: str) -> dict[str, str]:
    scope = {"units": "*", "unit": ORGANISATION, "person": f"person-of-{subject}"}
    token = issuer.token(sub=subject, roles=[role], scope=scope)
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": new_id()} | more


def test_the_gate_answers_as_of_a_day_and_leaves_a_trace(city: City, client: FlaskClient, issuer: FakeIssuer) -> None:
    cadre = on_roster(city)
    city.receive("supervision", city.bars(cadre, ("EFFECT_PERIOD_ACTIVE", "2024-01-15", "2025-01-15")))
    who = signed(issuer, "org-1", "ORG.cadre")
    found = client.get(f"/gate/{cadre}?purpose=PROMOTE", headers=who).json
    assert (found["verdict"], found["as_of"]) == ("BLOCKED", "2024-03-04")
    assert found["reasons"] == [{"code": "EFFECT_PERIOD_ACTIVE", "until": "2025-01-15", "pending": False}]
    assert "2025-01-15" in found["explanation"]["zh"]
    later = client.get(f"/gate/{cadre}?purpose=PROMOTE&as_of=2025-01-15", headers=who).json
    assert (later["verdict"], later["reasons"]) == ("PASS", [])
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"gate/{cadre}")
    assert [entry.written["verdict"] for entry in entries] == ["BLOCKED", "PASS"]
    assert client.get(f"/gate/{cadre}?purpose=PROMOTE", headers=signed(issuer, "x", "CADRE")).status_code == 403
    assert client.get("/gate/person-of-org-1?purpose=PROMOTE", headers=who).status_code == 403


def test_a_decision_that_the_gate_refuses_is_refused_and_committed(
    city: City, client: FlaskClient, issuer: FakeIssuer
) -> None:
    batch, cadre = city.batch(), on_roster(city)
    chosen = city.selected(batch, cadre)
    city.take(batch, "publicize", SELECTOR)
    city.clock.advance(timedelta(days=8))
    city.receive("supervision", city.bars(cadre, ("EFFECT_PERIOD_ACTIVE", "2024-03-11", "2024-09-11")))
    committee = signed(issuer, "comm-9", "COMM", **{"If-Match": f'"{city.again(batch).version}"'})
    answers = [
        client.post(f"/batches/{batch.id}/decide", json={"reason": "集体研究决定"}, headers=committee) for _ in range(2)
    ]
    # The same request again gets the same answer.
    assert [(each.status_code, each.json["code"]) for each in answers] == [(422, "GATE_BLOCKED")] * 2
    assert city.again(batch).state == "SELECTING"
    listed = client.get("/candidates?to_confirm=true", headers=committee).json
    assert chosen.id in [each["id"] for each in listed["items"]]
    trace = client.get(f"/candidates/{chosen.id}/evaluations", headers=committee).json
    assert [each["occasion"] for each in trace["items"]] == ["CHECK", "SHORTLIST", "SELECT", "DECIDE"]


def test_a_refused_decision_says_of_each_who_is_stopped_why(city: City) -> None:
    batch = city.batch(positions=2)
    bars = {"EFFECT_PERIOD_ACTIVE": "2024-09-11", "CASE_PENDING": None}
    chosen = [city.selected(batch, on_roster(city), position) for position in ("P1", "P2")]
    city.take(batch, "publicize", SELECTOR)
    city.clock.advance(timedelta(days=8))
    for each, (code, until) in zip(chosen, bars.items(), strict=True):
        city.receive("supervision", city.bars(each.cadre, (code, "2024-03-11", until)))
    with pytest.raises(Refusal) as caught:
        city.take(batch, "decide", COMMITTEE[0], {"reason": "集体研究决定"})
    stopped = {each["candidate"]: each["reasons"] for each in caught.value.figures["stopped"]}
    assert stopped == {
        each.id: [{"code": code, "until": until, "pending": False}]
        for each, (code, until) in zip(chosen, bars.items(), strict=True)
    }


def test_ages_are_shown_before_and_after_and_birth_dates_are_not(
    city: City, client: FlaskClient, issuer: FakeIssuer
) -> None:
    batch = city.batch(kind="c", members_born=[date(1966, 3, 1), date(1968, 3, 1)])
    city.selected(batch, on_roster(city), specialty="城市规划")
    who = signed(issuer, "org-1", "ORG.cadre")
    (found,) = client.get(f"/batches/{batch.id}/age-structure", headers=who).json["items"]
    assert (found["before"]["mean"], found["after"]["mean"]) == ("57.0", "52.3")
    assert "1966" not in client.get(f"/batches/{batch.id}", headers=who).text

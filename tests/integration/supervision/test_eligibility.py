"""Eligibility in a real database: bars by source, the event of the whole state, and who may ask."""

from datetime import UTC, date, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from citybus import tables
from citybus.freshness import note_heartbeat
from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from supervision.application.eligibility import Bar, Reason, reasons, set_bars
from supervision.entrypoints.http import blueprints
from supervision.entrypoints.problems import PROBLEMS
from tests.support.supervision import BUREAU, DIRECT, DISC, LEAD, STRANGER, City, rulebook

ORG = {"sub": "org-1", "roles": ["ORG.cadre"], "scope": {"units": "*", "unit": "420200-ORG"}}
COMMISSION = {"sub": "disc-1", "roles": ["DISC"], "scope": {"units": "*", "unit": "420200-DISC"}}
OF_BUREAU = {"sub": "org-2", "roles": ["ORG.cadre"], "scope": {"units": [BUREAU], "unit": "420200-ORG"}}
ASKS_OF_SELF = {"sub": "org-3", "roles": ["ORG"], "scope": {"units": "*", "unit": BUREAU, "person": LEAD}}
HEAD = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": [BUREAU], "unit": BUREAU}}
INSPECTORATE = {"sub": "supo", "roles": ["SUPO"], "scope": {"units": "*", "unit": "420200-SUPO"}}

EFFECT, PENDING, RECALL = "EFFECT_PERIOD_ACTIVE", "CASE_PENDING", "RECALL_OPEN"
PROMOTE = frozenset({"PROMOTE"})


def bar(start: str, until: str | None, code: str = EFFECT, purposes: frozenset[str] = PROMOTE) -> Bar:
    return Bar(code, purposes, date.fromisoformat(start), None if until is None else date.fromisoformat(until))


def put(city: City, source: str, cadre: str, *bars: Bar) -> list[Any]:
    with city.acting(DISC) as uow:
        set_bars(uow, source, cadre, bars)
        uow.commit()
        return uow.published


@pytest.fixture(autouse=True)
def no_bars(city: City) -> None:
    with city.acting(DISC) as uow:
        uow.session.execute(text("DELETE FROM bars"))
        note_heartbeat(uow.session, "assessment", datetime.now(UTC))
        uow.commit()


@pytest.fixture(scope="module")
def ask(module_city: City) -> Any:
    issuer = FakeIssuer()
    app: Flask = create_app(
        service="supervision",
        version="1",
        units=module_city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(module_city.cases, rulebook(), module_city.vault),
        own_problems=PROBLEMS,
    )
    client = app.test_client()

    def asking(who: Any, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {issuer.token(**who)}"}
        if body is None:
            return client.get(path, headers=headers)
        return client.post(path, json=body, headers={**headers, "Idempotency-Key": "key"})

    return asking


def test_a_source_replaces_its_own_bars_and_the_whole_state_is_told(city: City) -> None:
    first = put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15"))
    assert [(event.type, event.subject) for event in first] == [
        ("supervision.eligibility.changed.v1", f"eligibility/{LEAD}")
    ]
    second = put(city, "recall/1", LEAD, bar("2024-03-15", None, RECALL))
    assert [entry["code"] for entry in second[0].data["purposes"]["PROMOTE"]] == [EFFECT, RECALL]
    third = put(city, "sanction/1", LEAD)
    assert third[0].data["purposes"]["PROMOTE"] == [{"code": RECALL, "from": "2024-03-15", "until": None}]
    assert third[0].sequence == first[0].sequence + 2


def test_what_changes_nothing_is_not_told(city: City) -> None:
    put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15"))
    assert put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15")) == []
    # Within the period of another: barred by one more source, and for as long as before.
    assert put(city, "sanction/2", LEAD, bar("2024-02-01", "2024-08-01")) == []
    assert put(city, "sanction/2", LEAD) == []


def test_two_sources_at_once_leave_an_event_with_both(city: City) -> None:
    def one(number: int) -> None:
        put(city, f"sanction/{number}", DIRECT, bar("2024-01-01", None, f"CODE_{number}"))

    threads = [Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = city.outbox(f"eligibility/{DIRECT}")[-1]
    assert len(last.data["purposes"]["PROMOTE"]) == 6


def test_reasons_are_as_of_a_day_not_of_now(city: City) -> None:
    put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15"))
    with city.acting(DISC) as uow:
        assert reasons(uow, LEAD, "PROMOTE", date(2025, 1, 14)) == [Reason(EFFECT, date(2025, 1, 15))]
        assert reasons(uow, LEAD, "PROMOTE", date(2025, 1, 15)) == []
        assert reasons(uow, LEAD, "AWARD", date(2024, 6, 1)) == []


def test_a_check_answers_with_codes_and_days_and_is_audited(city: City, ask: Any) -> None:
    put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15"))
    put(city, "case-hold/1", LEAD, bar("2024-02-01", None, PENDING))
    for who in (ORG, COMMISSION):
        answer = ask(who, f"/eligibility/{LEAD}?purpose=PROMOTE&as_of=2024-06-01")
        assert answer.json == {
            "cadre": LEAD,
            "purpose": "PROMOTE",
            "as_of": "2024-06-01",
            "verdict": "BLOCKED",
            "reasons": [{"code": PENDING, "until": None}, {"code": EFFECT, "until": "2025-01-15"}],
        }
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.action == "eligibility.check")
    assert entries[-1].written == {"purpose": "PROMOTE", "as_of": "2024-06-01", "cadres": [LEAD]}
    assert ask(ORG, f"/eligibility/{DIRECT}?purpose=PROMOTE").json["as_of"] == "2024-03-04"


def test_stale_facts_pass_nobody(city: City, ask: Any) -> None:
    put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15"))
    with city.acting(DISC) as uow:
        uow.session.execute(text("UPDATE projection_heartbeats SET last_seen = now() - interval '301 seconds'"))
        uow.commit()
    body = {"cadres": [DIRECT, LEAD], "purpose": "PROMOTE", "as_of": "2024-06-01"}
    found = ask(ORG, "/eligibility/checks", body).json["items"]
    assert [(item["verdict"], [reason["code"] for reason in item["reasons"]]) for item in found] == [
        ("PENDING", ["DEPENDENCY_STALE"]),
        ("BLOCKED", [EFFECT, "DEPENDENCY_STALE"]),
    ]


def test_many_are_answered_in_their_order_and_who_is_unknown_is_pending(city: City, ask: Any) -> None:
    put(city, "sanction/1", LEAD, bar("2024-01-15", "2025-01-15"))
    body = {"cadres": [STRANGER, LEAD, "nobody"], "purpose": "PROMOTE", "as_of": "2025-01-14"}
    found = ask(ORG, "/eligibility/checks", body).json["items"]
    assert [(item["cadre"], item["verdict"]) for item in found] == [
        (STRANGER, "PASS"),
        (LEAD, "BLOCKED"),
        ("nobody", "PENDING"),
    ]


@pytest.mark.parametrize(
    ("who", "about", "status", "code"),
    [
        (OF_BUREAU, LEAD, 200, None),
        (OF_BUREAU, STRANGER, 403, "DATA_SCOPE"),
        (OF_BUREAU, "nobody", 403, "DATA_SCOPE"),
        (ASKS_OF_SELF, LEAD, 403, "DATA_SCOPE"),
        (HEAD, LEAD, 403, "FORBIDDEN"),
        (INSPECTORATE, LEAD, 403, "FORBIDDEN"),
    ],
)
def test_who_may_ask_about_whom(city: City, ask: Any, who: Any, about: str, status: int, code: str | None) -> None:
    answer = ask(who, f"/eligibility/{about}?purpose=PROMOTE")
    assert (answer.status_code, answer.json.get("code")) == (status, code)


def test_a_question_without_a_purpose_is_no_question(city: City, ask: Any) -> None:
    assert ask(ORG, f"/eligibility/{LEAD}").status_code == 400
    assert ask(ORG, f"/eligibility/{LEAD}?purpose=RETIRE").status_code == 400
    twice = {"cadres": [LEAD, LEAD], "purpose": "PROMOTE"}
    assert ask(ORG, "/eligibility/checks", twice).status_code == 400


def test_a_day_is_asked_about_without_looking_at_bars_long_over(city: City) -> None:
    put(city, "sanction/1", LEAD, bar("2014-01-15", "2015-01-15"))
    city.clock.advance(timedelta(days=1))
    with city.acting(DISC) as uow:
        assert reasons(uow, LEAD, "PROMOTE", date(2014, 6, 1)) == [Reason(EFFECT, date(2015, 1, 15))]
        assert reasons(uow, LEAD, "PROMOTE", date(2024, 6, 1)) == []

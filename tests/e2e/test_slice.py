"""The slice, end to end: all processes, a real broker and database, and a department's own client."""

import hashlib
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from dandang.local.city import as_user
from dandang.local.processes import SERVICES
from dandang.sample import sample_city
from dandang.slice import cast, story
from dandang.slice.department import FINANCE
from tests.e2e.conftest import City
from tests.support.waiting import eventually

PLANTED = (story.FACTS, story.PLEA, story.STATEMENT, story.SUMMARY, *story.REASONS)
"""Texts of class L4 that were given to the services, none of which may be told to others."""

# Heartbeats go on for ever.
COUNTED = {
    "case_steps": "SELECT count(*) FROM case_steps",
    "outbox_messages": "SELECT count(*) FROM outbox_messages WHERE type NOT LIKE '%.heartbeat.%'",
    "inbox_messages": "SELECT count(*) FROM inbox_messages WHERE type NOT LIKE '%.heartbeat.%'",
    "idempotency_keys": "SELECT count(*) FROM idempotency_keys",
    "deadlines": "SELECT count(*) FROM deadlines",
    "jobs": "SELECT count(*) FROM jobs",
}


def published(city: City, service: str) -> list[Any]:
    """Return what a service published, heartbeats aside, as (exchange, type, subject, event)."""
    rows = city.rows(
        service,
        "SELECT exchange, type, subject, convert_from(body, 'UTF8') AS body FROM outbox_messages"
        " WHERE type NOT LIKE '%.heartbeat.%' ORDER BY position",
    )
    return [(row.exchange, row.type, row.subject, json.loads(row.body)) for row in rows]


def records_token(city: City) -> str:
    return city.token("org-assess", ["ORG.assess"], units=None, unit=cast.RECORDS.unit)


def lead_token(city: City) -> str:
    return city.token("cadre-lead", ["CADRE"], unit=cast.bureau(), person=city.told["ids"]["lead"])


@pytest.mark.parametrize(
    ("name", "day", "deduction", "terms"),
    [
        ("lead", "2024-03-19", "0", "0"),
        ("lead", "2024-03-20", "2.0", "2.0×1.0"),
        ("lead", "2024-04-22", "1.0", "1.0×1.0"),
        ("direct", "2024-03-20", "1.6", "2.0×0.8"),
        ("direct", "2024-04-22", "0.8", "1.0×0.8"),
    ],
)
def test_annual_record_has_the_exact_deduction_of_each_day(
    city: City, name: str, day: str, deduction: str, terms: str
) -> None:
    path = f"/annual-records/{city.told['ids'][name]}/2024?as_of={day}"
    record = city.request("GET", "assessment", path, records_token(city)).json()
    assert Decimal(record["deduction"]) == Decimal(deduction)
    for language in ("zh", "en"):
        assert terms in record["explanation"][language]
    if Decimal(deduction):
        assert record["items"][0]["finding"] == city.told["ids"]["finding"]
        assert record["rule_packs"] == ["LOCAL-HS-2016@1"]


def test_one_correlation_id_leads_from_the_application_to_the_deduction(city: City) -> None:
    wanted = {
        "incentive": {
            "incentive.tolerance.filed.v1",
            "incentive.tolerance.decided.v1",
            "incentive.tolerance.effective.v1",
        },
        "supervision": {"supervision.finding.weight-changed.v1"},
        "notification": {"notification.delivery.signed.v1"},
        "assessment": {"assessment.deduction.changed.v1"},
    }
    thread = city.told["records"]["lead"]["correlation_id"]
    for service, types in wanted.items():
        found = {type_ for _, type_, _, event in published(city, service) if event["correlationid"] == thread}
        assert types <= found, service
    assert city.told["records"]["direct"]["correlation_id"] == thread
    assert city.told["effects"]["complete"]


def test_every_event_of_the_timeline_was_published(city: City) -> None:
    types = {type_ for service in SERVICES for _, type_, _, _ in published(city, service)}
    told = {name for entry in city.told["timeline"] for name in (entry["event"] or "").split(", ") if name}
    assert len(told) > 15
    assert told <= types
    assert all(re.search(r"[\u4e00-\u9fff]", entry["zh"]) for entry in city.told["timeline"])


def test_decision_is_served_with_its_day_and_its_text(city: City) -> None:
    ids, token = city.told["ids"], lead_token(city)
    record = city.request("GET", "notification", f"/deliveries/{ids['decision']}", token).json()
    assert record["state"] == "SIGNED"
    assert record["sent_on"] == "2024-04-03"
    assert record["served_on"] == "2024-04-07"
    document = city.request("GET", "notification", f"/deliveries/{ids['decision']}/document", token).json()
    assert hashlib.sha256(document["content"].encode()).hexdigest() == record["sha256"]
    case = city.request("GET", "incentive", f"/tolerance-cases/{ids['tolerance']}", token).json()
    assert (case["served_on"], case["review_until"], case["factor"]) == ("2024-04-07", "2024-04-19", "0.5")
    finding = city.request("GET", "supervision", f"/findings/{ids['finding']}", token).json()
    assert (finding["served_on"], finding["plea_until"]) == ("2024-03-12", "2024-03-19")


def test_department_receives_the_agreed_events_and_fields_and_nothing_else(city: City) -> None:
    received = city.told["received"]
    assert [event["type"] for event in received] == list(story.EVENT_FIELDS)
    for event in received:
        assert set(event["data"]) == set(story.EVENT_FIELDS[event["type"]])
        assert event["dataclass"] in ("L1", "L2")
        assert event["actor"] == "system:notification"
    recorded = {(item["type"], item["subject"], tuple(sorted(item["fields"]))) for item in city.told["delivered"]}
    assert recorded == {(event["type"], event["subject"], tuple(sorted(event["data"]))) for event in received}
    people = {city.told["ids"][name] for name in ("lead", "direct")}
    assert not any(person in json.dumps(received) for person in people)


@pytest.fixture
def department(city: City) -> Iterator[pika.BlockingConnection]:
    """The department's connection to the bus."""
    url = as_user(city.known["CITY_AMQP_URL"], FINANCE.user, city.run.broker_users.get(FINANCE.user))
    connection = pika.BlockingConnection(pika.URLParameters(url))
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda channel: channel.basic_get("assessment.supervision"),
        lambda channel: channel.basic_get("city.archive"),
        lambda channel: channel.queue_declare("mine", durable=True),
        lambda channel: channel.queue_bind(FINANCE.queue, "city.events", "#"),
        lambda channel: channel.queue_bind(FINANCE.queue, "city.public", "dept.#"),
        lambda channel: channel.queue_purge("notification.supervision"),
        lambda channel: _publish(channel, "city.events", "supervision.finding.verified.v1"),
        lambda channel: _publish(channel, "city.public", "dept.other.x"),
    ],
    ids=["read", "archive", "declare", "bind", "bind-public", "purge", "publish", "publish-public"],
)
def test_department_can_do_nothing_but_read_its_own_queue(department: pika.BlockingConnection, attempt: Any) -> None:
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        attempt(department.channel())


def _publish(channel: Any, exchange: str, key: str) -> None:
    channel.confirm_delivery()
    channel.basic_publish(exchange, key, b"{}")


def test_department_reads_its_own_queue(department: pika.BlockingConnection) -> None:
    channel = department.channel()
    assert channel.basic_get(FINANCE.queue) == (None, None, None)  # all was received; the control of the test above


def test_audit_trails_verify_in_all_four_services(city: City) -> None:
    done = city.command("audit", "verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    for service in SERVICES:
        assert city.rows(service, "SELECT count(*) FROM audit_entries")[0][0] > 10


def test_every_consumer_has_taken_in_what_was_told_and_nothing_else(city: City) -> None:
    done = city.command("reconcile", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    pairs = json.loads(done.stdout)
    assert {(pair["producer"], pair["queue"]) for pair in pairs} >= {
        ("assessment", "supervision.assessment"),
        ("supervision", "assessment.supervision"),
        ("incentive", "supervision.incentive"),
        ("notification", "incentive.notification"),
    }
    assert all(pair["drift"] == 0 and pair["taken"] > 0 for pair in pairs), pairs


def test_digest_is_the_same_as_long_as_nothing_happens(city: City) -> None:
    first, second = (city.command("digest", "--json") for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == json.loads(second.stdout)
    assert set(json.loads(first.stdout)) == {"assessment", "supervision", "incentive", "notification"}


def test_digest_tells_the_tables_that_it_was_reckoned_from(city: City) -> None:
    in_json, in_words = (city.command("digest", "--tables", *how) for how in (("--json",), ()))
    found = json.loads(in_json.stdout)
    assert "findings" in found["supervision"]["tables"]
    assert all(hashed in in_words.stdout for each in found.values() for hashed in each["tables"].values())


def test_broker_is_as_the_files_say_and_nothing_is_left_over(city: City) -> None:
    checked = city.command("topology", "check")
    assert checked.returncode == 0, checked.stdout
    found = json.loads(city.command("status", "--json").stdout)
    assert found["dead"] == {}
    assert all(each["alive"] and not each["restarts"] for each in found["processes"])

    def drained() -> bool:
        return set(json.loads(city.command("status", "--json").stdout)["outbox"].values()) == {0}

    eventually(drained, within=20, what="every event is published")


def test_no_sensitive_text_leaves_the_service_that_it_was_given_to(city: City) -> None:
    planted = PLANTED
    numbers = {cadre.id_no for cadre in sample_city().cadres}
    kept = {"supervision": 0, "incentive": 0}
    for service in SERVICES:
        told = [json.dumps(event, ensure_ascii=False) for *_, event in published(city, service)]
        told += [str(row) for row in city.rows(service, "SELECT convert_from(body, 'UTF8') FROM waiting_events")]
        assert len(told) > 2
        for body in told:
            assert not any(words in body for words in planted)
            assert numbers.isdisjoint(re.findall(r"\d{17}[\dX]", body))
    for log in _logs(city):
        content = log.read_text(encoding="utf-8", errors="replace")
        for words in planted:
            assert words not in content, log.name
            assert json.dumps(words)[1:-1] not in content, log.name
        assert numbers.isdisjoint(re.findall(r"\d{17}[\dX]", content)), log.name
    received = json.dumps(city.told["received"], ensure_ascii=False)
    assert not any(words in received for words in planted)
    # The control: the texts were given indeed, and are where they belong.
    kept["supervision"] = city.rows("supervision", "SELECT count(*) FROM findings WHERE facts = :t", t=story.FACTS)[0][
        0
    ]
    kept["incentive"] = city.rows(
        "incentive", "SELECT count(*) FROM tolerances WHERE statement = :t", t=story.STATEMENT
    )[0][0]
    assert kept == {"supervision": 1, "incentive": 1}


def _logs(city: City) -> list[Path]:
    found = [path for path in city.run.logs.iterdir() if path.is_file()]
    assert len(found) >= 16
    return found


def test_refusals_do_not_repeat_what_was_sent(city: City) -> None:
    ids, token = city.told["ids"], lead_token(city)
    path = f"/findings/{ids['finding']}/plea"
    for body in (
        {"text": story.PLEA},  # the window is over
        {"text": [story.PLEA]},
        {"wrong": story.PLEA},
        {"text": "机密 " + story.PLEA},
        story.PLEA,
    ):
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"1"'}
        answer = city.request("POST", "supervision", path, token, headers, json=body)
        assert 400 <= answer.status_code < 500
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert story.PLEA not in answer.text


def test_second_play_changes_nothing_and_tells_the_same(city: City) -> None:
    def counts() -> dict[tuple[str, str], int]:
        return {
            (service, name): city.rows(service, statement)[0][0]
            for service in SERVICES
            for name, statement in COUNTED.items()
        }

    before, again = counts(), city.slice()
    assert counts() == before
    for part in ("timeline", "records", "effects", "delivered", "received", "ids"):
        assert again[part] == city.told[part], part


def test_play_is_recognised_by_the_services_where_the_folder_forgot_it(city: City) -> None:
    """Whoever loses the last notes plays on from what the services know: each step says that it is done."""
    file = city.run.root / "slice.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    before = {service: city.rows(service, COUNTED["case_steps"])[0][0] for service in SERVICES}
    kept = {name: stored["ids"][name] for name in ("import", "lead", "direct")}
    file.write_text(json.dumps({**stored, "ids": kept, "played": False}), encoding="utf-8")
    try:
        again = city.slice()
    finally:
        file.write_text(json.dumps(stored), encoding="utf-8")
    assert again["ids"] == city.told["ids"]
    assert {service: city.rows(service, COUNTED["case_steps"])[0][0] for service in SERVICES} == before


PUBLIC_PAGES = {"notification": {"/public/bulletins", "/public/bulletins/{bulletin}", "/public/bulletins.atom"}}


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_wants_a_token_and_a_role(city: City, service: str) -> None:
    described = city.request("GET", service, "/openapi.json", None).json()
    operations = {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    routes = [route for route, operation in operations.items() if "security" in operation]
    assert {path for _, path in operations.keys() - routes} == PUBLIC_PAGES.get(service, set())
    assert len(routes) > 8
    nobody = city.token("nobody", ["NOBODY"], units=None)
    for method, path in routes:
        filled = re.sub(r"\{digest\}", "0" * 64, path)
        filled = re.sub(r"\{year\}", "2024", filled)
        filled = re.sub(r"\{[^}]+\}", str(uuid4()), filled)
        headers = {"Idempotency-Key": str(uuid4())}
        for token, status, code in (
            (None, 401, "TOKEN_MISSING"),
            (nobody + "x", 401, "TOKEN_INVALID"),
            (nobody, 403, "FORBIDDEN"),
        ):
            answer = city.request(method, service, filled, token, headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), f"{method} {path}"


def test_slice_says_clearly_where_no_city_runs(city: City, tmp_path: Path) -> None:
    elsewhere = City(city.run, {**city.environment, "DANDANG_RUN_FOLDER": str(tmp_path / "none")})
    done = elsewhere.command("slice")
    assert done.returncode == 1
    assert "make up" in done.stderr

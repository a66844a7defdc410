"""Marks are planted in every text that the four services take: none is in an event, a log, an error or on a public page."""

import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import create_engine, text

from citybus import tables
from citybus.cases import Actor
from citybus.cases.tables import case_steps
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.freshness import note_heartbeat
from citybus.inbox import Order, kind_of
from citybus.telemetry import logs
from tests.support import annual, duty, incentive, notification, recall, sanctions, signals, supervision
from tests.support.assessment import MONDAY
from tests.support.every_case import SERVICES, place
from tests.support.grades import a_sanction, a_service, an_event
from tests.support.planted import MARK, Door
from tests.support.postgres import Postgres

NOBODY: Final = Actor("nobody", frozenset({"NOBODY"}), units=None)
PUBLIC: Final = ("/public/bulletins", "/public/bulletins.atom")


@dataclass
class City:
    """The four services with all that was sent to them, and every line that was logged meanwhile."""

    doors: dict[str, Door]
    logged: io.StringIO

    def rows(self, service: str, statement: str) -> list[Any]:
        with self.doors[service].there.city.engine.connect() as connection:
            return list(connection.execute(text(statement)))


@contextmanager
def lines() -> Iterator[io.StringIO]:
    """Take all that is logged, as a process of the city writes it."""
    stream, root = io.StringIO(), logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("every", "api", level="DEBUG", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def city(postgres: Postgres) -> Iterator[City]:
    """Four services to which people have said all that they can say, and to each of which wrong things were said."""
    with ExitStack() as stack:
        logged = stack.enter_context(lines())
        doors: dict[str, Door] = {}
        for service in SERVICES:
            door = doors[service] = Door(stack.enter_context(place(postgres, service)))
            PLAYED[service](door)
            say_it_wrong(door)
            say_it_to_a_broken_one(door)
        made = City(doors, logged)
        tell_notification(made)
        yield made


# ---- what people say


def through(door: Door) -> Any:
    """Return the city of a service, whose people go through `door` from now on."""
    city = door.there.city

    def take(*said: Any) -> tuple[Any, list[Event]]:
        cases, case, action, actor, *form = said
        return door.take(cases, case, action, actor, form[0] if form else {}), []

    city.open, city.take = door.open, take
    return city


def play_supervision(door: Door) -> None:
    city = through(door)
    cases = city.cases
    disc, org = supervision.DISC, supervision.ORG

    inspection = city.running_inspection()
    city.take(cases.inspections, inspection, "report", supervision.RECORDER, {"summary": "检查情况"})

    draft = city.open(cases.findings, supervision.RECORDER, supervision.a_draft())
    city.take(cases.findings, draft, "revise", supervision.RECORDER, supervision.a_draft())
    told = city.notified()
    city.receive("supervision.notification", city.served(told, supervision.LEAD, city.clock.today()))
    city.take(cases.findings, told, "plea", supervision.cadre(supervision.LEAD), {"text": "说明"})

    heard(city)
    finding = city.verified()
    plan = {"finding": finding.id, "owner": supervision.LEAD, "plan": "整改"}
    head = replace(supervision.UNITHEAD, units=frozenset({supervision.BUREAU}))
    rectification = city.open(cases.rectifications, head, plan)
    report = {"report": "完成", "proof": [city.with_evidence()]}
    city.take(cases.rectifications, rectification, "submit", supervision.cadre(supervision.LEAD), report)
    bulletin = city.scheduled_bulletin(finding)
    city.fire()
    withdrawal = {"reason_code": "FINDING_REVOKED", "reason": "撤回", "correction_text": "更正说明"}
    city.take(cases.bulletins, bulletin, "withdraw", org, withdrawal)
    revoked = {"basis": "CLARIFICATION", "reference": "clarification/1", "reason": "不实"}
    for actor in (org, disc):
        city.take(cases.findings, finding, "revoke", actor, revoked)

    form = {
        "kind": "INQUIRE",
        "cadre": supervision.LEAD,
        "findings": [],
        "reason_codes": ["WEAK_EXECUTION"],
        "cause": "c",
    }
    measure = city.open(cases.measures, org, form)
    city.take(cases.measures, measure, "revise", org, form)
    measure, _ = city.take(cases.measures, measure, "approve", supervision.ORG_SECOND, {"reason": "同意"})
    document = {"document": "MEASURE_NOTICE", "ref": f"measure/{measure.id}"}
    city.receive("supervision.notification", city.served(measure, measure.cadre, city.clock.today(), **document))
    city.take(cases.measures, measure, "reply", supervision.cadre(supervision.LEAD), {"text": "说明"})

    heard(city)
    proposal = {
        "cadre": supervision.STRANGER,
        "basis": "UNFIT",
        "way": "TRANSFER",
        "reason_codes": ["DUTY_WEAK"],
        "opinion": "意见",
        "findings": [],
    }
    adjustment = city.open(cases.adjustments, org, proposal)
    city.take(cases.adjustments, adjustment, "start_verification", org)
    wanted = {name: proposal[name] for name in ("way", "reason_codes", "opinion")}
    city.take(cases.adjustments, adjustment, "recommend", org, wanted)
    decision = {"decision_no": "黄干1号", "members": 9, "present": 7, "in_favour": 7, "reason": "集体研究"}
    for number in (1, 2):
        secretary = supervision.officer(f"comm-{number}", "COMM", unit="420200-COMM")
        city.take(cases.adjustments, adjustment, "decide", secretary, decision)
    city.take(cases.adjustments, adjustment, "talk", org, {"talkers": ["member-1", "member-2"], "summary": "谈话"})

    hold = {"cadre": supervision.DIRECT, "organ": "DISC", "case_no": "黄纪案1号", "opened_on": city.clock.today()}
    city.open(cases.case_holds, disc, hold)
    day = city.clock.today()
    entered = city.open(cases.sanctions, disc, sanctions.an_entry(day, cadre="member-1"))
    city.take(cases.sanctions, entered, "discard", disc, {"reason": "登记有误"})
    again = sanctions.an_entry(day, cadre="member-1")
    city.take(cases.sanctions, entered, "revise", sanctions.SECOND_DISC, again)
    sanction, _ = city.take(cases.sanctions, entered, "confirm", sanctions.THIRD_DISC)
    sanctions.fire(city)
    lighter = {"cause": "APPEAL", "decision_no": "复2号", "kind": "WARNING", "reason": "复核"}
    for actor in (sanctions.SECOND_DISC, sanctions.THIRD_DISC):
        city.take(cases.sanctions, sanction, "modify", actor, lighter)

    play_signals(door, city)

    recalls = recall.Recalls(city)
    city.clock.set(datetime(2025, 3, 3, 9, tzinfo=ZONE))
    heard(city)
    recalls.evaluated()
    recalls.forget()
    training = {
        "title": "第二期",
        "place": "市委党校",
        "starts": city.clock.today() + timedelta(days=9),
        "capacity": 9,
        "trainers": [supervision.TRAINER.subject],
    }
    planned = city.open(cases.training_classes, supervision.EDU, training)
    city.take(cases.training_classes, planned, "revise", supervision.EDU, training)
    heard(city)
    case = recalls.approved()
    recalls.take(case, "to_discipline", disc, text="黄纪案2号")


def play_signals(door: Door, city: Any) -> None:
    """Have clues posted with informants, merged, triaged, linked, handed over and dismissed, and an identity read."""
    heard(city)
    cases, org, keeper = city.cases, supervision.ORG, supervision.CUSTODIAN
    finding = city.open(cases.findings, supervision.RECORDER, supervision.a_draft())
    clues = [
        signals.a_clue(type=kind, informant=dict(signals.INFORMANT))
        for kind in ("SERVICE", "SERVICE", "SAFETY", "DUTY_CRIME")
    ]
    posted = [
        door.again(cases.signals, door.command(signals.AUDITORS, "/signals", "/signals", clue)["id"]) for clue in clues
    ]
    assert [case.state for case in posted] == ["RECEIVED", "MERGED", "RECEIVED", "RECEIVED"]
    linked, _, dismissed, handed = posted
    for case in (linked, dismissed, handed):
        city.take(cases.signals, case, "triage", org, {"reason": "研判"})
    city.take(cases.signals, linked, "link", org, {"finding": finding.id, "reason": "同一问题"})
    city.take(cases.signals, handed, "transfer", org, {"reason": "涉嫌违法"})
    city.take(cases.signals, dismissed, "dismiss", org, {"reason": "不属实"})
    for action in ("refuse", "grant"):
        access = city.open(cases.informant_accesses, org, {"signal": linked.id, "purpose": "核实"})
        city.take(cases.informant_accesses, access, action, keeper, {"reason": "用途"})
    path = f"/informant-accesses/{access.id}/identity"
    answer = door.client.get(path, headers={"Authorization": f"Bearer {door.token(org)}"})
    assert MARK in answer.json["name"]


def heard(city: Any) -> None:
    """Let everybody be heard of just now, for that is real time."""
    with city.acting(supervision.ORG) as uow:
        for service in ("assessment", "incentive", "notification"):
            note_heartbeat(uow.session, service, datetime.now(UTC))
        uow.commit()


def play_incentive(door: Door) -> None:
    city = door.there.city
    cases = {each.model: each for each in city.bound}

    def take(case: Any, action: str, actor: Actor, form: Mapping[str, Any] | None = None) -> tuple[Any, list[Event]]:
        return door.take(cases[type(case)], case, action, actor, form), []

    city.open = lambda actor, form, of=None: door.open(of or city.cases, actor, form)
    city.take = take
    applicant, organ = incentive.APPLICANT, incentive.ACCEPTOR
    draft = city.drafted()
    again = {name: value for name, value in incentive.an_application().items() if name not in ("finding", "applicant")}
    city.take(draft, "revise", applicant, again)
    refused, _ = city.take(city.filed(), "not_accept", organ, {"reason": "情形不符"})
    city.take(refused, "refile", applicant, {"new_facts": "新的事实"})
    reviewed = city.decision_served(decision="EXEMPT")
    city.take(reviewed, "ask_review", applicant, {"grounds": "不服"})
    city.closed()
    city.clock.set(MONDAY)
    city.revoked()
    city.receive("assessment", city.registered("cadre-lead"))
    batch = city.open(incentive.SELECTOR, incentive.a_plan(), city.bound.batches)
    city.take(batch, "revise", incentive.SELECTOR, incentive.a_plan())
    outside = city.batch(kind="b", public_institution=True)
    someone = {"name": "某人", "degree": "MASTER", "consent_on": "2024-03-01"}
    nomination = {"batch": outside.id, "position": "P1", "born_on": "1990-01-01", "external": someone}
    city.open(incentive.SELECTOR, nomination, city.bound.candidates)


def play_notification(door: Door) -> None:
    city = through(door)
    city.requested()
    city.end(city.active())
    refused = {"witness": notification.WITNESS, "reason": "拒收"}
    city.take(city.deliveries, city.opened(), "refuse", notification.cadre(), refused)


def play_assessment(door: Door) -> None:
    city = door.there.city
    year: Any = annual.Year(city)
    cases = {each.model: each for each in annual.bound()}
    assessor = annual.ASSESSOR
    year.open = lambda of, actor, **form: door.open(of, actor, form)
    year.take = lambda case, action, actor=assessor, **form: door.take(cases[type(case)], case, action, actor, form)
    cadre, others = year.cadre(), [year.cadre("N-9"), year.cadre("N-9")]
    case = year.annual(cadre)
    talk = {
        "subject_kind": "CADRE",
        "cadre": cadre,
        "year": annual.YEAR,
        "held_on": "2024-01-08",
        "interviewers": others,
        "summary": "谈话",
        "evidence": annual.EVIDENCE,
    }
    door.command(assessor, "/talks", "/talks", talk)
    year.final(case)

    keeper, colleague = annual.officer("keeper", "ORG.cadre"), annual.officer("keeper-2", "ORG.cadre")
    door.command(keeper, "/roster-exports", "/roster-exports", {"purpose": "干部统计", "unit": "N-9"})
    path = f"/cadres/{others[0]}"
    post = {"unit": "N-9", "post": "局长", "rank": "COUNTY_DEPUTY", "manage_level": "CITY"}
    day = city.clock.today().isoformat()
    for who, action, more in (
        (keeper, "change-post", {**post, "post_since": day, "document": "任字1号"}),
        (keeper, "suspend", {"document": "停字1号"}),
        (colleague, "reinstate", {"document": "复字1号"}),
        (keeper, "leave", {"document": "免字1号", "how": "RETIRED"}),
    ):
        with city.acting() as uow:
            version = uow.session.execute(text("SELECT version FROM cadres WHERE id = :id"), {"id": others[0]}).scalar()
        body = {"reason": "工作需要", **more}
        door.command(who, f"/cadres/{{cadre_id}}/{action}", f"{path}/{action}", body, version)

    ref = f"sanction/{uuid4()}"
    sanction = a_sanction(others[1], ref.partition("/")[2], state="IN_EFFECT")
    city.receive(an_event("supervision.sanction.recorded.v1", ref, sanction, time=city.clock.now(), actor="decider"))
    city.receive(a_service("SANCTION_NOTICE", ref, others[1], day), queue="assessment.notification")
    appeal = {"type": "REVIEW", "subject_ref": ref, "grounds": "事实有误"}
    door.command(annual.self_of(others[1], "N-9"), "/appeals", "/appeals", appeal)

    play_duty_list(door, year)


def play_duty_list(door: Door, year: annual.Year) -> None:
    """Lead a duty list through three rounds of review to the committee, the lock and an amendment."""
    clock = door.there.city.clock
    clock.set(datetime(2024, 2, 19, 9, tzinfo=ZONE))
    year.units(*duty.OFFICES.values())
    owner = year.cadre(duty.OWN)
    members = {office: year.cadre(unit) for office, unit in duty.OFFICES.items()}
    mine = annual.self_of(owner, duty.OWN)
    head = Actor("head", frozenset({"UNITHEAD"}), units=frozenset({duty.OWN}), unit=duty.OWN)
    listed = {"owner_kind": "CADRE", "owner": owner, "year": 2024, "kind": "DUTY", "items": duty.items()}
    made = year.open(annual.bound().duty_lists, mine, **listed)
    for round_ in (1, 2, 3):
        if round_ > 1:
            year.take(made, "revise", mine, items=duty.items())
        year.take(made, "cosign", head)
        year.take(made, "submit", mine)
        named = [{"cadre": cadre, "capacity": office} for office, cadre in members.items()]
        made = year.take(made, "open_review", members=named)
        review = door.again(annual.bound().joint_reviews, made.review)
        for office, cadre in members.items():
            comments = [{"item": made.items[0]["id"], "text": "偏低"}]
            reviewer = Actor(f"user-{cadre}", frozenset({"REVIEWER"}), None, duty.OFFICES[office], cadre)
            year.take(review, "give_opinion", reviewer, verdict="RETURN", item_comments=comments)
        year.take(review, "conclude", conclusion="RETURN", reason="偏低")
    year.take(made, "decide", annual.COMMITTEE, reason="研究决定", items=duty.items())
    clock.set(datetime(2024, 4, 1, 9, tzinfo=ZONE))
    year.tick()
    year.take(made, "amend", mine, items=duty.items(("50", "30", "20")), reason="省下达新任务")


PLAYED: Final[Mapping[str, Callable[[Door], None]]] = {
    "assessment": play_assessment,
    "incentive": play_incentive,
    "notification": play_notification,
    "supervision": play_supervision,
}


# ---- said wrongly


def say_it_wrong(door: Door) -> None:
    """Send each operation its texts as nobody may: refused by form, by role, by version, by state, by secrecy."""
    somebody = Actor("somebody", roles_of(door), units=None, unit="420200-AWAY", person=str(uuid4()))
    for operation, planted in door.planted.items():
        known = door.sent.get(operation)
        path = known.path if known else operation.replace("{case_id}", str(uuid4())).replace("{cadre_id}", str(uuid4()))
        actor = known.actor if known else somebody
        body = known.body if known else door.plant(operation, {}, every=True)[0]
        version = {"If-Match": f'"{(known.version if known else None) or 1}"'}
        for who, headers in ((None, version), (NOBODY, version), (actor, {}), (actor, version)):
            door.raw(who, operation, path, json=body, headers=headers)
        content = json.dumps(body, ensure_ascii=False).encode()
        for media_type, sent in (
            ("text/plain", content),
            ("application/json", content[:-1]),
            ("application/json", f'"{MARK}"'.encode()),
        ):
            door.raw(actor, operation, path, data=sent, content_type=media_type, headers=version)
        for where, schema in planted.items():
            name = where[0]
            long = MARK * (schema.get("maxLength", 2000) // len(MARK) + 1)
            several = len(where) > 1
            for wrong in ({"text": MARK}, [[MARK]], long, f"机密 {MARK}"):
                door.raw(actor, operation, path, json={**body, name: [wrong] if several else wrong}, headers=version)
        door.raw(actor, operation, path, json={**body, "other": MARK}, headers=version)
        key = str(uuid4())
        for again in (body, {**body, "reason": f"{MARK}又一"}):
            door.raw(actor, operation, path, json=again, headers={**version, "Idempotency-Key": key})


def say_it_to_a_broken_one(door: Door) -> None:
    """Open cases once more while a table is away: the statement that fails has the texts in it."""
    opened = {path.strip("/"): sent for path, sent in door.sent.items() if sent.version is None}
    for cases in door.there.cases:
        sent = opened.get(cases.case_type.collection)
        if sent is not None:
            for table in (cases.model.__tablename__, case_steps.name):
                with away(door, table):
                    door.raw(sent.actor, sent.operation, sent.path, json=sent.body)


@contextmanager
def away(door: Door, table: str) -> Iterator[None]:
    """Take a table away for the time of the block."""
    owner = create_engine(door.there.database.owner_url)
    for before, after in ((table, "elsewhere"), ("elsewhere", table)):
        with owner.begin() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))
        if after == "elsewhere":
            yield
    owner.dispose()


def roles_of(door: Door) -> frozenset[str]:
    """Return the roles of all operations, but for those of administrators, whom nobody may be besides."""
    found = {
        role.removesuffix(".*")
        for methods in door.document["paths"].values()
        for operation in methods.values()
        if isinstance(operation, Mapping)
        for role in operation.get("x-roles", ())
    }
    return frozenset(found - {"SYSADM", "SECADM", "AUDADM"})


def tell_notification(city: City) -> None:
    """Let notification take in all that the others told, so that its documents and the public page are made of it."""
    there = city.doors["notification"].there.city
    for source in ("assessment", "supervision", "incentive"):
        subscription = there.queues[f"notification.{source}"]
        every_step = subscription.order is Order.EVERY_STEP
        told = [
            event
            for event in events(city, source)
            if event.type in subscription.handlers or (every_step and kind_of(event.type) in subscription.kinds)
        ]
        for start in range(0, len(told), 50):
            there.receive(*told[start : start + 50])


def events(city: City, service: str) -> list[Event]:
    rows = city.rows(service, "SELECT body FROM outbox_messages WHERE exchange = 'city.events' ORDER BY position")
    return [Event.from_json(bytes(row.body)) for row in rows]


# ---- and where it is found


def places_of(city: City, service: str) -> set[str]:
    """Return the tables that hold a mark."""
    names = [
        row.table_name
        for row in city.rows(service, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    ]
    marked = "SELECT EXISTS (SELECT FROM {0} AS row WHERE to_json(row)::text LIKE '%{1}%')"
    return {name for name in names if city.rows(service, marked.format(name, MARK))[0][0]}


def test_every_text_was_said_and_taken(city: City) -> None:
    missing = {
        (service, operation, ".".join(place))
        for service, door in city.doors.items()
        for operation, texts in door.planted.items()
        for place in texts
        if place != ("reason",) and (operation, ".".join(place)) not in door.accepted
    }
    assert missing == set()


def test_no_event_holds_a_word_of_it(city: City) -> None:
    for service in SERVICES:
        bodies = [
            row.body for row in city.rows(service, "SELECT convert_from(body, 'UTF8') AS body FROM outbox_messages")
        ]
        assert bodies
        assert [body for body in bodies if MARK in body or json.dumps(MARK)[1:-1] in body] == []


def test_no_line_of_the_log_holds_a_word_of_it(city: City) -> None:
    found = city.logged.getvalue().splitlines()
    assert len(found) > 500
    assert [line for line in found if MARK in line or json.dumps(MARK)[1:-1] in line] == []


def test_no_error_repeats_a_word_of_it(city: City) -> None:
    for door in city.doors.values():
        assert {status for _, status, _ in door.refused} >= {400, 401, 403, 404, 412, 415, 422, 428, 451, 500}
        assert [each for each in door.refused if MARK in each[2] or json.dumps(MARK)[1:-1] in each[2]] == []


def test_no_public_page_and_no_document_holds_a_word_of_it(city: City) -> None:
    door = city.doors["notification"]
    for path in PUBLIC:
        answer = door.client.get(path)
        assert answer.status_code == 200
        assert MARK not in answer.text
    documents = city.rows("notification", "SELECT content, particulars::text AS particulars FROM deliveries")
    assert len(documents) > 5
    assert not any(MARK in f"{row.content} {row.particulars}" for row in documents)


def test_no_audit_entry_holds_a_word_of_it_and_the_control_that_the_words_were_kept(city: City) -> None:
    kept = {service: places_of(city, service) for service in SERVICES}
    assert {"findings", "pleas", "measures", "recall_texts", "adjustments", "case_holds", "rectifications"} <= kept[
        "supervision"
    ]
    assert {"signals", "informant_accesses"} <= kept["supervision"]
    assert {"tolerances", "corrections", "candidates"} <= kept["incentive"]
    assert {"talks", "annuals", "appeals", "duty_lists"} <= kept["assessment"]
    beside = set(tables.metadata.tables) - {"case_steps", "idempotency_keys"}
    assert {service: found & beside for service, found in kept.items()} == {each: set() for each in SERVICES}


def test_who_told_of_a_clue_lies_open_nowhere(city: City) -> None:
    """Not in its own table either: there it is sealed."""
    name = "%informant.name%"
    for row in city.rows(
        "supervision", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    ):
        found = f"SELECT count(*) FROM {row.table_name} AS row WHERE to_json(row)::text LIKE '{name}'"
        assert city.rows("supervision", found)[0][0] == 0, row.table_name
    sealed = city.rows("supervision", "SELECT identity FROM signal_informants")
    assert len(sealed) >= 4
    assert not any(MARK.encode() in bytes(row.identity) for row in sealed)

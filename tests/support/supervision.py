"""What the tests of supervision share: its rules, cases for the pure rules, and a small city in a real database."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import deadlines, inbox, migrations, tables
from citybus.cases import Actor, Cases, Past, Step
from citybus.cases.timers import handlers
from citybus.clock import ZONE, FixedClock
from citybus.database import engine as bus_engine
from citybus.envelope import Event
from citybus.freshness import note_heartbeat
from citybus.ids import new_id
from citybus.inbox import Subscription
from citybus.processes import migrations_of
from citybus.rulepack import RulePacks
from citybus.unit_of_work import Context, UnitOfWork, Units
from citybus.vault import Vault
from supervision.application.case_types import CaseTypes, bind
from supervision.application.publish_bulletin import on_time
from supervision.application.rulebook import Rulebook
from supervision.application.store_evidence import store_evidence
from supervision.bootstrap import RULEPACKS
from supervision.domain.finding import FindingFacts, weight_key
from supervision.domain.inspection import InspectionFacts
from supervision.entrypoints.events import subscriptions
from supervision.persistence.models import Base, CadreRow, UnitRow
from tests.support.postgres import ServiceDatabase
from tests.support.vault import vault

CITY = "420200"
CONTRACTS = Path(__file__).parents[2] / "contracts"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=ZONE)
"""A Monday after which four weeks without any holiday follow."""

BUREAU, DISTRICT, OFFICE = "420200-D01", "420204", "420200-SUPO"
LEAD, DIRECT, STRANGER = "cadre-lead", "cadre-direct", "cadre-elsewhere"
PDF = b"%PDF-1.7 evidence"


def officer(subject: str, *roles: str, unit: str = OFFICE, person: str | None = None, units: Any = None) -> Actor:
    return Actor(subject, frozenset(roles or ("SUPO",)), units=units, unit=unit, person=person)


def cadre(person: str, unit: str = BUREAU) -> Actor:
    return Actor(f"user-{person}", frozenset({"CADRE"}), units=frozenset(), unit=unit, person=person)


RECORDER = officer("officer-1")
DIRECTOR = officer("officer-director", "SUPO.director")
FIRST = officer("officer-2")
SECOND = officer("officer-3")
ORG = officer("org-1", "ORG.supervise", unit="420200-ORG")
DISC = officer("disc-1", "DISC", unit="420200-DISC")
ORG_SECOND = officer("org-2", "ORG.supervise", unit="420200-ORG")
MEDIA = officer("media-1", "MEDIA", unit="420200-MEDIA")
EDU = officer("edu-1", "ORG.edu", unit="420200-ORG")
COMM = officer("comm-1", "COMM", unit="420200-COMM")
TRAINER = officer("trainer-1", "TRAINER", unit="420200-SCHOOL")
CUSTODIAN = officer("custodian-1", "CUSTODIAN", unit="420200-ARCHIVE")
UNITHEAD = Actor("head-1", frozenset({"UNITHEAD"}), units=frozenset(), unit=BUREAU, person="cadre-head")


@cache
def rulebook() -> Rulebook:
    return Rulebook(RulePacks.load([RULEPACKS]), CITY)


# ---- the rules alone


def a_finding(**changes: Any) -> SimpleNamespace:
    """Return a finding that was notified, served and may be verified when its plea window is over."""
    made = {
        "id": "f1",
        "state": "NOTIFIED",
        "inspection_id": None,
        "source": "AUDIT",
        "unit": BUREAU,
        "type": "TASK_NOT_IMPLEMENTED",
        "reason_codes": ["WEAK_EXECUTION"],
        "facts": "事实",
        "severity": 3,
        "occurred_on": date(2024, 2, 1),
        "responsible": [responsible(LEAD, served_on="2024-03-04")],
        "evidence": ["0" * 64],
        "base_weight": Decimal("2.0"),
        "effective_weight": Decimal("2.0"),
        "weight_pack": "LOCAL-HS-2016@1",
        "notified_on": date(2024, 3, 4),
        "served_on": date(2024, 3, 4),
        "plea_until": date(2024, 3, 11),
        "signed_by": None,
        "verified_on": None,
        "year": None,
        "tolerance_case": None,
        "tolerance_factor": None,
        "rectified_factor": None,
        "relapses": 0,
        "revoked_on": None,
        "revocation": None,
    }
    return SimpleNamespace(**made | changes)


def responsible(cadre_id: str, role: str = "LEAD", **days: str | None) -> dict[str, Any]:
    return {"cadre": cadre_id, "role": role, "served_on": None, "pleaded_on": None} | days


def a_draft(**changes: Any) -> dict[str, Any]:
    """Return the form of a finding that stands by itself."""
    made = {
        "source": "AUDIT",
        "unit": BUREAU,
        "type": "TASK_NOT_IMPLEMENTED",
        "reason_codes": ["WEAK_EXECUTION"],
        "facts": "重点任务未按期落实。",
        "severity": 3,
        "occurred_on": date(2024, 2, 1),
        "responsible": [{"cadre": LEAD, "role": "LEAD"}],
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def a_bulletin(*finding_ids: str, **changes: Any) -> dict[str, Any]:
    """Return the form of a bulletin that names people, about findings."""
    made = {
        "findings": list(finding_ids),
        "named": True,
        "channels": ["NEWSPAPER", "TV", "WECHAT"],
        "title": "关于重点项目推进不力问题的通报",
        "text": "样例局副局长甲某对重点项目推进不力,责令限期整改。",
        "unnamed_title": "关于某单位重点项目推进不力问题的通报",
        "unnamed_text": "样例市某单位对重点项目推进不力,已责令限期整改。",
        "legal_basis": "个人信息保护法第二十五条",
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def finding_facts(**changes: Any) -> FindingFacts:
    weight = rulebook().packs.at(date(2024, 3, 4), CITY).rule(weight_key(3))
    made = {
        "unit_known": True,
        "cadres": frozenset({LEAD, DIRECT}),
        "evidence": frozenset({"0" * 64}),
        "weight": weight,
    }
    return FindingFacts(**made | changes)


def an_inspection(**changes: Any) -> SimpleNamespace:
    made = {
        "id": "i1",
        "state": "PLANNED",
        "kind": "COVERT",
        "theme": "KEY_PROJECTS",
        "plan_date": date(2024, 3, 11),
        "end_date": date(2024, 3, 12),
        "team": ["member-1", "member-2"],
        "units": [BUREAU],
        "notice_required": False,
        "approved_on": None,
        "started_on": None,
        "ended_on": None,
        "reported_on": None,
        "report_late": None,
        "summary": None,
    }
    return SimpleNamespace(**made | changes)


def a_plan(**changes: Any) -> dict[str, Any]:
    made = {
        "kind": "COVERT",
        "theme": "KEY_PROJECTS",
        "plan_date": date(2024, 3, 11),
        "team": ["member-1", "member-2"],
        "units": [BUREAU],
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def inspection_facts(**changes: Any) -> InspectionFacts:
    made = {
        "unit_of": {"member-1": OFFICE, "member-2": DISTRICT},
        "units": frozenset({BUREAU, DISTRICT, OFFICE}),
    }
    return InspectionFacts(**made | changes)


def step(
    case: Any,
    *,
    form: Mapping[str, Any] | None = None,
    facts: Any = None,
    at: datetime = MONDAY,
    actor: Actor = RECORDER,
    history: Sequence[Past] = (),
) -> Step:
    """Return a step on `case` at `at`, under the rules of that day."""
    return Step(
        case=case,
        action="test",
        actor=actor,
        at=at,
        rules=rulebook().on(at.date()),
        form=form or {},
        facts=facts,
        history=history,
    )


# ---- a small city in a real database


@dataclass
class City:
    """Supervision with a database of its own, a roster of a few units and cadres, and a clock that stands."""

    engine: Engine
    clock: FixedClock
    units: Units
    cases: CaseTypes
    queues: Mapping[str, Subscription]
    vault: Vault
    sequences: dict[str, int] = field(default_factory=dict)

    @property
    def inspections(self) -> Cases:
        return self.cases.inspections

    @property
    def findings(self) -> Cases:
        return self.cases.findings

    @property
    def measures(self) -> Cases:
        return self.cases.measures

    @property
    def rectifications(self) -> Cases:
        return self.cases.rectifications

    @property
    def bulletins(self) -> Cases:
        return self.cases.bulletins

    @property
    def recalls(self) -> Cases:
        return self.cases.recalls

    @property
    def training_classes(self) -> Cases:
        return self.cases.training_classes

    def acting(self, actor: Actor) -> UnitOfWork:
        return self.units(Context(actor.subject, tuple(sorted(actor.roles)), "test", "correlation"))

    def open(self, cases: Cases, actor: Actor, form: Mapping[str, Any]) -> Any:
        with self.acting(actor) as uow:
            case = cases.open(uow, actor, form)
            uow.commit()
            return case

    def take(
        self, cases: Cases, case: Any, action: str, actor: Actor, form: Mapping[str, Any] | None = None
    ) -> tuple[Any, list[Event]]:
        """Take a step on the case as it is now; return the case and the events that were published."""
        with self.acting(actor) as uow:
            version = uow.session.get_one(cases.model, case.id).version
            done = cases.take(uow, case.id, action, actor, form or {}, version)
            uow.commit()
            return done, uow.published

    def receive(self, queue: str, *events: Event) -> list[Event]:
        """Apply events as the consumer of `queue` would, in one batch, with what they release; return what is published."""
        subscription = self.queues[queue]
        with self.acting(Actor("consumer")) as uow:
            arrivals = [inbox.read(subscription, "application/cloudevents+json", event.to_json()) for event in events]
            report = inbox.apply_batch(uow, subscription, arrivals)
            while report.followers:
                report = inbox.apply_batch(uow, subscription, inbox.followers(uow.session, subscription, 100))
            uow.commit()
            return uow.published

    def event(self, event_type: str, subject: str, data: Mapping[str, Any], **changes: Any) -> Event:
        """Return the next event of `subject`, as another service would publish it."""
        sequence = self.sequences[subject] = self.sequences.get(subject, 0) + 1
        made = {
            "id": new_id(),
            "type": event_type,
            "source": f"/city/{CITY}/{event_type.partition('.')[0]}",
            "subject": subject,
            "time": self.clock.now(),
            "dataschema": f"urn:city:schema:{event_type}",
            "data": dict(data),
            "sequence": sequence,
            "correlationid": "correlation-of-the-event",
            "actor": "somebody",
            "dataclass": "L3",
        }
        return Event(**made | changes)

    def served(self, finding: Any, cadre_id: str, day: date, how: str = "signed", **changes: Any) -> Event:
        """Return the event that the notice of `finding` was served on a cadre."""
        delivery = new_id()
        data = {
            "delivery": delivery,
            "document": "FINDING_NOTICE",
            "ref": f"finding/{finding.id}",
            "recipient": {"kind": "CADRE", "id": cadre_id},
            "state": how.upper(),
            "served_on": day.isoformat(),
        }
        return self.event(f"notification.delivery.{how}.v1", f"delivery/{delivery}", data | changes)

    def tolerance(self, about: Any, case: str, step_: str, **changes: Any) -> Event:
        """Return the event that a tolerance case about a finding took a step."""
        state = step_.upper().replace("-", "_")
        data = {"case": case, "finding": about.id, "state": state, "decision": None, "factor": None} | changes
        data = {"case": case, "finding": about.id, "state": step_.upper(), "decision": None, "factor": None} | changes
        return self.event(f"incentive.tolerance.{step_}.v1", f"tolerance/{case}", data)

    def with_evidence(self, content: bytes = PDF) -> str:
        with self.acting(RECORDER) as uow:
            row, _ = store_evidence(rulebook(), uow, name="现场照片.pdf", media_type="application/pdf", content=content)
            uow.commit()
            return row.sha256

    def notified(self, **changes: Any) -> Any:
        """Return a finding that its unit's lead was told of."""
        case = self.open(self.findings, RECORDER, a_draft(evidence=[self.with_evidence()]) | changes)
        return self.take(self.findings, case, "notify", RECORDER)[0]

    def ready_to_verify(self, **changes: Any) -> Any:
        """Return a finding whose plea window is over, and move the clock there."""
        case = self.notified(**changes)
        self.receive(
            "supervision.notification",
            *(self.served(case, entry["cadre"], self.clock.today()) for entry in case.responsible),
        )
        self.clock.advance(timedelta(days=10))
        return self.again(case)

    def verified(self, **changes: Any) -> Any:
        case = self.ready_to_verify(**changes)
        self.take(self.findings, case, "verify", FIRST, {"reason": "属实"})
        return self.take(self.findings, case, "verify", SECOND, {"reason": "核实无误"})[0]

    def approved_bulletin(self, *findings: Any, **changes: Any) -> Any:
        """Return a bulletin about findings that three offices have approved."""
        case = self.open(self.bulletins, ORG, a_bulletin(*(finding.id for finding in findings), **changes))
        self.take(self.bulletins, case, "submit", ORG)
        for action, actor in (("discipline", DISC), ("organisation", ORG_SECOND), ("media", MEDIA)):
            self.take(self.bulletins, case, f"approve_{action}", actor)
        return self.again(case)

    def scheduled_bulletin(self, *findings: Any, **changes: Any) -> Any:
        """Return a bulletin that is due now."""
        case = self.approved_bulletin(*findings, **changes)
        return self.take(self.bulletins, case, "schedule", ORG)[0]

    def fire(self) -> None:
        """Fire what is due now."""
        tally = deadlines.fire_due(self.units, {**handlers(self.cases), **on_time(self.bulletins)})
        assert tally.failed == 0

    def running_inspection(self, **changes: Any) -> Any:
        """Return an unannounced inspection that has begun."""
        form = a_plan(plan_date=self.clock.today()) | changes
        case = self.open(self.inspections, RECORDER, form)
        self.take(self.inspections, case, "approve", DIRECTOR)
        return self.take(self.inspections, case, "start", RECORDER)[0]

    def again(self, case: Any) -> Any:
        """Return the case as it is stored now."""
        with self.acting(RECORDER) as uow:
            found = uow.session.get_one(type(case), case.id)
            uow.session.expunge(found)
            return found

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).where(*conditions)).all())

    def outbox(self, subject: str) -> list[Event]:
        messages = tables.outbox_messages
        with self.engine.connect() as connection:
            bodies = connection.execute(
                select(messages.c.body).where(messages.c.subject == subject).order_by(messages.c.position)
            )
            return [Event.from_json(bytes(body)) for (body,) in bodies]

    def picture(self) -> dict[str, list[str]]:
        """Return all that is stored, so that a refusal can be shown to have changed nothing."""
        every = (*tables.metadata.sorted_tables, *Base.metadata.sorted_tables)
        with self.engine.connect() as connection:
            return {table.name: sorted(map(str, connection.execute(select(table)))) for table in every}


def start_city(database: ServiceDatabase) -> Iterator[City]:
    """Migrate `database`, register the roster, and give the city; everything is dropped with the database."""
    migrations.upgrade(make_url(database.owner_url), migrations_of("supervision"))
    engine = bus_engine(database.app_url, application="tests")
    clock = FixedClock(MONDAY)
    bound = bind(rulebook())
    units = Units(sessionmaker(engine, expire_on_commit=False), f"/city/{CITY}/supervision", clock)
    city = City(engine, clock, units, bound, subscriptions(bound), vault())
    with city.acting(RECORDER) as uow:
        for service in ("assessment", "incentive", "notification"):
            note_heartbeat(uow.session, service, datetime.now(UTC))
        note_heartbeat(uow.session, "assessment", datetime.now(UTC))
        note_heartbeat(uow.session, "incentive", datetime.now(UTC))
        uow.session.add_all(UnitRow(code=code, name=code, kind="CITY_DEPT") for code in (BUREAU, DISTRICT, OFFICE))
        members = {LEAD: BUREAU, DIRECT: BUREAU, STRANGER: DISTRICT, "member-1": OFFICE, "member-2": DISTRICT}
        uow.session.add_all(CadreRow(id=person, unit=unit) for person, unit in members.items())
        uow.commit()
    yield city
    engine.dispose()


def outbox_events(city: City) -> list[Event]:
    """Return all that was ever put into the outbox."""
    with city.engine.connect() as connection:
        return [Event.from_json(bytes(body)) for (body,) in connection.execute(select(tables.outbox_messages.c.body))]


def texts_in_outbox(city: City) -> str:
    """Return all that was ever put into the outbox, as one text."""
    return "\n".join(json.dumps(event.data, ensure_ascii=False) for event in outbox_events(city))

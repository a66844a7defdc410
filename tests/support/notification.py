"""What the tests of notification share: its rules, cases for the pure rules, and a small city in a real database."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import contracts, inbox, migrations, tables
from citybus.cases import Actor, Cases, Past, Step
from citybus.clock import ZONE, FixedClock
from citybus.database import engine as bus_engine
from citybus.envelope import Event
from citybus.ids import new_id
from citybus.inbox import Subscription
from citybus.processes import migrations_of
from citybus.rulepack import RulePacks
from citybus.unit_of_work import Context, UnitOfWork, Units
from dandang.local.provision import ServiceDatabase
from notification.application.catalogue import Catalogue
from notification.application.deadlines import deadlines
from notification.application.deliveries import deliveries
from notification.application.ports import ChannelPort
from notification.application.publications import publications
from notification.application.rulebook import Rulebook
from notification.application.send_publications import send_publications
from notification.application.subscriptions import subscriptions
from notification.bootstrap import RULEPACKS
from notification.domain.delivery import Addressee, DeliveryFacts
from notification.domain.subscription import SubscriptionFacts
from notification.entrypoints.events import subscriptions as queues_of
from notification.persistence.models import Base, CadreRow, PublicationRow, UnitRow

CITY = "420200"
CONTRACTS = Path(__file__).parents[2] / "contracts"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=ZONE)
"""A Monday after which four weeks without any holiday follow."""

BUREAU, DISTRICT, FINANCE = "420200-D01", "420204", "420200-FIN"
LEAD, DIRECT, WITNESS = "cadre-lead", "cadre-direct", "cadre-witness"
FINDING, TOLERANCE = "01935781-0000-7000-8000-00000000bbbb", "01935782-0000-7000-8000-00000000eeee"
NAMES = {LEAD: "张甲", DIRECT: "李乙", WITNESS: "王丙"}

VERIFIED, STARTED = "supervision.finding.verified.v1", "supervision.inspection.started.v1"
REGISTERED, DEDUCTED = "assessment.cadre.registered.v1", "assessment.deduction.changed.v1"


def cadre(person: str = LEAD, unit: str = BUREAU) -> Actor:
    return Actor(f"user-{person}", frozenset({"CADRE"}), unit=unit, person=person)


def head(unit: str = BUREAU) -> Actor:
    return Actor(f"head-{unit}", frozenset({"UNITHEAD"}), units=frozenset({unit}), unit=unit, person=f"head-of-{unit}")


def personnel(unit: str = BUREAU, person: str = "hr-person") -> Actor:
    return Actor(f"hr-{unit}", frozenset({"UNITHR"}), units=frozenset({unit}), unit=unit, person=person)


DEPARTMENT = Actor("dept-finance-bureau", frozenset({"SUBSYS"}), unit=FINANCE)
APPROVER = Actor("org-sharing", frozenset({"ORG"}), units=None, unit="420200-ORG")
SECURITY = Actor("secadm-1", frozenset({"SECADM"}), units=None)
MEDIA = Actor("media-1", frozenset({"MEDIA"}), units=None, unit="420200-MEDIA", person="media-person")
SYSTEM = Actor("system:notification", system=True)


@cache
def rulebook() -> Rulebook:
    return Rulebook(RulePacks.load([RULEPACKS]), CITY)


@cache
def catalogue() -> Catalogue:
    return Catalogue(contracts.load(CONTRACTS), frozenset({"finance-bureau", "audit-bureau"}))


# ---- the rules alone


def a_delivery(**changes: Any) -> SimpleNamespace:
    made = {
        "id": "d1",
        "state": "SENT",
        "document": "FINDING_NOTICE",
        "ref": f"finding/{FINDING}",
        "occasion": "",
        "recipient_kind": "CADRE",
        "recipient_id": LEAD,
        "unit": BUREAU,
        "particulars": {"finding": FINDING, "role": "LEAD", "severity": 3, "notified_on": "2024-03-04"},
        "content": None,
        "sha256": None,
        "sent_on": date(2024, 3, 4),
        "opened_on": None,
        "paper_due_on": None,
        "served_on": None,
        "witness": None,
    }
    return SimpleNamespace(**made | changes)


def delivery_facts(**changes: Any) -> DeliveryFacts:
    made: dict[str, Any] = {"addressee": Addressee("张甲", BUREAU, "市发改委"), "witness_known": True}
    return DeliveryFacts(**made | changes)


def a_request(**changes: Any) -> dict[str, Any]:
    """Return the form of a request for a subscription."""
    made = {
        "department": "finance-bureau",
        "event_types": [STARTED, VERIFIED],
        "fields": {STARTED: ["inspection", "units", "state"], VERIFIED: ["finding", "unit"]},
        "max_class": "L2",
        "purpose": "预算绩效管理",
        "legal_basis": "中华人民共和国预算法实施条例",
        "agreement_no": "HS-2024-001",
        "valid_to": date(2024, 12, 31),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def asking(event_type: str, *names: str, **changes: Any) -> dict[str, Any]:
    """Return the form of a request for `names` of one event type."""
    return a_request(event_types=[event_type], fields={event_type: list(names)}, **changes)


def a_subscription(**changes: Any) -> SimpleNamespace:
    made = a_request() | {"id": "s1", "state": "REQUESTED", "unit": FINANCE, "activated_on": None}
    return SimpleNamespace(**made | changes)


def subscription_facts() -> SubscriptionFacts:
    return SubscriptionFacts(departments=catalogue().departments, classes=catalogue().classes)


def step(
    case: Any,
    *,
    form: Mapping[str, Any] | None = None,
    facts: Any = None,
    at: datetime = MONDAY,
    actor: Actor = SYSTEM,
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
    """Notification with a database of its own, a roster of a few units and cadres, and a clock that stands."""

    engine: Engine
    clock: FixedClock
    units: Units
    deliveries: Cases
    subscriptions: Cases
    publications: Cases
    deadlines: Cases
    queues: Mapping[str, Subscription]
    sequences: dict[str, int] = field(default_factory=dict)

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

    def receive(self, *events: Event) -> list[Event]:
        """Apply events of one source as the consumer of its queue would, with what they release; return what is published."""
        queue = self.queues[f"notification.{events[0].type.partition('.')[0]}"]
        with self.acting(Actor("consumer")) as uow:
            arrivals = [inbox.read(queue, "application/cloudevents+json", event.to_json()) for event in events]
            report = inbox.apply_batch(uow, queue, arrivals)
            while report.followers:
                report = inbox.apply_batch(uow, queue, inbox.followers(uow.session, queue, 100))
            uow.commit()
            return uow.published

    def event(self, event_type: str, subject: str, data: Mapping[str, Any], **changes: Any) -> Event:
        """Return the next event of `subject`, as another service would publish it."""
        sequence = self.sequences[subject] = self.sequences.get(subject, 0) + 1
        made: dict[str, Any] = {
            "id": new_id(),
            "type": event_type,
            "source": f"/city/{CITY}/{event_type.partition('.')[0]}",
            "subject": subject,
            "time": self.clock.now(),
            "dataschema": f"urn:city:schema:{event_type}",
            "data": dict(data),
            "sequence": sequence,
            "correlationid": "correlation-of-the-event",
            "actor": "officer-whom-nobody-needs-to-know",
            "dataclass": "L3",
        }
        return Event(**made | changes)

    def finding(self, step_: str = "notified", finding: str | None = None, **changes: Any) -> Event:
        """Return the event that a finding took a step."""
        finding = finding or new_id()
        data = example(f"supervision.finding.{step_}.v1") | {
            "finding": finding,
            "unit": BUREAU,
            "responsible": [{"cadre": LEAD, "role": "LEAD"}],
        }
        return self.event(f"supervision.finding.{step_}.v1", f"finding/{finding}", data | changes)

    def tolerance(self, step_: str = "decided", case: str | None = None, **changes: Any) -> Event:
        """Return the event that a fault-tolerance case took a step."""
        case = case or new_id()
        data = example(f"incentive.tolerance.{step_}.v1") | {
            "case": case,
            "unit": BUREAU,
            "applicant": {"kind": "CADRE", "id": LEAD},
        }
        return self.event(f"incentive.tolerance.{step_}.v1", f"tolerance/{case}", data | changes)

    def bulletin(self, step_: str = "publishing", bulletin: str | None = None, **changes: Any) -> Event:
        """Return the event that a bulletin took a step."""
        bulletin = bulletin or new_id()
        data = example(f"supervision.bulletin.{step_}.v1") | {"bulletin": bulletin}
        return self.event(f"supervision.bulletin.{step_}.v1", f"bulletin/{bulletin}", data | changes, dataclass="L2")

    def on_channels(self, bulletin: str) -> dict[str, Any]:
        """Return the publications of a bulletin, by their channel."""
        row = PublicationRow
        with self.acting(SYSTEM) as uow:
            found = uow.session.scalars(select(row).where(row.bulletin == bulletin)).all()
            uow.session.expunge_all()
            return {each.channel: each for each in found}

    def send(self, channels: Mapping[str, ChannelPort], *, at_once: bool = True) -> int:
        """Send what waits as the job process does; `at_once`: without waiting for pauses to be over."""
        if at_once:
            with self.acting(SYSTEM) as uow:
                uow.session.execute(update(PublicationRow).values(claimed_until=None))
                uow.commit()
        return send_publications(self.publications, channels, rulebook(), self.units)

    def told(self, bulletin: str) -> list[Event]:
        """Return what was published of a bulletin's publications, in order."""
        return [event for _, event in outbox_events(self) if event.data.get("bulletin") == bulletin]

    def inspection(self, step_: str = "started", inspection: str | None = None) -> Event:
        inspection = inspection or new_id()
        data = example(f"supervision.inspection.{step_}.v1") | {"inspection": inspection}
        return self.event(f"supervision.inspection.{step_}.v1", f"inspection/{inspection}", data, dataclass="L2")

    def sent(self, **changes: Any) -> Any:
        """Return a notice that was sent to the lead."""
        event = self.finding(**changes)
        self.receive(event)
        return self.of(event)[0]

    def of(self, event: Event) -> list[Any]:
        """Return the deliveries that an event led to, in the order of their recipients."""
        model = self.deliveries.model
        with self.acting(SYSTEM) as uow:
            found = uow.session.scalars(
                select(model).where(model.ref == event.subject).order_by(model.recipient_id)
            ).all()
            uow.session.expunge_all()
            return list(found)

    def opened(self, **changes: Any) -> Any:
        return self.take(self.deliveries, self.sent(**changes), "open", cadre())[0]

    def requested(self, **changes: Any) -> Any:
        return self.open(self.subscriptions, DEPARTMENT, a_request(**changes))

    def active(self, form: Mapping[str, Any] | None = None) -> Any:
        """Return a subscription under which events are sent."""
        case = self.open(self.subscriptions, DEPARTMENT, form or a_request())
        self.take(self.subscriptions, case, "approve", APPROVER)
        return self.take(self.subscriptions, case, "activate", SECURITY)[0]

    def end(self, case: Any) -> None:
        """Suspend a subscription, so that other tests are not sent anything under it."""
        self.take(self.subscriptions, case, "suspend", SECURITY, {"reason": "测试结束"})

    def again(self, case: Any) -> Any:
        """Return the case as it is stored now."""
        with self.acting(SYSTEM) as uow:
            found = uow.session.get_one(type(case), case.id)
            uow.session.expunge(found)
            return found

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).where(*conditions)).all())

    def text(self, case: Any) -> str:
        """Return the text of a delivery's document."""
        with self.acting(SYSTEM) as uow:
            return str(uow.session.get_one(type(case), case.id).content)

    def picture(self) -> dict[str, list[str]]:
        """Return all that is stored, so that a refusal can be shown to have changed nothing."""
        every = (*tables.metadata.sorted_tables, *Base.metadata.sorted_tables)
        with self.engine.connect() as connection:
            return {table.name: sorted(map(str, connection.execute(select(table)))) for table in every}


@cache
def _example(event_type: str) -> str:
    path = min((CONTRACTS / "examples" / event_type).glob("*.json"))
    return path.read_text(encoding="utf-8")


def example(event_type: str) -> dict[str, Any]:
    """Return the data of an example of an event type."""
    found: dict[str, Any] = json.loads(_example(event_type))["data"]
    return found


def start_city(database: ServiceDatabase) -> Iterator[City]:
    """Migrate `database`, register the roster, and give the city; everything is dropped with the database."""
    migrations.upgrade(make_url(database.owner_url), migrations_of("notification"))
    engine = bus_engine(database.app_url, application="tests")
    clock = FixedClock(MONDAY)
    bound = deliveries(rulebook())
    units = Units(sessionmaker(engine, expire_on_commit=False), f"/city/{CITY}/notification", clock)
    city = City(
        engine,
        clock,
        units,
        bound,
        subscriptions(rulebook(), catalogue()),
        publications(rulebook()),
        deadlines(rulebook()),
        queues_of(bound, publications(rulebook()), deadlines(rulebook()), catalogue(), rulebook()),
    )
    with city.acting(SYSTEM) as uow:
        uow.session.add_all(
            UnitRow(code=code, name=name) for code, name in ((BUREAU, "市发改委"), (DISTRICT, "下陆区"))
        )
        uow.session.add_all(CadreRow(id=person, name=name, unit=BUREAU) for person, name in NAMES.items())
        uow.commit()
    yield city
    engine.dispose()


def outbox_events(city: City) -> list[tuple[str, Event]]:
    """Return all that was ever put into the outbox, with the exchange that it is for."""
    messages = tables.outbox_messages.c
    with city.engine.connect() as connection:
        rows = connection.execute(select(messages.exchange, messages.body).order_by(messages.position))
        return [(exchange, Event.from_json(bytes(body))) for exchange, body in rows]

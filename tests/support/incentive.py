"""What the tests of incentive share: its rules, cases for the pure rules, and a small city in a real database."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import deadlines, inbox, migrations, tables
from citybus.actor import Actor
from citybus.cases import Cases, Past, Step
from citybus.cases.timers import handlers
from citybus.clock import ZONE, FixedClock
from citybus.database import engine as bus_engine
from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import Refusal
from citybus.freshness import note_heartbeat
from citybus.ids import new_id
from citybus.inbox import Subscription
from citybus.processes import migrations_of
from citybus.rulepack import RulePacks
from citybus.unit_of_work import Context, UnitOfWork, Units
from incentive.application.case_types import CaseTypes, bind
from incentive.application.rulebook import Rulebook
from incentive.application.store_evidence import store_evidence
from incentive.bootstrap import RULEPACKS
from incentive.domain.application import AboutFinding, Facts
from incentive.entrypoints.events import subscriptions
from incentive.persistence.models import Base, CadreRow
from tests.support.postgres import ServiceDatabase

CITY = "420200"
CONTRACTS = Path(__file__).parents[2] / "contracts"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=ZONE)
"""A Monday after which four weeks without any holiday follow."""

BUREAU, DISTRICT, ORGANISATION, DISCIPLINE = "420200-D01", "420204", "420200-ORG", "420200-DISC"
LEAD, DIRECT, STRANGER = "cadre-lead", "cadre-direct", "cadre-elsewhere"
PDF = b"%PDF-1.7 evidence"
SECRET = "只在此处可见的文字"


def officer(subject: str, *roles: str, unit: str = ORGANISATION, person: str | None = None, units: Any = None) -> Actor:
    return Actor(subject, frozenset(roles or ("ORG.supervise",)), units=units, unit=unit, person=person)


def cadre(person: str, unit: str = BUREAU) -> Actor:
    return Actor(f"user-{person}", frozenset({"CADRE"}), units=frozenset(), unit=unit, person=person)


def head(unit: str = BUREAU) -> Actor:
    return Actor(f"head-of-{unit}", frozenset({"UNITHEAD"}), units=frozenset({unit}), unit=unit)


APPLICANT = cadre(LEAD)
ACCEPTOR = officer("org-acceptor")
ORGAN = officer("disc-ex-officio", "DISC", unit=DISCIPLINE)
FIRST = officer("disc-verifier", "DISC", unit=DISCIPLINE)
SECOND = officer("org-verifier")
DECIDER = officer("org-panel")
CONFIRMER = officer("disc-panel", "DISC", unit=DISCIPLINE)
COMMITTEE = officer("comm-1", "COMM", unit="420200-COMM"), officer("comm-2", "COMM", unit="420200-COMM")
SYSTEM = Actor("system:incentive", system=True)
SELECTOR = officer("org-cadre", "ORG.cadre")
PURPOSES = ("PROMOTE", "TRANSFER", "AWARD", "EXCELLENT")

ROSTER = {
    LEAD: BUREAU,
    DIRECT: BUREAU,
    STRANGER: DISTRICT,
    "colleague": BUREAU,
    "verifier-1": DISCIPLINE,
    "verifier-2": ORGANISATION,
    **{f"member-{number}": DISTRICT for number in range(1, 8)},
}
VERIFIERS = [
    {"subject": FIRST.subject, "cadre": "verifier-1"},
    {"subject": SECOND.subject, "cadre": "verifier-2"},
]
SCORES = {"motive": 2, "conditions": 1, "procedure": 2, "nature": 1, "consequence": 1, "recovery": 1}
"""A total of 8: the advice is to mitigate."""


@cache
def rulebook() -> Rulebook:
    return Rulebook(RulePacks.load([RULEPACKS]), CITY)


# ---- the rules alone


def a_case(**changes: Any) -> SimpleNamespace:
    """Return a case of the cadre in the lead, as it is when it is being deliberated."""
    made = {
        "id": "t1",
        "state": "DELIBERATING",
        "finding_id": "f1",
        "applicant_kind": "CADRE",
        "applicant_id": LEAD,
        "unit": BUREAU,
        "persons": [LEAD],
        "circumstance": 2,
        "statement": "申请理由",
        "late_cause": None,
        "new_facts": None,
        "evidence": [],
        "account_stage": "NOTIFIED",
        "late": False,
        "filed_on": date(2024, 3, 4),
        "not_accepted_on": None,
        "refusal_served_on": None,
        "refiled": False,
        "assigned_on": date(2024, 3, 4),
        "verify_by": date(2024, 4, 1),
        "extended_until": None,
        "verifiers": VERIFIERS,
        "factors": dict(SCORES),
        "exclusions": [],
        "advice": "MITIGATE",
        "advice_grounds": {},
        "panel": [],
        "decision": None,
        "factor": None,
        "deviation": None,
        "decided_on": None,
        "served_on": None,
        "review_until": None,
        "effective_on": None,
        "review_asked_on": None,
        "review_grounds": None,
        "reviewed_on": None,
        "first_decision": None,
        "revocation_ground": None,
        "noticed_on": None,
        "notices": [],
        "answer_until": None,
        "answer": None,
        "revoked_on": None,
    }
    return SimpleNamespace(**made | changes)


def about(**changes: Any) -> AboutFinding:
    """Return what is known of a finding that was notified to both, and served on 4 March."""
    made = {
        "state": "NOTIFIED",
        "unit": BUREAU,
        "responsible": frozenset({LEAD, DIRECT}),
        "handlers": frozenset({"supo-1"}),
        "served_on": MONDAY.date(),
    }
    return AboutFinding(**made | changes)


def facts(**changes: Any) -> Facts:
    return Facts(**{"finding": about(), "unit_of": ROSTER} | changes)


def step(
    case: Any,
    *,
    form: Mapping[str, Any] | None = None,
    looked_up: Facts | None = None,
    at: datetime = MONDAY,
    actor: Actor = APPLICANT,
    history: Sequence[Past] = (),
    action: str = "decide",
) -> Step:
    """Return a step on `case` at `at`, under the rules of that day."""
    return Step(
        case=case,
        action=action,
        actor=actor,
        at=at,
        rules=rulebook().on(at.date()),
        form=form or {},
        facts=facts() if looked_up is None else looked_up,
        history=history,
    )


def an_application(**changes: Any) -> dict[str, Any]:
    made = {"applicant": "CADRE", "circumstance": 2, "statement": "先行先试中出现失误。"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def a_panel(votes: Mapping[str, int], **changes: Any) -> list[dict[str, str]]:
    """Return a panel of cadres of another unit, who vote so; `changes` are for its first member."""
    each = [vote for vote, count in votes.items() for _ in range(count)]
    panel = [
        {"subject": f"panel-{number}", "cadre": f"member-{number}", "vote": vote} for number, vote in enumerate(each, 1)
    ]
    panel[0] |= changes
    return panel


def a_decision(decision: str = "MITIGATE", **changes: Any) -> dict[str, Any]:
    made = {"decision": decision, "panel": a_panel({decision: 5}), "reason": "理由充分"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def a_plan(kind: str = "d", positions: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the plan of a batch: positions P1, P2 … of the district, one slot each; `changes` are for the positions."""
    made = {"unit": DISTRICT, "post": "副区长", "slots": 1}
    return {
        "kind": kind,
        "year": 2024,
        "title": "交流任职",
        "positions": [made | {"key": f"P{number}"} | changes for number in range(1, positions + 1)],
    }


# ---- a small city in a real database


@dataclass
class City:
    """Incentive with a database of its own, a roster of a few cadres, and a clock that stands."""

    engine: Engine
    clock: FixedClock
    units: Units
    bound: CaseTypes
    queues: Mapping[str, Subscription]
    sequences: dict[str, int] = field(default_factory=dict)

    @property
    def cases(self) -> Cases:
        """Return tolerance cases, of which most tests are."""
        return self.bound.tolerances

    def acting(self, actor: Actor) -> UnitOfWork:
        return self.units(Context(actor.subject, tuple(sorted(actor.roles)), "test", "correlation"))

    def open(self, actor: Actor, form: Mapping[str, Any], cases: Cases | None = None) -> Any:
        with self.acting(actor) as uow:
            case = (cases or self.cases).open(uow, actor, form)
            uow.commit()
            return case

    def take(
        self, case: Any, action: str, actor: Actor, form: Mapping[str, Any] | None = None
    ) -> tuple[Any, list[Event]]:
        """Take a step on the case as it is now; return the case and the events that were published.

        A refusal that has a duty is committed, as the API does it.
        """
        cases = next(each for each in self.bound if each.model is type(case))
        with self.acting(actor) as uow:
            version = uow.session.get_one(cases.model, case.id).version
            try:
                done = cases.take(uow, case.id, action, actor, form or {}, version)
            except Refusal as refusal:
                if refusal.committed:
                    uow.commit()
                raise
            uow.commit()
            return done, uow.published

    def receive(self, queue: str, *events: Event) -> list[Event]:
        """Apply events as the consumer of `queue` would, in one batch, with what they release; return what is published."""
        subscription = self.queues[f"incentive.{queue}"]
        with self.acting(Actor("consumer")) as uow:
            arrivals = [inbox.read(subscription, CONTENT_TYPE, event.to_json()) for event in events]
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
            "actor": "supo-1",
            "dataclass": "L3",
        }
        return Event(**made | changes)

    def about_finding(self, finding: str, step_: str, *, actor: str = "supo-1", **changes: Any) -> Event:
        """Return the event that a finding took a step; unless `changes` say otherwise it weighs 2.0 in its state."""
        states = {"verified": "VERIFIED", "rejected": "REJECTED", "plea-received": "PLEA_RECEIVED"}
        data = {
            "finding": finding,
            "inspection": None,
            "unit": BUREAU,
            "type": "TASK_NOT_IMPLEMENTED",
            "reason_codes": ["WEAK_EXECUTION"],
            "severity": 3,
            "state": states.get(step_, "NOTIFIED"),
            "base_weight": "2.0",
            "effective_weight": "2.0",
            "responsible": [{"cadre": LEAD, "role": "LEAD"}, {"cadre": DIRECT, "role": "DIRECT"}],
            "notified_on": "2024-03-04",
            "served_on": None,
            "plea_until": None,
            "verified_on": None,
            "year": None,
            "tolerance": None,
        }
        return self.event(f"supervision.finding.{step_}.v1", f"finding/{finding}", data | changes, actor=actor)

    def finding(self, state: str = "NOTIFIED", **changes: Any) -> str:
        """Let a finding be known in `state`, and return its id."""
        finding = new_id()
        self.receive("supervision", self.about_finding(finding, "notified", **changes))
        if state in ("VERIFIED", "REJECTED"):
            day = self.clock.today().isoformat()
            verified = {"verified_on": day, "year": 2024} if state == "VERIFIED" else {}
            step_ = "verified" if state == "VERIFIED" else "rejected"
            self.receive("supervision", self.about_finding(finding, step_, actor="supo-2", **changes | verified))
        return finding

    def bars(self, cadre_id: str, *bars: tuple[str, str, str | None], purposes: Sequence[str] = PURPOSES) -> Event:
        """Return the event that these bars `(code, from, until)` are all that bar a cadre, for `purposes`."""
        intervals = [{"code": code, "from": start, "until": until} for code, start, until in bars]
        data = {purpose: intervals if purpose in purposes else [] for purpose in PURPOSES}
        return self.event(
            "supervision.eligibility.changed.v1", f"eligibility/{cadre_id}", {"cadre": cadre_id, "purposes": data}
        )

    def registered(self, cadre_id: str, unit: str = BUREAU, post_since: str = "2010-01-04", **changes: Any) -> Event:
        """Return the event that a cadre is on the roster."""
        data = {
            "cadre": cadre_id,
            "name": "某人",
            "unit": unit,
            "post": "副局长",
            "post_since": post_since,
            "rank": "COUNTY_DEPUTY",
            "manage_level": "MUNICIPAL",
            "categories": [],
        }
        return self.event("assessment.cadre.registered.v1", f"cadre/{cadre_id}", data | changes)

    def annual(self, cadre_id: str, year: int, grade: str | None, how: str = "approved", **changes: Any) -> Event:
        """Return the event that a cadre's year has this result."""
        annual = f"{cadre_id}-{year}"
        data = {
            "annual": annual,
            "subject_kind": "CADRE",
            "cadre": cadre_id,
            "unit": BUREAU,
            "year": year,
            "state": "APPROVED",
            "grade": grade,
            "grade_status": "GRADED" if grade else "NO_GRADE",
            "revision": 1,
            "cause": None,
        }
        return self.event(f"assessment.annual.{how}.v1", f"annual/{annual}", data | changes)

    def batch(self, state: str = "SELECTING", **changes: Any) -> Any:
        """Return a batch in `state`, up to the one in which candidates are chosen."""
        batch = self.open(SELECTOR, a_plan(**changes), self.bound.batches)
        for action, actor, reached in (
            ("approve", COMMITTEE[0], "APPROVED"),
            ("open", SELECTOR, "OPEN"),
            ("select", SELECTOR, "SELECTING"),
        ):
            if batch.state == state:
                break
            batch, _ = self.take(batch, action, actor)
            assert batch.state == reached
        return batch

    def nominated(self, batch: Any, cadre_id: str, position: str = "P1", **changes: Any) -> Any:
        """Return a candidate, checked by the gate."""
        form = {"batch": batch.id, "position": position, "cadre": cadre_id, "born_on": date(1980, 5, 1)} | changes
        return self.open(SELECTOR, form, self.bound.candidates)

    def selected(self, batch: Any, cadre_id: str, position: str = "P1", **changes: Any) -> Any:
        """Return a candidate who is selected."""
        candidate = self.nominated(batch, cadre_id, position, **changes)
        self.take(candidate, "shortlist", SELECTOR)
        return self.take(candidate, "select", SELECTOR, {"reason": "综合比选"})[0]

    def weight_changed(self, finding: str, weight: str, case: str | None = None, state: str = "VERIFIED") -> Event:
        """Return the event that a finding weighs `weight` by now."""
        verified = {"verified_on": "2024-03-04", "year": 2024} if state == "VERIFIED" else {}
        factor = str(Decimal(weight) / 2)
        tolerance = {"case": case or new_id(), "factor": factor}
        return self.about_finding(
            finding,
            "weight-changed",
            actor="system:supervision",
            state=state,
            effective_weight=weight,
            tolerance=tolerance,
            **verified,
        )

    def deduction(self, cadre_id: str, items: Mapping[str, str], **changes: Any) -> Event:
        """Return the event that the findings `items` (finding → weight) make the deduction of a cadre's year."""
        data = {
            "cadre": cadre_id,
            "year": 2024,
            "deduction": "1.0",
            "cap": "20",
            "items": [
                {"finding": finding, "role": "LEAD", "effective_weight": weight, "role_share": "1.0", "points": weight}
                for finding, weight in items.items()
            ],
        }
        return self.event("assessment.deduction.changed.v1", f"deduction/{cadre_id}-2024", data | changes)

    def served(self, case: Any, day: date, how: str = "signed", **changes: Any) -> Event:
        """Return the event that the decision of `case` was served on who asked."""
        delivery = new_id()
        kind = "CADRE" if case.applicant_kind == "CADRE" else "UNIT"
        data = {
            "delivery": delivery,
            "document": "TOLERANCE_DECISION",
            "ref": f"tolerance/{case.id}",
            "recipient": {"kind": kind, "id": case.applicant_id},
            "state": how.upper(),
            "served_on": day.isoformat(),
        }
        return self.event(f"notification.delivery.{how}.v1", f"delivery/{delivery}", data | changes)

    def with_evidence(self, actor: Actor = APPLICANT, content: bytes = PDF) -> str:
        with self.acting(actor) as uow:
            row, _ = store_evidence(rulebook(), uow, name="会议纪要.pdf", media_type="application/pdf", content=content)
            uow.commit()
            return row.sha256

    def drafted(self, finding: str | None = None, actor: Actor = APPLICANT, **changes: Any) -> Any:
        return self.open(actor, an_application(finding=finding or self.finding(), **changes))

    def filed(self, finding: str | None = None, actor: Actor = APPLICANT, **changes: Any) -> Any:
        return self.take(self.drafted(finding, actor, **changes), "file", actor)[0]

    def accepted(self, finding: str | None = None, **changes: Any) -> Any:
        return self.take(self.filed(finding, **changes), "accept", ACCEPTOR)[0]

    def verifying(self, finding: str | None = None, **changes: Any) -> Any:
        return self.take(self.accepted(finding, **changes), "assign", ACCEPTOR, {"verifiers": VERIFIERS})[0]

    def deliberating(self, finding: str | None = None, exclusions: Sequence[str] = (), **changes: Any) -> Any:
        case = self.verifying(finding, **changes)
        form = {"factors": SCORES, "exclusions": list(exclusions), "reason": "核实属实"}
        self.take(case, "verify", FIRST, form)
        return self.take(case, "verify", SECOND, form)[0]

    def decided(self, finding: str | None = None, decision: str = "MITIGATE", **changes: Any) -> Any:
        case = self.deliberating(finding, **changes)
        form = a_decision(decision, deviation=None if decision == "MITIGATE" else "综合考虑")
        self.take(case, "decide", DECIDER, form)
        return self.take(case, "decide", CONFIRMER, form)[0]

    def decision_served(self, finding: str | None = None, decision: str = "MITIGATE", **changes: Any) -> Any:
        case = self.decided(finding, decision, **changes)
        self.receive("notification", self.served(case, self.clock.today()))
        return self.again(case)

    def effective(self, finding: str | None = None, decision: str = "MITIGATE", **changes: Any) -> Any:
        """Return a case that took effect when the review window was over, and move the clock there."""
        case = self.decision_served(finding or self.finding("VERIFIED"), decision, **changes)
        self.clock.set(datetime(2024, 3, 19, 0, 0, 5, tzinfo=ZONE))
        self.fire()
        return self.again(case)

    def correction(self, case: Any) -> Any:
        """Return the correction plan of a case."""
        with self.acting(ACCEPTOR) as uow:
            model = self.bound.corrections.model
            found = uow.session.scalars(select(model).where(model.tolerance_id == case.id)).one()
            uow.session.expunge(found)
            return found

    def correcting(self, **changes: Any) -> Any:
        """Return a case whose unit has said how it corrects what was excused."""
        case = self.effective(**changes)
        self.take(self.correction(case), "plan", head(), {"measures": ["完善决策程序"]})
        return self.again(case)

    def closed(self, **changes: Any) -> Any:
        """Return a case whose correction was accepted."""
        case = self.correcting(**changes)
        plan = self.correction(case)
        self.take(plan, "prove", head(), {"proof": [self.with_evidence(head())]})
        self.take(plan, "accept", ACCEPTOR, {"reason": "已整改到位"})
        return self.again(case)

    def revoked(self, **changes: Any) -> Any:
        """Return a case that was revoked for fraud, after notice and an answer."""
        case = self.effective(**changes)
        self.take(case, "give_notice", ACCEPTOR, {"ground": "FRAUD", "reason": "证据系伪造"})
        self.take(case, "answer", APPLICANT, {"answer": "情况说明"})
        for actor in COMMITTEE:
            case, _ = self.take(case, "revoke", actor, {"reason": "查实弄虚作假"})
        return case

    def bulletin(self, bulletin: str, finding: str, state: str, *, named: bool = True) -> Event:
        """Return the event that a bulletin about a finding is in `state` now."""
        data = {
            "bulletin": bulletin,
            "findings": [finding],
            "named": named,
            "channels": ["NEWSPAPER", "TV", "WECHAT"],
            "state": state,
            "title": "典型案例通报",
            "text": "某局推进工作不力。",
            "legal_basis": "个人信息保护法第二十五条",
            "publish_at": "2024-03-06T09:00:00+08:00",
            "expire_at": None,
            "correction_text": None,
            "reason_code": None,
        }
        return self.event(f"supervision.bulletin.{state.lower()}.v1", f"bulletin/{bulletin}", data, dataclass="L1")

    def recall(self, recall: str, findings: Sequence[str], step_: str, state: str) -> Event:
        """Return the event that a recall of the cadre in the lead is in `state` now."""
        data = {
            "recall": recall,
            "cadre": LEAD,
            "unit": BUREAU,
            "findings": list(findings),
            "circumstances": [2],
            "state": state,
            "proposed_on": "2024-03-05",
            "approved_on": None,
            "outcome": None,
            "outcome_on": None,
            "cancel_reason": None,
        }
        return self.event(f"supervision.recall.{step_}.v1", f"recall/{recall}", data)

    def measure(self, measure: str, findings: Sequence[str], step_: str, state: str, **changes: Any) -> Event:
        """Return the event that an admonition of the cadre in the lead is in `state` now."""
        data = {
            "measure": measure,
            "kind": "ADMONISH",
            "cadre": LEAD,
            "findings": list(findings),
            "state": state,
            "delivered_on": None,
            "effect_until": None,
            "result": None,
            "reply_due": None,
            "revoked_for": None,
            "eased": False,
        }
        return self.event(f"supervision.measure.{step_}.v1", f"measure/{measure}", data | changes)

    def constraint(self, constraint: str, findings: Sequence[str], state: str = "ACTIVE", **changes: Any) -> Event:
        """Return the event that a constraint on the grade of the cadre in the lead is in `state` now."""
        data = {
            "constraint": constraint,
            "cadre": LEAD,
            "year": 2024,
            "kind": "CAP",
            "grade": "BASICALLY_COMPETENT",
            "reason_code": "RECALL",
            "source": "recall/r1",
            "state": state,
            "findings": list(findings),
        }
        step_ = {"ACTIVE": "added", "LIFTED": "lifted"}[state]
        return self.event(f"assessment.constraint.{step_}.v1", f"constraint/{constraint}", data | changes)

    def fire(self) -> deadlines.Tally:
        return deadlines.fire_due(self.units, handlers(self.bound))

    def again(self, case: Any) -> Any:
        """Return the case as it is stored now."""
        with self.acting(ACCEPTOR) as uow:
            found = uow.session.get_one(type(case), case.id)
            uow.session.expunge(found)
            return found

    def deadlines(self, case: Any) -> dict[str, str]:
        """Return the open deadlines of a case with when they are due."""
        table = tables.deadlines
        rows = self.rows(table, table.c.ref == f"tolerance/{case.id}", table.c.state.in_(("ARMED", "WARNED")))
        return {row.kind: row.due_at.astimezone(ZONE).isoformat(timespec="minutes")[:16] for row in rows}

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
    migrations.upgrade(make_url(database.owner_url), migrations_of("incentive"))
    engine = bus_engine(database.app_url, application="tests")
    clock = FixedClock(MONDAY)
    bound = bind(rulebook())
    units = Units(sessionmaker(engine, expire_on_commit=False), f"/city/{CITY}/incentive", clock)
    city = City(engine, clock, units, bound, subscriptions(bound))
    with city.acting(ACCEPTOR) as uow:
        for source in ("assessment", "supervision"):
            note_heartbeat(uow.session, source, datetime.now(UTC))
        uow.session.add_all(CadreRow(id=person, unit=unit) for person, unit in ROSTER.items())
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

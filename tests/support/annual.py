"""What the tests of annual assessments share: a year of 2023 that is assessed in March 2024, its people and its steps."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from assessment.application.case_types import CaseTypes, case_types
from assessment.application.record_facts import record_ballot, record_routine, record_talk
from assessment.application.rulebook import Rulebook
from assessment.application.run_import import HELD
from assessment.bootstrap import RULEPACKS
from assessment.entrypoints.events import NOTIFICATION, on_time, subscriptions
from assessment.persistence.models import AnnualRow, CadreChangeRow, CadreRow, ImportRow, UnitRow
from citybus import deadlines, inbox
from citybus.cases import Actor, Cases
from citybus.cases.perform import system_actor
from citybus.envelope import CONTENT_TYPE, Event
from citybus.ids import new_id
from citybus.rulepack import RulePacks
from tests.support.assessment import CITY, City, rulebook, some_id
from tests.support.grades import an_event

YEAR = 2023
SYSTEM = system_actor("assessment")
EVIDENCE = ["a" * 64]
HEAD = ("GROUP_HEAD", "CIVIL_SERVANT")
MEMBER = ("GROUP_MEMBER", "CIVIL_SERVANT")


def officer(subject: str, *roles: str, unit: str = "4202-102", units: Any = None, person: str | None = None) -> Actor:
    return Actor(subject, frozenset(roles), units=units, unit=unit, person=person)


ASSESSOR = officer("assessor", "ORG.assess")
SECOND = officer("assessor-2", "ORG.assess")
COMMITTEE = officer("committee", "COMM", unit="4202-101")


def self_of(cadre: str, unit: str = "N-1") -> Actor:
    return Actor(f"user-{cadre}", frozenset({"CADRE"}), units=frozenset(), unit=unit, person=cadre)


@functools.cache
def bound() -> CaseTypes:
    return case_types(rulebook())


def own_rules(folder: Path, **values: Any) -> CaseTypes:
    """Return the case types under a pack of the city that says otherwise than the defaults."""
    rules = {name.replace("__", "."): {"value": value, "source": "test", "tag": "D"} for name, value in values.items()}
    pack = {
        "code": "LOCAL-HS-TEST",
        "version": "1",
        "layer": "local",
        "city": CITY,
        "valid_from": "2017-01-01",
        "valid_to": None,
        "source": "test",
        "rules": rules,
    }
    (folder / "own.yaml").write_text(json.dumps(pack), "utf-8")
    return case_types(Rulebook(RulePacks.load([RULEPACKS, folder]), CITY))


@dataclass
class Year:
    """A city whose year 2023 is assessed."""

    city: City

    # ---- the roster

    def units(self, *codes: str, kind: str = "CITY_DEPT", sector: str = "GOVERNMENT") -> None:
        with self.city.acting() as uow:
            held = uow.session.scalar(select(ImportRow.id).limit(1)) or self._import(uow)
            for code in codes:
                if uow.session.get(UnitRow, code) is None:
                    now = uow.clock.now()
                    uow.session.add(
                        UnitRow(code=code, name=code, kind=kind, sector=sector, registered_at=now, import_id=held)
                    )
            uow.commit()

    def _import(self, uow: Any) -> str:
        row = ImportRow(
            id=new_id(),
            state="IMPORTED",
            file_name="",
            sha256="",
            size=0,
            job_id=new_id(),
            uploaded_by="keeper",
            uploaded_at=uow.clock.now(),
        )
        uow.session.add(row)
        uow.session.flush()
        return row.id

    def cadre(self, unit: str = "N-1", categories: Sequence[str] = MEMBER) -> str:
        self.units(unit)
        with self.city.acting() as uow:
            made = some_id()
            row = CadreRow(
                id=made,
                state="ACTIVE",
                name="某某（虚构）",
                id_no=b"sealed",
                id_no_index=made.encode(),
                birth=date(1975, 1, 1),
                unit=unit,
                post="副局长",
                post_since=date(2019, 5, 1),
                rank="COUNTY_DEPUTY",
                party_member=True,
                manage_level="CITY",
                categories=list(categories),
                effective_on=date(2019, 5, 1),
                version=1,
                created_at=uow.clock.now(),
                changed_at=uow.clock.now(),
                correlation_id="correlation",
                registered_at=uow.clock.now(),
                import_id=uow.session.scalar(select(ImportRow.id).limit(1)),
            )
            uow.session.add(row)
            uow.session.flush()
            self._held(uow, row, "REGISTER")
            uow.commit()
            return made

    def move(self, cadre: str, unit: str, day: date, categories: Sequence[str] = MEMBER) -> None:
        """Let a cadre hold another post from a day on."""
        self.units(unit)
        with self.city.acting() as uow:
            row = uow.session.get_one(CadreRow, cadre)
            row.unit, row.categories, row.post_since, row.effective_on = unit, list(categories), day, day
            row.version += 1
            uow.session.flush()
            self._held(uow, row, "CHANGE_POST")
            uow.commit()

    def _held(self, uow: Any, row: CadreRow, change: str) -> None:
        held = {name: getattr(row, name) for name in HELD}
        now = uow.clock.now()
        uow.session.add(
            CadreChangeRow(
                cadre=row.id, number=row.version, change=change, recorded_at=now, recorded_by="keeper", **held
            )
        )

    # ---- cases

    def open(self, cases: Cases, actor: Actor, **form: Any) -> Any:
        with self.city.acting(actor.subject) as uow:
            case = cases.open(uow, actor, form)
            uow.commit()
            return case

    def take(self, case: Any, action: str, actor: Actor = ASSESSOR, **form: Any) -> Any:
        cases = next(each for each in bound() if each.model is type(case))
        with self.city.acting(actor.subject) as uow:
            version = uow.session.scalar(select(cases.model.version).where(cases.model.id == case.id))
            taken = cases.take(uow, case.id, action, actor, form, version)
            uow.commit()
            return taken

    def again(self, case: Any) -> Any:
        with self.city.acting() as uow:
            found = uow.session.get_one(type(case), case.id)
            uow.session.expunge(found)
            return found

    def scheme(self, kind: str = "CADRE", year: int = YEAR) -> Any:
        """Return the published scheme of the year, with the city's defaults."""
        cases = bound().schemes
        with self.city.acting() as uow:
            statement = select(cases.model).where(cases.model.year == year, cases.model.target_kind == kind)
            held = uow.session.scalars(statement).one_or_none()
            if held is not None:
                uow.session.expunge(held)
        return held or self.take(self.open(cases, ASSESSOR, year=year, target_kind=kind), "publish")

    def annual(self, cadre: str, year: int = YEAR) -> Any:
        self.scheme(year=year)
        return self.open(bound().annuals, ASSESSOR, subject_kind="CADRE", cadre=cadre, year=year)

    def group(self, unit: str, year: int = YEAR) -> Any:
        self.units(unit)
        self.scheme("GROUP", year)
        return self.open(bound().annuals, ASSESSOR, subject_kind="GROUP", unit=unit, year=year)

    # ---- what it rests on

    def ballot(self, case: Any, counts: Mapping[str, int] | None = None, expected: int = 10) -> str:
        subject: dict[str, Any] = (
            {"subject_kind": "CADRE", "cadre": case.cadre}
            if case.cadre
            else {"subject_kind": "GROUP", "unit": case.unit}
        )
        classes = [{"name": "A", "expected": expected, "counts": counts or {"EXCELLENT": expected}}]
        form = {**subject, "year": case.year, "held_on": date(2024, 1, 5), "classes": classes, "evidence": EVIDENCE}
        with self.city.acting() as uow:
            row = record_ballot(rulebook(), uow, ASSESSOR, form)
            uow.commit()
            return row.id

    def facts(self, case: Any) -> None:
        """Record four good quarters and two talks."""
        with self.city.acting() as uow:
            for quarter in (1, 2, 3, 4) if case.cadre else ():
                form = {"cadre": case.cadre, "year": case.year, "quarter": quarter}
                record_routine(
                    rulebook(), uow, ASSESSOR, {**form, "grade": "GOOD", "basis": ["TALK"], "evidence": EVIDENCE}
                )
            uow.commit()
        self.talks(case)

    def talks(self, case: Any) -> None:
        """Record two talks."""
        others = [self.cadre("N-9"), self.cadre("N-9")]
        subject = {"subject_kind": case.subject_kind, "cadre": case.cadre, "unit": case.unit, "year": case.year}
        with self.city.acting() as uow:
            for _ in range(2):
                record_talk(
                    rulebook(),
                    uow,
                    ASSESSOR,
                    {
                        **subject,
                        "held_on": date(2024, 1, 8),
                        "interviewers": others,
                        "summary": "谈话内容",
                        "evidence": EVIDENCE,
                    },
                )
            uow.commit()

    # ---- through the year

    def verified(self, case: Any, points: int = 80) -> Any:
        """Return the case with its findings fixed; given dimensions score `points`."""
        self.facts(case)
        self.take(case, "self_report", ASSESSOR, text="述职报告")
        given = (
            ("ACHIEVEMENT", "LEADER") if case.cadre else ("POLITICS", "LEADERSHIP", "ACHIEVEMENT", "CLEANNESS", "STYLE")
        )
        scores = {name: Decimal(points) for name in given}
        self.take(case, "evaluate", ballot=self.ballot(case), scores=scores)
        return self.take(case, "verify")

    def proposed(self, case: Any, points: int = 80, **form: Any) -> Any:
        return self.take(self.verified(case, points), "propose", **form)

    def publicized(self, case: Any) -> Any:
        """Return a proposed case whose publicity is over."""
        case = self.take(case, "publicize")
        self.city.clock.advance(timedelta(days=8))
        return case

    def approved(self, case: Any, points: int = 80) -> Any:
        return self.take(self.proposed(case, points), "approve", COMMITTEE)

    def final(self, case: Any, points: int = 80) -> Any:
        case = self.approved(case, points)
        self.serve(case)
        self.city.clock.advance(timedelta(days=33))
        self.tick()
        return self.again(case)

    def quota(self, category: str, year: int = YEAR, **form: Any) -> Any:
        """Return the locked quota of a category."""
        case = self.open(bound().quotas, ASSESSOR, year=year, category=category, **form)
        self.take(case, "lock", ASSESSOR)
        return self.take(case, "lock", SECOND)

    def serve(self, case: AnnualRow, **changes: Any) -> list[Event]:
        """Let notification say that the result was served today."""
        delivery = some_id()
        data = {
            "delivery": delivery,
            "document": "ANNUAL_RESULT",
            "ref": f"annual/{case.id}",
            "recipient": {"kind": "CADRE", "id": case.cadre or case.unit},
            "served_on": self.city.clock.today().isoformat(),
        } | changes
        event = an_event("notification.delivery.signed.v2", f"delivery/{delivery}", data, time=self.city.clock.now())
        subscription = subscriptions(rulebook())[NOTIFICATION]
        with self.city.acting("consumer") as uow:
            inbox.apply_batch(uow, subscription, [inbox.read(subscription, CONTENT_TYPE, event.to_json())])
            uow.commit()
            return uow.published

    def tick(self) -> None:
        """Fire what is due."""
        while (tally := deadlines.fire_due(self.city.units, on_time(rulebook()))).fired:
            assert tally.failed == 0

    def told(self, case: Any) -> list[str]:
        """Return the types of the events of a case, in order, shortened."""
        kind = next(each for each in bound() if each.model is type(case)).case_type.kind
        return [event.type.split(".")[2] for event in self.city.outbox() if event.subject == f"{kind}/{case.id}"]

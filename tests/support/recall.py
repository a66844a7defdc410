"""Recalled cadres for the tests of supervision: a city in which a recall can be led to any of its states."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import delete

from citybus import deadlines, tables
from citybus.cases import Actor
from citybus.cases.timers import handlers
from citybus.clock import ZONE
from citybus.envelope import Event
from supervision.persistence.models import BarRow, RecallRow, RecallTextRow
from tests.support.supervision import COMM, EDU, LEAD, ORG, TRAINER, UNITHEAD, City, cadre

SELF_CRITICISM = "对照岗位职责深刻反思存在的问题" * 70
"""More than a thousand characters."""
PHASES = ("78", "82", "75", "88")


@dataclass
class Recalls:
    """A city's recalls, led by the people whose part each step is."""

    city: City

    def forget(self) -> None:
        """Let no test's recall stand in the way of the next one's."""
        with self.city.acting(ORG) as uow:
            for table in (RecallTextRow, RecallRow, BarRow):
                uow.session.execute(delete(table))
            uow.session.execute(delete(tables.deadlines).where(tables.deadlines.c.ref.startswith("recall/")))
            uow.commit()

    def at(self, month: int, day: int, hour: int = 9, year: int = 2024) -> None:
        """Move the clock, and let fire what became due."""
        self.city.clock.set(datetime(year, month, day, hour, tzinfo=ZONE))
        self.fire()

    def fire(self) -> deadlines.Tally:
        return deadlines.fire_due(self.city.units, handlers(self.city.cases))

    def take(self, case: Any, action: str, actor: Actor, **form: Any) -> Any:
        return self.city.take(self.city.recalls, case, action, actor, form)[0]

    def events(self, case: Any) -> list[Event]:
        return self.city.outbox(f"recall/{case.id}")

    def told(self, case: Any) -> list[str]:
        """Return the short names of the events of a recall, in order."""
        return [event.type.split(".")[2] for event in self.events(case)]

    def proposed(self, *findings: Any, cadre_id: str = LEAD) -> Any:
        named = findings or (self.city.verified(),)
        form = {"cadre": cadre_id, "findings": [finding.id for finding in named], "text": "建议召回"}
        return self.city.open(self.city.recalls, ORG, form)

    def served(self, case: Any, day: date, how: str = "signed", **changes: Any) -> Event:
        return self.city.served(
            case, case.cadre, day, how, **{"document": "RECALL_NOTICE", "ref": f"recall/{case.id}"} | changes
        )

    def notified(self, *findings: Any) -> Any:
        """Return a recall that the cadre was told of, and served with, today."""
        case = self.take(self.proposed(*findings), "notify", ORG)
        self.city.receive("supervision.notification", self.served(case, self.city.clock.today()))
        return self.city.again(case)

    def approved(self, *findings: Any) -> Any:
        case = self.notified(*findings)
        self.take(case, "plea", cadre(LEAD), text="说明情况")
        return self.take(case, "approve", COMM)

    def open_class(self, days: int = 7, **changes: Any) -> Any:
        form: dict[str, Any] = {
            "title": "第一期",
            "place": "市委党校",
            "starts": self.city.clock.today() + timedelta(days=days),
            "capacity": 30,
            "trainers": [TRAINER.subject],
        }
        made = self.city.open(self.city.training_classes, EDU, form | changes)
        return self.city.take(self.city.training_classes, made, "open", EDU)[0]

    def in_training(self, *findings: Any) -> Any:
        """Return a recall whose class has begun today."""
        case = self.approved(*findings)
        group = self.open_class()
        self.take(case, "enrol", EDU, training_class=group.id)
        self.begin(group)
        return self.city.again(case)

    def begin(self, group: Any) -> None:
        self.at(group.starts.month, group.starts.day, year=group.starts.year)

    def end(self, case: Any) -> None:
        """Go past the last day of the cadre's class, so that it ends by its date."""
        group = self.city.rows(
            self.city.training_classes.model.__table__,
            self.city.training_classes.model.id == self.city.again(case).class_id,
        )[0]
        late = group.ends + timedelta(days=5)
        self.at(late.month, late.day, year=late.year)

    def score(self, case: Any, phase: int, score: str, attendance: str = "100") -> Any:
        form: Mapping[str, Any] = {"phase": phase, "score": number(score), "attendance": number(attendance)}
        return self.take(case, "pass_phase", TRAINER, **form)

    def all_phases(self, case: Any, scores: tuple[str, ...] = PHASES) -> None:
        for phase, score in enumerate(scores, 1):
            if phase == 3:
                self.take(case, "reflect", cadre(LEAD), text=SELF_CRITICISM)
            self.score(case, phase, score)

    def observing(self, *findings: Any, **form: Any) -> Any:
        case = self.in_training(*findings)
        self.all_phases(case)
        self.take(case, "complete", TRAINER)
        return self.take(case, "observe", ORG, **form)

    def papers(self, case: Any) -> None:
        """Hand in every paper of the observation, whenever the clock stands."""
        for entry in self.city.again(case).reports:
            if not entry["submitted_on"]:
                self.take(case, "report_month", UNITHEAD, month=entry["month"], text="本月履职情况")
        self.take(case, "review", ORG, score=number("75"), text="中期情况")
        self.take(case, "unit_opinion", UNITHEAD, score=number("85"), text="表现明显改进")

    def evaluated(self, score: str = "81") -> Any:
        case = self.observing()
        until = case.observe_until
        self.at(until.month, until.day, year=until.year)
        self.papers(case)
        return self.take(case, "evaluate", ORG, score=number(score), text="考察评估")


def number(text: str) -> Decimal:
    return Decimal(text)

"""What the tests of assessment share: its rules and keys, workbooks, findings' events, and a city in a real database."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker
from stdnum.cn import ric
from xlsxwriter import Workbook

from assessment.application.rulebook import Rulebook
from assessment.application.run_import import run_import
from assessment.application.start_import import JOB, start_import
from assessment.bootstrap import RULEPACKS
from assessment.domain.columns import CADRES, UNITS
from assessment.entrypoints.events import SUPERVISION, subscriptions
from assessment.persistence.models import ImportRow
from citybus import inbox, migrations, tables
from citybus.clock import ZONE, FixedClock
from citybus.database import engine as bus_engine
from citybus.envelope import CONTENT_TYPE, Event
from citybus.ids import new_id
from citybus.jobs import Runner
from citybus.processes import migrations_of
from citybus.rulepack import RulePacks
from citybus.unit_of_work import Context, UnitOfWork, Units
from citybus.vault import Vault
from dandang.local import provision
from tests.support.postgres import ServiceDatabase
from tests.support.vault import vault

CITY = "420200"
CONTRACTS = Path(__file__).parents[2] / "contracts"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=ZONE)
UNIT_HEADERS = [column.zh for column in UNITS.columns]
CADRE_HEADERS = [column.zh for column in CADRES.columns]
DISTRICT = ["420202", "黄石港区", "县(市、区)", "县(市、区)"]
BUREAU = ["4202-119", "黄石市发展和改革委员会", "市直部门", "政府系统"]


@cache
def rulebook() -> Rulebook:
    return Rulebook(RulePacks.load([RULEPACKS]), CITY)


def id_number(day: date = date(1980, 3, 15), area: str = "420202", sequence: str = "000") -> str:
    number = f"{area}{day:%Y%m%d}{sequence}"
    return number + ric.calc_check_digit(f"{number}0")


def cadre_row(**changes: Any) -> list[Any]:
    """Return the cells of a cadre that is right, by the template's columns, but for `changes` by field."""
    made: dict[str, Any] = {
        "name": "张三（虚构）",
        "id_no": id_number(),
        "birth": "",
        "unit": "420202",
        "post": "副区长",
        "post_since": "2019-05-01",
        "rank": "县处级副职",
        "party_member": "是",
        "manage_level": "市管",
        "categories": "班子成员、公务员",
    }
    return [{**made, **changes}[column.field] for column in CADRES.columns]


def workbook(*sheets: tuple[str, Sequence[Sequence[Any]]], **options: Any) -> bytes:
    """Return an .xlsx of sheets: names and rows of cells. Texts that begin with `=` are formulas."""
    output = io.BytesIO()
    book = Workbook(output, {"in_memory": True, **options})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        for number, cells in enumerate(rows):
            for place, cell in enumerate(cells):
                if isinstance(cell, date):
                    sheet.write_datetime(number, place, datetime.combine(cell, time.min), day)
                else:
                    sheet.write(number, place, cell)
    book.close()
    return output.getvalue()


def roster(units: Sequence[Sequence[Any]] = (DISTRICT,), cadres: Sequence[Sequence[Any]] = ()) -> bytes:
    """Return a roster workbook of the rows given."""
    return workbook(("单位", [UNIT_HEADERS, *units]), ("干部", [CADRE_HEADERS, *cadres]))


def finding_data(finding: str, responsible: Mapping[str, str], **changes: Any) -> dict[str, Any]:
    """Return the data of a finding's event: verified on 2024-03-18 with 2.0 points, but for `changes`."""
    made = {
        "finding": finding,
        "inspection": None,
        "unit": "420202",
        "type": "TASK_NOT_IMPLEMENTED",
        "reason_codes": ["WEAK_EXECUTION"],
        "severity": 3,
        "state": "VERIFIED",
        "base_weight": "2.0",
        "effective_weight": "2.0",
        "responsible": [{"cadre": cadre, "role": role} for cadre, role in responsible.items()],
        "notified_on": "2024-03-04",
        "served_on": "2024-03-05",
        "plea_until": "2024-03-12",
        "verified_on": "2024-03-18",
        "year": 2024,
        "tolerance": None,
    }
    if "effective_weight" not in changes and "base_weight" in changes:
        made["effective_weight"] = changes["base_weight"]
    return made | changes


def finding_event(step: str, sequence: int, data: Mapping[str, Any], **changes: Any) -> Event:
    """Return an event of a finding as supervision would publish it."""
    made: dict[str, Any] = {
        "id": new_id(),
        "type": f"supervision.finding.{step}.v1",
        "source": f"/city/{CITY}/supervision",
        "subject": f"finding/{data['finding']}",
        "time": MONDAY,
        "dataschema": f"urn:city:schema:supervision.finding.{step}.v1",
        "data": dict(data),
        "sequence": sequence,
        "correlationid": "correlation-of-the-finding",
        "actor": "officer",
        "dataclass": "L3",
    }
    return Event(**made | changes)


def some_id() -> str:
    return str(uuid4())


@dataclass
class City:
    """Assessment with a migrated database of its own, and a clock that stands."""

    engine: Engine
    clock: FixedClock
    units: Units
    vault: Vault

    def acting(self, actor: str = "keeper", *roles: str) -> UnitOfWork:
        return self.units(Context(actor, roles, "test", f"correlation-of-{actor}"))

    def upload(self, content: bytes, file_name: str = "名册.xlsx") -> str:
        with self.acting() as uow:
            row = start_import(rulebook(), self.vault, uow, file_name=file_name, content=content)
            uow.commit()
            return row.id

    def runner(self, **options: Any) -> Runner:
        """Return the job process's runner, which does one job for each `run_one()`."""
        handlers = {JOB: lambda run: run_import(rulebook(), self.vault, run)}
        return Runner(self.engine, self.units, handlers, **options)

    def import_(self, content: bytes) -> ImportRow:
        """Upload a workbook, do the job, and return the import as it is then."""
        import_id = self.upload(content)
        assert self.runner().run_one()
        return self.import_row(import_id)

    def import_row(self, import_id: str) -> ImportRow:
        with self.acting() as uow:
            row = uow.session.get_one(ImportRow, import_id)
            assert row.faults is None or row.faults
            assert row.workbook is None or row.workbook
            uow.session.expunge(row)
            return row

    def receive(self, *events: Event, queue: str = SUPERVISION) -> list[Event]:
        """Apply events as the queue's consumer would, in one batch with what they release; return what is published."""
        subscription = subscriptions(rulebook())[queue]
        with self.acting("consumer") as uow:
            arrivals = [inbox.read(subscription, CONTENT_TYPE, event.to_json()) for event in events]
            report = inbox.apply_batch(uow, subscription, arrivals)
            while report.followers:
                report = inbox.apply_batch(uow, subscription, inbox.followers(uow.session, subscription, 100))
            uow.commit()
            return uow.published

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).where(*conditions)).all())

    def outbox(self) -> list[Event]:
        messages = tables.outbox_messages
        with self.engine.connect() as connection:
            bodies = connection.execute(select(messages.c.body).order_by(messages.c.position)).scalars()
            return [Event.from_json(bytes(body)) for body in bodies]


def start_city(database: ServiceDatabase) -> Iterator[City]:
    """Yield assessment on a database that is empty so far."""
    migrations.upgrade(make_url(database.owner_url), migrations_of("assessment"))
    provision.grant(database)
    engine = bus_engine(str(database.app_url), application="test")
    clock = FixedClock(MONDAY)
    units = Units(sessionmaker(engine, expire_on_commit=False), f"/city/{CITY}/assessment", clock)
    yield City(engine, clock, units, vault())
    engine.dispose()

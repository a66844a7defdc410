"""How long the import of a roster takes: from the job that claims the workbook to the cadres and their events in one commit."""

import time

from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from assessment.application.run_import import run_import
from assessment.application.start_import import JOB, start_import
from assessment.persistence.models import ImportRow
from citybus import migrations
from citybus.clock import SystemClock
from citybus.database import engine
from citybus.jobs import Runner
from citybus.processes import migrations_of
from citybus.unit_of_work import Context, Units
from dandang.sample import roster_workbook, sample_city
from tests.support.assessment import rulebook, vault

CONTEXT = Context("bench", ("ORG.cadre",), "bench", "bench")


def roster_import(dsn: str, cadres: int) -> float:
    """Return the seconds that the import of `cadres` rows takes, into the empty database `dsn`."""
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    migrations.upgrade(make_url(url), migrations_of("assessment"))
    made = engine(url, application="bench")
    units = Units(sessionmaker(made, expire_on_commit=False), "/city/420200/assessment", SystemClock())
    content = roster_workbook(sample_city(cadres))
    with units(CONTEXT) as uow:
        row = start_import(rulebook(), vault(), uow, file_name="roster.xlsx", content=content)
        uow.commit()
        upload = row.id
    runner = Runner(made, units, {JOB: lambda run: run_import(rulebook(), vault(), run)})
    began = time.perf_counter()
    runner.run_one()
    seconds = time.perf_counter() - began
    with units(CONTEXT) as uow:
        done = uow.session.get_one(ImportRow, upload)
        if (done.state, done.cadres_new) != ("IMPORTED", cadres):
            raise RuntimeError(f"the roster was not imported: {done.state}, {done.faults}")
    made.dispose()
    return seconds

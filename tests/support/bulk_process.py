"""The rounds and sheets of a year as a process of its own: `python -m tests.support.bulk_process DATABASE_URL SOURCE CHUNK`."""

import sys

from sqlalchemy.orm import sessionmaker

from assessment.application import annual_rounds, start_sheet
from assessment.application.run_sheet import run_sheet
from citybus.clock import FixedClock
from citybus.database import engine
from citybus.jobs import Runner
from citybus.unit_of_work import Units
from tests.support.annual import bound
from tests.support.assessment import MONDAY, rulebook, vault


def main(database_url: str, source: str, chunk: str) -> None:
    """Do the job that is queued, in chunks of `chunk`."""
    made = engine(database_url, application="bulk")
    units = Units(sessionmaker(made, expire_on_commit=False), source, FixedClock(MONDAY))
    handlers = {
        annual_rounds.JOB: lambda run: annual_rounds.run_round(bound(), run, chunk=int(chunk)),
        start_sheet.JOB: lambda run: run_sheet(rulebook(), vault(), bound(), run, chunk=int(chunk)),
    }
    Runner(made, units, handlers).run_one()


if __name__ == "__main__":
    main(*sys.argv[1:])

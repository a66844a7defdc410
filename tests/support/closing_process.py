"""The closing of a year as a process of its own: `python -m tests.support.closing_process DATABASE_URL SOURCE CHUNK`."""

import json
import resource
import sys
import time

from sqlalchemy.orm import sessionmaker

from assessment.application.close_year import JOB, close_year
from citybus.clock import SystemClock
from citybus.database import engine
from citybus.jobs import Runner
from citybus.unit_of_work import Units


def main(database_url: str, source: str, chunk: str) -> None:
    """Do the job that is queued, in chunks of `chunk`; the last line tells the seconds and the most memory, in MiB."""
    made = engine(database_url, application="closing")
    units = Units(sessionmaker(made, expire_on_commit=False), source, SystemClock())
    runner = Runner(made, units, {JOB: lambda run: close_year(run, chunk=int(chunk))})
    began = time.perf_counter()
    runner.run_one()
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "memory": memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])

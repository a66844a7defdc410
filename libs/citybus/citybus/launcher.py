"""`python -m <service> api|worker|relay|job|migrate`: the start of every process of every service.

A service's `__main__.py` is two lines: `from citybus.launcher import main` and `main("<service>")`. It imports nothing
else, and neither does this module before it has decided: a worker is monkey-patched before anything that it patches is
imported, and no other process is patched at all.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine

    from citybus.jobs import Every, JobHandler
    from citybus.telemetry.health import Health
    from citybus.unit_of_work import Units

KINDS = ("api", "worker", "relay", "job", "migrate")
USAGE = 64  # EX_USAGE of sysexits.h


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a service is made of, as `<service>.bootstrap.build(settings)` returns it for one process.

    Nothing in it may connect to anything yet. `api` makes the application around the health that it is given; `worker`
    returns the Nameko service class; `jobs` are the handlers by kind, `regular` what the job process does beside them.
    A service whose processes know more than the shared settings has them in `<service>.settings.KINDS`.
    """

    engine: Engine
    units: Units
    api: Callable[[Health], Flask]
    worker: Callable[[], type]
    jobs: Mapping[str, JobHandler] = field(default_factory=dict)
    regular: tuple[Every, ...] = ()


def main(service: str, arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Run the process of `service` that the command line names, and exit with its code.

    0: it was told to stop, or a migration is done. 64: wrong command line. 78: wrong settings, rules or queues, which no
    restart mends. Anything else: it failed, and may be started again.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1 or given[0] not in KINDS:
        print(f"用法 / usage: python -m {service} {'|'.join(KINDS)}", file=sys.stderr)
        sys.exit(USAGE)
    if given[0] == "worker":
        _patch()
    # Only now: whatever this imports gets the patched modules, or the plain ones.
    from citybus import processes

    sys.exit(processes.run(service, given[0], environ))


def _patch() -> None:
    with warnings.catch_warnings():
        # eventlet announces at import that it is in maintenance; it is pinned for as long as Nameko needs it.
        warnings.simplefilter("ignore")
        eventlet: Any = __import__("eventlet")
        eventlet.monkey_patch()

"""A department's own client, run as it would be on the department's machine: its queue, its user, and nothing of ours."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dandang.local import process
from dandang.local.city import as_user
from dandang.local.state import PROJECT, RunFolder
from dandang.slice.api import SliceFailed

PROGRAM: Final = PROJECT / "docs" / "examples" / "department.py"
IDLE: Final = 1.0
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Department:
    """A department that reads from the bus, by the key that `deploy/rabbitmq/departments.yaml` has for it."""

    key: str
    zh: str
    en: str

    @property
    def user(self) -> str:
        """Its user on the broker."""
        return f"dept-{self.key}"

    @property
    def queue(self) -> str:
        """The one queue that the user may read."""
        return f"dept.{self.key}.events"


FINANCE: Final = Department("finance-bureau", "财政局", "Finance Bureau")
AUDIT: Final = Department("audit-bureau", "审计局", "Audit Bureau")
HUMAN_RESOURCES: Final = Department("human-resources", "人力资源和社会保障局", "Human Resources Bureau")
DEPARTMENTS: Final = (FINANCE, AUDIT, HUMAN_RESOURCES)


def url(run: RunFolder, department: Department = FINANCE) -> str:
    """Return the address of the bus with the department's own user in it. It is a secret."""
    return as_user(os.environ["CITY_AMQP_URL"], department.user, run.broker_users.get(department.user))


def receive(run: RunFolder, wanted: int, department: Department = FINANCE) -> list[dict[str, Any]]:
    """Return the events that a department received, each once, taking more from its queue until it has `wanted`.

    They are kept in the run folder as they came. Raises SliceFailed where they do not come, or its client fails.
    """
    give_up = time.monotonic() + PATIENCE
    while len(found := received(_file(run, department))) < wanted:
        if time.monotonic() > give_up:
            raise SliceFailed(f"{department.zh}只收到 {len(found)} 件,应有 {wanted} 件 / {department.en} lacks events")
        empty(run, department)
    return found


def empty(run: RunFolder, department: Department) -> list[dict[str, Any]]:
    """Take what is in a department's queue; return all events that it ever received, each once, in their order.

    Raises SliceFailed where its client fails.
    """
    file = _file(run, department)
    with open(file, "ab") as output:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), department.queue, "--idle", str(IDLE)],
            stdout=output,
            stderr=subprocess.PIPE,
            env=process.environment(run.root, AMQP_URL=url(run, department)),
            check=False,
        )
    if done.returncode:
        told = done.stderr.decode()[-500:]
        raise SliceFailed(f"{department.zh}的客户端失败 / the client of {department.en} failed: {told}")
    return received(file)


def received(file: Path) -> list[dict[str, Any]]:
    """Return the events in a file of received messages, each once, in the order in which they came."""
    if not file.exists():
        return []
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return list({event["id"]: event for event in events}.values())


def received_by_departments(run: RunFolder) -> dict[str, dict[str, Any]]:
    """Return what each department received so far, by its key, with what is in its queue taken first.

    Of each: `zh` and `en`, its name; `count` of events; `types`: by event type their `count`, the `fields` that ever
    came, sorted, and the highest data class, `dataclass`. Raises SliceFailed where a client fails.
    """
    return {each.key: summed(each, empty(run, each)) for each in DEPARTMENTS}


def summed(department: Department, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a department received, type by type."""
    types: dict[str, dict[str, Any]] = {}
    for event in sorted(events, key=lambda each: str(each["type"])):
        found = types.setdefault(event["type"], {"count": 0, "fields": [], "dataclass": "L1"})
        found["count"] += 1
        found["fields"] = sorted({*found["fields"], *event["data"]})
        found["dataclass"] = max(found["dataclass"], event["dataclass"])
    return {"zh": department.zh, "en": department.en, "count": len(events), "types": types}


def _file(run: RunFolder, department: Department) -> Path:
    return run.root / f"{department.user}.jsonl"

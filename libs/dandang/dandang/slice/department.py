"""The department's own client, run as it would be on the department's machine: its queue, its user, and nothing of ours."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from dandang.local import process
from dandang.local.city import as_user
from dandang.local.state import PROJECT, RunFolder
from dandang.slice.api import SliceFailed

USER: Final = "dept-finance-bureau"
QUEUE: Final = "dept.finance-bureau.events"
PROGRAM: Final = PROJECT / "docs" / "examples" / "department.py"
IDLE: Final = 1.0
PATIENCE: Final = 60.0


def url(run: RunFolder) -> str:
    """Return the address of the bus with the department's own user in it. It is a secret."""
    return as_user(os.environ["CITY_AMQP_URL"], USER, run.broker_users.get(USER))


def receive(run: RunFolder, wanted: int) -> list[dict[str, Any]]:
    """Return the events that the department received, each once, taking more from its queue until it has `wanted`.

    They are kept in the run folder as they came. Raises SliceFailed where they do not come, or its client fails.
    """
    file = run.root / "department.jsonl"
    give_up = time.monotonic() + PATIENCE
    while len(found := received(file)) < wanted:
        if time.monotonic() > give_up:
            raise SliceFailed(f"财政局只收到 {len(found)} 件,应有 {wanted} 件 / the department lacks events")
        with open(file, "ab") as output:
            done = subprocess.run(
                [sys.executable, str(PROGRAM), QUEUE, "--idle", str(IDLE)],
                stdout=output,
                stderr=subprocess.PIPE,
                env=process.environment(run.root, AMQP_URL=url(run)),
                check=False,
            )
        if done.returncode:
            raise SliceFailed(f"财政局的客户端失败 / the department's client failed: {done.stderr.decode()[-500:]}")
    return found


def received(file: Path) -> list[dict[str, Any]]:
    """Return the events in a file of received messages, each once, in the order in which they came."""
    if not file.exists():
        return []
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return list({event["id"]: event for event in events}.values())

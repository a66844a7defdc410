"""The run folder: what runs where, who holds it, its logs and secrets. The state file holds no secret."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dandang.local.process import ProcessId, end, family, started_at
from dandang.local.secrets import Secrets

PROJECT = Path(__file__).resolve().parents[4]


def run_folder() -> Path:
    """Return the run folder: `DANDANG_RUN_FOLDER`, else `build/run` of the project."""
    return Path(os.environ.get("DANDANG_RUN_FOLDER") or PROJECT / "build" / "run").resolve()


@dataclass(slots=True)
class ProcessState:
    """One process of the city. `pid` and `started` name it for ever; `port` is where it listens, if it does."""

    name: str
    pid: int
    started: int
    log: str
    port: int | None = None
    restarts: int = 0

    @property
    def alive(self) -> bool:
        """True while that very process runs."""
        return started_at(self.pid) == self.started


@dataclass(slots=True)
class State:
    """What runs. `phase` is `starting`, `up` or `stopping`.

    `ports` are the chosen ones by name, kept from run to run; `given` names what was given, not started by us:
    `broker` and `database`. `took` says how long each step of the start took, in seconds.
    """

    phase: str = "starting"
    supervisor: ProcessState | None = None
    since: str = ""
    processes: list[ProcessState] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)


class RunFolder:
    """The folder of one city on this machine."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or run_folder()
        self.logs = self.root / "logs"
        self.secrets = Secrets(self.root / "secrets")
        self.broker_users = Secrets(self.root / "secrets" / "broker-users")
        self._held: int | None = None

    def make(self) -> None:
        """Make the folder, for its owner alone."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def hold(self) -> bool:
        """Take the folder for this process until it ends. Returns False if another process holds it."""
        held = os.open(self.root / "lock", os.O_WRONLY | os.O_CREAT, 0o600)  # not passed on to programs that we start
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            return False
        self._held = held
        return True

    def release(self) -> None:
        """Give the folder back."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def is_held(self) -> bool:
        """True while a living process holds the folder."""
        if self._held is not None:
            return True
        if not (self.root / "lock").exists():
            return False
        if not self.hold():
            return True
        self.release()
        return False

    def read(self) -> State:
        """Return the last written state; an empty one if there is none."""
        try:
            found = json.loads((self.root / "state.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return State()
        return _state(found)

    def write(self, state: State) -> None:
        """Replace the state, whole or not at all."""
        draft = self.root / "state.json.new"
        draft.write_text(json.dumps(asdict(state), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(self.root / "state.json")

    def sweep(self) -> list[str]:
        """End what an earlier supervisor left behind when it was killed. Returns the names of what was found alive.

        Only processes that the state file names, by id and start, and what they started, are touched.
        """
        state = self.read()
        left = [process for process in state.processes if process.alive]
        found: set[ProcessId] = set()
        for process in left:
            found |= family(process.pid)
        end(found, politely_for=20)
        if state.processes:
            state.processes = []
            self.write(state)
        return [process.name for process in left]


def _state(found: dict[str, Any]) -> State:
    supervisor = found.pop("supervisor", None)
    processes = found.pop("processes", [])
    return State(
        **found,
        supervisor=ProcessState(**supervisor) if supervisor else None,
        processes=[ProcessState(**process) for process in processes],
    )

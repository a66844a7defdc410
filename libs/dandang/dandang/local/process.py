"""Operating-system processes: starting a program, waiting until it is ready, ending it with all that it started."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dandang.local.errors import LocalError, StartFailed

_PR_SET_CHILD_SUBREAPER = 36
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "PYTHONWARNINGS", "COVERAGE_PROCESS_START")


@dataclass(frozen=True, slots=True)
class Account:
    """The system user whom a program runs as, where that is not the user who starts it."""

    name: str
    uid: int
    gid: int


class ProcessId(NamedTuple):
    """One process for ever: its id alone may be given out again. `started` is in clock ticks since boot."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, how to know that it is ready, and how to end it.

    `env` is the program's whole environment. `ready` is asked until it says True or `ready_within` seconds are over;
    a program without it is ready once started. At its end it gets `stop_signal`, and SIGKILL `stop_within` seconds later.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    ready: Callable[[], bool] | None = None
    ready_within: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 20.0
    account: Account | None = None
    port: int | None = None


@dataclass(slots=True)
class Running:
    """A started program. It leads a session of its own, so that all that it starts can be found."""

    program: Program
    popen: subprocess.Popen[bytes]
    started: int = field(init=False)
    _family: set["ProcessId"] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.started = started_at(self.popen.pid) or 0

    @property
    def pid(self) -> int:
        """The process id, which is the session's id as well."""
        return self.popen.pid

    def exit_code(self) -> int | None:
        """None while it runs; else its exit code, negative for a signal."""
        return self.popen.poll()

    def wait_ready(self) -> None:
        """Return once the program is ready.

        Raises StartFailed, with the end of its log, if it ends or is not ready in time.
        """
        program = self.program
        give_up = time.monotonic() + program.ready_within
        while not (program.ready is None or program.ready()):
            code = self.exit_code()
            if code is not None:
                raise StartFailed(f"{program.name} ended at its start ({describe_exit(code)}).{tail(program.log)}")
            if time.monotonic() > give_up:
                raise StartFailed(f"{program.name} is not ready after {program.ready_within:.0f} s.{tail(program.log)}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the program and all that it started: politely first, by force when its time is over."""
        self.ask_to_stop()
        self.wait_stopped()

    def ask_to_stop(self) -> None:
        """Send the stop signal, and return at once."""
        self._family = family(self.pid)
        if self.exit_code() is None:
            self.popen.send_signal(self.program.stop_signal)

    def wait_stopped(self) -> None:
        """Wait until the program is gone, then end what is left of all that it started."""
        try:
            self.popen.wait(self.program.stop_within)
        except subprocess.TimeoutExpired:
            self._family |= family(self.pid)
            self.popen.kill()
            self.popen.wait()
        end(self._family | family(self.pid))

    def kill(self) -> None:
        """End the program and all that it started at once, as a crash would."""
        self._family = family(self.pid)
        self.popen.kill()
        self.popen.wait()
        end(self._family)


def environment(home: Path, **own: str) -> dict[str, str]:
    """Return a small environment: what any program needs of ours, a home folder, and `own`."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"LANG": "C.UTF-8", "HOME": str(home), **inherited, **own}


def start(program: Program) -> Running:
    """Start a program. It gets its stop signal by itself if the thread that started it dies."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    account = program.account
    with open(program.log, "ab") as log:
        popen = subprocess.Popen(
            # a child of ours cannot ask for this signal in Python once threads run here; setpriv does, and becomes the program
            ["setpriv", f"--pdeathsig={program.stop_signal.name.removeprefix('SIG')}", "--", *program.argv],
            env=dict(program.env),
            cwd=program.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    return Running(program, popen)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends, so that none gets out of sight."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def started_at(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if there is no such process, or only its remains."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def family(pid: int) -> set[ProcessId]:
    """Return what lives in the session that `pid` leads or led, and all that descends from it, in whatever session."""
    parents: dict[int, int] = {}
    starts: dict[int, int] = {}
    members: set[int] = set()
    for member, fields in _processes():
        parents[member] = int(fields[1])
        starts[member] = int(fields[19])
        if member == pid or int(fields[3]) == pid:
            members.add(member)
    while found := {child for child, parent in parents.items() if parent in members and child not in members}:
        members |= found
    return {ProcessId(member, starts[member]) for member in members}


def descendants() -> set[ProcessId]:
    """Return all living processes below this one."""
    own = os.getpid()
    below = set[int]()
    processes = dict(_processes())
    while found := {child for child, f in processes.items() if int(f[1]) in below | {own} and child not in below}:
        below |= found
    return {ProcessId(pid, int(processes[pid][19])) for pid in below}


def end(members: set[ProcessId], politely_for: float = 0.0) -> None:
    """End processes: SIGTERM, and after `politely_for` seconds SIGKILL until they are gone. Raises LocalError if one stays."""
    if politely_for and members:
        _signal_all(members, signal.SIGTERM)
        _wait_gone(members, politely_for)
    if left := _living(members):
        _signal_all(left, signal.SIGKILL)
        _wait_gone(left, 10)
        if left := _living(left):
            raise LocalError(f"processes {sorted(member.pid for member in left)} do not end, not even by SIGKILL")


def end_descendants() -> None:
    """End every process below this one, and those that they start meanwhile."""
    while left := descendants():
        end(left)
    reap_orphans(set())


def reap_orphans(own: Collection[int]) -> None:
    """Collect adopted processes that have ended. Those in `own` are left to whoever started them."""
    with suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in own:
                return  # its owner collects it soon, and others can be seen again
            os.waitpid(found.si_pid, os.WNOHANG)


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log with its path, ready to stand behind a message."""
    if not log.exists():
        return ""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        last = file.read().decode("utf-8", "replace").splitlines()[-lines:]
    return "\n  | ".join([f" The end of {log}:", *last])


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and fields[0] not in "ZX":
                yield int(entry.name), fields


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat behind the name: state, parent, group, session, …"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _living(members: set[ProcessId]) -> set[ProcessId]:
    return {member for member in members if started_at(member.pid) == member.started}


def _wait_gone(members: set[ProcessId], within: float) -> None:
    give_up = time.monotonic() + within
    while _living(members):
        if time.monotonic() > give_up:
            return
        time.sleep(0.02)


def _signal_all(members: set[ProcessId], number: signal.Signals) -> None:
    for member in _living(members):
        with suppress(ProcessLookupError):
            os.kill(member.pid, number)

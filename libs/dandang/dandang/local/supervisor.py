"""Keeps programs running: starts them in order, waits until they are ready, restarts what crashes, ends all of them."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dandang.local import process
from dandang.local.errors import StartFailed
from dandang.local.process import Program, Running, describe_exit, tail

LOG_LIMIT = 64 * 1024 * 1024
"""A log that grows beyond this many bytes is put aside as `.1`, in place of the one before."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart, in seconds: `first`, doubled each time up to `longest`.

    A program that ran for `healthy_after` seconds starts at `first` again.
    """

    first: float = 1.0
    longest: float = 30.0
    healthy_after: float = 60.0

    def delay(self, crashes: int) -> float:
        """Return the wait after the given number of crashes in a row (1 or more)."""
        return float(min(self.first * 2 ** min(crashes - 1, 16), self.longest))


@dataclass(slots=True)
class Watched:
    """A program under supervision."""

    program: Program
    running: Running
    since: float
    restarts: int = 0
    crashes: int = 0
    start_again_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Runs programs in groups. `tell` says a line to a person; `changed` is called whenever a process came or went.

    Programs must be started by one thread, since they end with the thread that started them.
    """

    tell: Callable[[str], None]
    changed: Callable[[], None] = lambda: None
    backoff: Backoff = Backoff()
    groups: list[list[Watched]] = field(default_factory=list, init=False)

    @property
    def watched(self) -> list[Watched]:
        """All programs, in the order of their start."""
        return [watched for group in self.groups for watched in group]

    def pids(self) -> set[int]:
        """The ids of the processes that were started here, ended ones too."""
        return {watched.running.pid for watched in self.watched}

    def start(self, *programs: Program) -> None:
        """Start programs as one group, without waiting for them."""
        group: list[Watched] = []
        self.groups.append(group)
        for program in programs:
            _put_aside(program, limit=0)
            group.append(Watched(program, process.start(program), time.monotonic()))
            self.changed()

    def wait_ready(self, *names: str) -> None:
        """Return once the named programs are ready.

        Raises StartFailed as soon as any program ends or is not ready in time: what fails at its start fails always.
        """
        waiting = {watched.program.name: watched for watched in self.watched if watched.program.name in names}
        while waiting:
            for name, watched in list(waiting.items()):
                program = watched.program
                if program.ready is None or program.ready():
                    del waiting[name]
                elif time.monotonic() - watched.since > program.ready_within:
                    raise StartFailed(f"{name} is not ready after {program.ready_within:.0f} s.{tail(program.log)}")
            for watched in self.watched:
                code = watched.running.exit_code()
                if code is not None:
                    name, log = watched.program.name, watched.program.log
                    raise StartFailed(f"{name} ended at its start ({describe_exit(code)}).{tail(log)}")
            if waiting:
                time.sleep(0.1)

    def run_once(self, program: Program) -> None:
        """Run programs that end by themselves. Raises StartFailed unless the exit code is 0."""
        self.run_all_once(program)

    def run_all_once(self, *programs: Program) -> None:
        """Run programs side by side that end by themselves. Raises StartFailed unless each ends with exit code 0."""
        started = []
        try:
            for program in programs:
                _put_aside(program, limit=0)
                started.append(process.start(program))
            for running in started:
                give_up = time.monotonic() + running.program.ready_within
                while (code := running.exit_code()) is None:
                    if time.monotonic() > give_up:
                        raise StartFailed(f"{running.program.name} does not come to an end.{tail(running.program.log)}")
                    time.sleep(0.05)
                if code:
                    name, log = running.program.name, running.program.log
                    raise StartFailed(f"{name} failed ({describe_exit(code)}).{tail(log)}")
        finally:
            for running in started:
                if running.exit_code() is None:
                    running.kill()

    def look(self) -> None:
        """Look at every program once: start again what ended, when its time has come."""
        now = time.monotonic()
        for watched in self.watched:
            if watched.start_again_at is not None:
                if now >= watched.start_again_at:
                    self._start_again(watched)
            elif (code := watched.running.exit_code()) is not None:
                self._note_crash(watched, code, now)
            else:
                _put_aside(watched.program, limit=LOG_LIMIT)

    def stop(self) -> None:
        """End all programs, group by group in reverse order, those of a group at the same time."""
        while self.groups:
            group = self.groups[-1]
            for watched in reversed(group):
                watched.running.ask_to_stop()
            for watched in reversed(group):
                watched.running.wait_stopped()
            self.groups.pop()
            self.changed()

    def kill(self) -> None:
        """End all programs at once, without asking."""
        while self.groups:
            for watched in self.groups.pop():
                watched.running.kill()
        self.changed()

    def _note_crash(self, watched: Watched, code: int, now: float) -> None:
        watched.running.kill()  # what it had started
        lasted = now - watched.since
        watched.crashes = 1 if lasted >= self.backoff.healthy_after else watched.crashes + 1
        delay = self.backoff.delay(watched.crashes)
        watched.start_again_at = now + delay
        name, log = watched.program.name, watched.program.log
        self.tell(
            f"{name} 意外结束，{delay:g} 秒后重启 / ended unexpectedly ({describe_exit(code)}) after {lasted:.0f} s;"
            f" starting it again in {delay:g} s; log: {log}"
        )
        self.changed()

    def _start_again(self, watched: Watched) -> None:
        watched.running = process.start(watched.program)
        watched.since = time.monotonic()
        watched.start_again_at = None
        watched.restarts += 1
        self.tell(f"{watched.program.name} 已重启 / started again (restart {watched.restarts})")
        self.changed()


def _put_aside(program: Program, limit: int) -> None:
    """Move a log that is larger than `limit` bytes aside, without the program noticing: it appends."""
    log = program.log
    if not log.exists() or log.stat().st_size <= limit:
        return
    aside = log.with_name(f"{log.name}.1")
    shutil.copyfile(log, aside)
    os.truncate(log, 0)

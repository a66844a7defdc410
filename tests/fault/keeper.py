"""Keeps processes alive as the city's supervisor does, and lets each start of a process have its own faults."""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dandang.local import process


@dataclass
class Kept:
    """A process that is started again when it ends. Its n-th start has the n-th of `faults`, later ones none.

    `crashes` counts the ends that were its own doing, of which `last_words` has what each logged last. Without `wanted` it
    is left dead; `ended` says that it was told to.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    mark: Path
    faults: Sequence[str] = ()
    running: process.Running | None = None
    starts: int = 0
    crashes: int = 0
    last_words: list[str] = field(default_factory=list)
    wanted: bool = True
    ended: bool = False

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self.running is not None and self.running.exit_code() is None

    def reached(self) -> list[str]:
        """Return the crash points at which it died, in order."""
        return self.mark.read_text(encoding="ascii").split() if self.mark.exists() else []

    def said(self) -> str:
        """Return what its present start has logged."""
        assert self.running is not None
        return self.running.program.log.read_text(encoding="utf-8")


@dataclass
class Keeper:
    """Starts processes and starts them again; what it does to them is noted in `history`."""

    folder: Path
    history: list[dict[str, Any]]
    kept: dict[str, Kept] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, name: str, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, faults: Sequence[str]) -> Kept:
        """Start a process and keep it alive."""
        mark = self.folder / f"{name}.mark"
        kept = Kept(name, argv, {**env, "FAULT_MARK": str(mark)}, cwd, mark, faults)
        self._start(kept)
        self.kept[name] = kept
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return kept

    def kill(self, name: str) -> bool:
        """End a process as by SIGKILL; say whether it ran."""
        kept = self.kept[name]
        if not kept.alive:
            return False
        assert kept.running is not None
        kept.ended = True
        kept.running.kill()
        self.history.append({"op": "fault", "what": f"kill {name}"})
        return True

    def pause(self, name: str) -> None:
        """Kill a process and leave it dead until `resume`."""
        with self._lock:
            self.kept[name].wanted = False
        self.kill(name)

    def stop(self, *names: str) -> None:
        """End processes in order, side by side, and leave them so until `resume`."""
        found = [self.kept[name] for name in names]
        with self._lock:
            for kept in found:
                kept.wanted, kept.ended = False, True
        living = [kept.running for kept in found if kept.running is not None and kept.alive]
        for running in living:
            running.ask_to_stop()
        for running in living:
            running.wait_stopped()

    def resume(self, *names: str) -> None:
        """Start paused or stopped processes again."""
        for name in names:
            self.kept[name].wanted = True

    def freeze(self, name: str, *, thaw: bool = False) -> None:
        """Stop the process where it stands (SIGSTOP), or let it go on (`thaw`)."""
        running = self.kept[name].running
        assert running is not None
        for member in process.family(running.pid):
            os.kill(member.pid, signal.SIGCONT if thaw else signal.SIGSTOP)
        self.history.append({"op": "fault", "what": f"{'thaw' if thaw else 'freeze'} {name}"})

    def end(self) -> None:
        """End every process."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        for kept in self.kept.values():
            if kept.alive:
                assert kept.running is not None
                kept.running.kill()

    def _start(self, kept: Kept) -> None:
        env = dict(kept.env)
        if kept.starts < len(kept.faults):
            env["FAULTS"] = kept.faults[kept.starts]
        kept.starts += 1
        kept.ended = False
        log = self.folder / f"{kept.name}-{kept.starts}.log"
        kept.running = process.start(process.Program(kept.name, kept.argv, env, kept.cwd, log, stop_within=15))

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            for kept in list(self.kept.values()):
                with self._lock:
                    if kept.wanted and not kept.alive:
                        if not kept.ended:
                            kept.crashes += 1
                            kept.last_words.append(process.tail(kept.running.program.log) if kept.running else "")
                        self._start(kept)

"""Whether a process lives and is ready, told on a port of its own by a thread that nothing in the process can block.

The thread answers from what the process last found out, and never calls into the process: under eventlet the process is
one operating-system thread full of green ones, which another thread must not enter. So the process refreshes its checks
and metrics itself, every few seconds, and the answering thread sees at once when that stops.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from citybus.telemetry import logs, metrics

REFRESH_SECONDS: Final = 2.0
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
logger = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told to one request."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class _Check:
    ask: Callable[[], object]
    timeout: float
    state: str = "has not run yet"
    running: threading.Thread | None = None


@dataclass(slots=True)
class Health:
    """What a process knows of its own health.

    It lives while `beat()` was called within the last `stuck_after` seconds: by the refreshing thread where
    `refresh_is_progress` (a worker: its event loop turns), else by the process's own loop. It is ready while every
    check passed when they were last refreshed. `monotonic` is real time.
    """

    stuck_after: float = 30.0
    refresh_is_progress: bool = False
    monotonic: Callable[[], float] = time.monotonic
    _checks: dict[str, _Check] = field(default_factory=dict)
    _beat: float = 0.0
    _refreshed: float = 0.0
    _metrics: bytes = b""
    _draining: bool = False

    def __post_init__(self) -> None:
        self._beat = self._refreshed = self.monotonic()

    def beat(self) -> None:
        """Say that the process has made progress."""
        self._beat = self.monotonic()

    def drain(self) -> None:
        """Say that the process is stopping: it takes nothing new."""
        self._draining = True

    def add(self, name: str, ask: Callable[[], object], timeout: float = 3.0) -> None:
        """Add a check. It fails if `ask` raises, returns False or a text saying why not, or takes over `timeout` s."""
        self._checks[name] = _Check(ask, timeout)

    def refresh(self) -> None:
        """Run all checks side by side, wait for them within their time-outs, and render the metrics."""
        started = [(check, self._start(name, check)) for name, check in self._checks.items()]
        for check, thread in started:
            thread.join(check.timeout)
            if thread.is_alive():
                check.state = f"no answer within {check.timeout:g} s"
            else:
                check.running = None
        self._metrics = metrics.render()
        self._refreshed = self.monotonic()
        if self.refresh_is_progress:
            self.beat()

    def _start(self, name: str, check: _Check) -> threading.Thread:
        # A check that hangs is not asked again before it comes back, so that threads do not pile up.
        if check.running is None or not check.running.is_alive():
            check.running = threading.Thread(target=_ask, args=(name, check), name=f"check-{name}", daemon=True)
            check.running.start()
        return check.running

    def live(self) -> Answer:
        """Answer whether the process should be left alone (200) or restarted (503)."""
        idle = self.monotonic() - self._beat
        return _json(idle <= self.stuck_after, {"idle_seconds": round(idle, 1)})

    def ready(self) -> Answer:
        """Answer whether the process does its work: 200, else 503; the body names what each check said."""
        found = {name: check.state for name, check in self._checks.items()}
        age = self.monotonic() - self._refreshed
        if age > self.stuck_after:
            found["refresh"] = f"the checks last ran {age:.0f} s ago"
        if self._draining:
            found["drain"] = "the process is stopping"
        return _json(all(state == "ok" for state in found.values()), found)

    def answer(self, path: str) -> Answer:
        """Answer a request for `path`: /health/live, /health/ready or /metrics."""
        match path:
            case "/health/live":
                return self.live()
            case "/health/ready":
                return self.ready()
            case "/metrics":
                return Answer(200, METRICS_TYPE, self._metrics)
            case _:
                return _json(False, {"path": "unknown"}, status=404)


def _ask(name: str, check: _Check) -> None:
    try:
        said = check.ask()
    except Exception as error:
        state = type(error).__name__
        logger.debug("check failed", check=name, exc_info=True)
    else:
        state = said if isinstance(said, str) else "not ok" if said is False else "ok"
    if state != check.state:
        logger.info("check changed", check=name, state=state)
    check.state = state


def _json(ok: bool, found: Mapping[str, Any], status: int = 503) -> Answer:
    body = json.dumps({"status": "ok" if ok else "not ok", **found}, ensure_ascii=False).encode()
    return Answer(200 if ok else status, "application/json", body)


def _original(name: str) -> ModuleType:
    """Return the standard module `name` as it is without monkey-patching: real threads and blocking sockets."""
    import importlib
    import sys

    if "eventlet" in sys.modules:
        from eventlet.patcher import original

        module: ModuleType = original(name)
        return module
    return importlib.import_module(name)


class HealthServer:
    """Serves a process's health on 127.0.0.1 or another address, from a real thread; it starts the refreshing, too."""

    def __init__(self, health: Health, port: int, host: str = "127.0.0.1") -> None:
        self._health = health
        self._stopping = threading.Event()
        self._sockets = _original("socket")
        self._listener = self._sockets.create_server((host, port), backlog=16)
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> None:
        """Begin to answer and to refresh."""
        _original("threading").Thread(target=self._serve, name="health", daemon=True).start()
        self._refresher = threading.Thread(target=self._refresh, name="health-refresh", daemon=True)
        self._refresher.start()

    def stop(self) -> None:
        """Stop refreshing and answering."""
        self._stopping.set()
        self._refresher.join(REFRESH_SECONDS)
        # The serving thread may wait in accept(): a shutdown wakes it where a close would not.
        self._listener.shutdown(self._sockets.SHUT_RDWR)
        self._listener.close()

    def _refresh(self) -> None:
        while not self._stopping.is_set():
            self._health.refresh()
            self._stopping.wait(REFRESH_SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with connection:
                    connection.settimeout(2.0)
                    self._respond(connection)
            except OSError:
                continue

    def _respond(self, connection: Any) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked and len(asked) < 16384:
            part = connection.recv(4096)
            if not part:
                return
            asked += part
        words = asked.split(b"\r\n", 1)[0].split()
        answer = self._health.answer(words[1].decode("latin-1").partition("?")[0] if len(words) > 1 else "")
        head = (
            f"HTTP/1.1 {answer.status} {'OK' if answer.status == 200 else 'Not OK'}\r\n"
            f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode("ascii") + (b"" if words[:1] == [b"HEAD"] else answer.body))

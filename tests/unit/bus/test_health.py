"""Health: lives while it makes progress, is ready while its checks pass, and answers whatever the process does."""

import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from citybus.telemetry import health as health_module
from citybus.telemetry.health import Health, HealthServer
from tests.support.waiting import eventually


class Watch:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


def body(answer: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(answer.body)
    return read


def test_process_lives_while_it_makes_progress(watch: Watch) -> None:
    health = Health(stuck_after=30, monotonic=watch)
    watch.at += 30
    assert health.live().status == 200
    watch.at += 1
    assert health.live().status == 503
    assert body(health.live())["idle_seconds"] == 31
    health.refresh()
    assert health.live().status == 503
    health.beat()
    assert health.live().status == 200


def test_refreshing_is_progress_only_where_it_is_said_so(watch: Watch) -> None:
    health = Health(stuck_after=30, refresh_is_progress=True, monotonic=watch)
    watch.at += 31
    health.refresh()
    assert health.live().status == 200


def test_process_is_ready_while_every_check_passes() -> None:
    said: dict[str, Any] = {"a": None, "b": True}
    health = Health()
    for name in said:
        health.add(name, lambda name=name: said[name])
    assert body(health.ready()) == {"status": "not ok", "a": "has not run yet", "b": "has not run yet"}
    health.refresh()
    assert health.ready().status == 200
    said |= {"a": "not consumed: q", "b": False}
    health.refresh()
    assert health.ready().status == 503
    assert body(health.ready()) == {"status": "not ok", "a": "not consumed: q", "b": "not ok"}


def test_check_that_raises_fails_without_its_words() -> None:
    health = Health()

    def ask() -> None:
        raise ConnectionError("postgresql://app:secret@db")

    health.add("database", ask)
    health.refresh()
    health.refresh()
    assert body(health.ready()) == {"status": "not ok", "database": "ConnectionError"}


def test_check_that_hangs_is_cut_off_and_not_asked_again() -> None:
    health, gate, asked = Health(), threading.Event(), []

    def ask() -> None:
        asked.append(1)
        gate.wait(30)

    health.add("broker", ask, timeout=0.05)
    health.refresh()
    health.refresh()
    assert body(health.ready())["broker"] == "no answer within 0.05 s"
    assert len(asked) == 1
    gate.set()

    def passes() -> bool:
        health.refresh()
        return health.ready().status == 200

    eventually(passes, within=5, what="the check to pass")


def test_stopped_refreshing_and_draining_are_not_ready(watch: Watch) -> None:
    health = Health(stuck_after=30, monotonic=watch)
    assert health.ready().status == 200
    watch.at += 31
    assert "31 s ago" in body(health.ready())["refresh"]
    health.refresh()
    health.drain()
    assert body(health.ready()) == {"status": "not ok", "drain": "the process is stopping"}


@pytest.fixture
def served() -> Iterator[tuple[Health, str]]:
    health = Health()
    server = HealthServer(health, 0)
    server.start()
    yield health, f"http://127.0.0.1:{server.port}"
    server.stop()


def get(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    request = urllib.request.Request(url, method=method)  # noqa: S310  # a loopback address made here
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # the same
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_health_is_served(served: tuple[Health, str]) -> None:
    health, url = served
    eventually(lambda: get(f"{url}/metrics")[2] != b"", within=5, what="the first metrics")
    assert get(f"{url}/health/live?x=1")[0] == 200
    assert get(f"{url}/health/ready")[:2] == (200, "application/json")
    assert b"python_info" in get(f"{url}/metrics")[2]
    assert get(f"{url}/else")[0] == 404
    assert get(f"{url}/health/live", "HEAD") == (200, "application/json", b"")
    health.drain()
    assert get(f"{url}/health/ready")[0] == 503


def test_callers_who_behave_badly_hurt_nobody(served: tuple[Health, str]) -> None:
    _, url = served
    port = int(url.rpartition(":")[2])
    for said in (b"", b"\r\n\r\n", b"GET", b"x" * 20000):
        # Once the server has closed, what is still sent is answered by a reset.
        with socket.create_connection(("127.0.0.1", port), timeout=5) as caller, suppress(OSError):
            caller.sendall(said)
            caller.shutdown(socket.SHUT_WR)
    slow = socket.create_connection(("127.0.0.1", port), timeout=5)
    with slow:
        slow.sendall(b"GET /health/live")
        # It has two seconds, then others are served.
        assert get(f"{url}/health/live")[0] == 200


BUSY = """
import eventlet
eventlet.monkey_patch()
import sys, time, urllib.request
from eventlet.patcher import original
from citybus.telemetry import health as health_module
from citybus.telemetry.health import Health, HealthServer

health = Health(stuck_after=3.0, refresh_is_progress=True)
health.add("loop", lambda: eventlet.sleep(0))
server = HealthServer(health, 0)
server.start()
while health.ready().status != 200:
    eventlet.sleep(0.05)
socket, threads, real_time = original("socket"), original("threading"), original("time")
answers = []

def ask(path):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as caller:
        caller.sendall(b"GET " + path + b" HTTP/1.1\\r\\n\\r\\n")
        return caller.recv(65536).split()[1].decode()

def look():
    answers.extend([ask(b"/health/live"), ask(b"/health/ready")])
    real_time.sleep(3.1)
    answers.extend([ask(b"/health/live"), ask(b"/health/ready")])

looker = threads.Thread(target=look)
looker.start()
end = real_time.monotonic() + 3.3
while real_time.monotonic() < end:
    pass  # the event loop is blocked, as by a handler that computes
looker.join()
eventlet.sleep(0.1)
print(" ".join(answers))
server.stop()
"""


def test_health_answers_while_the_event_loop_is_blocked() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BUSY],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].split() == ["200", "200", "503", "503"]


def test_plain_modules_are_taken_whether_the_process_is_patched_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "eventlet", raising=False)
    assert health_module._original("socket") is socket
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("eventlet")
    assert health_module._original("socket") is not socket

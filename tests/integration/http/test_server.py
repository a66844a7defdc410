"""An API as it is served: by gunicorn, in a process of its own, with an orderly end."""

import logging
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from gunicorn.config import Config
from sqlalchemy import create_engine

from citybus import tables
from citybus.http import server
from citybus.testing.keys import FakeIssuer
from dandang.local import ports, process
from dandang.local.process import Program, Running
from dandang.local.provision import ServiceDatabase
from tests.support.waiting import eventually

PROJECT = Path(__file__).resolve().parents[3]


class Served:
    """A running API, and a client of it."""

    def __init__(self, folder: Path, database: ServiceDatabase) -> None:
        owner = create_engine(database.owner_url)
        tables.metadata.create_all(owner)
        owner.dispose()
        self.issuer = FakeIssuer()
        self.jwks = folder / "jwks.json"
        self.jwks.write_bytes(self.issuer.jwks())
        self.mark = folder / "mark"
        self.home = folder / "home"
        self.home.mkdir()
        self.port = ports.choose()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        environ = process.environment(self.home, SAMPLE_JWKS=str(self.jwks), SAMPLE_MARK=str(self.mark))
        environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self.program = Program(
            name="sample",
            argv=(
                sys.executable,
                "-m",
                "tests.integration.http.served",
                str(self.port),
                database.app_url,
            ),
            env=environ,
            cwd=PROJECT,
            log=self.log,
            ready=self.is_ready,
        )
        self.running: Running = process.start(self.program)
        self.running.wait_ready()

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def get(self, path: str, **options: Any) -> requests.Response:
        token = self.issuer.token(roles=["ORG"])
        return requests.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30, **options)

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer


@pytest.fixture
def served(tmp_path: Path, database: ServiceDatabase) -> Iterator[Served]:
    made = Served(tmp_path, database)
    yield made
    made.running.kill()


def test_sigterm_finishes_what_is_being_answered(served: Served) -> None:
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(served.get("/slow")))
    thread.start()
    try:
        eventually(served.mark.exists, what="the slow request has begun")
        os.kill(served.running.pid, signal.SIGTERM)
        eventually(lambda: not ports.answers(served.port), what="no new connections are taken")
        assert served.running.exit_code() is None
    finally:
        served.mark.unlink()
        thread.join(20)
    assert answers[0].status_code == 200
    assert eventually(lambda: served.running.exit_code() is not None)
    assert served.running.exit_code() == 0


def test_metrics_count_by_route_and_hold_no_identifiers(served: Served) -> None:
    served.mark.touch()
    threading.Timer(0.2, lambda: served.mark.unlink(missing_ok=True)).start()
    assert served.get("/slow?id=420202199001010011").status_code == 200
    served.get("/42020219900101001X")
    requests.get(f"{served.url}/slow", timeout=10)
    text = requests.get(f"{served.url}/metrics", timeout=10).text
    assert 'city_http_requests_total{method="GET",route="/slow",status="200"} 1.0' in text
    assert 'city_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'city_http_denied_total{code="TOKEN_MISSING"} 1.0' in text
    assert "city_http_request_seconds_bucket" in text
    log = served.log.read_text()
    assert '"route": "/slow"' in log
    for private in ("420202199001010011", "42020219900101001X"):
        assert private not in text
        assert private not in log


def test_readiness_and_liveness_are_told_without_a_token(served: Served) -> None:
    assert requests.get(f"{served.url}/health/live", timeout=10).json()["status"] == "ok"
    ready = requests.get(f"{served.url}/health/ready", timeout=10)
    assert (ready.status_code, ready.json()["database"]) == (200, "ok")


def test_a_worker_that_died_is_replaced(served: Served) -> None:
    token = served.issuer.token(roles=["ORG"])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    worker = requests.post(f"{served.url}/quick", headers=headers, timeout=10).json()["pid"]
    assert worker != served.running.pid
    os.kill(worker, signal.SIGKILL)
    eventually(served.is_ready, within=20)
    again = requests.post(f"{served.url}/quick", headers=headers, timeout=10)
    # Its reply was kept with its commit.
    assert (again.json()["pid"], again.headers["Idempotent-Replayed"]) == (worker, "true")


def test_the_server_leaves_no_socket_in_the_home_folder(served: Served) -> None:
    assert not [path for path in served.home.rglob("*") if path.is_socket()]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT"])
def test_odd_methods_are_problems(served: Served, method: str) -> None:
    head = f"{method} /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    answer = served.raw(head)
    assert b" 405 " in answer.split(b"\r\n", 1)[0]
    assert b"application/problem+json" in answer


def test_a_keys_file_that_is_replaced_counts_at_once(served: Served) -> None:
    served.issuer.add("second")
    token = served.issuer.token(kid="second", roles=["ORG"])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k2"}
    assert requests.post(f"{served.url}/quick", headers=headers, timeout=10).status_code == 401
    draft = served.jwks.with_suffix(".draft")
    draft.write_bytes(served.issuer.jwks())
    draft.replace(served.jwks)
    assert requests.post(f"{served.url}/quick", headers=headers, timeout=10).status_code == 200


def test_a_worker_told_to_stop_refuses_connections_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker: Any = server.Worker(1, 1, [listener], None, 30, Config(), logging.getLogger("test"))
        worker.poller = selectors.DefaultSelector()
        worker.set_accept_enabled(True)
        address = listener.getsockname()
        worker.set_accept_enabled(False)
        socket.create_connection(address).close()
        worker.set_accept_enabled(True)
        worker.alive = False
        worker.set_accept_enabled(False)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        worker.poller.close()
        worker.tmp.close()

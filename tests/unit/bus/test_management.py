"""The client of the management API: what it sends, and how it tells errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from citybus.management import Management, ManagementError


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[tuple[str, str, str | None, bytes]]]]:
    """Serve one answer to every request on the loopback; give the URL and the requests seen."""
    seen: list[tuple[str, str, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            seen.append((self.command, self.path, self.headers["Authorization"], self.rfile.read(length)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names that the base class looks for

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://some%20one:p%40ss@127.0.0.1:{server.server_port}/broker/", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_path_is_quoted_and_signed_in() -> None:
    with answering(200, b'{"a": 1}') as (url, seen), Management(url) as management:
        assert management.user == "some one"
        assert management.get("queues", "/", "a b#?") == {"a": 1}
        management.put("queues", "v", "q", body={"durable": True})
        management.post("bindings", "v")
        management.delete("queues", "v", "q")
    signed_in = "Basic c29tZSBvbmU6cEBzcw=="
    assert seen == [
        ("GET", "/broker/api/queues/%2F/a%20b%23%3F", signed_in, b""),
        ("PUT", "/broker/api/queues/v/q", signed_in, b'{"durable":true}'),
        ("POST", "/broker/api/bindings/v", signed_in, b"{}"),
        ("DELETE", "/broker/api/queues/v/q", signed_in, b""),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "bad_request", "reason": "inequivalent arg"}', "inequivalent arg"),
        (b'{"error": "not_authorised"}', "not_authorised"),
        (b'["odd"]', "odd"),
        (b"{}", "GET overview: 400"),
        (b"<html>", "Bad Request"),
    ],
)
def test_refusal_says_what_the_broker_says(body: bytes, said: str) -> None:
    with (
        answering(400, body) as (url, _),
        Management(url) as management,
        pytest.raises(ManagementError, match=said) as caught,
    ):
        management.get("overview")
    assert caught.value.status == 400


def test_redirection_is_not_followed() -> None:
    with answering(302, b"") as (url, _), Management(url) as management, pytest.raises(ManagementError) as caught:
        management.get("overview")
    assert caught.value.status == 302


def test_allowed_status_is_none() -> None:
    with answering(404, b"{}") as (url, _), Management(url) as management:
        assert management.get("vhosts", "v", allow=(404,)) is None
        management.delete("vhosts", "v")


def test_empty_answer_is_none_and_other_text_an_error() -> None:
    with answering(200, b"") as (url, _), Management(url) as management:
        assert management.get("overview") is None
    with answering(200, b"<html>") as (url, _), Management(url) as management, pytest.raises(ManagementError):
        management.get("overview")


def test_nobody_there_is_an_error_without_the_password() -> None:
    with Management("http://u:hidden@127.0.0.1:9") as management, pytest.raises(ManagementError) as caught:
        management.get("overview")
    assert caught.value.status is None
    assert "hidden" not in str(caught.value)

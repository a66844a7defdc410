"""The port `Keys`: what its fake, the file and the OpenID Connect issuer have in common, and what only the issuer has."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import orjson
import pytest

from citybus.http.tokens import FileKeys, IssuerKeys, Keys, KeysAway
from citybus.testing.keys import FakeIssuer


class LoopbackIssuer:
    """An OpenID Connect issuer on loopback that publishes the keys of a fake one."""

    def __init__(self) -> None:
        self.fake = FakeIssuer()
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, body = outer.answers.get(self.path) or outer.usual(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/realm"

    def usual(self, path: str) -> tuple[int, bytes]:
        if self.fake.away:
            return 503, b""
        if path == "/realm/.well-known/openid-configuration":
            return 200, orjson.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        return 200, self.fake.jwks()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def loopback() -> Iterator[LoopbackIssuer]:
    made = LoopbackIssuer()
    yield made
    made.stop()


class Clock:
    """Real time as the port sees it, moved by the test."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Subject(Protocol):
    """One implementation of the port, with the means to change what it reads."""

    keys: Keys
    fake: FakeIssuer

    def publish(self) -> None: ...


class OfFake:
    def __init__(self) -> None:
        self.fake = FakeIssuer()
        self.keys: Keys = self.fake

    def publish(self) -> None:
        pass


class OfFile:
    def __init__(self, folder: Path) -> None:
        self.fake = FakeIssuer()
        self.path = folder / "jwks.json"
        self.keys: Keys = FileKeys(self.path)
        self.publish()

    def publish(self) -> None:
        if self.fake.away:
            self.path.unlink()
            return
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(self.fake.jwks())
        draft.replace(self.path)


class OfIssuer:
    def __init__(self, loopback: LoopbackIssuer, clock: Clock) -> None:
        self.fake = loopback.fake
        self.clock = clock
        self.keys: Keys = IssuerKeys(loopback.url, monotonic=clock)

    def publish(self) -> None:
        self.clock.at += 3600


@pytest.fixture(params=["fake", "file", "issuer"])
def subject(request: pytest.FixtureRequest, tmp_path: Path, loopback: LoopbackIssuer, clock: Clock) -> Subject:
    subjects: dict[str, Subject] = {
        "fake": OfFake(),
        "file": OfFile(tmp_path),
        "issuer": OfIssuer(loopback, clock),
    }
    return subjects[request.param]


def test_a_published_key_is_found_and_another_is_not(subject: Subject) -> None:
    found = subject.keys.find("first")
    assert found is not None
    assert found.as_dict(private=False) == subject.fake.keys["first"].as_dict(private=False)
    assert subject.keys.find("second") is None


def test_a_new_key_is_found(subject: Subject) -> None:
    subject.keys.find("first")
    subject.fake.add("second", "ES256")
    subject.publish()
    assert subject.keys.find("second") is not None
    assert subject.keys.find("first") is not None


def test_a_key_taken_away_is_not_found_and_changes_the_generation(subject: Subject) -> None:
    subject.fake.add("second")
    subject.publish()
    before = subject.keys.generation()
    assert subject.keys.generation() == before
    subject.fake.remove("second")
    subject.publish()
    assert subject.keys.generation() != before
    assert subject.keys.find("second") is None


def test_without_keys_nobody_is_let_in(subject: Subject) -> None:
    subject.keys.find("first")
    subject.fake.away = True
    subject.publish()
    with pytest.raises(KeysAway):
        subject.keys.find("first")
    with pytest.raises(KeysAway):
        subject.keys.generation()
    subject.fake.away = False
    subject.publish()
    assert subject.keys.find("first") is not None


def fetches(loopback: LoopbackIssuer) -> int:
    return loopback.asked.count("/realm/keys")


def test_the_issuer_is_asked_once_in_ten_minutes(loopback: LoopbackIssuer, clock: Clock) -> None:
    keys = IssuerKeys(loopback.url, monotonic=clock)
    for _ in range(5):
        keys.find("first")
    assert fetches(loopback) == 1
    clock.at += 599
    keys.generation()
    assert fetches(loopback) == 1
    clock.at += 1
    keys.generation()
    assert fetches(loopback) == 2


def test_unknown_keys_cannot_flood_the_issuer(loopback: LoopbackIssuer, clock: Clock) -> None:
    keys = IssuerKeys(loopback.url, monotonic=clock)
    keys.find("first")
    for _ in range(50):
        assert keys.find("forged") is None
        clock.at += 1
    assert fetches(loopback) == 2


def test_a_rotated_key_is_found_at_once_after_the_floor(loopback: LoopbackIssuer, clock: Clock) -> None:
    keys = IssuerKeys(loopback.url, monotonic=clock)
    before = keys.generation()
    loopback.fake.add("second")
    clock.at += 30
    assert keys.find("second") is not None
    # Nothing was taken away: tokens that were checked stay so.
    assert keys.generation() == before


def test_a_key_replaced_under_its_own_name_changes_the_generation(loopback: LoopbackIssuer, clock: Clock) -> None:
    keys = IssuerKeys(loopback.url, monotonic=clock)
    before = keys.generation()
    loopback.fake.add("first")
    clock.at += 600
    assert keys.generation() != before


def test_an_issuer_away_for_a_while_is_bridged(loopback: LoopbackIssuer, clock: Clock) -> None:
    keys = IssuerKeys(loopback.url, monotonic=clock)
    keys.find("first")
    loopback.fake.away = True
    clock.at += 3599
    assert keys.find("first") is not None
    clock.at += 1
    with pytest.raises(KeysAway):
        keys.find("first")


def test_two_threads_fetch_once(loopback: LoopbackIssuer) -> None:
    keys = IssuerKeys(loopback.url)
    threads = [threading.Thread(target=keys.find, args=("first",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetches(loopback) == 1


DISCOVERY = "/realm/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, (200, b"not json")),
        (DISCOVERY, (200, b"[]")),
        (DISCOVERY, (200, b"{}")),
        (DISCOVERY, (200, b'{"issuer": "https://elsewhere.test", "jwks_uri": "https://elsewhere.test/keys"}')),
        (DISCOVERY, (302, b"")),
        (DISCOVERY, (200, b" " * ((1 << 20) + 1))),
        ("/realm/keys", (200, b"{}")),
        ("/realm/keys", (404, b"")),
    ],
)
def test_an_issuer_that_answers_nonsense_lets_nobody_in(
    loopback: LoopbackIssuer, path: str, answer: tuple[int, bytes]
) -> None:
    loopback.answers[path] = answer
    with pytest.raises(KeysAway):
        IssuerKeys(loopback.url).find("first")


def test_an_issuer_that_is_not_there_lets_nobody_in(loopback: LoopbackIssuer) -> None:
    loopback.server.server_close()
    with pytest.raises(KeysAway):
        IssuerKeys(loopback.url).find("first")


def test_an_issuer_on_https_keeps_its_keys_on_https(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"issuer": "https://city.test", "jwks_uri": "http://city.test/keys"}
    keys = IssuerKeys("https://city.test")
    monkeypatch.setattr(keys, "_get", lambda url: orjson.dumps(found))
    with pytest.raises(KeysAway):
        keys.find("first")

"""How an API is served, as far as no process is needed for it."""

from pathlib import Path

import pytest
from flask import Flask

from citybus.http import server
from citybus.http.tokens import FileKeys, IssuerKeys, tokens_of
from citybus.settings import ApiSettings, Process, read

ENVIRON = {
    "CITY_ENV": "local",
    "CITY_CODE": "420200",
    "CITY_JWT_ISSUER": "https://issuer.test",
    "SAMPLE_DATABASE_URL": "postgresql://localhost/sample",
    "SAMPLE_HTTP_PORT": "8001",
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[server.Server]:
    servers: list[server.Server] = []

    def run(made: server.Server) -> None:
        servers.append(made)

    monkeypatch.setattr(server.Server, "run", run)
    return servers


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:8001"), ("::1", "[::1]:8001")])
def test_one_process_of_threads_listens_where_it_is_told(started: list[server.Server], host: str, address: str) -> None:
    app = Flask("sample")
    server.serve(lambda: app, host=host, port=8001, threads=3)
    (made,) = started
    settings = made.cfg.settings
    assert settings["bind"].get() == [address]
    assert (settings["workers"].get(), settings["threads"].get()) == (1, 3)
    assert settings["control_socket_disable"].get() is True
    assert made.cfg.worker_class is server.Worker
    assert made.load() is app


def settings_of(**more: str) -> ApiSettings:
    return read(ApiSettings, "sample", Process.API, {**ENVIRON, **more})


def test_keys_come_from_a_file_or_from_the_issuer(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text("{}")
    assert isinstance(tokens_of(settings_of(CITY_JWKS_FILE=str(file)))._keys, FileKeys)
    assert isinstance(tokens_of(settings_of(CITY_OIDC_ISSUER="https://issuer.test"))._keys, IssuerKeys)

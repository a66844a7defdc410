"""`dandang audit verify` on a service's database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from citybus import audit as trail
from dandang.commands.audit import audit
from dandang.local.errors import LocalError
from dandang.local.provision import ServiceDatabase
from tests.support.mechanism import CONTEXT, START, Mechanism
from tests.support.postgres import Postgres

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def mechanism(database: ServiceDatabase) -> Iterator[Mechanism]:
    made = Mechanism(database)
    for number in range(3):
        with made.units(CONTEXT) as uow:
            uow.audit("thing.read", f"thing/{number}")
            uow.commit()
    yield made
    made.close()


@pytest.fixture
def service(mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch, postgres: Postgres) -> str:
    monkeypatch.setenv("CITY_DATABASE_URL", postgres.admin_url)
    return mechanism.database.name.removeprefix("city_")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit, ["verify", *arguments])


def checkpoint(mechanism: Mechanism) -> trail.Checkpoint:
    with mechanism.session() as session:
        made = trail.write_checkpoint(session, KEY, START)
    assert made is not None
    return made


def test_untouched_trail_is_ok(service: str) -> None:
    result = run("--service", service)
    assert result.exit_code == 0
    assert "ok" in result.output
    assert "no key" in result.output


def test_altered_entry_is_told_with_exit_code_1(mechanism: Mechanism, service: str) -> None:
    with mechanism.owner.begin() as connection:
        connection.execute(text("UPDATE audit_entries SET actor = 'x' WHERE number = 1"))
    result = run("--service", service)
    assert result.exit_code == 1
    assert "was altered" in result.output
    found = json.loads(run("--service", service, "--json").output)
    assert found[service]["ok"] is False
    assert found[service]["entries"] == 3


def test_signatures_are_checked_with_the_services_key(
    mechanism: Mechanism, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(mechanism)
    name = f"{service.upper()}_AUDIT_KEY_FILE"
    (tmp_path / "key").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    monkeypatch.setenv(name, str(tmp_path / "key"))
    result = run("--service", service)
    assert result.exit_code == 0
    assert "checked" in result.output
    other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key").write_bytes(other)
    assert "its signature does not match" in run("--service", service).output
    (tmp_path / "key").write_text("nonsense")
    assert isinstance(run("--service", service).exception, LocalError)


@pytest.mark.parametrize("as_log", [False, True])
def test_checkpoint_kept_elsewhere_is_trusted(mechanism: Mechanism, service: str, tmp_path: Path, as_log: bool) -> None:
    kept = checkpoint(mechanism).to_json()
    file = tmp_path / "kept"
    file.write_text(
        f"an older line\n{json.dumps({'event': 'audit checkpoint', 'checkpoint': kept}) if as_log else kept}\n"
    )
    assert run("--service", service, "--trusted", str(file)).exit_code == 0
    report: Any = json.loads(run("--service", service, "--trusted", str(file), "--incremental", "--json").output)
    assert report[service]["entries"] == 0
    with mechanism.owner.begin() as connection:
        connection.execute(text("DELETE FROM audit_checkpoints"))
    assert run("--service", service, "--trusted", str(file)).exit_code == 1


@pytest.mark.parametrize("content", ["", "x", "{}", "[1]", '{"checkpoint": 5}'])
def test_file_without_a_checkpoint_is_refused(service: str, tmp_path: Path, content: str) -> None:
    file = tmp_path / "kept"
    file.write_text(content)
    result = run("--service", service, "--trusted", str(file))
    assert isinstance(result.exception, LocalError)
    assert "no checkpoint" in str(result.exception)


def test_trusted_checkpoint_belongs_to_one_service(service: str, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("{}")
    assert run("--trusted", str(tmp_path / "kept")).exit_code == 2
    assert run("--service", service, "--incremental").exit_code == 2


def test_database_that_is_not_there_is_told(service: str) -> None:
    result = run("--service", "nowhere")
    assert isinstance(result.exception, LocalError)
    assert "city_nowhere" in str(result.exception)

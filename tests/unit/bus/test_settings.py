"""Settings: typed, told wrong all at once, never showing a secret."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from marshmallow import fields

from citybus import settings
from citybus.clock import FileClock, SystemClock
from citybus.settings import (
    ApiSettings,
    Environment,
    JobSettings,
    MigrateSettings,
    Process,
    RelaySettings,
    SettingsError,
    Variable,
    WorkerSettings,
)

SECRET = "0123"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "jwks.json").write_text("{}")
    return {
        "CITY_ENV": "local",
        "CITY_CODE": "420200",
        "CITY_JWKS_FILE": str(tmp_path / "jwks.json"),
        "CITY_JWT_ISSUER": "https://issuer.example",
        "ASSESSMENT_DATABASE_URL": f"postgresql://app:{SECRET}@db/city_assessment",
        "ASSESSMENT_MIGRATION_DATABASE_URL": f"postgresql+psycopg2://owner:{SECRET}@db/city_assessment",
        "ASSESSMENT_AMQP_URL": f"amqp://svc:{SECRET}@broker:5672/city",
        "ASSESSMENT_HTTP_PORT": "8101",
        "ASSESSMENT_HEALTH_PORT": "8102",
        "CITY_RABBITMQ_MONITOR_URL": f"http://monitor:{SECRET}@broker:15672",
        "CITY_TOPOLOGY_DIR": str(tmp_path),
        "PATH": "/bin",
    }


@pytest.mark.parametrize(
    ("process", "kind"),
    [
        (Process.API, ApiSettings),
        (Process.WORKER, WorkerSettings),
        (Process.RELAY, RelaySettings),
        (Process.JOB, JobSettings),
        (Process.MIGRATE, MigrateSettings),
    ],
)
def test_each_kind_of_process_has_its_settings(environ: dict[str, str], process: Process, kind: type) -> None:
    found = settings.load("assessment", process, environ)
    assert type(found) is kind
    assert (found.service, found.process, found.city) == ("assessment", process, "420200")
    assert found.environment is Environment.LOCAL
    assert found.source == "/city/420200/assessment"
    assert found.unknown == ()
    assert SECRET not in repr(found)
    assert SECRET not in str(found)
    with pytest.raises(AttributeError):
        found.city = "420100"  # type: ignore[misc]  # frozen, and that is the point


def test_password_of_digits_stays_text(environ: dict[str, str]) -> None:
    found = settings.load("assessment", Process.WORKER, environ)
    assert isinstance(found, WorkerSettings)
    assert found.database_url.password == SECRET
    assert found.amqp_url.startswith(f"amqp://svc:{SECRET}@")


def test_bare_postgresql_means_psycopg2(environ: dict[str, str]) -> None:
    found = settings.load("assessment", Process.API, environ)
    assert isinstance(found, ApiSettings)
    assert found.database_url.drivername == "postgresql+psycopg2"
    assert (found.http_host, found.http_port, found.jwt_audience) == ("127.0.0.1", 8101, "dandang")


def test_value_may_come_from_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text(environ.pop("ASSESSMENT_AMQP_URL") + "\n")
    environ["ASSESSMENT_AMQP_URL_FILE"] = str(secret)
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
    environ["ASSESSMENT_AUDIT_KEY_FILE"] = str(tmp_path / "key")
    worker = settings.load("assessment", Process.WORKER, environ)
    job = settings.load("assessment", Process.JOB, environ)
    assert isinstance(worker, WorkerSettings)
    assert isinstance(job, JobSettings)
    assert worker.amqp_url == f"amqp://svc:{SECRET}@broker:5672/city"
    assert job.audit_key is not None
    assert job.audit_key.startswith("-----BEGIN")
    assert worker.unknown == ()


def test_all_errors_are_reported_at_once_in_both_languages(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    environ = {
        "CITY_ENV": "test",
        "CITY_CODE": "42",
        "CITY_LOG_LEVEL": "LOUD",
        "CITY_OIDC_ISSUER": "ftp://x",
        "CITY_RULEPACK_DIR": str(tmp_path / "none"),
        "CITY_JWT_ISSUER_FILE": str(tmp_path / "none"),
        "CITY_JWT_AUDIENCE_FILE": str(binary),
        "ASSESSMENT_DATABASE_URL": f"mysql://app:{SECRET}@db/x",
        "ASSESSMENT_HTTP_HOST": "::1",
        "ASSESSMENT_HTTP_HOST_FILE": str(binary),
        "ASSESSMENT_HTTP_PORT": "70000",
    }
    with pytest.raises(SettingsError) as error:
        settings.load("assessment", Process.API, environ)
    assert list(error.value.problems) == [
        "ASSESSMENT_DATABASE_URL",
        "ASSESSMENT_HTTP_HOST",
        "ASSESSMENT_HTTP_PORT",
        "CITY_CODE",
        "CITY_ENV",
        "CITY_JWKS_FILE",
        "CITY_JWT_AUDIENCE",
        "CITY_JWT_ISSUER",
        "CITY_LOG_LEVEL",
        "CITY_OIDC_ISSUER",
        "CITY_RULEPACK_DIR",
    ]
    assert "六位行政区划代码" in str(error.value)
    assert SECRET not in str(error.value)


def test_missing_and_empty_are_the_same() -> None:
    with pytest.raises(SettingsError) as error:
        settings.load("assessment", Process.WORKER, {"CITY_CODE": "", "ASSESSMENT_DATABASE_URL": "::"})
    assert error.value.problems["CITY_CODE"] == "必须提供 / is required"
    assert error.value.problems["ASSESSMENT_HEALTH_PORT"] == "必须提供 / is required"
    assert "不是数据库地址" in error.value.problems["ASSESSMENT_DATABASE_URL"]


def test_keys_come_from_one_place_only(environ: dict[str, str]) -> None:
    environ["CITY_OIDC_ISSUER"] = "https://issuer.example"
    with pytest.raises(SettingsError, match="exactly one"):
        settings.load("assessment", Process.API, environ)
    del environ["CITY_JWKS_FILE"]
    found = settings.load("assessment", Process.API, environ)
    assert isinstance(found, ApiSettings)
    assert found.oidc_issuer == "https://issuer.example"


def test_domain_time_can_be_moved_only_where_all_is_local(environ: dict[str, str], tmp_path: Path) -> None:
    worker = settings.load("assessment", Process.WORKER, environ)
    assert isinstance(worker, WorkerSettings)
    assert isinstance(worker.clock(), SystemClock)
    environ["CITY_CLOCK_FILE"] = str(tmp_path / "clock")
    worker = settings.load("assessment", Process.WORKER, environ)
    assert isinstance(worker, WorkerSettings)
    assert isinstance(worker.clock(), FileClock)
    del environ["CITY_ENV"]
    with pytest.raises(SettingsError, match="CITY_ENV=local only"):
        settings.load("assessment", Process.WORKER, environ)


def test_misspelt_variables_of_the_service_are_named(environ: dict[str, str]) -> None:
    environ |= {"ASSESSMENT_DATABSE_URL": "x", "ASSESSMENT_ZZZ": "1", "SUPERVISION_FOO": "1", "CITY_FOO": "1"}
    found = settings.load("assessment", Process.WORKER, environ)
    assert found.unknown == ("ASSESSMENT_DATABSE_URL (ASSESSMENT_DATABASE_URL?)", "ASSESSMENT_ZZZ")


@dataclass(frozen=True, kw_only=True)
class PainterSettings(WorkerSettings):
    colour: Annotated[str, Variable("{SERVICE}_COLOUR", fields.String(required=True))]


def test_a_service_may_know_more_than_the_others(environ: dict[str, str]) -> None:
    kinds = {**settings.KINDS, Process.WORKER: PainterSettings}
    environ["ASSESSMENT_COLOUR"] = "red"
    found = settings.load("assessment", Process.WORKER, environ, kinds)
    assert isinstance(found, PainterSettings)
    assert found.colour == "red"
    # Another process of the service does not read it, and does not call it unknown either.
    assert settings.load("assessment", Process.API, environ, kinds).unknown == ()
    assert settings.load("assessment", Process.API, environ).unknown == ("ASSESSMENT_COLOUR",)

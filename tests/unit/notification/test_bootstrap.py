"""The composition root: what is built from settings, without connecting to anything."""

from pathlib import Path
from typing import Any

import pytest

from citybus import settings
from citybus.http.access import routes
from citybus.rulepack import RulePackError
from citybus.settings import Process, ServingSettings, SettingsError
from citybus.telemetry.health import Health
from citybus.testing.keys import FakeIssuer
from notification.bootstrap import build, channels, departments
from notification.settings import KINDS, NotificationJobSettings
from tests.support.notification import CONTRACTS

TOPOLOGY = CONTRACTS.parent / "deploy" / "rabbitmq"

PACK = """
code: LOCAL-HS-2025
version: "1"
layer: local
city: "420200"
valid_from: 2025-01-01
valid_to: null
source: a later wording
rules:
  document.finding_notice: {value: {zh: "致${name}：${facts}", en: "to ${name}"}, source: a test, tag: D}
"""


def loaded(process: Process, tmp_path: Path, **more: str) -> ServingSettings:
    keys = tmp_path / "jwks.json"
    keys.write_bytes(FakeIssuer().jwks())
    given = {
        "CITY_CODE": "420200",
        "NOTIFICATION_DATABASE_URL": "postgresql://app:secret@127.0.0.1:1/city_notification",
        "NOTIFICATION_AMQP_URL": "amqp://svc:secret@127.0.0.1:1/city",
        "NOTIFICATION_HTTP_PORT": "8080",
        "NOTIFICATION_HEALTH_PORT": "8081",
        "NOTIFICATION_CONTRACTS_DIR": str(CONTRACTS),
        "CITY_TOPOLOGY_DIR": str(TOPOLOGY),
        "CITY_JWKS_FILE": str(keys),
        "CITY_JWT_ISSUER": "https://issuer.test",
        **more,
    }
    found = settings.load("notification", process, {name: value for name, value in given.items() if value}, KINDS)
    assert isinstance(found, ServingSettings)
    return found


def test_the_api_is_built_and_every_route_has_its_roles(tmp_path: Path) -> None:
    service = build(loaded(Process.API, tmp_path))
    found: Any = routes(service.api(Health()))
    assert {route.path for route in found} >= {"/deliveries", "/subscriptions", "/publications", "/event-types"}
    assert service.units.source == "/city/420200/notification"
    service.engine.dispose()


def test_each_process_is_asked_for_its_own_work(tmp_path: Path) -> None:
    service = build(loaded(Process.JOB, tmp_path))
    assert [each.name for each in service.regular] == ["forget records", "send publications"]
    with pytest.raises(TypeError):
        service.api(Health())
    with pytest.raises(TypeError):
        service.worker()
    service.engine.dispose()


@pytest.mark.parametrize("process", [Process.API, Process.WORKER])
@pytest.mark.parametrize("folder", ["", "/no/such/folder", __file__])
def test_a_process_does_not_start_without_the_contracts(process: Process, folder: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(process, tmp_path, NOTIFICATION_CONTRACTS_DIR=folder)
    assert "NOTIFICATION_CONTRACTS_DIR" in caught.value.problems


def test_a_template_that_names_what_it_may_not_stops_the_start(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    packs.mkdir()
    (packs / "later.yaml").write_text(PACK, encoding="utf-8")
    with pytest.raises(RulePackError, match="unknown variable facts"):
        build(loaded(Process.JOB, tmp_path, CITY_RULEPACK_DIR=str(packs)))


def test_the_departments_are_those_that_have_a_queue() -> None:
    assert "finance-bureau" in departments(TOPOLOGY)


def test_channels_are_those_that_are_set_up(tmp_path: Path) -> None:
    def job(**more: str) -> NotificationJobSettings:
        found = loaded(Process.JOB, tmp_path, **more)
        assert isinstance(found, NotificationJobSettings)
        return found

    assert set(channels(job())) == {"INTERNAL"}
    wechat = {"NOTIFICATION_WECHAT_URL": "http://127.0.0.1:1", "NOTIFICATION_WECHAT_APP_ID": "wx"}
    assert set(channels(job(**wechat))) == {"INTERNAL"}
    assert "hidden" not in repr(job(**wechat, NOTIFICATION_WECHAT_SECRET="hidden"))
    assert set(channels(job(**wechat, NOTIFICATION_WECHAT_SECRET="s"))) == {"INTERNAL", "WECHAT"}
    press = {"NOTIFICATION_PRESS_DIR": str(tmp_path), "NOTIFICATION_SMTP_URL": "smtp://127.0.0.1:25"}
    mail = {"NOTIFICATION_MAIL_SENDER": "city@example.org", "NOTIFICATION_TV_MAIL": "tv@example.org"}
    found: Any = channels(job(**press, **mail))
    assert (found["NEWSPAPER"].mail, found["TV"].mail.recipient) == (None, "tv@example.org")

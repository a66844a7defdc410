"""The composition root: what is built from settings, without connecting to anything."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from citybus import settings
from citybus.http.access import routes
from citybus.settings import Process, ServingSettings
from citybus.telemetry.health import Health
from citybus.testing.keys import FakeIssuer
from incentive.bootstrap import build, load_rules

OTHER_CITY = """
code: LOCAL-EZ-2024
version: "1"
layer: local
city: "420700"
valid_from: 2024-01-01
valid_to: null
source: a neighbouring city
rules:
  tolerance.panel_quorum: {value: 7, source: its own rules, tag: D}
"""
CIRCUMSTANCES = "tolerance.circumstances: {value: {1: {zh: 本市情形, en: one of the city's own}}"


def loaded(process: Process, tmp_path: Path, **more: str) -> ServingSettings:
    keys = tmp_path / "jwks.json"
    keys.write_bytes(FakeIssuer().jwks())
    found = settings.load(
        "incentive",
        process,
        {
            "CITY_CODE": "420200",
            "INCENTIVE_DATABASE_URL": "postgresql://app:secret@127.0.0.1:1/city_incentive",
            "INCENTIVE_HTTP_PORT": "8080",
            "INCENTIVE_HEALTH_PORT": "8081",
            "CITY_JWKS_FILE": str(keys),
            "CITY_JWT_ISSUER": "https://issuer.test",
            **more,
        },
    )
    assert isinstance(found, ServingSettings)
    return found


def test_the_api_is_built_and_every_route_has_its_roles(tmp_path: Path) -> None:
    service = build(loaded(Process.API, tmp_path))
    found: Any = routes(service.api(Health()))
    assert {route.path for route in found} >= {"/tolerance-cases", "/evidence", "/catalogue"}
    assert service.units.source == "/city/420200/incentive"
    service.engine.dispose()


def test_only_the_api_process_serves_the_api(tmp_path: Path) -> None:
    service = build(loaded(Process.JOB, tmp_path))
    with pytest.raises(TypeError):
        service.api(Health())
    service.engine.dispose()


def test_a_pack_of_another_city_is_loaded_beside_ours_without_code(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    packs.mkdir()
    (packs / "ez.yaml").write_text(OTHER_CITY, encoding="utf-8")
    rulebook = load_rules(loaded(Process.JOB, tmp_path, CITY_RULEPACK_DIR=str(packs)))
    key, day = "tolerance.panel_quorum", date(2024, 3, 4)
    assert (rulebook.on(day)[key], rulebook.packs.at(day, "420700")[key]) == (5, 7)


def test_a_newer_pack_of_the_city_takes_the_place_of_the_default_circumstances(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    packs.mkdir()
    own = OTHER_CITY.replace("LOCAL-EZ-2024", "LOCAL-HS-2025").replace("420700", "420200").replace("2024-01", "2025-01")
    (packs / "hs.yaml").write_text(own.replace("tolerance.panel_quorum: {value: 7", CIRCUMSTANCES), encoding="utf-8")
    rulebook = load_rules(loaded(Process.JOB, tmp_path, CITY_RULEPACK_DIR=str(packs)))
    key = "tolerance.circumstances"
    assert len(rulebook.on(date(2024, 12, 31))[key]) == 9
    assert list(rulebook.on(date(2025, 1, 1))[key]) == [1]

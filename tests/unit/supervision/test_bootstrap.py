"""The composition root: what is built from settings, without connecting to anything."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from citybus import settings
from citybus.http.access import routes
from citybus.settings import Process, ServingSettings, SettingsError
from citybus.telemetry.health import Health
from citybus.testing.keys import FakeIssuer
from supervision.bootstrap import build, load_rules
from supervision.settings import KINDS
from tests.support.vault import key_file

OTHER_CITY = """
code: LOCAL-EZ-2024
version: "1"
layer: local
city: "420700"
valid_from: 2024-01-01
valid_to: null
source: a neighbouring city
rules:
  finding.weight.severity_3: {value: 3.0, lighter: min, source: its own rules, tag: D}
"""


def loaded(process: Process, tmp_path: Path, **more: str) -> ServingSettings:
    keys = tmp_path / "jwks.json"
    keys.write_bytes(FakeIssuer().jwks())
    found = settings.load(
        "supervision",
        process,
        {
            "CITY_CODE": "420200",
            "SUPERVISION_DATABASE_URL": "postgresql://app:secret@127.0.0.1:1/city_supervision",
            "SUPERVISION_HTTP_PORT": "8080",
            "SUPERVISION_HEALTH_PORT": "8081",
            "CITY_JWKS_FILE": str(keys),
            "CITY_JWT_ISSUER": "https://issuer.test",
            "SUPERVISION_FIELD_KEY": key_file(),
            **more,
        },
        KINDS,
    )
    assert isinstance(found, ServingSettings)
    return found


def test_the_api_is_built_and_every_route_has_its_roles(tmp_path: Path) -> None:
    service = build(loaded(Process.API, tmp_path))
    found: Any = routes(service.api(Health()))
    assert {route.path for route in found} >= {"/findings", "/inspections", "/evidence", "/signals"}
    assert service.units.source == "/city/420200/supervision"
    service.engine.dispose()


def test_the_keys_of_fields_are_wanted_by_the_api_alone_and_shown_nowhere(tmp_path: Path) -> None:
    found = loaded(Process.API, tmp_path)
    assert (found.unknown, "vault" in repr(found)) == ((), False)
    with pytest.raises(SettingsError) as caught:
        loaded(Process.API, tmp_path, SUPERVISION_FIELD_KEY="")
    assert set(caught.value.problems) == {"SUPERVISION_FIELD_KEY"}
    assert not hasattr(loaded(Process.JOB, tmp_path, SUPERVISION_FIELD_KEY=""), "vault")


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
    key, day = "finding.weight.severity_3", date(2024, 3, 4)
    assert str(rulebook.on(day)[key]) == "2.0"
    assert str(rulebook.packs.at(day, "420700")[key]) == "3.0"


def test_conduct_is_weighed_by_the_rules_of_its_day_or_lighter_ones_since(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    packs.mkdir()
    for year, weight in ((2025, "1.5"), (2026, "5.0")):
        pack = OTHER_CITY.replace("LOCAL-EZ-2024", f"LOCAL-HS-{year}").replace("420700", "420200")
        pack = pack.replace("2024-01-01", f"{year}-01-01").replace("3.0", weight)
        (packs / f"{year}.yaml").write_text(pack, encoding="utf-8")
    rulebook = load_rules(loaded(Process.JOB, tmp_path, CITY_RULEPACK_DIR=str(packs)))
    for decision, weight in ((date(2024, 6, 1), "2.0"), (date(2025, 6, 1), "1.5"), (date(2026, 6, 1), "2.0")):
        rule = rulebook.substance("finding.weight.severity_3", conduct=date(2024, 3, 4), decision=decision)
        assert rule is not None
        assert str(rule.value) == weight

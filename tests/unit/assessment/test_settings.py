"""The keys that seal fields are among the settings of the api and the job, and are shown nowhere."""

from pathlib import Path

import pytest

from assessment.settings import KINDS, AssessmentApiSettings, AssessmentJobSettings
from citybus import settings
from citybus.settings import Process, SettingsError
from citybus.vault import Place, Vault
from tests.support.vault import key_file

HERE = Place("cadres", "id_no", "1")


def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "jwks.json").write_text("{}")
    (tmp_path / "keys").write_text(key_file() + "\n")
    return {
        "CITY_CODE": "420200",
        "CITY_JWKS_FILE": str(tmp_path / "jwks.json"),
        "CITY_JWT_ISSUER": "https://issuer.example",
        "ASSESSMENT_DATABASE_URL": "postgresql://app:x@db/city_assessment",
        "ASSESSMENT_HTTP_PORT": "8101",
        "ASSESSMENT_HEALTH_PORT": "8104",
        "ASSESSMENT_FIELD_KEY_FILE": str(tmp_path / "keys"),
    }


def test_api_and_job_know_the_keys_and_do_not_show_them(tmp_path: Path) -> None:
    environ = environment(tmp_path)
    for process, kind in ((Process.API, AssessmentApiSettings), (Process.JOB, AssessmentJobSettings)):
        found = settings.load("assessment", process, environ, KINDS)
        assert isinstance(found, kind)
        assert found.vault.open(HERE, Vault.parse(key_file()).seal(HERE, b"x")) == b"x"
        assert found.unknown == ()
        assert "vault" not in repr(found)


def test_wrong_keys_are_told_with_all_other_settings(tmp_path: Path) -> None:
    environ = environment(tmp_path) | {"ASSESSMENT_HTTP_PORT": "x"}
    (tmp_path / "keys").write_text(key_file().splitlines()[0])
    with pytest.raises(SettingsError) as error:
        settings.load("assessment", Process.API, environ, KINDS)
    assert set(error.value.problems) == {"ASSESSMENT_FIELD_KEY", "ASSESSMENT_HTTP_PORT"}
    assert "index key" in error.value.problems["ASSESSMENT_FIELD_KEY"]

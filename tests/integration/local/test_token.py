"""`dandang token` issues what the local city's services accept, and nothing outside a local city."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from citybus.http.access import Caller, caller_of
from citybus.http.tokens import FileKeys, TokenRefused, Tokens
from dandang.commands.token import issue, token
from dandang.local import keys
from dandang.local.errors import LocalError
from dandang.local.state import RunFolder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    for name in ("CITY_JWT_ISSUER", "CITY_JWT_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CITY_ENV", "local")
    monkeypatch.setenv("DANDANG_RUN_FOLDER", str(tmp_path / "run"))
    made = RunFolder()
    made.make()
    return made


def tokens_of(run: RunFolder) -> Tokens:
    return Tokens(FileKeys(keys.token_keys(run).jwks_file), issuer=keys.ISSUER, audience="dandang")


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(token, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_local_token_is_accepted_and_says_who_calls(run: RunFolder) -> None:
    given = printed(
        *("--sub", "officer-7", "--role", "UNITHR", "--role", "REVIEWER"),
        *("--units", "420202, 420203", "--unit", "420202", "--cadre", "c-1"),
    )
    assert caller_of(tokens_of(run).claims(given)) == Caller(
        "officer-7", frozenset({"UNITHR", "REVIEWER"}), frozenset({"420202", "420203"}), "420202", "c-1"
    )


@pytest.mark.parametrize(("units", "scope"), [("*", None), ("", frozenset())])
def test_a_scope_is_every_unit_or_none(run: RunFolder, units: str, scope: frozenset[str] | None) -> None:
    given = printed("--sub", "a", "--role", "ORG", "--units", units)
    assert caller_of(tokens_of(run).claims(given)).units == scope


def test_a_token_ends_when_its_time_is_over(run: RunFolder) -> None:
    given = issue(run, "a", ["ORG"], seconds=60)
    tokens = tokens_of(run)
    claims = tokens.claims(given)
    assert claims["exp"] - claims["iat"] == 60
    late = Tokens(
        FileKeys(keys.token_keys(run).jwks_file),
        issuer=keys.ISSUER,
        audience="dandang",
        now=lambda: claims["exp"] + 31,
    )
    with pytest.raises(TokenRefused):
        late.claims(given)


@pytest.mark.parametrize("environment", [None, "production"])
def test_outside_a_local_city_no_token_is_issued(
    run: RunFolder, environment: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment is None:
        monkeypatch.delenv("CITY_ENV")
    else:
        monkeypatch.setenv("CITY_ENV", environment)
    with pytest.raises(LocalError, match="CITY_ENV=local"):
        issue(run, "a", ["ORG"])


def test_the_public_file_holds_no_private_key(run: RunFolder) -> None:
    files = keys.token_keys(run)
    assert '"d"' in files.signing_key_file.read_text()
    assert '"d"' not in files.jwks_file.read_text()
    assert files.signing_key_file.stat().st_mode & 0o077 == 0

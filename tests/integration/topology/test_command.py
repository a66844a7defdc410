"""`dandang topology apply|check` on a real broker."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dandang.commands.topology import topology
from tests.integration.topology.conftest import City


@pytest.fixture
def run(city: City, tmp_path: Path):
    """Run a sub-command with the secrets of a folder of one's own; return exit code and output."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for user, password in city.passwords.items():
        (secrets / user).write_text(password, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            topology,
            [
                *arguments,
                "--admin-url",
                city.vhost.admin_url,
                "--amqp-url",
                city.vhost.amqp_url,
                "--secrets",
                str(secrets),
            ],
        )
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return run


def test_check_and_apply_tell_in_words_and_by_exit_code(city: City, run) -> None:
    assert run("check") == (0, "代理与文件一致 the broker is as the files say\n")
    city.api.delete("queues", city.vhost.name, "incentive.supervision.retry.1m")
    code, said = run("check")
    assert code == 1
    assert "QUEUE_MISSING" in said
    assert "incentive.supervision.retry.1m" in said
    assert "2 处不一致 differences" in said
    code, said = run("apply")
    assert code == 0
    assert "已修正 mended  QUEUE_MISSING" in said


def test_json_is_for_scripts(city: City, run) -> None:
    path = ("bindings", city.vhost.name, "e", "city.events", "q", "dept.finance-bureau.events")
    city.api.post(*path, body={"routing_key": "#", "arguments": {}})
    code, said = run("check", "--json")
    assert code == 1
    assert [(each["kind"], each["remedy"]) for each in json.loads(said)] == [("BINDING_EXTRA", "prune")]
    code, said = run("apply", "--json")
    assert code == 1
    assert [each["kind"] for each in json.loads(said)["left"]] == ["BINDING_EXTRA"]
    code, said = run("apply", "--json", "--prune")
    assert code == 0
    assert [each["kind"] for each in json.loads(said)["done"]] == ["BINDING_EXTRA"]
    assert run("check", "--json") == (0, "[]\n")


def test_new_secret_is_applied_and_a_missing_one_not_made_by_check(city: City, run, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "city-operator"
    file.unlink()
    assert run("check")[0] == 0
    assert not file.exists()
    file.write_text("rotated", encoding="utf-8")
    assert run("check")[0] == 1
    assert run("apply")[0] == 0
    city.passwords["city-operator"] = "rotated"
    city.connect("city-operator").close()

"""What the launcher decides before a process is what it is."""

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from citybus import launcher, processes, settings
from citybus.broker.consumer import RabbitInbound
from citybus.inbox import Order, Subscription
from citybus.settings import Process, WorkerSettings


def test_module_imports_nothing_that_a_worker_must_have_patched() -> None:
    code = "import sys; import citybus.launcher; print([m for m in ('socket', 'threading', 'eventlet') if m in sys.modules])"
    path = {"PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-S", "-c", code], env=path, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_not_consumed_queues_are_named() -> None:
    assert processes._not_consumed({"a": True, "b": False, "c": False}) == "not consumed: b, c"
    assert processes._not_consumed({"a": True}) == "ok"


def test_worker_ends_with_the_code_of_its_queues(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[Any] = []

    def run_worker(service: type, runtime: Any) -> int:
        ran.append((service, runtime))
        return 78

    hosting = types.ModuleType("citybus.nameko_ext")
    hosting.__dict__.update(run_worker=run_worker, Runtime=types.SimpleNamespace)
    monkeypatch.setitem(sys.modules, "citybus.nameko_ext", hosting)
    monkeypatch.setattr(processes, "migrations_of", lambda service: tmp_path)
    found = settings.load(
        "warehouse",
        Process.WORKER,
        {
            "CITY_CODE": "420200",
            "WAREHOUSE_DATABASE_URL": "postgresql://a@127.0.0.1:1/b",
            "WAREHOUSE_AMQP_URL": "amqp://a:b@127.0.0.1:1/c",
            "WAREHOUSE_HEALTH_PORT": "0",
        },
    )
    assert isinstance(found, WorkerSettings)
    service: Any = types.SimpleNamespace(worker=lambda: int, units="units", engine=create_engine(found.database_url))
    assert processes._worker(service, found)() == 78
    ((hosted, runtime),) = ran
    assert (hosted, runtime.units) == (int, "units")
    assert isinstance(runtime.inbound(Subscription("warehouse.shop", Order.NEWEST, {})), RabbitInbound)


@pytest.mark.parametrize("kind", launcher.KINDS)
def test_worker_alone_is_patched(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    patched: list[str] = []
    monkeypatch.setattr(launcher, "_patch", lambda: patched.append(kind))

    def run(service: str, kind: str, environ: Any) -> int:
        return 3

    monkeypatch.setattr(processes, "run", run)
    with pytest.raises(SystemExit) as exit_:
        launcher.main("warehouse", [kind], {})
    assert exit_.value.code == 3
    assert patched == (["worker"] if kind == "worker" else [])


def test_service_may_have_settings_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("plain", "special"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "special" / "settings.py").write_text("KINDS = {'api': int}")
    monkeypatch.syspath_prepend(tmp_path)
    assert processes._kinds_of("plain") is settings.KINDS
    assert processes._kinds_of("special") == {"api": int}

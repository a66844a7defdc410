"""What the launcher decides before a process is what it is."""

import subprocess
import sys
from typing import Any

import pytest

from citybus import launcher, processes


def test_module_imports_nothing_that_a_worker_must_have_patched() -> None:
    code = "import sys; import citybus.launcher; print([m for m in ('socket', 'threading', 'eventlet') if m in sys.modules])"
    path = {"PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-S", "-c", code], env=path, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_not_consumed_queues_are_named() -> None:
    assert processes._not_consumed({"a": True, "b": False, "c": False}) == "not consumed: b, c"
    assert processes._not_consumed({"a": True}) == "ok"


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

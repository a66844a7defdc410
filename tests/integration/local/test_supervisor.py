"""The supervisor: order, readiness, restarts that are told, and an end that leaves nothing."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dandang.local import process, supervisor
from dandang.local.errors import StartFailed
from dandang.local.process import Program
from dandang.local.supervisor import Backoff, Supervisor
from tests.support.waiting import eventually


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(told: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(told.append, backoff=Backoff(first=0.05, longest=0.2, healthy_after=60))
    yield made
    made.kill()


def python(folder: Path, code: str, name: str = "program", **more: object) -> Program:
    settings: dict[str, object] = {"env": process.environment(folder), "cwd": folder, "log": folder / f"{name}.log"}
    return Program(name=name, argv=(sys.executable, "-c", code), **(settings | more))  # type: ignore[arg-type]  # by name


def test_ready_means_that_the_probe_says_so(watch: Supervisor, tmp_path: Path) -> None:
    asked: list[int] = []

    def ready() -> bool:
        asked.append(1)
        return len(asked) == 3

    watch.start(python(tmp_path, "import time; time.sleep(60)", ready=ready))
    assert not asked
    watch.wait_ready("program")
    assert len(asked) == 3


def test_program_that_ends_at_its_start_is_told_with_its_last_words(watch: Supervisor, tmp_path: Path) -> None:
    watch.start(python(tmp_path, "print('the port is taken'); raise SystemExit(3)", ready=lambda: False))
    with pytest.raises(StartFailed, match=r"exit code 3[\s\S]*the port is taken"):
        watch.wait_ready("program")


def test_program_that_is_never_ready_is_given_up(watch: Supervisor, tmp_path: Path) -> None:
    watch.start(python(tmp_path, "import time; time.sleep(60)", ready=lambda: False, ready_within=0.3))
    with pytest.raises(StartFailed, match="not ready"):
        watch.wait_ready("program")


def test_crash_is_told_and_mended(watch: Supervisor, told: list[str], tmp_path: Path) -> None:
    watch.start(python(tmp_path, "import time; time.sleep(60)"))
    first = watch.watched[0].running.pid
    os.kill(first, signal.SIGKILL)

    def is_back() -> bool:
        watch.look()
        return watch.watched[0].running.pid != first

    eventually(is_back)
    assert watch.watched[0].running.exit_code() is None
    assert "SIGKILL" in told[0]
    assert "started again" in told[1]
    assert watch.watched[0].restarts == 1


def test_wait_before_a_restart_grows_to_a_limit() -> None:
    backoff = Backoff(first=1, longest=30)
    assert [backoff.delay(crashes) for crashes in (1, 2, 3, 4, 5, 6, 60)] == [1, 2, 4, 8, 16, 30, 30]


def test_crash_loop_waits_longer_each_time(watch: Supervisor, told: list[str], tmp_path: Path) -> None:
    watch.start(python(tmp_path, "raise SystemExit(1)"))

    def crashed_often() -> bool:
        watch.look()
        return watch.watched[0].crashes >= 3

    eventually(crashed_often)
    waits = [line.split("starting it again in ")[1].split(" s")[0] for line in told if "ended unexpectedly" in line]
    assert waits[:3] == ["0.05", "0.1", "0.2"]


def test_stop_ends_grandchildren_in_sessions_of_their_own(watch: Supervisor, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    grandchild = "import os, time, pathlib; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}], start_new_session=True).wait()"
    watch.start(python(tmp_path, code))
    pid = int(eventually(lambda: pid_file.exists() and pid_file.read_text()))
    watch.stop()
    eventually(lambda: process.started_at(pid) is None, within=2)


def test_program_that_does_not_listen_is_killed(watch: Supervisor, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import signal, time, pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(flag)!r}).touch(); time.sleep(60)"
    watch.start(python(tmp_path, code, ready=flag.exists, stop_within=0.3))
    watch.wait_ready("program")
    running = watch.watched[0].running
    watch.stop()
    assert running.exit_code() == -signal.SIGKILL


def test_groups_end_in_reverse_order(watch: Supervisor, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time, pathlib\n"
        "name = sys.argv[1]\n"
        "def end(*_):\n"
        "    with open('ends', 'a') as file: file.write(name + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(15, end); pathlib.Path(name).touch(); time.sleep(60)"
    )
    for name in ("first", "second"):
        program = python(tmp_path, code, name=name, ready=(tmp_path / name).exists)
        watch.start(
            Program(**{field: getattr(program, field) for field in program.__slots__} | {"argv": (*program.argv, name)})
        )
    watch.wait_ready("first", "second")
    watch.stop()
    assert (tmp_path / "ends").read_text().split() == ["second", "first"]


def test_steps_that_fail_are_told(watch: Supervisor, tmp_path: Path) -> None:
    watch.run_all_once(python(tmp_path, "pass", name="a"), python(tmp_path, "pass", name="b"))
    with pytest.raises(StartFailed, match=r"b failed \(exit code 2\)[\s\S]*no such table"):
        watch.run_all_once(
            python(tmp_path, "pass", name="a"), python(tmp_path, "print('no such table'); exit(2)", name="b")
        )


def test_steps_that_do_not_end_are_ended(watch: Supervisor, tmp_path: Path) -> None:
    before = process.descendants()
    with pytest.raises(StartFailed, match="does not come to an end"):
        watch.run_all_once(python(tmp_path, "import time; time.sleep(60)", ready_within=0.2))
    eventually(lambda: process.descendants() <= before, what="nothing is left")


def test_large_log_is_put_aside_while_it_is_written(
    watch: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 10_000)
    watch.start(python(tmp_path, "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.001)"))
    log, aside = tmp_path / "program.log", tmp_path / "program.log.1"

    def is_aside() -> bool:
        watch.look()
        return aside.exists()

    eventually(is_aside)
    size = log.stat().st_size
    eventually(lambda: log.stat().st_size > size or log.stat().st_size < 10_000)
    assert b"\0" not in log.read_bytes()


def test_program_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys, time\n"
        "from dandang.local import process\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "child = process.start(process.Program('child', (sys.executable, '-c', 'import time; time.sleep(60)'), "
        "process.environment(folder), folder, folder / 'log'))\n"
        "(folder / 'pid').write_text(str(child.pid))\n"
        "time.sleep(60)"
    )
    env = process.environment(tmp_path, PYTHONPATH=os.pathsep.join(sys.path))
    parent = process.start(
        Program("parent", (sys.executable, "-c", code, str(tmp_path)), env, tmp_path, tmp_path / "parent.log")
    )
    pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    child = process.ProcessId(pid, process.started_at(pid) or 0)
    command = Path(f"/proc/{pid}/cmdline")
    eventually(lambda: not command.read_bytes().startswith(b"setpriv"), what="setpriv has become the child")
    os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: process.started_at(child.pid) != child.started, within=20)
    parent.kill()


def test_adopted_processes_are_collected_and_own_ones_left(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "from dandang.local import process\n"
        "process.adopt_orphans()\n"
        "own = subprocess.Popen([sys.executable, '-c', 'raise SystemExit(7)'])\n"
        "subprocess.run(['sh', '-c', 'sleep 0.3 & echo'])\n"
        "give_up = time.monotonic() + 10\n"
        "def remains():\n"
        "    return subprocess.run(['ps', '--ppid', str(process.os.getpid()), '-o', 'stat='], capture_output=True,"
        " text=True).stdout.count('Z')\n"
        "while remains() < 2:\n"
        "    assert time.monotonic() < give_up\n"
        "while remains():\n"
        "    assert time.monotonic() < give_up\n"
        "    process.reap_orphans({own.pid})\n"
        "    own.poll()\n"
        "assert own.returncode == 7\n"
    )
    env = process.environment(tmp_path, PYTHONPATH=os.pathsep.join(sys.path))
    program = Program("parent", (sys.executable, "-c", code), env, tmp_path, tmp_path / "parent.log")
    Supervisor(print).run_all_once(program)
    assert program.log.read_text().strip() == ""

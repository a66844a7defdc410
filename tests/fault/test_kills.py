"""K1: processes are killed at random while callers work; nothing is lost, doubled or reordered."""

import os
import random
import threading

import pytest

from tests.fault.system import Toy

LONG = os.environ.get("FAULT_SIZE") == "long"
CASES, KILLS = (4000, 150) if LONG else (300, 25)


def test_k1_random_kills_lose_double_and_reorder_nothing(toy: Toy) -> None:
    toy.keep("api", "api")
    for name, kind in (("relay-1", "relay"), ("relay-2", "relay"), ("worker-1", "worker"), ("worker-2", "worker")):
        toy.keep(name, kind)
    done = threading.Event()
    kills: list[str] = []

    def kill() -> None:
        dice = random.Random(20240304)
        while not done.wait(dice.uniform(0.5, 1.5)):
            name = dice.choice(["api", "relay-1", "relay-2", "worker-1", "worker-2"])
            if toy.kill(name):
                kills.append(name)

    killer = threading.Thread(target=kill)
    killer.start()
    rounds = 0
    try:
        while rounds == 0 or len(kills) < KILLS:
            toy.drive(CASES if rounds == 0 else CASES // 5, notes=3)
            rounds += 1
    finally:
        done.set()
        killer.join()
    toy.settled(within=180)
    verdict = toy.verdict("K1")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] >= CASES * 5
    assert len(kills) >= KILLS


@pytest.mark.parametrize("kind", ["api", "relay", "worker"])
def test_sigterm_drains_and_loses_nothing(toy: Toy, kind: str) -> None:
    toy.keep("api", "api")
    toy.keep("relay", "relay")
    toy.keep("worker", "worker")
    caller = threading.Thread(target=toy.drive, args=(60, 2))
    caller.start()
    for _ in range(3):
        toy.serves(kind)
        running = toy.kept[kind].running
        assert running is not None
        running.stop()
        assert running.exit_code() == 0
    caller.join()
    toy.settled()
    verdict = toy.verdict(f"SIGTERM-{kind}")
    assert verdict["kept"], verdict

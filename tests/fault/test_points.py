"""K2, in the toy city: each kind of process dies at each of its points in turn, and nothing is lost, doubled or reordered."""

import os

import pytest

from tests.fault.faults import CRASH_POINTS
from tests.fault.system import Toy
from tests.support.waiting import eventually

ROUNDS = 5 if os.environ.get("FAULT_SIZE") == "long" else 1
POINTS = {
    "api": ("before-commit", "after-commit"),
    "relay": CRASH_POINTS["relay"],
    "worker": ("after-effect", "before-commit", "after-commit", "after-ack"),
}


@pytest.mark.parametrize("kind", POINTS)
def test_k2_a_crash_at_any_point_breaks_nothing(toy: Toy, kind: str) -> None:
    points = [(point, turn) for turn in range(1, ROUNDS + 1) for point in POINTS[kind]]
    for name in ("api", "relay", "worker"):
        toy.keep(name, name, faults=[f"crash:{point}:{turn}" for point, turn in points] if name == kind else ())
    kept = toy.kept[kind]
    with toy.calling():
        eventually(lambda: len(kept.reached()) >= len(points), within=30 * len(points), what="every point is reached")
    assert kept.reached() == [point for point, _ in points]
    toy.settled()
    verdict = toy.verdict(f"K2-{kind}")
    assert verdict["kept"], verdict


@pytest.mark.parametrize(("point", "trouble"), [("after-retry", "transient"), ("after-park", "permanent")])
def test_k2_a_crash_while_putting_a_message_aside_breaks_nothing(toy: Toy, point: str, trouble: str) -> None:
    file = toy.folder / "trouble"
    file.write_text(f"U3 {trouble}\n", encoding="utf-8")
    toy.keep("api", "api")
    toy.keep("relay", "relay")
    worker = toy.keep("worker", "worker", faults=f"crash:{point}:1", TROUBLE=str(file))
    toy.drive(9, notes=2)
    eventually(lambda: worker.reached() == [point], within=30, what="the crash")
    file.unlink()
    toy.settled()
    verdict = toy.verdict(f"K2-{point}")
    assert verdict["kept"], verdict
    if trouble == "permanent":
        # Sent aside and then delivered again: it is there twice, or was applied meanwhile; never is it gone.
        assert {letter.reason for letter in toy.letters()} == {"BAD_PERMIT"}

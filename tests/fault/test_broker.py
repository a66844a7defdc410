"""B1 and B3: the broker is killed, restarted or out of memory while callers work."""

import os
import time

import pytest

from tests.fault.system import QUEUE, Toy, count

LONG = os.environ.get("FAULT_SIZE") == "long"
CYCLES = 20 if LONG else 2
ALARM_SECONDS = 60 if LONG else 5
RECOVERY_SECONDS = 15


@pytest.mark.parametrize("way", ["kill", "stop"] if LONG else ["kill"])
def test_b1_a_broker_restarted_in_mid_flow_loses_nothing(toy: Toy, way: str) -> None:
    for name in ("api", "relay", "worker"):
        toy.keep(name, name)
    with toy.calling():
        toy.grows(within=30)
        toy.may_crash()
        for _ in range(CYCLES if way == "kill" else 1):
            toy.history.append({"op": "fault", "what": f"{way} broker"})
            {"kill": toy.broker.kill, "stop": toy.broker.stop}[way]()
            told = len(toy.history)
            toy.broker.start()
            assert len(toy.history) > told, "the api goes on without a broker"
            assert toy.grows(within=30) < RECOVERY_SECONDS
    toy.settled(within=90)
    verdict = toy.verdict(f"B1-{way}")
    assert verdict["kept"], verdict
    assert toy.letters() == []


@pytest.mark.parametrize("alarm", ["memory", "disk"])
def test_b3_an_alarm_of_the_broker_holds_up_the_relay_alone(toy: Toy, alarm: str) -> None:
    node = toy.broker.node
    assert node is not None
    raise_it, end_it = {
        "memory": (("set_vm_memory_high_watermark", "0.0000001"), ("set_vm_memory_high_watermark", "0.4")),
        "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB")),
    }[alarm]
    for name in ("api", "relay", "worker"):
        toy.keep(name, name)
    for name in ("api", "relay", "worker"):
        toy.serves(name)
    toy.drive(3, notes=0)
    node.ctl(*raise_it)
    try:
        toy.history.append({"op": "fault", "what": f"{alarm} alarm"})
        until = time.monotonic() + ALARM_SECONDS
        while time.monotonic() < until:
            toy.drive(12, notes=2, patience=5)
        backlog = count(toy.producer, "SELECT count(*) FROM outbox_messages WHERE published_at IS NULL")
        assert backlog >= 48, "commands are taken while nothing can be published"
    finally:
        node.ctl(*end_it)
    toy.settled(within=90)
    verdict = toy.verdict(f"B3-{alarm}")
    assert verdict["kept"], verdict
    assert verdict["counts"]["effect"] == verdict["counts"]["committed"]
    assert toy.letters(QUEUE) == []

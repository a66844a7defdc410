"""F1: the network to the broker, and the one to the database, are slow, cut, silent or chopped while callers work."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.engine import make_url

from tests.fault.system import Toy
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

SECONDS = 20 if os.environ.get("FAULT_SIZE") == "long" else 2
HEARTBEAT = 4
RECOVERY_SECONDS = 20
"""More than the relay's patience with a silent broker (7 s), and than two heartbeats of the worker's connection here."""


@contextmanager
def _slow(proxy: TcpProxy) -> Iterator[None]:
    proxy.latency = 0.2
    yield
    proxy.latency = 0.0


@contextmanager
def _narrow(proxy: TcpProxy) -> Iterator[None]:
    proxy.rate = 64_000
    yield
    proxy.rate = None


@contextmanager
def _chopped(proxy: TcpProxy) -> Iterator[None]:
    proxy.segment = 1
    yield
    proxy.segment = None


@contextmanager
def _reset_in_mid_frame(proxy: TcpProxy) -> Iterator[None]:
    proxy.reset_after = 4321
    yield
    proxy.reset_after = None


@contextmanager
def _refusing(proxy: TcpProxy) -> Iterator[None]:
    proxy.refusing = True
    proxy.reset()
    yield
    proxy.refusing = False


@contextmanager
def _silent(proxy: TcpProxy) -> Iterator[None]:
    proxy.stalled = True
    yield
    proxy.stalled = False


@contextmanager
def _half_open(proxy: TcpProxy) -> Iterator[None]:
    proxy.abandon()
    yield


WORKS_ON = (_slow, _narrow, _chopped, _reset_in_mid_frame)
HEALS = (_refusing, _silent)
# The proxy's system answers for a peer that is gone, so the keep-alives and time-outs that notice a half-open connection
# to a database cannot be seen through it. Those to a broker are noticed by heartbeats, which are the peer's own.
FAULTS = {"broker": (*WORKS_ON, *HEALS, _half_open), "database": (*WORKS_ON, *HEALS)}


@pytest.mark.parametrize("leg", FAULTS)
def test_f1_a_bad_network_loses_nothing_and_hangs_nobody(toy: Toy, leg: str) -> None:
    amqp, database = make_url(toy.vhost.amqp_url), make_url(toy.producer.app_url)
    target = {"broker": amqp, "database": database}[leg]
    with tcp_proxy((str(target.host), int(target.port or 0))) as proxy:
        to_broker, to_database = (proxy, None) if leg == "broker" else (None, proxy)
        for name in ("api", "relay", "worker"):
            toy.keep(name, name, amqp=to_broker, database=to_database, HEARTBEAT=str(HEARTBEAT))
        with toy.calling():
            toy.grows(within=30)
            for fault in FAULTS[leg]:
                toy.history.append({"op": "fault", "what": f"{fault.__name__} {leg}"})
                with fault(proxy):
                    if fault in WORKS_ON:
                        toy.grows(within=RECOVERY_SECONDS)
                    until = time.monotonic() + SECONDS
                    while time.monotonic() < until:
                        time.sleep(0.1)
                toy.grows(within=RECOVERY_SECONDS)
        toy.settled(within=90)
        verdict = toy.verdict(f"F1-{leg}")
    assert verdict["kept"], verdict
    assert {name: kept.last_words for name, kept in toy.kept.items() if kept.crashes} == {}
    assert toy.letters() == []

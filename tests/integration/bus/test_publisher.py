"""The publisher to a real broker."""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import islice
from urllib.parse import quote, urlsplit

import pika
import pytest

from citybus.broker.publisher import CONFIRMED, HELD, UNKNOWN, Fate, PikaPublisher
from tests.support.broker import Broker, Vhost
from tests.support.conformance.publisher import (
    EXCHANGE,
    LIMITS,
    PublisherBench,
    PublisherConformance,
    message,
)
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import eventually


def declare(amqp_url: str) -> None:
    """Make what `PublisherBench` promises. `full` holds its one message already."""
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        for queue, arguments in (
            ("taken", {}),
            ("other", {}),
            ("full", {"x-max-length": 1, "x-overflow": "reject-publish"}),
        ):
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **arguments})
            channel.queue_bind(queue, EXCHANGE, queue)
        # A quorum queue begins to decline once it is over its limit, and not on the very message.
        channel.confirm_delivery()
        with suppress(pika.exceptions.NackError):
            while True:
                channel.basic_publish(EXCHANGE, "full", b"")


def contents(amqp_url: str, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
    """Take what a queue holds."""
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()
        waiting = channel.queue_declare(queue, passive=True).method.message_count
        messages = islice(channel.consume(queue, auto_ack=True), waiting)
        return [(properties, body) for _, properties, body in messages]


class _RabbitBench(PublisherBench):
    def __init__(self, vhost: Vhost, proxy: TcpProxy, publisher: PikaPublisher) -> None:
        self.vhost = vhost
        self.proxy = proxy
        self.publisher = publisher
        self._arrived: dict[str, list[str]] = defaultdict(list)

    def arrived(self, queue: str) -> list[str]:
        self._arrived[queue] += [str(properties.message_id) for properties, _ in contents(self.vhost.amqp_url, queue)]
        return self._arrived[queue]

    def cut_off(self) -> None:
        self.proxy.refusing = True
        self.proxy.reset()

    def cut_during_next_batch(self) -> None:
        self.proxy.reset_after = 60_000

    def fall_silent(self) -> None:
        self.proxy.stalled = True

    def restore(self) -> None:
        self.proxy.stalled = self.proxy.refusing = False


def through(proxy: TcpProxy, amqp_url: str) -> str:
    """Return `amqp_url` by way of the proxy."""
    parts = urlsplit(amqp_url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()


def proxy_to(amqp_url: str) -> tuple[str, int]:
    """Return host and port of `amqp_url`."""
    parts = urlsplit(amqp_url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


class TestPikaPublisher(PublisherConformance):
    @pytest.fixture
    def bench(self, vhost: Vhost) -> Iterator[PublisherBench]:
        declare(vhost.amqp_url)
        with ExitStack() as stack:
            proxy = stack.enter_context(tcp_proxy(proxy_to(vhost.amqp_url)))
            publisher = PikaPublisher(through(proxy, vhost.amqp_url), app_id="supervision", limits=LIMITS)
            made = _RabbitBench(vhost, proxy, publisher)
            made.connect()
            yield made
            made.restore()
            publisher.close()

    def test_message_carries_the_properties_that_consumers_read(self, bench: _RabbitBench) -> None:
        sent = replace(message(body=b'{"a": 1}'), traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        assert bench.publisher.publish([sent]) == [CONFIRMED]
        ((properties, body),) = contents(bench.vhost.amqp_url, "taken")
        assert body == b'{"a": 1}'
        assert properties.content_type == "application/cloudevents+json"
        assert properties.delivery_mode == 2
        assert properties.message_id == sent.message_id
        assert properties.type == sent.type
        assert properties.app_id == "supervision"
        assert properties.timestamp == sent.timestamp
        assert properties.correlation_id == sent.correlation_id
        assert properties.headers["traceparent"] == sent.traceparent

    def test_tending_an_idle_connection_keeps_it(self, bench: _RabbitBench) -> None:
        number = bench.connect()
        end = time.monotonic() + 3 * LIMITS.heartbeat
        eventually(lambda: bench.connect() != number or time.monotonic() > end, within=4 * LIMITS.heartbeat)
        assert bench.publisher.publish([message()]) == [CONFIRMED]
        assert bench.connect() == number

    def test_lost_connection_is_found_by_tending_and_made_anew(self, bench: _RabbitBench) -> None:
        number = bench.connect()
        bench.proxy.reset()
        assert eventually(lambda: bench.publisher.tend() > number, what="reconnected")

    def test_channel_that_the_broker_closed_while_idle_is_opened_again(self, bench: _RabbitBench) -> None:
        number = bench.connect()
        # a confirm of what was never delivered is an error that the broker answers by closing the channel
        closed = bench.publisher._channel
        closed.basic_ack(99)
        assert eventually(lambda: bench.publisher.tend() == number and bench.publisher._channel is not closed)
        assert bench.publisher.publish([message()]) == [CONFIRMED]

    def test_connection_that_the_broker_closed_for_an_error_is_made_anew(self, bench: _RabbitBench) -> None:
        number = bench.connect()
        # a heartbeat that is not for the whole connection: a frame error
        (fd,) = bench.publisher._loop._served
        os.write(fd, b"\x08\x00\x01\x00\x00\x00\x00\xce")
        assert eventually(lambda: bench.publisher.tend() > number, what="reconnected")
        assert bench.publisher.publish([message()]) == [CONFIRMED]

    def test_loop_that_breaks_costs_the_connection_and_nothing_else(self, bench: _RabbitBench) -> None:
        number = bench.connect()

        def broken() -> None:
            raise AssertionError("as pika raises where a peer breaks off in the midst of its greeting")

        bench.publisher._loop.call_later(0, broken)
        assert bench.publisher.publish([message()])[0] in (CONFIRMED, UNKNOWN)
        assert eventually(lambda: bench.publisher.tend() > number, what="reconnected")
        assert bench.publisher.publish([message()]) == [CONFIRMED]

    def test_confirm_is_awaited_for_as_long_as_the_broker_answers(self, bench: _RabbitBench) -> None:
        waited: list[float] = []
        publisher = PikaPublisher(bench.vhost.amqp_url, app_id="supervision", limits=LIMITS, on_confirm=waited.append)
        with closing(publisher):
            assert eventually(publisher.tend)
            assert publisher.publish([message() for _ in range(200)]) == [CONFIRMED] * 200
        assert waited
        assert all(0 < seconds < LIMITS.confirm for seconds in waited)


class TestReachingTheBroker:
    def test_wrong_password_means_no_connection_and_no_error(self, vhost: Vhost) -> None:
        with closing(PikaPublisher(vhost.url_of("nobody", "wrong"), app_id="supervision", limits=LIMITS)) as publisher:
            assert publisher.tend() == 0
            assert publisher.publish([message()]) == [HELD]

    def test_reconnection_is_not_tried_at_every_turn(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        patient = replace(LIMITS, retry_first=30.0, retry_most=30.0)
        with closing(PikaPublisher(f"amqp://127.0.0.1:{port}", app_id="supervision", limits=patient)) as publisher:
            assert publisher.tend() == 0
            with socket.create_server(("127.0.0.1", port)) as listener:
                listener.settimeout(0.2)
                assert publisher.tend() == 0
                with pytest.raises(TimeoutError):
                    listener.accept()

    def test_broker_that_does_not_answer_the_greeting_is_given_up(self, vhost: Vhost) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"amqp://127.0.0.1:{mute.getsockname()[1]}"
            with closing(PikaPublisher(url, app_id="supervision", limits=LIMITS)) as publisher:
                began = time.monotonic()
                assert publisher.tend() == 0
                assert time.monotonic() - began < 3 * LIMITS.connect

    def test_broker_that_does_not_answer_the_farewell_is_left(self, vhost: Vhost) -> None:
        with tcp_proxy(proxy_to(vhost.amqp_url)) as proxy:
            publisher = PikaPublisher(through(proxy, vhost.amqp_url), app_id="supervision", limits=LIMITS)
            assert eventually(publisher.tend)
            proxy.stalled = True
            began = time.monotonic()
            publisher.close()
            assert time.monotonic() - began < 3 * LIMITS.connect
            publisher.close()

    def test_closed_by_an_operator_counts_as_lost(self, vhost: Vhost) -> None:
        with closing(PikaPublisher(vhost.amqp_url, app_id=f"relay of {vhost.name}", limits=LIMITS)) as publisher:
            number = eventually(publisher.tend)

            def ours() -> list[str]:
                found = vhost.api("GET", f"vhosts/{vhost.name}/connections").json()
                return [each["name"] for each in found]

            (name,) = eventually(ours)
            vhost.api("DELETE", f"connections/{quote(name, safe='')}")
            assert eventually(lambda: publisher.tend() > number, what="reconnected")


@pytest.mark.fault
class TestTroubledBroker:
    """Faults of a whole node."""

    def test_blocked_broker_is_waited_for_then_given_up_and_met_with_one_message(self, module_broker: Broker) -> None:
        vhost = module_broker.make_vhost()
        declare(vhost.amqp_url)
        node = module_broker.node
        assert node is not None
        with closing(PikaPublisher(vhost.amqp_url, app_id="supervision", limits=LIMITS)) as publisher:
            assert eventually(publisher.tend)
            assert publisher.publish([message()]) == [CONFIRMED]
            node.ctl("set_vm_memory_high_watermark", "0.0000001")
            try:
                batch = [message() for _ in range(20)]
                first = publisher.publish(batch)
                assert {outcome.fate for outcome in first} <= {Fate.UNKNOWN, Fate.HELD}
                assert eventually(publisher.tend)
                assert publisher.publish(batch) == [UNKNOWN] + [HELD] * 19
            finally:
                node.ctl("set_vm_memory_high_watermark", "0.4")
            assert eventually(publisher.tend)
            assert publisher.publish(batch) == [CONFIRMED] * 20
        arrived = [str(properties.message_id) for properties, _ in contents(vhost.amqp_url, "taken")]
        assert {each.message_id for each in batch} <= set(arrived)

    def test_broker_that_unblocks_in_time_gets_the_rest(self, module_broker: Broker) -> None:
        vhost = module_broker.make_vhost()
        declare(vhost.amqp_url)
        node = module_broker.node
        assert node is not None
        patient = replace(LIMITS, blocked=30.0)
        with closing(PikaPublisher(vhost.amqp_url, app_id="supervision", limits=patient)) as publisher:
            assert eventually(publisher.tend)
            node.ctl("set_vm_memory_high_watermark", "0.0000001")
            relief = threading.Timer(LIMITS.confirm + 2, node.ctl, ("set_vm_memory_high_watermark", "0.4"))
            relief.start()
            try:
                assert publisher.publish([message() for _ in range(20)]) == [CONFIRMED] * 20
            finally:
                relief.join()

    def test_broker_killed_during_a_batch_loses_nothing_that_it_confirmed(self, own_broker: Broker) -> None:
        declare(own_broker.amqp_url)
        batch = [message(body=b"x" * 500) for _ in range(20_000)]
        answers: list[float] = []
        kill = threading.Thread(target=own_broker.kill)

        def answered(seconds: float) -> None:
            answers.append(seconds)
            if len(answers) == 20:
                kill.start()

        told = PikaPublisher(own_broker.amqp_url, app_id="supervision", limits=LIMITS, on_confirm=answered)
        with closing(told) as publisher:
            assert eventually(publisher.tend)
            assert publisher.publish(batch[:1]) == [CONFIRMED]
            outcomes = publisher.publish(batch)
            kill.join()
            assert {CONFIRMED, UNKNOWN, HELD} == set(outcomes)
            assert publisher.tend() == 0
            own_broker.start()
            assert eventually(publisher.tend, within=20)
            rest = [each for each, outcome in zip(batch, outcomes, strict=True) if outcome != CONFIRMED]

            def confirmed() -> bool:
                # A node that has just come back may leave a confirm out for too long.
                answered = publisher.publish(rest) if publisher.tend() else [HELD] * len(rest)
                rest[:] = [each for each, outcome in zip(rest, answered, strict=True) if outcome != CONFIRMED]
                return not rest

            eventually(confirmed, within=60, what="all confirmed")
        arrived = {str(properties.message_id) for properties, _ in contents(own_broker.amqp_url, "taken")}
        assert arrived == {each.message_id for each in batch}

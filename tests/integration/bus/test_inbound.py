"""The inbound port: one suite for the queue in memory and the queue on a real broker."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from pika.channel import Channel

from citybus.broker.consumer import Limits, RabbitInbound
from citybus.broker.publisher import PikaPublisher
from citybus.consumer import ALONE_FROM, BrokerAway, Delivery, Inbound, Misconfigured, PublishFailed
from citybus.testing.consumer import MemoryInbound
from tests.support.broker import Vhost
from tests.support.inbound import Queues, delivery_of, make_event
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually

LADDER = ("1s", "10s")


@dataclass
class Rig:
    """An inbound side under test and the broker's part of it."""

    inbound: Inbound
    put: Callable[..., None]
    rung: Callable[[str], list[Delivery]]
    dead: Callable[[], list[Delivery]]
    lose: Callable[[], None]
    let_time_pass: Callable[[], None]
    refuse: Callable[[], None]
    remove: Callable[[], None]

    def fetch(self, count: int) -> list[Delivery]:
        """Fetch until `count` messages came."""
        fetched: list[Delivery] = []

        def look() -> bool:
            fetched.extend(self.inbound.fetch(count - len(fetched), 0.2))
            return len(fetched) == count

        eventually(look, every=0, what=f"{count} messages")
        return fetched


def memory() -> Rig:
    inbound = MemoryInbound(LADDER)

    def refuse() -> None:
        inbound.refuses = True

    def remove() -> None:
        inbound.missing = True

    def put(*deliveries: Delivery) -> None:
        for delivery in deliveries:
            inbound.put(delivery)

    return Rig(
        inbound,
        put,
        lambda delay: inbound.rungs[delay],
        lambda: inbound.dead,
        inbound.lose,
        inbound.let_time_pass,
        refuse,
        remove,
    )


def rabbit(vhost: Vhost) -> Rig:
    queues = Queues(vhost, ladder={"1s": 300, "10s": 300})
    inbound = RabbitInbound(
        vhost.amqp_url,
        queues.queue,
        lambda: PikaPublisher(vhost.amqp_url, app_id="stock"),
        exchange=queues.exchange,
        ladder=LADDER,
        limits=Limits(prefetch=50),
        name=vhost.name,
    )

    def lose() -> None:
        def gone() -> bool:
            queues.cut_connections([vhost.name])
            try:
                inbound.fetch(0, 0.2)
            except BrokerAway:
                return True
            return False

        eventually(gone, within=20, what="the connection is lost")

    return Rig(
        inbound,
        queues.put,
        lambda delay: queues.take(f"{queues.queue}.retry.{delay}"),
        queues.dead,
        lose,
        lambda: None,
        lambda: [queues.delete(f"{queues.queue}.{end}") for end in ("dead", "retry.1s", "retry.10s")] and None,
        lambda: queues.delete(queues.queue),
    )


@pytest.fixture(params=["memory", "rabbit"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = memory() if request.param == "memory" else rabbit(request.getfixturevalue("vhost"))
    yield made
    made.inbound.close()


def messages(count: int) -> list[Delivery]:
    return [delivery_of(make_event(f"box/{number}")) for number in range(count)]


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


def test_messages_come_in_order_and_whole(rig: Rig) -> None:
    sent = messages(5)
    rig.put(*sent)
    rig.inbound.open()
    fetched = rig.fetch(5)
    assert bodies(fetched) == bodies(sent)
    for got, put in zip(fetched, sent, strict=True):
        assert (got.content_type, got.message_id, got.type) == (put.content_type, put.message_id, put.type)
        assert (got.correlation_id, got.timestamp, got.redeliveries) == (put.correlation_id, put.timestamp, 0)


def test_no_more_than_the_limit_comes_at_once(rig: Rig) -> None:
    rig.put(*messages(5))
    rig.inbound.open()
    rig.inbound.ack(rig.fetch(1)[-1])
    batches = []

    def look() -> bool:
        batches.append(len(rig.inbound.fetch(2, 0.2)))
        return sum(batches) == 4

    eventually(look, every=0, what="the other four")
    assert max(batches) <= 2


def test_an_empty_queue_answers_after_the_timeout(rig: Rig) -> None:
    rig.inbound.open()
    start = time.monotonic()
    assert rig.inbound.fetch(10, 0.3) == []
    assert 0.25 < time.monotonic() - start < 10


def test_acknowledging_one_acknowledges_all_before_it_and_none_after(rig: Rig) -> None:
    sent = messages(5)
    rig.put(*sent)
    rig.inbound.open()
    fetched = rig.fetch(5)
    rig.inbound.ack(fetched[2])
    rig.inbound.close()
    rig.inbound.open()
    again = rig.fetch(2)
    assert sorted(bodies(again)) == sorted(bodies(sent[3:]))
    assert [delivery.redeliveries for delivery in again] == [1, 1]


def test_a_lost_connection_is_told_and_its_messages_come_again(rig: Rig) -> None:
    sent = messages(3)
    rig.put(*sent)
    rig.inbound.open()
    before = rig.fetch(3)
    rig.lose()
    with pytest.raises(BrokerAway):
        rig.inbound.fetch(10, 0.1)
    rig.inbound.ack(before[-1])
    rig.inbound.open()
    assert sorted(bodies(rig.fetch(3))) == sorted(bodies(sent))


def test_an_acknowledgement_of_an_earlier_connection_acknowledges_nothing_of_this_one(rig: Rig) -> None:
    sent = messages(2)
    rig.put(*sent)
    rig.inbound.open()
    before = rig.fetch(2)
    rig.inbound.close()
    rig.inbound.open()
    rig.fetch(2)
    rig.inbound.ack(before[-1])
    rig.inbound.close()
    rig.inbound.open()
    assert sorted(bodies(rig.fetch(2))) == sorted(bodies(sent))


def test_a_retried_message_waits_on_its_rung_and_comes_back_with_its_headers(rig: Rig) -> None:
    (sent,) = messages(1)
    rig.put(sent)
    rig.inbound.open()
    (delivery,) = rig.fetch(1)
    rig.inbound.retry(delivery, "1s", {"city-attempts": 1, "city-error": "KeyError"})
    rig.inbound.ack(delivery)
    rig.let_time_pass()
    (back,) = rig.fetch(1)
    assert (back.body, back.message_id, back.content_type) == (sent.body, sent.message_id, sent.content_type)
    assert back.attempts == 1
    assert back.headers["city-error"] == "KeyError"
    assert back.redeliveries == 0


def test_a_parked_message_is_whole_in_the_dead_queue(rig: Rig) -> None:
    sent = delivery_of(make_event(), headers={"traceparent": "00-1-2-3"})
    rig.put(sent)
    rig.inbound.open()
    (delivery,) = rig.fetch(1)
    rig.inbound.park(delivery, {"city-reason": "SCHEMA", "city-attempts": 1})
    rig.inbound.ack(delivery)
    (dead,) = rig.dead()
    assert (dead.body, dead.message_id, dead.type) == (sent.body, sent.message_id, sent.type)
    assert (dead.headers["city-reason"], dead.headers["traceparent"]) == ("SCHEMA", "00-1-2-3")


def test_a_message_without_any_property_can_be_parked(rig: Rig) -> None:
    rig.put(Delivery(body=b"\xff\x00"))
    rig.inbound.open()
    (delivery,) = rig.fetch(1)
    rig.inbound.park(delivery, {"city-reason": "WRONG_CONTENT_TYPE"})
    (dead,) = rig.dead()
    assert dead.body == b"\xff\x00"


def test_a_message_that_cannot_be_put_aside_stays_unacknowledged(rig: Rig) -> None:
    (sent,) = messages(1)
    rig.put(sent)
    rig.inbound.open()
    (delivery,) = rig.fetch(1)
    rig.refuse()
    with pytest.raises(PublishFailed):
        rig.inbound.retry(delivery, "1s", {})
    with pytest.raises(PublishFailed):
        rig.inbound.park(delivery, {})


def test_a_message_delivered_again_and_again_is_fetched_alone(rig: Rig) -> None:
    first, *others = messages(3)
    rig.put(first)
    for _ in range(ALONE_FROM):
        rig.inbound.open()
        rig.fetch(1)
        rig.inbound.close()
    rig.put(*others)
    rig.inbound.open()
    (suspect,) = rig.fetch(1)
    assert (suspect.body, suspect.redeliveries) == (first.body, ALONE_FROM)
    assert rig.inbound.fetch(10, 0.5) == []
    rig.inbound.ack(suspect)
    assert bodies(rig.fetch(2)) == bodies(others)


def test_waking_ends_a_fetch_that_waits(rig: Rig) -> None:
    rig.inbound.open()
    timer = threading.Timer(0.2, rig.inbound.wake)
    timer.start()
    start = time.monotonic()
    assert rig.inbound.fetch(10, 20) == []
    assert time.monotonic() - start < 5
    timer.join()


def test_waking_before_a_fetch_counts(rig: Rig) -> None:
    rig.inbound.open()
    rig.inbound.wake()
    start = time.monotonic()
    assert rig.inbound.fetch(10, 20) == []
    assert time.monotonic() - start < 5


def test_a_missing_queue_is_said_and_not_waited_for(rig: Rig) -> None:
    rig.remove()
    with pytest.raises(Misconfigured):
        rig.inbound.open()


def test_nothing_is_fetched_from_a_closed_side(rig: Rig) -> None:
    with pytest.raises(BrokerAway):
        rig.inbound.fetch(1, 0.1)
    rig.inbound.open()
    rig.inbound.close()
    rig.inbound.close()
    with pytest.raises(BrokerAway):
        rig.inbound.fetch(1, 0.1)


def test_rights_that_are_missing_are_said_and_not_waited_for(vhost: Vhost) -> None:
    queues = Queues(vhost)
    vhost.api("PUT", "users/reader-of-nothing", password="secret", tags="")
    try:
        vhost.api("PUT", f"permissions/{vhost.name}/reader-of-nothing", configure="^$", write="^$", read="^$")
        inbound = rabbit_inbound(vhost.url_of("reader-of-nothing", "secret"), queues)
        with pytest.raises(Misconfigured, match="ACCESS_REFUSED"):
            inbound.open()
    finally:
        vhost.api("DELETE", "users/reader-of-nothing")


def test_queue_deleted_under_the_consumer_is_noticed(vhost: Vhost) -> None:
    queues = Queues(vhost)
    inbound = rabbit_inbound(vhost.amqp_url, queues)
    inbound.open()
    queues.delete(queues.queue)
    with pytest.raises(BrokerAway):
        eventually(lambda: inbound.fetch(1, 0.2), what="noticed")
    with pytest.raises(Misconfigured):
        inbound.open()


def test_queue_deleted_before_the_first_message_leaves_nothing_open(vhost: Vhost) -> None:
    inbound = rabbit_inbound(vhost.amqp_url, Queues(vhost))
    inbound.wake()
    inbound.ack(Delivery(b""))
    inbound.close()


def test_silent_broker_is_given_up_after_the_timeout(vhost: Vhost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        inbound = rabbit_inbound(
            f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}/%2F", Queues(vhost), connect=0.5
        )
        with pytest.raises(BrokerAway):
            inbound.open()


def test_broker_that_falls_silent_after_the_greeting_is_given_up(vhost: Vhost, monkeypatch: pytest.MonkeyPatch) -> None:
    queues = Queues(vhost)
    unanswered: list[Callable[[object], None]] = []

    def declare(channel: Channel, queue: str, *, passive: bool, callback: Callable[[object], None]) -> None:
        unanswered.append(callback)

    with monkeypatch.context() as patched:
        patched.setattr(Channel, "queue_declare", declare)
        inbound = rabbit_inbound(vhost.amqp_url, queues, connect=2)
        with pytest.raises(BrokerAway, match="did not answer"):
            inbound.open()
        (late,) = unanswered
        late(None)
    inbound.open()
    inbound.close()


def test_half_open_connection_is_noticed_by_the_heartbeat_and_does_not_hold_up_closing(vhost: Vhost) -> None:
    queues = Queues(vhost)
    target = urlsplit(vhost.amqp_url)
    with tcp_proxy((str(target.hostname), int(target.port or 0))) as proxy:
        url = vhost.amqp_url.replace(f":{target.port}", f":{proxy.port}")
        inbound = rabbit_inbound(url, queues, heartbeat=2, close=0.5)
        inbound.open()
        proxy.stalled = True
        with pytest.raises(BrokerAway):
            eventually(lambda: inbound.fetch(1, 1), within=20, what="noticed")
        inbound.close()
        proxy.stalled = False
        inbound.open()
        proxy.stalled = True
        start = time.monotonic()
        inbound.close()
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("sent", [1, 20, 400, 470])
def test_network_that_cuts_the_greeting_is_no_refusal(vhost: Vhost, sent: int) -> None:
    queues = Queues(vhost)
    target = urlsplit(vhost.amqp_url)
    with tcp_proxy((str(target.hostname), int(target.port or 0))) as proxy:
        through = vhost.amqp_url.replace(f":{target.port}", f":{proxy.port}")
        proxy.reset_after = sent
        inbound = rabbit_inbound(through, queues)
        with pytest.raises(BrokerAway):
            inbound.open()
        proxy.reset_after = None
        inbound.open()
        inbound.close()


def test_wrong_password_is_said_and_not_shown(vhost: Vhost) -> None:
    queues = Queues(vhost)
    inbound = rabbit_inbound(vhost.url_of("nobody", "hidden"), queues)
    with pytest.raises(Misconfigured, match="refuses") as raised:
        inbound.open()
    assert "hidden" not in str(raised.value)


def test_message_for_a_refusing_ladder_is_said_to_have_failed(vhost: Vhost) -> None:
    queues = Queues(vhost)
    inbound = rabbit_inbound(vhost.amqp_url, queues)
    queues.put(*messages(1))
    inbound.open()
    (delivery,) = eventually(lambda: inbound.fetch(1, 0.2), what="the message")
    queues.vhost.api(
        "PUT",
        f"policies/{vhost.name}/full",
        pattern="dead$",
        definition={"max-length": 0, "overflow": "reject-publish"},
    )
    eventually(lambda: fails(lambda: inbound.park(delivery, {})), what="refused")
    inbound.close()


def rabbit_inbound(url: str, queues: Queues, **limits: Any) -> RabbitInbound:
    return RabbitInbound(
        url,
        queues.queue,
        lambda: PikaPublisher(url, app_id="stock"),
        exchange=queues.exchange,
        ladder=tuple(queues.ladder),
        limits=Limits(**limits),
    )


def fails(send: Callable[[], None]) -> bool:
    try:
        send()
    except PublishFailed:
        return True
    return False

"""Who may do what on the bus: each user tries what it needs, and what it must not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAccessDeniedError, UnroutableError

from citybus.management import Management, ManagementError
from tests.integration.topology.conftest import City
from tests.support.waiting import eventually

WORKER, RELAY, NOTIFIER = "svc-assessment-worker", "svc-assessment-relay", "svc-notification-relay"
OPERATOR, MONITOR, DEPARTMENT = "city-operator", "city-monitor", "dept-finance-bureau"

Attempt = Callable[[BlockingChannel], object]


@contextmanager
def channel_of(city: City, user: str) -> Iterator[BlockingChannel]:
    """Open a channel as a user, and close its connection at the end."""

    def opened() -> BlockingChannel | None:
        # Connections of earlier tests may still count against the user's limit.
        with suppress(ProbableAccessDeniedError):
            return city.channel(user)
        return None

    channel = eventually(opened, what=f"{user} is let in")
    assert channel is not None
    try:
        yield channel
    finally:
        channel.connection.close()


def publish(exchange: str, key: str) -> Attempt:
    """Publish one message, and see it confirmed."""
    return lambda channel: channel.basic_publish(exchange, key, b"{}")


def consume(queue: str) -> Attempt:
    """Start consuming."""
    return lambda channel: channel.basic_consume(queue, lambda *_: None)


def read_stream(channel: BlockingChannel) -> None:
    """Start consuming the archive, as a stream wants it."""
    channel.basic_qos(prefetch_count=10)
    channel.basic_consume("city.archive", lambda *_: None, arguments={"x-stream-offset": "first"})


def get(queue: str) -> Attempt:
    """Look for one message, and leave it there."""
    return lambda channel: channel.basic_get(queue)


def declare(queue: str) -> Attempt:
    """Declare a queue."""
    return lambda channel: channel.queue_declare(queue, durable=True)


def look(queue: str) -> Attempt:
    """Ask whether a queue is there."""
    return lambda channel: channel.queue_declare(queue, passive=True)


def bind(queue: str, exchange: str, key: str) -> Attempt:
    """Bind a queue to an exchange."""
    return lambda channel: channel.queue_bind(queue, exchange, key)


def unbind(queue: str, exchange: str, key: str) -> Attempt:
    """Take a binding away."""
    return lambda channel: channel.queue_unbind(queue, exchange, key)


def delete(queue: str) -> Attempt:
    """Delete a queue."""
    return lambda channel: channel.queue_delete(queue)


def declare_exchange(channel: BlockingChannel) -> None:
    """Declare an exchange of one's own."""
    channel.exchange_declare("dept.finance-bureau.mine", "topic", durable=True)


ALLOWED = [
    (WORKER, "consume a queue of its service", consume("assessment.supervision")),
    (WORKER, "ask for a rung of its ladder", look("assessment.supervision.retry.10m")),
    (WORKER, "ask for its dead queue", look("assessment.supervision.dead")),
    (WORKER, "put a message aside", publish("assessment.retry", "assessment.supervision.retry.10m")),
    (WORKER, "park a message", publish("assessment.retry", "assessment.supervision.dead")),
    (RELAY, "publish an event of its service", publish("city.events", "assessment.cadre.registered.v1")),
    (NOTIFIER, "publish an event of its service", publish("city.events", "notification.delivery.signed.v1")),
    (
        NOTIFIER,
        "publish to a department",
        publish("city.public", "dept.finance-bureau.supervision.finding.verified.v1"),
    ),
    (OPERATOR, "read dead letters", get("incentive.supervision.dead")),
    (OPERATOR, "return a dead letter", publish("incentive.retry", "incentive.supervision")),
    (DEPARTMENT, "consume its queue", consume("dept.finance-bureau.events")),
]

FORBIDDEN = [
    (WORKER, "publish an event", publish("city.events", "assessment.cadre.registered.v1")),
    (WORKER, "publish to a department", publish("city.public", "dept.finance-bureau.x")),
    (WORKER, "publish past the exchanges", publish("", "assessment.supervision")),
    (WORKER, "put a message into another service's ladder", publish("supervision.retry", "supervision.assessment")),
    (WORKER, "consume another service's queue", consume("incentive.supervision")),
    (WORKER, "consume its dead queue", consume("assessment.supervision.dead")),
    (WORKER, "consume a rung of its ladder", consume("assessment.supervision.retry.1s")),
    (WORKER, "read the archive", read_stream),
    (WORKER, "declare a queue", declare("assessment.more")),
    (WORKER, "delete its queue", delete("assessment.supervision")),
    (WORKER, "bind its queue", bind("assessment.supervision", "city.events", "incentive.#")),
    (WORKER, "unbind its queue", unbind("assessment.supervision", "city.events", "supervision.finding.#")),
    (RELAY, "publish another service's event", publish("city.events", "supervision.finding.verified.v1")),
    (RELAY, "publish with a key that only begins alike", publish("city.events", "assessments.cadre.registered.v1")),
    (RELAY, "publish to a department", publish("city.public", "dept.finance-bureau.x")),
    (RELAY, "publish past the exchanges", publish("", "assessment.supervision")),
    (RELAY, "put a message into a ladder", publish("assessment.retry", "assessment.supervision")),
    (RELAY, "consume", consume("assessment.supervision")),
    (RELAY, "declare a queue", declare("assessment.more")),
    (NOTIFIER, "publish to departments with a key of no department", publish("city.public", "supervision.x")),
    (NOTIFIER, "publish another service's event", publish("city.events", "supervision.finding.verified.v1")),
    (OPERATOR, "consume a work queue", consume("assessment.supervision")),
    (OPERATOR, "publish an event", publish("city.events", "assessment.cadre.registered.v1")),
    (OPERATOR, "read the archive", read_stream),
    (OPERATOR, "delete a dead queue", delete("assessment.supervision.dead")),
    (DEPARTMENT, "consume a service's queue", consume("assessment.supervision")),
    (DEPARTMENT, "read the archive", read_stream),
    (DEPARTMENT, "bind its queue to all events", bind("dept.finance-bureau.events", "city.events", "#")),
    (DEPARTMENT, "bind its queue to more", bind("dept.finance-bureau.events", "city.public", "dept.other.#")),
    (DEPARTMENT, "publish an event", publish("city.events", "supervision.finding.verified.v1")),
    (DEPARTMENT, "publish to itself", publish("city.public", "dept.finance-bureau.x")),
    (DEPARTMENT, "publish past the exchanges", publish("", "assessment.supervision")),
    (DEPARTMENT, "put a message into a ladder", publish("assessment.retry", "assessment.supervision")),
    (DEPARTMENT, "declare a queue", declare("dept.finance-bureau.more")),
    (DEPARTMENT, "declare an exchange", declare_exchange),
    (DEPARTMENT, "delete its queue", delete("dept.finance-bureau.events")),
]


def _name(case: object) -> str | None:
    return case.replace(" ", "-") if isinstance(case, str) else None


@pytest.mark.parametrize(("user", "what", "attempt"), ALLOWED, ids=_name)
def test_may(city: City, user: str, what: str, attempt: Attempt) -> None:
    with channel_of(city, user) as channel:
        attempt(channel)
        assert channel.is_open


@pytest.mark.parametrize(("user", "what", "attempt"), FORBIDDEN, ids=_name)
def test_may_not(city: City, user: str, what: str, attempt: Attempt) -> None:
    with channel_of(city, user) as channel, pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        attempt(channel)


def test_monitor_has_no_way_in_by_amqp(city: City) -> None:
    with channel_of(city, MONITOR) as channel, pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.basic_get("assessment.supervision")


def test_monitor_sees_bindings_and_depths_and_changes_nothing(city: City) -> None:
    vhost = city.vhost.name
    with Management(city.management_url(MONITOR)) as monitor:
        assert monitor.get("bindings", vhost)
        assert monitor.get("queues", vhost, "assessment.supervision")["name"] == "assessment.supervision"
        for attempt in (
            lambda: monitor.put("queues", vhost, "assessment.more", body={"durable": True}),
            lambda: monitor.delete("queues", vhost, "assessment.supervision"),
            lambda: monitor.post(
                "queues", vhost, "assessment.supervision", "get",
                body={"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"},
            ),
            lambda: monitor.get("definitions"),
            lambda: monitor.get("users"),
        ):  # fmt: skip
            with pytest.raises(ManagementError) as caught:
                attempt()
            assert caught.value.status in (400, 401, 403)


@pytest.mark.parametrize("user", [WORKER, RELAY, OPERATOR, DEPARTMENT])
def test_users_of_the_bus_do_not_enter_the_management(city: City, user: str) -> None:
    with Management(city.management_url(user)) as management, pytest.raises(ManagementError) as caught:
        management.get("overview")
    assert caught.value.status == 401


def wait_until_gone(city: City, user: str) -> None:
    """Wait until the broker has forgotten the connections of earlier tests, which it counts a moment longer."""
    eventually(lambda: not city.api.get("connections", "username", user), what=f"end of {user}'s connections")


def test_department_has_no_third_connection(city: City) -> None:
    wait_until_gone(city, DEPARTMENT)
    refused = pytest.raises(ProbableAccessDeniedError, match="user connection limit")
    with city.connect(DEPARTMENT), city.connect(DEPARTMENT), refused:
        city.connect(DEPARTMENT)


def test_department_gets_what_is_published_to_it_alone(city: City) -> None:
    wait_until_gone(city, DEPARTMENT)
    with channel_of(city, DEPARTMENT) as department, channel_of(city, NOTIFIER) as relay:
        department.queue_purge("dept.finance-bureau.events")
        relay.basic_publish(
            "city.public", "dept.finance-bureau.supervision.finding.verified.v1", b"ours", mandatory=True
        )
        with pytest.raises(UnroutableError):
            relay.basic_publish("city.public", "dept.other.supervision.finding.verified.v1", b"theirs", mandatory=True)
        relay.basic_publish("city.events", "notification.delivery.signed.v1", b"internal", mandatory=True)
        body = eventually(lambda: department.basic_get("dept.finance-bureau.events", auto_ack=True)[2])
        assert body == b"ours"
        assert department.basic_get("dept.finance-bureau.events", auto_ack=True)[0] is None

"""The topology is applied to a real broker; every kind of drift is found, and mended or refused."""

import time
from collections.abc import Callable, Iterator
from datetime import date

import pika
import pytest

from citybus import topology
from citybus.management import ManagementError
from citybus.topology import ChangeRefused, DriftKind
from tests.integration.topology.conftest import City
from tests.support.broker import Broker
from tests.support.waiting import eventually

DEPARTMENTS = {"dept-audit-bureau", "dept-finance-bureau", "dept-human-resources"}


@pytest.fixture(autouse=True)
def _leave_in_order(city: City) -> Iterator[None]:
    """Each test leaves the broker as the files say, and so finds it."""
    yield
    assert city.check() == []


def test_applying_again_changes_nothing(city: City) -> None:
    outcome = city.apply()
    assert (outcome.done, outcome.left) == ((), ())


def test_first_apply_makes_the_virtual_host_and_leaves_nothing_open(module_broker: Broker, city: City) -> None:
    vhost = module_broker.make_vhost()
    vhost.api("DELETE", f"vhosts/{vhost.name}")
    other = City(vhost, city.api, city.passwords)
    began = time.monotonic()
    outcome = other.apply()
    assert outcome.left == ()
    assert {drift.kind for drift in outcome.done} >= {DriftKind.VHOST_MISSING, DriftKind.QUEUE_MISSING}
    assert time.monotonic() - began < 60
    module_broker.drop_vhost(vhost)


def _delete_exchange(city: City) -> str:
    # With it go its bindings.
    city.api.delete("exchanges", city.vhost.name, "notification.retry")
    return "notification.retry"


def _declare_exchange_otherwise(city: City) -> str:
    city.api.delete("exchanges", city.vhost.name, "city.public")
    city.api.put("exchanges", city.vhost.name, "city.public", body={"type": "fanout", "durable": True})
    return "city.public"


def _delete_queue(city: City) -> str:
    city.api.delete("queues", city.vhost.name, "incentive.supervision.dead")
    return "incentive.supervision.dead"


def _declare_queue_otherwise(city: City) -> str:
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 3}
    city.api.delete("queues", city.vhost.name, "assessment.supervision")
    city.api.put("queues", city.vhost.name, "assessment.supervision", body={"durable": True, "arguments": arguments})
    return "assessment.supervision"


def _delete_binding(city: City) -> str:
    api = city.api
    path = ("bindings", city.vhost.name, "e", "city.events", "q", "assessment.supervision")
    bound = next(each for each in api.get(*path) if each["routing_key"] == "supervision.finding.#")
    api.delete(*path, bound["properties_key"])
    return "city.events --supervision.finding.#--> assessment.supervision"


def _bind_more(city: City) -> str:
    path = ("bindings", city.vhost.name, "e", "city.events", "q", "dept.finance-bureau.events")
    city.api.post(*path, body={"routing_key": "supervision.#", "arguments": {}})
    return "city.events --supervision.#--> dept.finance-bureau.events"


def _bind_an_exchange(city: City) -> str:
    path = ("bindings", city.vhost.name, "e", "city.events", "e", "amq.fanout")
    for arguments in ({"x": "y"}, {}):
        city.api.post(*path, body={"routing_key": "#", "arguments": arguments})
    return "city.events --#--> amq.fanout"


def _delete_user(city: City) -> str:
    city.api.delete("users", "dept-finance-bureau")
    return "dept-finance-bureau"


def _add_user(city: City) -> str:
    city.api.put("users", "dept-unknown", body={"password": "x", "tags": ""})
    rights = {"configure": "", "write": "", "read": ".*"}
    city.api.put("permissions", city.vhost.name, "dept-unknown", body=rights)
    return "dept-unknown"


def _give_tag(city: City) -> str:
    city.api.put("users", "svc-incentive-worker", body={"password": "x", "tags": "administrator,management"})
    return "svc-incentive-worker"


def _change_password(city: City) -> str:
    city.api.put("users", "dept-finance-bureau", body={"password": "another", "tags": ""})
    return "dept-finance-bureau"


def _lift_limits(city: City) -> str:
    city.api.delete("user-limits", "dept-finance-bureau", "max-connections")
    city.api.put("user-limits", "dept-finance-bureau", "max-channels", body={"value": 1000})
    return "dept-finance-bureau"


def _limit_a_worker(city: City) -> str:
    city.api.put("user-limits", "svc-assessment-worker", "max-connections", body={"value": 1})
    return "svc-assessment-worker"


def _widen_permission(city: City) -> str:
    rights = {"configure": "", "write": ".*", "read": ".*"}
    city.api.put("permissions", city.vhost.name, "svc-assessment-relay", body=rights)
    return "svc-assessment-relay"


def _take_permission(city: City) -> str:
    city.api.delete("permissions", city.vhost.name, "svc-assessment-worker")
    return "svc-assessment-worker"


def _take_topic_permission(city: City) -> str:
    # Without one, every key may be written.
    city.api.delete("topic-permissions", city.vhost.name, "svc-supervision-relay", "city.events")
    return "svc-supervision-relay"


def _add_topic_permission(city: City) -> str:
    rights = {"exchange": "city.public", "write": ".*", "read": ".*"}
    city.api.put("topic-permissions", city.vhost.name, "svc-supervision-relay", body=rights)
    return "svc-supervision-relay"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (_delete_exchange, DriftKind.EXCHANGE_MISSING),
        (_delete_queue, DriftKind.QUEUE_MISSING),
        (_delete_binding, DriftKind.BINDING_MISSING),
        (_bind_more, DriftKind.BINDING_EXTRA),
        (_bind_an_exchange, DriftKind.BINDING_EXTRA),
        (_delete_user, DriftKind.USER_MISSING),
        (_add_user, DriftKind.USER_EXTRA),
        (_give_tag, DriftKind.TAGS_DIFFER),
        (_change_password, DriftKind.PASSWORD_DIFFERS),
        (_lift_limits, DriftKind.LIMITS_DIFFER),
        (_limit_a_worker, DriftKind.LIMITS_DIFFER),
        (_widen_permission, DriftKind.PERMISSION_DIFFERS),
        (_take_permission, DriftKind.PERMISSION_DIFFERS),
        (_take_topic_permission, DriftKind.TOPIC_PERMISSION_DIFFERS),
        (_add_topic_permission, DriftKind.TOPIC_PERMISSION_DIFFERS),
    ],
)
def test_drift_is_found_and_mended(city: City, spoil: Callable[[City], str], kind: DriftKind) -> None:
    name = spoil(city)
    assert (kind, name) in {(drift.kind, drift.name) for drift in city.check()}
    outcome = city.apply(prune=True)
    assert (kind, name) in {(drift.kind, drift.name) for drift in outcome.done}
    assert outcome.left == ()


@pytest.mark.parametrize("spoil", [_bind_more, _add_user])
def test_extras_stay_unless_pruned(city: City, spoil: Callable[[City], str]) -> None:
    name = spoil(city)
    outcome = city.apply()
    assert outcome.done == ()
    assert [drift.name for drift in outcome.left] == [name]
    city.apply(prune=True)


@pytest.mark.parametrize(
    ("spoil", "kind", "where"),
    [
        (_declare_queue_otherwise, DriftKind.QUEUE_DIFFERS, "queues"),
        (_declare_exchange_otherwise, DriftKind.EXCHANGE_DIFFERS, "exchanges"),
    ],
)
def test_declared_otherwise_is_refused_and_nothing_is_done(
    city: City, spoil: Callable[[City], str], kind: DriftKind, where: str
) -> None:
    missing = _delete_queue(city)
    name = spoil(city)
    with pytest.raises(ChangeRefused, match="delete it, apply") as caught:
        city.apply(prune=True)
    assert [(drift.kind, drift.name) for drift in caught.value.drifts] == [(kind, name)]
    assert missing in {drift.name for drift in city.check()}
    city.api.delete(where, city.vhost.name, name)
    city.apply()


def test_what_is_not_ours_is_left_alone(city: City) -> None:
    vhost = city.vhost.name
    city.api.put("exchanges", vhost, "theirs", body={"type": "topic", "durable": True})
    city.api.put("queues", vhost, "theirs.queue", body={"durable": True, "arguments": {"x-queue-type": "classic"}})
    city.api.post("bindings", vhost, "e", "theirs", "q", "theirs.queue", body={"routing_key": "#", "arguments": {}})
    outcome = city.apply(prune=True)
    assert (outcome.done, outcome.left) == ((), ())
    assert city.api.get("bindings", vhost, "e", "theirs", "q", "theirs.queue")
    city.api.delete("queues", vhost, "theirs.queue")
    city.api.delete("exchanges", vhost, "theirs")


def test_strangers_with_rights_are_reported_and_left(city: City) -> None:
    api = city.api
    api.put("users", "somebody", body={"password": "x", "tags": ""})
    api.put("permissions", city.vhost.name, "somebody", body={"configure": "", "write": "", "read": ".*"})
    outcome = city.apply(prune=True)
    assert [(drift.kind, drift.name) for drift in outcome.left] == [(DriftKind.PERMISSION_EXTRA, "somebody")]
    api.delete("users", "somebody")


def test_policies_that_change_the_guarantees_are_reported(city: City) -> None:
    api = city.api
    for name, pattern, applies, definition in (
        ("ttl", "^assessment", "queues", {"message-ttl": 1000}),
        ("detour", ".*", "exchanges", {"alternate-exchange": "amq.fanout"}),
        ("elsewhere", "^other", "all", {"message-ttl": 1000}),
        ("harmless", ".*", "queues", {"queue-leader-locator": "balanced"}),
    ):
        body = {"pattern": pattern, "apply-to": applies, "definition": definition, "priority": 0}
        api.put("policies", city.vhost.name, name, body=body)
    found = city.apply().left
    for name in ("ttl", "detour", "elsewhere", "harmless"):
        api.delete("policies", city.vhost.name, name)
    assert {(drift.kind, drift.name) for drift in found} == {
        (DriftKind.POLICY_OVERRIDES, "ttl"),
        (DriftKind.POLICY_OVERRIDES, "detour"),
    }


def test_rotated_password_replaces_the_old_one(city: City) -> None:
    old = city.passwords["dept-finance-bureau"]
    city.passwords["dept-finance-bureau"] = "new"
    assert [drift.kind for drift in city.check()] == [DriftKind.PASSWORD_DIFFERS]
    assert [drift.kind for drift in city.apply().done] == [DriftKind.PASSWORD_DIFFERS]
    city.connect("dept-finance-bureau").close()
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(city.vhost.url_of("dept-finance-bureau", old)))


def test_department_loses_its_rights_after_its_last_day(city: City) -> None:
    consumer = city.channel("dept-finance-bureau")
    consumer.basic_consume("dept.finance-bureau.events", lambda *_: None)
    last_day, city.today = city.today, date(2037, 1, 1)
    try:
        assert {drift.name for drift in city.apply().done} == DEPARTMENTS
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
            consumer.connection.process_data_events(time_limit=10)
        again = city.channel("dept-finance-bureau")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            again.basic_consume("dept.finance-bureau.events", lambda *_: None)
        again.connection.close()
    finally:
        city.today = last_day
        city.apply()


def test_removed_user_of_another_virtual_host_keeps_that(module_broker: Broker, city: City) -> None:
    name, other = _add_user(city), module_broker.make_vhost()
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    city.api.put("permissions", other.name, name, body=everything)
    city.apply(prune=True)
    permissions = city.api.get("users", name, "permissions")
    assert [each["vhost"] for each in permissions] == [other.name]
    city.api.delete("users", name)
    module_broker.drop_vhost(other)


def test_relay_sees_with_the_monitor_which_bindings_are_missing(city: City) -> None:
    wanted = topology.load(city.folder, city.today).routes("supervision", "city.events")
    url = city.management_url("city-monitor")
    assert topology.missing_bindings(url, wanted, vhost=city.vhost.name) == []
    missing = _delete_binding(city)
    assert topology.missing_bindings(url, wanted, vhost=city.vhost.name) == [missing]
    city.apply()


def test_no_answer_is_an_error_without_the_password(city: City) -> None:
    with pytest.raises(ManagementError, match="no answer") as caught:
        topology.missing_bindings("http://city-monitor:hidden@127.0.0.1:9", [], vhost="city")
    assert "hidden" not in str(caught.value)


def test_message_returns_from_the_ladder_and_ends_in_the_dead_queue(city: City) -> None:
    worker = city.channel("svc-assessment-worker")
    worker.basic_publish("assessment.retry", "assessment.supervision.retry.1s", b"again", mandatory=True)
    admin = pika.BlockingConnection(pika.URLParameters(city.vhost.amqp_url)).channel()

    def rejected() -> bool:
        """Return it until the broker's own limit is reached."""
        method, _, _ = worker.basic_get("assessment.supervision")
        if method is not None:
            worker.basic_reject(method.delivery_tag, requeue=True)
        found = admin.basic_get("assessment.supervision.dead", auto_ack=True)
        return found[2] == b"again" and found[1].headers["x-first-death-reason"] == "expired"

    eventually(rejected, within=30, every=0.01, what="dead letter")
    admin.connection.close()
    worker.connection.close()

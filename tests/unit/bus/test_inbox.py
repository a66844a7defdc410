"""How the inbox reads a message: everything that is not exactly right is refused, with its reason."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybus import inbox
from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import Invalid
from citybus.inbox import Order, Subscription
from tests.support.inbound import make_event
from tests.support.stock import PACKED, subscription


def body(**changes: Any) -> bytes:
    """Return a good event with attributes replaced, or left out where the value is ..."""
    attributes = orjson.loads(make_event().to_json()) | changes
    return orjson.dumps({name: value for name, value in attributes.items() if value is not ...})


@pytest.mark.parametrize(
    "content_type", [CONTENT_TYPE, f"{CONTENT_TYPE}; charset=utf-8", "Application/CloudEvents+JSON"]
)
def test_event_is_read_with_its_data(content_type: str) -> None:
    of = subscription(Order.ANY)
    found = inbox.read(of, content_type, body(data={"weight": "3", "colour": "red"}))
    assert found.handler is of.handlers[PACKED]
    assert found.data == {"weight": 3}


@pytest.mark.parametrize(
    ("content_type", "message", "reason"),
    [
        (None, body(), "WRONG_CONTENT_TYPE"),
        ("", body(), "WRONG_CONTENT_TYPE"),
        ("application/json", body(), "WRONG_CONTENT_TYPE"),
        (CONTENT_TYPE, b"", "UNDECODABLE"),
        (CONTENT_TYPE, b"{", "UNDECODABLE"),
        (CONTENT_TYPE, b"\xff\xfe", "UNDECODABLE"),
        (CONTENT_TYPE, b"[" * 100_000, "UNDECODABLE"),
        (CONTENT_TYPE, b"[]", "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, b"1", "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(specversion="0.3"), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(id=...), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(id="42"), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(id="01A20A87-8B56-7663-8A50-7B052170FFCE"), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(sequence=0), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(sequence=2**63), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(subject="box/\0"), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(type="shop.box.\0"), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(data=None), "NOT_CLOUDEVENT"),
        (CONTENT_TYPE, body(data={}), "SCHEMA"),
        (CONTENT_TYPE, body(data={"weight": "heavy"}), "SCHEMA"),
        (CONTENT_TYPE, body(type="shop.crate.packed.v1"), "UNKNOWN_TYPE"),
    ],
)
@pytest.mark.parametrize("order", Order)
def test_what_is_not_right_is_refused_with_its_reason(
    order: Order, content_type: str | None, message: bytes, reason: str
) -> None:
    with pytest.raises(Invalid) as raised:
        inbox.read(subscription(order), content_type, message)
    assert raised.value.reason == reason


def test_refusal_names_fields_and_no_values() -> None:
    with pytest.raises(Invalid, match="SCHEMA: weight") as raised:
        inbox.read(subscription(Order.ANY), CONTENT_TYPE, body(data={"weight": "of 420200198001010011"}))
    assert "4202" not in str(raised.value)


@pytest.mark.parametrize(
    ("order", "event_type", "options", "passes"),
    [
        (Order.EVERY_STEP, "shop.box.labelled.v1", {}, True),
        (Order.EVERY_STEP, "shop.box.packed.v2", {}, True),
        (Order.EVERY_STEP, "shop.crate.packed.v1", {}, False),
        (Order.EVERY_STEP, "shop.crate.packed.v1", {"ignore_unknown": True}, True),
        (Order.NEWEST, "shop.box.labelled.v1", {}, False),
        (Order.NEWEST, "shop.box.packed.v2", {}, False),
        (Order.NEWEST, "shop.box.labelled.v1", {"ignore_unknown": True}, True),
        (Order.ANY, "shop.box.labelled.v1", {}, False),
        (Order.ANY, "shop.box.discarded.v0", {}, True),
        (Order.NEWEST, "shop.box.discarded.v0", {}, True),
    ],
)
def test_type_without_handler_passes_only_where_that_is_meant(
    order: Order, event_type: str, options: dict[str, Any], passes: bool
) -> None:
    of = subscription(order, **options)
    if passes:
        assert inbox.read(of, CONTENT_TYPE, body(type=event_type)).handler is None
    else:
        with pytest.raises(Invalid, match="UNKNOWN_TYPE"):
            inbox.read(of, CONTENT_TYPE, body(type=event_type))


@given(st.binary() | st.recursive(st.none() | st.integers(0, 9) | st.text("abc"), st.lists).map(orjson.dumps))
def test_no_bytes_whatever_do_more_than_be_refused(message: bytes) -> None:
    with pytest.raises(Invalid):
        inbox.read(subscription(Order.ANY), CONTENT_TYPE, message)


@given(
    st.dictionaries(
        st.sampled_from(["id", "type", "source", "subject", "time", "sequence", "data", "dataclass", "traceparent"]),
        st.none()
        | st.booleans()
        | st.integers(-1, 2**64 - 1)
        | st.text()
        | st.dictionaries(st.text(), st.integers(0, 9)),
        min_size=1,
    )
)
def test_no_attribute_whatever_does_more_than_be_refused(changes: dict[str, Any]) -> None:
    try:
        message = body(**changes)
    except TypeError:  # a lone surrogate has no JSON
        return
    try:
        found = inbox.read(subscription(Order.ANY, ignore_unknown=True), CONTENT_TYPE, message)
    except Invalid:
        return
    assert found.event.sequence < 2**63


def test_kind_is_service_and_subject() -> None:
    assert inbox.kind_of("supervision.finding.weight-changed.v1") == "supervision.finding"


def test_service_of_a_subscription_is_its_queues_owner() -> None:
    assert Subscription("stock.shop", Order.ANY, {}).service == "stock"


def test_stand_in_of_a_discarded_event_has_its_place_and_none_of_its_content() -> None:
    event = make_event("box/7", 4, causationid="c", rulepack="R@1", data={"weight": 1})
    stand_in = Event.from_json(inbox.tombstone(event))
    assert (stand_in.id, stand_in.subject, stand_in.sequence) == (event.id, "box/7", 4)
    assert stand_in.type == "shop.box.discarded.v0"
    assert stand_in.data == {}
    assert stand_in.rulepack is None

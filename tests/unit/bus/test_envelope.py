"""The envelope: CloudEvents 1.0 in structured JSON, read strictly, written as others can read it."""

import json
from datetime import datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from hypothesis import strategies as st

from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.errors import Invalid

EVENT = Event(
    id="01933d3c-0000-7000-8000-000000000001",
    type="toy.permit.approved.v1",
    source="/city/420200/toy",
    subject="permit/1",
    time=datetime(2024, 3, 4, 9, tzinfo=ZONE),
    dataschema="urn:city:schema:toy.permit.approved.v1",
    data={"permit": "1", "points": "2.0", "name": "甲"},
    sequence=3,
    correlationid="c",
    actor="officer",
    dataclass="L2",
)


def changed(**attributes: Any) -> bytes:
    read = json.loads(EVENT.to_json())
    for name, value in attributes.items():
        if value is None:
            read.pop(name, None)
        else:
            read[name] = value
    return json.dumps(read).encode()


def test_an_event_reads_back_as_it_was_written() -> None:
    assert Event.from_json(EVENT.to_json()) == EVENT


def test_the_cloudevents_library_reads_it() -> None:
    message = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=EVENT.to_json())
    read = from_structured_event(message)
    assert read.get_type() == EVENT.type
    assert read.get_subject() == "permit/1"
    assert read.get_data() == EVENT.data
    assert read.get_extension("sequence") == 3
    assert read.get_extension("dataclass") == "L2"


def test_unknown_attributes_are_ignored() -> None:
    assert Event.from_json(changed(later="x")) == EVENT


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "UNDECODABLE"),
        (b"\xff", "UNDECODABLE"),
        (b"[]", "NOT_CLOUDEVENT"),
        (changed(specversion="0.3"), "NOT_CLOUDEVENT"),
        (changed(id=None), "NOT_CLOUDEVENT"),
        (changed(subject=""), "NOT_CLOUDEVENT"),
        (changed(sequence="3"), "NOT_CLOUDEVENT"),
        (changed(sequence=True), "NOT_CLOUDEVENT"),
        (changed(sequence=0), "NOT_CLOUDEVENT"),
        (changed(data=[1]), "NOT_CLOUDEVENT"),
        (changed(dataclass="L5"), "NOT_CLOUDEVENT"),
        (changed(causationid=7), "NOT_CLOUDEVENT"),
        (changed(time="yesterday"), "NOT_CLOUDEVENT"),
        (changed(time="2024-03-04T09:00:00"), "NOT_CLOUDEVENT"),
    ],
)
def test_what_is_no_event_of_ours_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        Event.from_json(body)
    assert caught.value.reason == reason


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        Event.from_json(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values), st.integers(1, 2**60))
def test_any_data_survives_the_envelope(data: dict[str, Any], sequence: int) -> None:
    event = Event(**{**{name: getattr(EVENT, name) for name in EVENT.__slots__}, "data": data, "sequence": sequence})
    assert Event.from_json(event.to_json()) == event
